//! Our tables: what is in them, what is left, who may touch what.

use std::sync::{Arc, Barrier};
use std::thread;

use cnm::{Backend, Firewall, Intent, Owner, OwnerTag};
use kernel::HostFirewall;

use crate::world::{alone, guard, masquerade, owner, ruleset, run, spoof};

fn all_intents(last: u8) -> Vec<Intent> {
    vec![
        masquerade(&format!("10.1.2.{last}/24"), Backend::Nftables),
        masquerade(&format!("fd00:1::{last:x}/64"), Backend::Nftables),
        guard("cni0", true, false),
        spoof(&format!("veth{last}"), &format!("02:00:00:00:00:{last:02x}")),
    ]
}

#[test]
fn the_ruleset_is_the_one_in_the_book_and_nft_can_load_its_own_listing() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("c0ffee"), &all_intents(3)).unwrap();
        let listed = ruleset();
        assert_eq!(listed, include_str!("ruleset.nft"), "\n{listed}");
        std::fs::write("/run/listed.nft", &listed).unwrap();
        run("nft flush ruleset && nft -f /run/listed.nft");
        assert_eq!(ruleset(), listed);
        assert_eq!(firewall.drift(&owner("c0ffee"), &all_intents(3)).unwrap(), Vec::<String>::new());
        firewall.remove(&owner("c0ffee"), Some(&all_intents(3))).unwrap();
        assert_eq!(ruleset(), include_str!("empty.nft"), "\n{}", ruleset());
    });
}

#[test]
fn nothing_remains_and_installing_twice_is_once() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("first"), &all_intents(9)).unwrap();
        firewall.remove(&owner("first"), None).unwrap();
        let empty = ruleset();
        assert_eq!(empty, include_str!("empty.nft"), "\n{empty}");
        for known in [true, false] {
            firewall.install(&owner("a"), &all_intents(3)).unwrap();
            let once = ruleset();
            firewall.install(&owner("a"), &all_intents(3)).unwrap();
            assert_eq!(ruleset(), once);
            firewall.install(&owner("b"), &all_intents(4)).unwrap();
            let (a, b) = (all_intents(3), all_intents(4));
            firewall.remove(&owner("b"), known.then_some(&b)).unwrap();
            assert_eq!(ruleset(), once);
            firewall.remove(&owner("a"), known.then_some(&a)).unwrap();
            assert_eq!(ruleset(), empty);
            firewall.remove(&owner("a"), known.then_some(&a)).unwrap();
        }
    });
}

#[test]
fn another_owner_is_named_and_left_alone() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        let before = ruleset();
        let error = firewall.install(&owner("b"), &all_intents(3)).unwrap_err().to_string();
        assert!(
            error.starts_with("add element cni0 . 10.1.2.3 to map masq4 of table inet cnm: File exists")
                && error.contains("id: a")
                && error.contains("id: b"),
            "{error}"
        );
        firewall.remove(&owner("b"), Some(&all_intents(3))).unwrap();
        firewall.remove(&owner("b"), None).unwrap();
        assert_eq!(ruleset(), before);
        // The same address behind another bridge is another key.
        let other = Intent::Masquerade {
            device: "cni1".into(),
            address: "10.1.2.3/24".parse().unwrap(),
            backend: Backend::Nftables,
        };
        firewall.install(&owner("b"), &[other]).unwrap();
    });
}

#[test]
fn two_guards_on_one_bridge_are_an_error_that_names_both() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[guard("cni0", true, false)]).unwrap();
        let before = ruleset();
        let other = Owner::new("other", "b", "eth0");
        let error = firewall.install(&other, &[guard("cni0", false, true)]).unwrap_err().to_string();
        assert!(error.contains("isolated-cni0") && error.contains("internal-cni0"), "{error}");
        firewall.remove(&other, Some(&[guard("cni0", false, true)])).unwrap();
        assert_eq!(ruleset(), before);
        // A removal that knows an outdated configuration still finds the membership by its tag.
        firewall.remove(&owner("a"), Some(&[])).unwrap();
        assert!(!ruleset().contains("internal-cni0"), "{}", ruleset());
    });
}

