//! What networks share with each other: bridges, subnets, guards; and what is left when one of them goes.

use cnm::{Firewall, Intent, Owner, OwnerTag};
use kernel::HostFirewall;

use crate::world::{EMPTY, all_intents, alone, attempt, bases, guard, masquerade_on, owner, ruleset, run};

fn of(network: &str) -> Owner {
    Owner::new(network, "c1", "eth0")
}

fn intact(firewall: &mut HostFirewall, network: &str, intents: &[Intent]) {
    assert_eq!(firewall.drift(&of(network), intents).unwrap(), Vec::<String>::new(), "{}", ruleset());
}

#[test]
fn two_networks_on_one_bridge_and_subnet_keep_the_rules_until_both_are_gone() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let shared = &all_intents(3)[..3];
        for (first, second) in [("web", "db"), ("db", "web")] {
            firewall.install(&of("web"), shared).unwrap();
            let one = ruleset();
            firewall.install(&of("db"), shared).unwrap();
            let both = ruleset();
            assert_eq!(both.lines().count(), one.lines().count() + 3, "a member for each chain, nothing else:\n{both}");
            firewall.release("absent").unwrap();
            assert_eq!(ruleset(), both);
            firewall.release(first).unwrap();
            let other = if first == "web" { "db" } else { "web" };
            intact(&mut firewall, other, shared);
            assert!(!ruleset().contains(&format!("net: {first}")));
            firewall.release(second).unwrap();
            assert_eq!(ruleset(), EMPTY);
        }
    });
}

#[test]
fn two_subnets_on_one_device_and_one_on_two_devices() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let web = [masquerade_on("cni0", "10.1.2.3/24"), masquerade_on("cni0", "10.1.3.3/24")];
        let db = [masquerade_on("cni0", "10.1.3.9/24"), masquerade_on("cni0", "fd00::9/64")];
        let far = [masquerade_on("cni1", "10.1.2.3/24"), masquerade_on("cni1", "10.0.0.3/8")];
        firewall.install(&of("web"), &web).unwrap();
        firewall.install(&of("db"), &db).unwrap();
        firewall.install(&of("far"), &far[..1]).unwrap();
        for (network, intents) in [("web", &web[..]), ("db", &db), ("far", &far[..1])] {
            intact(&mut firewall, network, intents);
        }
        assert_eq!(ruleset().matches("chain outside-").count(), 4);
        firewall.release("web").unwrap();
        let left = ruleset();
        assert!(!left.contains("outside-cni0-10.1.2.0/24") && left.contains("outside-cni1-10.1.2.0/24"), "{left}");
        intact(&mut firewall, "db", &db);
        intact(&mut firewall, "far", &far[..1]);
        firewall.release("far").unwrap();
        intact(&mut firewall, "db", &db);
        firewall.release("db").unwrap();
        assert_eq!(ruleset(), EMPTY);
    });
}

#[test]
fn overlapping_subnets_on_one_device_are_an_error_that_names_both() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        // The kernel refuses the first and the third by itself, in other words, and lets the second pass.
        let cases = [
            ("10.1.0.0/24", "10.1.0.0/16"),
            ("10.1.2.0/24", "10.1.0.0/16"),
            ("10.1.255.0/24", "10.1.0.0/16"),
            ("10.1.0.0/16", "10.1.0.0/24"),
            ("10.1.0.0/16", "10.1.2.0/24"),
            ("10.1.0.0/16", "10.1.255.0/24"),
            ("10.1.2.3/32", "0.0.0.0/0"),
            ("0.0.0.0/0", "10.1.2.3/32"),
            ("fd00:1:2::/64", "fd00:1::/32"),
            ("fd00:1::/32", "fd00:1:2::/64"),
        ];
        for (first, second) in cases {
            firewall.install(&of("web"), &[masquerade_on("cni0", first)]).unwrap();
            let before = ruleset();
            for network in ["db", "web"] {
                let error = firewall.install(&of(network), &[masquerade_on("cni0", second)]).unwrap_err().to_string();
                let name = |subnet: &str| format!("outside-cni0-{}", subnet.replace(':', "_"));
                assert!(
                    error.starts_with(&format!("masquerade by chain {}: File exists", name(second)))
                        && error.contains(&format!("chain {} of web overlaps", name(first)))
                        && error.contains("bridge or a subnet of its own"),
                    "{error}"
                );
                assert_eq!(ruleset(), before);
            }
            let away = [masquerade_on("cni1", second)];
            firewall.install(&of("db"), &away).unwrap();
            intact(&mut firewall, "db", &away);
            firewall.release("db").unwrap();
            firewall.release("web").unwrap();
            let both = [masquerade_on("cni0", first), masquerade_on("cni0", second)];
            let error = firewall.install(&of("web"), &both).unwrap_err().to_string();
            assert!(error.contains("of nobody overlaps"), "{error}");
            assert_eq!(ruleset(), EMPTY);
            firewall.install(&of("web"), &both[1..]).unwrap();
            firewall.release("web").unwrap();
        }
    });
}

