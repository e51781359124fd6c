//! Our tables: what is in them, what is left, who may touch what.

use cnm::{Backend, Firewall, Owner};
use kernel::HostFirewall;

use crate::world::{EMPTY, all_intents, alone, bases, guard, masquerade_on, owner, ruleset, run, spoof};

#[test]
fn the_ruleset_is_the_one_in_the_book_and_nft_can_load_its_own_listing() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("c0ffee"), &all_intents(3)).unwrap();
        let listed = ruleset();
        assert_eq!(listed, include_str!("ruleset.nft"), "\n{listed}");
        run("nft list ruleset >/run/listed.nft && nft flush ruleset && nft -f /run/listed.nft");
        assert_eq!(ruleset(), listed);
        // What nft has made of it is as good as ours: nothing to complain of or to add, and it can be taken away.
        assert_eq!(firewall.drift(&owner("c0ffee"), &all_intents(3)).unwrap(), Vec::<String>::new());
        firewall.install(&owner("c0ffee"), &all_intents(3)).unwrap();
        firewall.install(&owner("other"), &all_intents(3)[..3]).unwrap();
        assert_eq!(ruleset(), listed);
        firewall.remove(&owner("c0ffee"), Some(&all_intents(3))).unwrap();
        firewall.release("web").unwrap();
        assert_eq!(ruleset(), EMPTY, "\n{}", ruleset());
    });
}

/// What endpoints share outlives them, until it is released; what is theirs goes with them.
#[test]
fn nothing_remains_and_installing_twice_is_once() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        for known in [true, false] {
            let (a, b) = (all_intents(3), all_intents(4));
            firewall.install(&owner("a"), &a).unwrap();
            let once = ruleset();
            firewall.install(&owner("a"), &a).unwrap();
            assert_eq!(ruleset(), once);
            firewall.install(&owner("b"), &b).unwrap();
            assert_eq!(ruleset().matches("veth4").count(), 2);
            firewall.remove(&owner("b"), known.then_some(&b)).unwrap();
            assert_eq!(ruleset(), once);
            firewall.remove(&owner("a"), known.then_some(&a)).unwrap();
            let shared = ruleset();
            assert!(!shared.contains("veth"), "{shared}");
            assert_eq!(shared.matches("net: web").count(), 3, "{shared}");
            firewall.install(&owner("b"), &b[..3]).unwrap();
            assert_eq!(ruleset(), shared, "a second endpoint costs it nothing");
            firewall.remove(&owner("b"), known.then_some(&b[..3])).unwrap();
            assert_eq!(ruleset(), shared);
            firewall.release("web").unwrap();
            assert_eq!(ruleset(), EMPTY);
            firewall.remove(&owner("a"), known.then_some(&a)).unwrap();
            firewall.release("web").unwrap();
            assert_eq!(ruleset(), EMPTY);
        }
    });
}

/// Where nothing of ours ever was, taking away finds nothing and makes nothing.
#[test]
fn a_host_without_our_tables_stays_without() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.remove(&owner("a"), Some(&all_intents(3))).unwrap();
        firewall.remove(&owner("a"), None).unwrap();
        firewall.release("web").unwrap();
        firewall.collect("web", &|_| false).unwrap();
        firewall.install(&owner("a"), &[guard("cni0", false, false)]).unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn another_owner_is_named_and_left_alone() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        let before = ruleset();
        let mut intents = all_intents(3);
        intents.push(masquerade_on("cni9", "10.9.9.9/24"));
        let error = firewall.install(&owner("b"), &intents).unwrap_err().to_string();
        assert!(
            error.starts_with("add element veth3 . 02:00:00:00:00:03 to set sources of table bridge cnm: File exists")
                && error.contains("id: a")
                && error.contains("id: b"),
            "{error}"
        );
        assert_eq!(ruleset(), before, "all or nothing");
        firewall.remove(&owner("b"), Some(&intents)).unwrap();
        firewall.remove(&owner("b"), None).unwrap();
        firewall.release("b").unwrap();
        assert_eq!(ruleset(), before);
        // Another hardware address behind the same port is another element of one set and the same of the other.
        let error = firewall.install(&owner("b"), &[spoof("veth3", "02:00:00:00:00:04")]).unwrap_err().to_string();
        assert!(error.starts_with("add element veth3 to set ports of table bridge cnm: File exists"), "{error}");
        assert_eq!(ruleset(), before);
    });
}