#[test]
fn a_changed_prefix_moves_the_element_to_its_new_chain() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[masquerade("10.1.2.3/24", Backend::Nftables)]).unwrap();
        let wider = [masquerade("10.1.2.3/16", Backend::Nftables)];
        assert_eq!(
            firewall.drift(&owner("a"), &wider).unwrap(),
            [
                "chain outside-10.1.0.0/16 of table inet cnm is missing",
                "element cni0 . 10.1.2.3 of map masq4 of table inet cnm leads to outside-10.1.2.0/24, not outside-10.1.0.0/16",
            ]
        );
        firewall.install(&owner("a"), &wider).unwrap();
        assert!(ruleset().contains(": goto outside-10.1.0.0/16"), "{}", ruleset());
        firewall.remove(&owner("a"), Some(&wider)).unwrap();
        firewall.collect("web", &|_| true).unwrap();
        assert!(!ruleset().contains("outside-"), "{}", ruleset());
    });
}

#[test]
fn drift_names_what_somebody_has_deleted() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        run("nft delete element inet cnm masq4 '{ cni0 . 10.1.2.3 }'");
        run("nft flush chain inet cnm internal-cni0");
        run("nft delete element bridge cnm ports '{ veth3 }'");
        run("nft delete element inet cnm guard_in '{ cni0 }'");
        let drift = firewall.drift(&owner("a"), &all_intents(3)).unwrap();
        assert_eq!(
            drift,
            [
                "chain internal-cni0 of table inet cnm has lost rules",
                "element cni0 of map guard_in of table inet cnm is missing",
                "element veth3 of set ports of table bridge cnm is missing",
                "element cni0 . 10.1.2.3 of map masq4 of table inet cnm is missing",
            ]
        );
        firewall.remove(&owner("a"), Some(&all_intents(3))).unwrap();
        run("nft flush ruleset");
        assert_eq!(firewall.drift(&owner("a"), &all_intents(3)).unwrap().len(), 13);
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        assert_eq!(ruleset().replace("id: a", "id: c0ffee").len(), include_str!("ruleset.nft").len());
    });
}

#[test]
fn garbage_collection_keeps_the_valid_and_other_networks() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        for last in 3..=9 {
            firewall.install(&owner(&format!("c{last}")), &all_intents(last)).unwrap();
        }
        let other = Owner::new("other", "x", "eth0");
        firewall.install(&other, &[masquerade("10.1.2.99/24", Backend::Nftables)]).unwrap();
        let valid: OwnerTag = owner("c5").tag();
        firewall.collect("web", &|tag| *tag == valid).unwrap();
        let listed = ruleset();
        assert!(listed.contains("10.1.2.5 ") && listed.contains("10.1.2.99 ") && listed.contains("internal-cni0"));
        assert_eq!(listed.matches("net: web").count(), 5, "{listed}");
        firewall.collect("web", &|_| false).unwrap();
        firewall.collect("other", &|_| false).unwrap();
        assert_eq!(ruleset(), include_str!("empty.nft"));
        // A chain without a user, as a killed DEL leaves it.
        run("nft 'add chain inet cnm outside-10.9.0.0/16; add rule inet cnm outside-10.9.0.0/16 masquerade'");
        firewall.collect("web", &|_| true).unwrap();
        assert_eq!(ruleset(), include_str!("empty.nft"));
        // Chains of others are not ours, whatever they are called.
        run("nft 'add chain inet cnm mine'");
        firewall.collect("web", &|_| true).unwrap();
        assert!(ruleset().contains("chain mine"));
    });
}