#[test]
fn two_guards_on_one_bridge_are_an_error_that_names_both() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        firewall.install(&of("web"), &[guard("cni0", true, false)]).unwrap();
        let before = ruleset();
        let other = [guard("cni0", false, true), masquerade_on("cni0", "10.1.2.3/24")];
        for network in ["db", "web"] {
            let error = firewall.install(&of(network), &other).unwrap_err().to_string();
            assert!(
                error.starts_with("guard cni0 by chain isolated-cni0: File exists")
                    && error.contains("guarded by chain internal-cni0 for web"),
                "{error}"
            );
            firewall.remove(&of(network), Some(&other)).unwrap();
            assert_eq!(ruleset(), before);
        }
        firewall.install(&of("db"), &other[1..]).unwrap();
        firewall.release("web").unwrap();
        assert!(!ruleset().contains("internal-cni0"), "{}", ruleset());
        firewall.install(&of("db"), &other).unwrap();
        intact(&mut firewall, "db", &other);
        firewall.release("db").unwrap();
        assert_eq!(ruleset(), EMPTY);
    });
}

#[test]
fn garbage_collection_keeps_the_valid_and_other_networks() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        for last in 3..=200 {
            firewall.install(&owner(&format!("c{last}")), &all_intents(last)).unwrap();
        }
        firewall.install(&of("other"), &all_intents(201)).unwrap();
        let valid: OwnerTag = owner("c5").tag();
        firewall.collect("web", &|tag| *tag == valid).unwrap();
        let listed = ruleset();
        assert_eq!(listed.matches("net: web, if:").count(), 2, "{listed}");
        assert_eq!(listed.matches("net: web\"").count(), 3, "what is shared waits for release: {listed}");
        intact(&mut firewall, "other", &all_intents(201));
        assert_eq!(firewall.drift(&owner("c5"), &all_intents(5)).unwrap(), Vec::<String>::new());
        firewall.collect("web", &|_| false).unwrap();
        firewall.release("web").unwrap();
        intact(&mut firewall, "other", &all_intents(201));
        firewall.collect("other", &|_| false).unwrap();
        firewall.release("other").unwrap();
        assert_eq!(ruleset(), EMPTY);
        // Chains of others are not ours, whatever they are called.
        run("nft 'add chain inet cnm mine'");
        firewall.collect("web", &|_| true).unwrap();
        assert!(ruleset().contains("chain mine"));
    });
}

/// More than fits one transaction.
#[test]
fn a_network_of_many_subnets_goes_whole() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let subnets = |third| (0..150).map(move |last| masquerade_on("cni0", &format!("10.1.{third}.{last}/32")));
        for third in 0..2 {
            firewall.install(&of("web"), &subnets(third).collect::<Vec<_>>()).unwrap();
        }
        let kept: Vec<Intent> = subnets(1).collect();
        firewall.install(&of("db"), &kept).unwrap();
        firewall.release("web").unwrap();
        assert_eq!(ruleset().matches("chain outside-").count(), 150);
        intact(&mut firewall, "db", &kept);
        // Somebody takes all members away: nobody is known to use the chains any more.
        run("nft flush map inet cnm masq_members");
        firewall.collect("other", &|_| true).unwrap();
        assert_eq!(ruleset(), EMPTY);
    });
}

/// Rules that somebody has added or flushed change the kernel's count of a chain's uses, not who its members are.
#[test]
fn a_chain_that_was_meddled_with_is_released_like_any_other() {
    let meddling = [
        "nft flush chain inet cnm outside-cni0-10.1.2.0/24",
        "nft add rule inet cnm outside-cni0-10.1.2.0/24 counter",
        "nft flush map inet cnm masq4",
        "nft delete element inet cnm masq4 '{ cni0 . 10.1.2.0/24 }'; nft add element inet cnm masq4 '{ cni0 . 10.1.2.0/24 : drop }'",
    ];
    for (at, meddling) in meddling.into_iter().enumerate() {
        alone(move || {
            bases();
            let mut firewall = HostFirewall::default();
            let intents = [masquerade_on("cni0", "10.1.2.3/24")];
            for network in ["web", "db"] {
                firewall.install(&of(network), &intents).unwrap();
            }
            run(meddling);
            firewall.release("web").unwrap();
            let left = ruleset();
            assert!(left.contains("net: db") && left.contains("chain outside-cni0-10.1.2.0/24"), "{left}");
            firewall.release("db").unwrap();
            // An element that is not ours is not ours to delete.
            let expected = if at == 3 {
                ruleset().replace("\t\telements = { \"cni0\" . 10.1.2.0/24 : drop }\n", "")
            } else {
                ruleset()
            };
            assert_eq!(expected, EMPTY, "{meddling}");
        });
    }
}

/// A rule of somebody else that leads to our chain holds it; the error says which, and nothing is half done.
#[test]
fn a_chain_that_others_lead_to_is_an_error_until_they_let_go() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let intents = [masquerade_on("cni0", "10.1.2.3/24")];
        firewall.install(&of("web"), &intents).unwrap();
        run("nft 'add chain inet cnm mine; add rule inet cnm mine jump outside-cni0-10.1.2.0/24'");
        let before = ruleset();
        let error = firewall.release("web").unwrap_err().to_string();
        assert!(error.starts_with("delete chain outside-cni0-10.1.2.0/24 of table inet cnm"), "{error}");
        assert_eq!(ruleset(), before);
        run("nft delete chain inet cnm mine");
        firewall.release("web").unwrap();
        assert_eq!(ruleset(), EMPTY);
        assert!(attempt("nft list chain inet cnm mine").is_err());
    });
}
