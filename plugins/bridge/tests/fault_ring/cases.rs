//! The configurations under which every call fails once.

use fault_ring::{Case, DUAL, L2, V4, V6};

pub(crate) const CASES: &[Case] = &[
    Case { name: "v4", keys: r#""isGateway": true, "ipMasq": true"#, ..V4 },
    Case { name: "v4 default route", keys: r#""isDefaultGateway": true, "ipMasq": true, "mtu": 1400"#, ..V4 },
    Case { name: "v4 no gateway", keys: r#""hairpinMode": true"#, ..V4 },
    Case { name: "v4 iptables", keys: r#""isGateway": true, "ipMasq": true, "ipMasqBackend": "iptables""#, ..V4 },
    Case { name: "v6", keys: r#""isDefaultGateway": true, "ipMasq": true"#, ..V6 },
    Case { name: "v6 dad", keys: r#""isGateway": true, "enabledad": true"#, ..V6 },
    Case { name: "dual", keys: r#""isDefaultGateway": true, "ipMasq": true"#, ..DUAL },
    Case {
        name: "dual iptables",
        keys: r#""isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "iptables""#,
        ..DUAL
    },
    Case { name: "l2", keys: r#""promiscMode": true"#, ..L2 },
    Case { name: "l2 down", keys: r#""disableContainerInterface": true"#, ..L2 },
    Case { name: "l2 guarded", keys: r#""icc": false, "macspoofchk": true"#, ..L2 },
    Case { name: "internal", keys: r#""isDefaultGateway": true, "ipMasq": true, "internal": true"#, ..DUAL },
    Case { name: "no icc", keys: r#""isDefaultGateway": true, "ipMasq": true, "icc": false"#, ..V4 },
    Case { name: "spoof check", keys: r#""isGateway": true, "ipMasq": true, "macspoofchk": true"#, ..DUAL },
    Case { name: "isolated port", keys: r#""isGateway": true, "portIsolation": true, "hairpinMode": true"#, ..V4 },
    Case { name: "mac", keys: r#""isGateway": true, "args": {"cni": {"mac": "02:11:22:33:44:55"}}"#, ..V4 },
    Case { name: "force", keys: r#""isGateway": true, "forceAddress": true, "promiscMode": true"#, ..V4 },
    Case { name: "vlan", keys: r#""isGateway": true, "ipMasq": true, "vlan": 100"#, ..V4 },
    Case { name: "trunk", keys: r#""vlanTrunk": [{"minID": 10, "maxID": 20}, {"id": 30}]"#, ..L2 },
    Case {
        name: "everything",
        keys: r#""isDefaultGateway": true, "ipMasq": true, "icc": false, "macspoofchk": true, "hairpinMode": true,
                 "enabledad": true, "vlan": 5, "preserveDefaultVlan": true, "mtu": 1300"#,
        ..DUAL
    },
];