/// Sixteen attach and detach in disorder; nobody ever loses what it has, and at the end nothing remains.
#[test]
fn sixteen_at_once() {
    alone(|| {
        HostFirewall::default().install(&owner("first"), &all_intents(200)).unwrap();
        HostFirewall::default().remove(&owner("first"), None).unwrap();
        let start = Arc::new(Barrier::new(16));
        let threads: Vec<_> = (0..16u8)
            .map(|number| {
                let start = Arc::clone(&start);
                // A thread begins in the namespaces of the one that starts it.
                thread::spawn(move || {
                    let mut firewall = HostFirewall::default();
                    let (me, intents) = (owner(&format!("c{number}")), all_intents(number + 1));
                    start.wait();
                    for round in 0..40u8 {
                        firewall.install(&me, &intents).unwrap();
                        let drift = firewall.drift(&me, &intents).unwrap();
                        assert_eq!(drift, Vec::<String>::new(), "thread {number}, round {round}");
                        let known = (round + number) % 5 != 0;
                        firewall.remove(&me, known.then_some(&intents)).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(ruleset(), include_str!("empty.nft"), "\n{}", ruleset());
    });
}

#[test]
fn devices_and_ids_of_every_kind() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("first"), &all_intents(9)).unwrap();
        firewall.remove(&owner("first"), None).unwrap();
        let long = Owner::new("a".repeat(60), "x".repeat(255), "eth0");
        let intents = [
            guard("br@%\u{e9}", true, true),
            spoof("a-name-15-bytes", "02:00:00:00:00:01"),
            Intent::Masquerade {
                device: "br@%\u{e9}".into(),
                address: "0.0.0.0/0".parse().unwrap(),
                backend: Backend::Nftables,
            },
        ];
        firewall.install(&long, &intents).unwrap();
        std::fs::write("/run/listed.nft", ruleset()).unwrap();
        run("nft -c -f /run/listed.nft");
        assert_eq!(firewall.drift(&long, &intents).unwrap(), Vec::<String>::new());
        firewall.remove(&long, Some(&intents)).unwrap();
        assert_eq!(ruleset(), include_str!("empty.nft"));
    });
}

#[test]
fn nftables_is_preferred() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        assert_eq!(firewall.preferred(), Backend::Nftables);
        firewall.usable(Backend::Nftables).unwrap();
        firewall.usable(Backend::Iptables).unwrap();
        assert_eq!(ruleset(), "", "asking installs nothing");
    });
}

/// Attachments come and go in any order, with two networks, several subnets and bridges, with and without knowledge:
/// who is there is there whole, and after the last the ruleset is the first again.
#[test]
fn any_order_leaves_what_was_before() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("first"), &all_intents(200)).unwrap();
        firewall.remove(&owner("first"), None).unwrap();
        let before = ruleset();
        let mut present = [false; 12];
        // A linear congruence (Knuth's MMIX): the same sequence in every run.
        let mut state = 42u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..600 {
            let who = random(present.len());
            let (me, intents) = somebody(who);
            if present[who] && random(3) > 0 {
                firewall.remove(&me, (random(4) > 0).then_some(&intents)).unwrap();
                present[who] = false;
            } else {
                firewall.install(&me, &intents).unwrap();
                present[who] = true;
            }
            for (who, present) in present.iter().enumerate() {
                let (other, intents) = somebody(who);
                assert_eq!(firewall.drift(&other, &intents).unwrap().is_empty(), *present, "{other:?}");
            }
        }
        for who in 0..present.len() {
            let (me, intents) = somebody(who);
            firewall.remove(&me, Some(&intents)).unwrap();
        }
        assert_eq!(ruleset(), before);
    });
}

/// One of twelve attachments: two networks on two bridges, three subnets, every second with guard and address check.
fn somebody(who: usize) -> (Owner, Vec<Intent>) {
    let (network, device) = [("web", "cni0"), ("db", "cni1")][who % 2];
    let subnet = who % 3;
    let mut intents = vec![Intent::Masquerade {
        device: device.into(),
        address: format!("10.1.{subnet}.{who}/24").parse().unwrap(),
        backend: Backend::Nftables,
    }];
    if who % 4 < 2 {
        intents.push(guard(device, who.is_multiple_of(2), true));
        intents.push(spoof(&format!("veth{who}"), &format!("02:00:00:00:00:{who:02x}")));
    }
    (Owner::new(network, format!("c{who}"), "eth0"), intents)
}
