//! Masquerading by iptables, in both variants of its programs.

use cnm::{Backend, Firewall, Intent, Owner};
use kernel::HostFirewall;

use crate::world::{alone, masquerade, owner, run};

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

/// Makes the plain names those of the legacy programs, as `update-alternatives` would, in this namespace only.
fn use_legacy() {
    run("mount --bind /usr/sbin/xtables-legacy-multi /usr/sbin/xtables-nft-multi");
    assert!(run("iptables --version").contains("legacy"));
}

fn both_variants(test: fn()) {
    alone(test);
    alone(move || {
        use_legacy();
        test();
    });
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
    both_variants(|| {
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
    both_variants(|| {
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
    both_variants(|| {
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
    both_variants(|| {
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
    both_variants(|| {
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

/// The programs are replaced by one that always fails: only who has a chain is told so.
#[test]
fn no_child_is_started_for_who_has_no_chain() {
    for legacy in [false, true] {
        alone(move || {
            if legacy {
                use_legacy();
            }
            let mut firewall = HostFirewall::default();
            firewall.install(&owner("c0ffee"), &intents(3)).unwrap();
            run("mount --bind /bin/false /usr/sbin/xtables-legacy-multi");
            run("umount /usr/sbin/xtables-nft-multi 2>/dev/null; mount --bind /bin/false /usr/sbin/xtables-nft-multi");
            firewall.remove(&owner("other"), Some(&intents(4))).unwrap();
            firewall.remove(&owner("other"), None).unwrap();
            let error = firewall.remove(&owner("c0ffee"), Some(&intents(3))).unwrap_err().to_string();
            let program = if legacy { "iptables-legacy-save" } else { "iptables-nft-save" };
            assert!(error.starts_with("run ") && error.contains(program) && error.contains("exit status 1"), "{error}");
            assert!(error.contains("ip6tables"), "both families are tried: {error}");
        });
    }
}
