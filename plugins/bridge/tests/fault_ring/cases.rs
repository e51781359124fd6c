//! The configurations under which every call fails once.

/// A configuration, and what its IPAM plugin gives.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the configuration says beside name, type and version.
    pub(crate) keys: &'static str,
    pub(crate) v4: bool,
    pub(crate) v6: bool,
}

const V4: Case = Case { name: "", keys: "", v4: true, v6: false };
const V6: Case = Case { name: "", keys: "", v4: false, v6: true };
const DUAL: Case = Case { name: "", keys: "", v4: true, v6: true };
/// No ipam: layer 2.
const L2: Case = Case { name: "", keys: "", v4: false, v6: false };

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

impl Case {
    /// The configuration as a runtime sends it.
    pub(crate) fn conf(&self) -> String {
        let ipam = if self.v4 || self.v6 { r#", "ipam": {"type": "fake"}"# } else { "" };
        format!(r#"{{"cniVersion": "1.1.0", "name": "web", "type": "bridge", {}{ipam}}}"#, self.keys)
    }
}
