//! The fake ring: every call of every verb fails once, the process dies at every call, two processes meet at every call,
//! and each time the state afterwards is the state before. Nothing of an overlay stays but forwarding: bridge, VXLAN,
//! entries and rules go with the last endpoint. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod tampering;

use cnm::{Address, Change, Kernel, LinkName, Mac, Place};
use fault_ring::{Attaches, Case, DUAL, L2, Subject, V4, V6};
use kernel_memory::Memory;
use vxlan_overlay::Overlay;

#[derive(Debug, Clone)]
struct Overlays;

type World = fault_ring::World<Overlays>;

const CASES: &[Case] = &[
    Case {
        name: "peers",
        keys: r#""vni": 42, "underlay": "up0", "peers": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
                 "isDefaultGateway": true, "ipMasq": true"#,
        ..V4
    },
    Case {
        name: "peers by IPv6",
        keys: r#""vni": 42, "underlay": "2001:db8::1", "peers": ["2001:db8::2"], "isGateway": true"#,
        ..V6
    },
    Case { name: "alone, layer 2", keys: r#""vni": 42, "local": "192.0.2.1""#, ..L2 },
    Case { name: "group", keys: r#""vni": 42, "underlay": "up0", "group": "239.1.1.1", "icc": false"#, ..V4 },
    Case {
        name: "known",
        keys: r#""vni": 42, "underlay": "up0", "isDefaultGateway": true, "ipMasq": true, "internal": true,
                 "fdb": [{"mac": "02:00:00:00:09:01", "vtep": "192.0.2.2"}, {"mac": "02:00:00:00:09:02", "vtep": "192.0.2.1"}],
                 "neighbours": [{"ip": "10.1.0.91", "mac": "02:00:00:00:09:01"}, {"ip": "10.1.0.92", "mac": "02:00:00:00:09:02"}]"#,
        ..DUAL
    },
    Case {
        name: "everything",
        keys: r#""vni": 7, "port": 8472, "bridge": "br-blue", "underlay": "up0", "peers": ["192.0.2.2"], "mtu": 1300,
                 "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "iptables", "macspoofchk": true,
                 "hairpinMode": true, "portIsolation": true"#,
        ..DUAL
    },
];

impl Subject for Overlays {
    type Plugin = Attaches<Overlay>;
    const CASES: &'static [Case] = CASES;

    /// An uplink with an address of each family.
    fn furnish(memory: &mut Memory) {
        memory.add_hardware(Place::Host, "up0", Mac([2, 0, 0, 0, 1, 1]));
        let up0 = LinkName::Name("up0".into());
        let address = |net: &str| Change::AddAddress(up0.clone(), Address { net: net.parse().unwrap(), nodad: true });
        let changes = [address("192.0.2.1/24"), address("2001:db8::1/64"), Change::Up(up0.clone(), true)];
        memory.apply(Place::Host, &changes).into_iter().collect::<Result<(), _>>().unwrap();
    }

    fn stays(_case: &Case, line: &str) -> bool {
        line.starts_with("host sysctl") && line.ends_with("/forwarding = 1")
    }
}

fault_ring::rings!(Overlays, interleaved: &["peers", "known"]);
