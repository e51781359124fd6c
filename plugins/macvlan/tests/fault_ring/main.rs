//! The fake ring: every call of every verb fails once, the process dies at every call, two processes meet at every call,
//! and each time the state afterwards is the state before. Nothing of a macvlan network stays: what it makes goes with
//! the last endpoint. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod tampering;

use cnm::{Address, Change, Kernel, LinkName, Mac, Place, Route};
use fault_ring::{Attaches, Case, DUAL, L2, Subject, V4, V6};
use kernel_memory::Memory;
use macvlan::Macvlan;

#[derive(Debug, Clone)]
struct Macvlans;

type World = fault_ring::World<Macvlans>;

const CASES: &[Case] = &[
    Case { name: "v4", keys: r#""mode": "bridge""#, ..V4 },
    Case { name: "v6", keys: r#""master": "up0", "mode": "private""#, ..V6 },
    Case { name: "l2", keys: r#""master": "up0", "mode": "vepa", "mtu": 1400"#, ..L2 },
    Case { name: "vlan", keys: r#""master": "up0.10", "mtu": 1300"#, ..DUAL },
    Case { name: "internal", keys: r#""internal": true"#, ..V4 },
    Case { name: "access", keys: r#""hostAccess": true, "hostAddress": ["10.1.0.253", "fd00:1::253"]"#, ..DUAL },
    Case { name: "internal access", keys: r#""internal": true, "hostAccess": true"#, ..DUAL },
    Case {
        name: "everything",
        keys: r#""parent": "up0.4000", "hostAccess": true, "hostAddress": "10.1.0.253", "bcqueuelen": 2000, "mtu": 1400"#,
        ..DUAL
    },
];

impl Subject for Macvlans {
    type Plugin = Attaches<Macvlan>;
    const CASES: &'static [Case] = CASES;

    /// An uplink with the default route.
    fn furnish(memory: &mut Memory) {
        let link = memory.add_hardware(Place::Host, "up0", Mac([2, 0, 0, 0, 1, 1]));
        let (up0, net) = (LinkName::Index(link), "10.1.0.254/24".parse().unwrap());
        let (dst, gateway) = ("0.0.0.0/0".parse().unwrap(), Some("10.1.0.1".parse().unwrap()));
        let route = Route { dst, gateway, link, priority: 0, table: None, scope: None, mtu: 0, advmss: 0 };
        let address = Change::AddAddress(up0.clone(), Address { net, nodad: true });
        let changes = [address, Change::Up(up0, true), Change::AddRoute(route)];
        memory.apply(Place::Host, &changes).into_iter().collect::<Result<(), _>>().unwrap();
    }

    fn stays(_case: &Case, _line: &str) -> bool {
        false
    }
}

fault_ring::rings!(Macvlans, interleaved: &["v4", "vlan", "internal access", "everything"]);
