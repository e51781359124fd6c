//! Masquerading by iptables, in both of its variants and in every way to them.

use cnm::{Backend, Firewall, Intent, Owner};
use kernel::HostFirewall;

use crate::world::{alone, masquerade, owner, run, use_variant};

const CHAIN: &str = "CNI-6fa081a84f4feb16e3c81d3f";

/// Both tables, without the counters, dates and empty chains of other tables.
fn saved() -> String {
    let save = |program: &str| {
        let text = run(&format!("{program} -t nat"));
        let lines = text.lines().filter(|line| line.starts_with("-A") || line.starts_with(":CNI"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    save("iptables-save") + &save("ip6tables-save")
}

/// By netlink, by getsockopt(2) and a program, and by programs alone.
fn all_ways(test: fn()) {
    for variant in ["nft", "legacy", "wrapped"] {
        alone(move || {
            use_variant(variant);
            test();
        });
    }
}

fn intents(last: u8) -> Vec<Intent> {
    vec![
        masquerade(&format!("10.1.2.{last}/24"), Backend::Iptables),
        masquerade(&format!("10.9.0.{last}/16"), Backend::Iptables),
        masquerade(&format!("fd00:1::{last:x}/64"), Backend::Iptables),
    ]
}

#[test]
fn rules_are_made_once_and_leave_nothing() {
    all_ways(|| {
        let mut firewall = HostFirewall::default();
        let me = owner("c0ffee");
        firewall.install(&me, &intents(3)).unwrap();
        let comment = "-m comment --comment \"name: \\\"web\\\" id: \\\"c0ffee\\\"\"";
        let expected = format!(
            ":{CHAIN} - [0:0]\n\
             -A POSTROUTING -s 10.1.2.3/32 {comment} -j {CHAIN}\n\
             -A POSTROUTING -s 10.9.0.3/32 {comment} -j {CHAIN}\n\
             -A {CHAIN} -d 10.1.2.0/24 {comment} -j ACCEPT\n\
             -A {CHAIN} -d 10.9.0.0/16 {comment} -j ACCEPT\n\
             -A {CHAIN} ! -d 224.0.0.0/4 {comment} -j MASQUERADE\n\
             :{CHAIN} - [0:0]\n\
             -A POSTROUTING -s fd00:1::3/128 {comment} -j {CHAIN}\n\
             -A {CHAIN} -d fd00:1::/64 {comment} -j ACCEPT\n\
             -A {CHAIN} ! -d ff00::/8 {comment} -j MASQUERADE\n"
        );
        assert_eq!(saved(), expected);
        firewall.install(&me, &intents(3)).unwrap();
        assert_eq!(saved(), expected);
        assert_eq!(firewall.drift(&me, &intents(3)).unwrap(), Vec::<String>::new());
        firewall.install(&owner("other"), &intents(4)).unwrap();
        firewall.remove(&owner("other"), None).unwrap();
        assert_eq!(saved(), expected);
        firewall.remove(&me, Some(&intents(3))).unwrap();
        assert_eq!(saved(), "");
        firewall.remove(&me, Some(&intents(3))).unwrap();
        firewall.remove(&me, None).unwrap();
        assert_eq!(firewall.drift(&me, &intents(3)).unwrap().len(), 8);
    });
}

/// The name of the chain lacks the interface: two interfaces of one container on one network share it.
#[test]
fn a_shared_chain_serves_until_the_last() {
    all_ways(|| {
        let mut firewall = HostFirewall::default();
        let second = Owner::new("web", "c0ffee", "eth1");
        firewall.install(&owner("c0ffee"), &intents(3)).unwrap();
        let one = saved();
        let narrow = [masquerade("192.0.2.9/28", Backend::Iptables)];
        firewall.install(&second, &narrow).unwrap();
        assert_eq!(firewall.drift(&owner("c0ffee"), &intents(3)).unwrap(), Vec::<String>::new());
        assert_eq!(firewall.drift(&second, &narrow).unwrap(), Vec::<String>::new());
        firewall.remove(&owner("c0ffee"), Some(&intents(3))).unwrap();
        assert_eq!(firewall.drift(&second, &narrow).unwrap(), Vec::<String>::new(), "\n{one}\n{}", saved());
        firewall.remove(&second, Some(&narrow)).unwrap();
        assert_eq!(saved(), "");
    });
}

#[test]
fn a_backend_that_was_switched_leaves_nothing_of_the_other() {
    all_ways(|| {
        let mut firewall = HostFirewall::default();
        let me = owner("c0ffee");
        firewall.install(&me, &intents(3)).unwrap();
        let now = [masquerade("10.1.2.3/24", Backend::Nftables)];
        assert_eq!(firewall.drift(&me, &now).unwrap(), Vec::<String>::new(), "it is masqueraded, by whichever");
        firewall.remove(&me, Some(&now)).unwrap();
        firewall.remove(&me, None).unwrap();
        assert_eq!(saved(), "");
        firewall.install(&me, &now).unwrap();
        firewall.remove(&me, Some(&intents(3))).unwrap();
        assert!(!run("nft list ruleset").contains("10.1.2.3"));
    });
}

#[test]
fn garbage_collection_by_container() {
    all_ways(|| {
        let mut firewall = HostFirewall::default();
        for (at, container) in ["a", "b", "c"].into_iter().enumerate() {
            firewall.install(&owner(container), &intents(at as u8 + 3)).unwrap();
        }
        firewall.install(&Owner::new("other", "a", "eth0"), &intents(9)).unwrap();
        firewall.collect_containers("web", &|container| container == "b").unwrap();
        let left = saved();
        assert_eq!(left.matches("id: \\\"b\\\"").count(), 8, "{left}");
        assert_eq!(left.matches("name: \\\"other\\\"").count(), 8, "{left}");
        assert_eq!(left.lines().count(), 20, "{left}");
    });
}

/// Somebody else's lock is waited for, then named.
#[test]
fn sixteen_at_once_by_iptables() {
    all_ways(|| {
        let threads: Vec<_> = (0..16u8)
            .map(|number| {
                std::thread::spawn(move || {
                    let mut firewall = HostFirewall::default();
                    let me = owner(&format!("c{number}"));
                    for _ in 0..2 {
                        firewall.install(&me, &intents(number + 3)).unwrap();
                        assert_eq!(firewall.drift(&me, &intents(number + 3)).unwrap(), Vec::<String>::new());
                        firewall.remove(&me, Some(&intents(number + 3))).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(saved(), "");
    });
}

/// The programs are replaced by one that always fails. Only the legacy variant needs one, and only who has a chain is
/// told so.
#[test]
fn no_child_is_started_where_none_is_needed() {
    for variant in ["nft", "legacy"] {
        alone(move || {
            use_variant(variant);
            let mut firewall = HostFirewall::default();
            firewall.install(&owner("c0ffee"), &intents(3)).unwrap();
            for program in ["xtables-legacy-multi", "xtables-nft-multi"] {
                run(&format!("mount --bind /bin/false /usr/sbin/{program}"));
            }
            firewall.remove(&owner("other"), Some(&intents(4))).unwrap();
            firewall.remove(&owner("other"), None).unwrap();
            assert_eq!(firewall.drift(&owner("c0ffee"), &intents(3)).unwrap(), Vec::<String>::new());
            let removed = firewall.remove(&owner("c0ffee"), Some(&intents(3))).map_err(|error| error.to_string());
            if variant == "nft" {
                assert_eq!(removed, Ok(()));
                firewall.install(&owner("other"), &intents(4)).unwrap();
                firewall.remove(&owner("other"), None).unwrap();
                run("umount /usr/sbin/xtables-nft-multi");
                assert_eq!(saved(), "");
            } else {
                let error = removed.unwrap_err();
                assert!(error.starts_with("run ") && error.contains("exit status 1"), "{error}");
                assert!(error.contains("ip6tables-legacy-"), "both families are tried: {error}");
            }
        });
    }
}
