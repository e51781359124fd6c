//! The fake ring: every call of every verb fails once, the process dies at every call, verbs come again, two processes
//! meet, and each time what the attachment owns afterwards is what it owned before. The kernel is the one in memory;
//! nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use cni::Command;
use cnm::{Chained, Change, Intent, Kernel, LinkName, Place, PortFlags, Resource};
use fault_ring::{Adjusts, BEHIND_ANOTHER, Case, DUAL, Deed, ONE, Subject, check_names_every_deed, owner, worlds};
use firewall::Firewall;
use kernel_memory::Fault;

#[derive(Debug, Clone)]
struct Forwardings;

impl Subject for Forwardings {
    type Plugin = Adjusts<Firewall>;
    /// Every backend; the port made by us (what is accepted is the network's) and by others (it is the endpoint's).
    const CASES: &'static [Case] = &[
        Case { name: "nftables", keys: r#""backend": "nftables""#, ..DUAL },
        Case {
            name: "nftables, same-bridge, foreign",
            keys: r#""backend": "nftables", "ingressPolicy": "same-bridge""#,
            ..BEHIND_ANOTHER
        },
        Case { name: "iptables, isolated", keys: r#""backend": "iptables", "ingressPolicy": "isolated""#, ..DUAL },
        Case { name: "by itself, foreign", keys: r#""backend": """#, ..BEHIND_ANOTHER },
        Case { name: "by itself, isolated", keys: r#""ingressPolicy": "isolated""#, ..DUAL },
        Case { name: "firewalld", keys: r#""backend": "firewalld""#, ..DUAL },
    ];

    /// What the network shares. And the port is the bridge plugin's: its DEL takes the isolation along.
    fn stays(_case: &Case, line: &str) -> bool {
        line.starts_with("firewall of web ") || line.starts_with("host link veth")
    }
}

fault_ring::chained_rings!(Forwardings, interleaved: &["nftables", "iptables, isolated", "by itself, foreign"]);

const DEEDS: &[Deed<Forwardings>] = &[
    Deed {
        what: "what is accepted is removed",
        act: |world, result| {
            let plugin = world.plugin(Command::Check, ONE, true);
            let all = plugin.adjust(&owner(ONE), "", result.clone()).unwrap().endpoint;
            all.iter().any(|resource| match resource {
                Resource::Firewall(intent @ Intent::Forward(_)) => {
                    world.memory.firewall_state_mut().tamper(&owner(ONE), intent)
                }
                _ => false,
            })
        },
        said: "forward 10.1.0.",
    },
    Deed {
        what: "the port is isolated no more",
        act: |world, _| {
            let port = Change::Port(LinkName::Name(owner(ONE).host_link()), PortFlags::default());
            world.case().keys.contains("isolated") && world.memory.apply(Place::Host, &[port]).remove(0).is_ok()
        },
        said: "on the host is not isolated",
    },
];

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

#[test]
fn the_result_is_the_previous_one() {
    for (_, name, mut world) in worlds::<Forwardings>() {
        assert_eq!(world.add(ONE, Fault::Never).said.unwrap(), world.previous(ONE), "{name}");
    }
}

/// CHECK before ADD says so, and changes nothing, unless the neighbour shares what is asked for. A port's isolation is
/// shared with nobody.
#[test]
fn what_is_missing_is_drift() {
    for (_, name, mut world) in worlds::<Forwardings>() {
        let before = world.everything();
        let previous = world.previous(ONE);
        let said = world.check(ONE, &previous);
        let shared = before.iter().any(|line| line.starts_with("firewall of web ")) && !name.contains("isolated");
        assert_eq!(said.is_ok(), shared, "{name}: {said:?}");
        assert_eq!(world.everything(), before, "{name}");
    }
}
