//! The fake ring: every call of every verb fails once, the process dies at every call, verbs come again, two processes
//! meet, and each time what the attachment owns afterwards is what it owned before. The kernel is the one in memory;
//! nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use cni::{AddResult, Command};
use cnm::{Chained, Kernel, Place, Resource};
use fault_ring::{Adjusts, Case, DUAL, Deed, ONE, Subject, check_names_every_deed, owner, worlds};
use kernel_memory::Fault;
use portmap::Portmap;

#[derive(Debug, Clone)]
struct Ports;

type World = fault_ring::World<Ports>;

impl Subject for Ports {
    type Plugin = Adjusts<Portmap>;
    /// Every backend.
    const CASES: &'static [Case] = &[
        Case { name: "nftables", keys: r#""backend": "nftables""#, ..DUAL },
        Case { name: "iptables", keys: r#""backend": "iptables""#, ..DUAL },
        Case { name: "no snat", keys: r#""snat": false"#, ..DUAL },
    ];

    /// Two ports, whose numbers end with the container's.
    fn asked(number: u8) -> String {
        format!(
            r#""runtimeConfig": {{"portMappings": [
                {{"hostPort": 800{number}, "containerPort": 80, "protocol": "tcp"}},
                {{"hostPort": 900{number}, "containerPort": 53, "protocol": "udp", "hostIP": "192.0.2.1"}}]}}"#
        )
    }

    /// The bridge's, by which 127.0.0.1 answers.
    fn stays(_case: &Case, line: &str) -> bool {
        line.contains("route_localnet")
    }
}

fault_ring::chained_rings!(Ports, interleaved: &["nftables", "iptables"]);

fn forget(world: &mut World, result: &AddResult, v6: bool) -> bool {
    let plugin = world.plugin(Command::Check, ONE, true);
    let all = plugin.adjust(&owner(ONE), "", result.clone()).unwrap().endpoint;
    all.iter().any(|resource| match resource {
        Resource::Firewall(intent @ cnm::Intent::Publish(published)) if published.target.addr().is_ipv6() == v6 => {
            world.memory.firewall_state_mut().tamper(&owner(ONE), intent)
        }
        _ => false,
    })
}

const DEEDS: &[Deed<Ports>] = &[
    Deed {
        what: "the ports of IPv4 are taken away",
        act: |world, result| forget(world, result, false),
        said: "to 10.1.0.",
    },
    Deed {
        what: "the ports of IPv6 are taken away",
        act: |world, result| forget(world, result, true),
        said: "to fd00:1::",
    },
    Deed {
        what: "the bridge's variable is reset",
        act: |world, _| {
            !world.case().keys.contains("snat")
                && world.memory.set_sysctl(Place::Host, "net/ipv4/conf/cni0/route_localnet", "0").is_ok()
        },
        said: "sysctl net/ipv4/conf/cni0/route_localnet on the host is 0, not 1",
    },
];

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

#[test]
fn the_result_is_the_previous_one() {
    for (_, name, mut world) in worlds::<Ports>() {
        assert_eq!(world.add(ONE, Fault::Never).said.unwrap(), world.previous(ONE), "{name}");
    }
}

/// CHECK before ADD says so, and changes nothing.
#[test]
fn what_is_missing_is_drift() {
    for (_, name, mut world) in worlds::<Ports>() {
        let (before, previous) = (world.everything(), world.previous(ONE));
        assert!(world.check(ONE, &previous).is_err(), "{name}");
        assert_eq!(world.everything(), before, "{name}");
    }
}

/// Another container with the same ports is refused, and the first keeps them.
#[test]
fn a_taken_port_stays_whose_it_is() {
    for (_, name, mut world) in worlds::<Ports>() {
        world.add(ONE, Fault::Never).said.unwrap();
        let asked_by_one = world.plugin(Command::Check, ONE, true);
        world.add_sandbox("two");
        let whole = world.everything();
        let (two, previous) = (owner("two"), world.previous("two"));
        let refused = lifecycle::adjust(&*asked_by_one, &mut world.memory, &two, "/run/netns/two", previous);
        world.memory.unlock();
        let refused = refused.unwrap_err();
        assert!(refused.msg.contains("container one"), "{name}: {refused}");
        assert_eq!(world.everything(), whole, "{name}");
    }
}
