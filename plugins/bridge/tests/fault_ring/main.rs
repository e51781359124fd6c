//! The fake ring: every call of every verb fails once, the process dies at every call, two processes meet at every call,
//! and each time the state afterwards is the state before. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod cases;
mod collecting;
mod tampering;

use bridge::Bridge;
use cnm::Owner;
use fault_ring::{Attaches, Case, Subject};

#[derive(Debug, Clone)]
struct Bridges;

type World = fault_ring::World<Bridges>;

impl Subject for Bridges {
    type Plugin = Attaches<Bridge>;
    const CASES: &'static [Case] = cases::CASES;

    fn stays(case: &Case, line: &str) -> bool {
        let gateway = Owner::new("cni0", "gateway", gateway_device(case)).host_link();
        line.starts_with("host link cni0")
            || line.starts_with(&format!("host link {gateway}"))
            || (line.starts_with("host ") && (line.ends_with(" on cni0") || line.contains(" on cni0.")))
            || line.starts_with("host sysctl net/ipv6/conf/cni0")
            || (line.starts_with("host sysctl") && line.ends_with("/forwarding = 1"))
    }
}

/// The device that stands for the gateway in a VLAN.
fn gateway_device(case: &Case) -> String {
    let vlan = ["100", "5"].into_iter().find(|vlan| case.keys.contains(&format!("\"vlan\": {vlan}")));
    format!("cni0.{}", vlan.unwrap_or_default())
}

fault_ring::rings!(Bridges, interleaved: &["dual", "dual iptables", "l2 guarded", "spoof check"]);