#[test]
fn drift_names_what_somebody_has_deleted() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        let whole = ruleset();
        run("nft delete element inet cnm masq4 '{ cni0 . 10.1.2.0/24 }'");
        run("nft flush chain inet cnm internal-cni0");
        run("nft delete element bridge cnm ports '{ veth3 }'");
        run("nft delete element inet cnm guard_in '{ cni0 }'");
        run("nft flush map inet cnm guard_members");
        let drift = firewall.drift(&owner("a"), &all_intents(3)).unwrap();
        assert_eq!(
            drift,
            [
                "chain internal-cni0 of table inet cnm has lost rules",
                "element cni0 of map guard_in of table inet cnm is missing",
                "element 0xcbead8fe . 0x640f4d4a . 0xa151c926 . 0x0eeb44ce of map guard_members of table inet cnm is missing",
                "element veth3 of set ports of table bridge cnm is missing",
                "element cni0 . 10.1.2.0 - cni0 . 10.1.2.255 of map masq4 of table inet cnm is missing",
            ]
        );
        // The next endpoint of the network mends what is shared.
        firewall.install(&owner("b"), &all_intents(3)[..3]).unwrap();
        firewall.install(&owner("a"), &all_intents(3)[3..]).unwrap();
        assert_eq!(ruleset(), whole);
        run("nft flush ruleset");
        assert_eq!(firewall.drift(&owner("a"), &all_intents(3)).unwrap().len(), 15);
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        assert_eq!(ruleset(), whole);
    });
}

/// The kernel's count of a chain's uses, which a steady ADD hears of anyway, tells that rules are gone.
#[test]
fn chains_that_somebody_has_flushed_are_filled_by_the_next_endpoint() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        let whole = ruleset();
        for (table, chain) in [
            ("inet", "postrouting"),
            ("inet", "forward"),
            ("bridge", "prerouting"),
            ("inet", "internal-cni0"),
            ("inet", "outside-cni0-10.1.2.0/24"),
            ("inet", "outside-cni0-fd00_1__/64"),
        ] {
            let list = format!("nft -a list chain {table} cnm {chain}");
            let last = format!("{list} | sed -n 's/.* # handle \\([0-9]*\\)$/\\1/p' | tail -n 1");
            for harm in [
                format!("nft flush chain {table} cnm {chain}"),
                format!("nft delete rule {table} cnm {chain} handle $({last})"),
            ] {
                run(&harm);
                assert_ne!(ruleset(), whole, "{harm}");
                assert_eq!(
                    firewall.drift(&owner("a"), &all_intents(3)).unwrap(),
                    [format!("chain {chain} of table {table} cnm has lost rules")]
                );
                firewall.install(&owner("a"), &all_intents(3)).unwrap();
                assert_eq!(ruleset(), whole, "{harm}");
            }
        }
        // What has lost nothing is not written again: the rules are the very same.
        let handles = run("nft -a list ruleset");
        firewall.install(&owner("a"), &all_intents(3)).unwrap();
        assert_eq!(run("nft -a list ruleset"), handles);
    });
}

/// A chain that several networks use is used more often than by what one of them sees: CHECK, which counts the rules, tells.
#[test]
fn what_an_add_cannot_see_of_a_shared_chain_check_names() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        let intents = [masquerade_on("cni0", "10.1.2.3/24")];
        for network in ["web", "db", "cache"] {
            firewall.install(&Owner::new(network, "a", "eth0"), &intents).unwrap();
        }
        let whole = ruleset();
        run("nft flush chain inet cnm outside-cni0-10.1.2.0/24");
        assert_eq!(
            firewall.drift(&owner("a"), &intents).unwrap(),
            ["chain outside-cni0-10.1.2.0/24 of table inet cnm has lost rules"]
        );
        // Until it is the only one.
        firewall.release("db").unwrap();
        firewall.release("cache").unwrap();
        firewall.install(&owner("a"), &intents).unwrap();
        for network in ["db", "cache"] {
            firewall.install(&Owner::new(network, "a", "eth0"), &intents).unwrap();
        }
        assert_eq!(ruleset(), whole);
    });
}

#[test]
fn devices_and_ids_of_every_kind() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let long = Owner::new("a \"quoted\" name; ".repeat(60), "x".repeat(255), "eth0");
        let intents = [
            guard("br@%\u{e9}", true, true),
            spoof("a-name-15-bytes", "02:00:00:00:00:01"),
            masquerade_on("br@%\u{e9}", "0.0.0.0/0"),
            masquerade_on("br@%\u{e9}", "::/0"),
            masquerade_on("a-name-15-bytes", "10.1.2.3/32"),
            masquerade_on("a-name-15-bytes", "10.1.2.9/29"),
            masquerade_on("a-name-15-bytes", "fd00::1/128"),
            masquerade_on("a-name-15-bytes", "255.255.255.255/31"),
        ];
        firewall.install(&long, &intents).unwrap();
        let listed = ruleset();
        run("nft list ruleset >/run/listed.nft && nft flush ruleset && nft -f /run/listed.nft");
        assert_eq!(ruleset(), listed);
        assert_eq!(firewall.drift(&long, &intents).unwrap(), Vec::<String>::new());
        firewall.remove(&long, Some(&intents)).unwrap();
        firewall.release(&long.network).unwrap();
        assert_eq!(ruleset(), EMPTY);
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
