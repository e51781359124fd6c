//! What the firewall plugin's intent does by nftables: accepting where others drop, keeping bridges apart, taking all
//! of it away.

use cnm::{Firewall, Forwarding, Gatekeeper, Ingress, Intent, Owner, OwnerTag, Share};
use kernel::HostFirewall;

use crate::world::{alone, attempt, owner, pings, ruleset, run, topology};

/// What is forwarded for `last` on `cni0`, dual stack.
pub(crate) fn forward(last: u8, gatekeeper: Gatekeeper, ingress: Ingress, shared: bool) -> Intent {
    Intent::Forward(Forwarding {
        addresses: [format!("10.1.2.{last}/24"), format!("fd00:1::{last:x}/64")]
            .map(|net| net.parse().unwrap())
            .to_vec(),
        device: Some("cni0".into()),
        shared,
        ingress,
        gatekeeper,
        admin_chain: "CNI-ADMIN".into(),
        zone: "trusted".into(),
    })
}

fn open(last: u8, shared: bool) -> [Intent; 1] {
    [forward(last, Gatekeeper::Nftables, Ingress::Open, shared)]
}

/// The world knows the way back, so that nothing but the firewall keeps packets from passing.
fn with_way_back() -> String {
    let name = topology();
    run(&format!(
        "ip -n {name}world route add 10.1.2.0/24 via 192.0.2.1 && ip -n {name}world route add fd00:1::/64 via 2001:db8::1"
    ));
    name
}

/// Everything that any firewall has, without counters and times.
fn rules() -> String {
    run("{ nft list ruleset; iptables-legacy-save; ip6tables-legacy-save; } | grep -v '^#' | \
         sed 's/packets [0-9]* bytes [0-9]*//; s/\\[[0-9:]*\\]//'")
}

/// A host that drops what it forwards in the way that the commands say lets the attachment's packets pass, and nothing
/// else, until the last has gone.
fn packets_pass_although(how: &'static str) {
    for (gatekeeper, shared) in [(Gatekeeper::Auto, true), (Gatekeeper::Nftables, false), (Gatekeeper::Iptables, false)]
    {
        // What accepts by iptables is not heard by others.
        if gatekeeper == Gatekeeper::Iptables && !how.contains("iptables-nft") {
            continue;
        }
        alone(move || {
            let open = |last| [forward(last, gatekeeper, Ingress::Open, shared)];
            let name = with_way_back();
            let (left, right, world) = (format!("{name}left"), format!("{name}right"), format!("{name}world"));
            run(how);
            assert!(!pings(&left, "192.0.2.2"), "{how}: the host drops");
            let mut firewall = HostFirewall::default();
            firewall.install(&owner("a"), &open(3)).unwrap();
            let said = rules();
            assert!(pings(&left, "192.0.2.2") && pings(&left, "2001:db8::2"), "{gatekeeper:?}:\n{said}");
            assert_eq!(pings(&right, "192.0.2.2"), shared, "the neighbour's address\n{said}");
            assert!(!pings(&world, "10.1.2.3") && !pings(&world, "fd00:1::3"), "nobody asked\n{said}");
            assert_eq!(firewall.drift(&owner("a"), &open(3)).unwrap(), Vec::<String>::new());
            // Iptables understands what we wrote, and nothing is written twice.
            run("iptables-nft -S && ip6tables-nft -S");
            firewall.install(&owner("a"), &open(3)).unwrap();
            assert_eq!(rules(), said);
            firewall.withdraw(&owner("a"), Share::Forwarding, &[]).unwrap();
            firewall.release("web").unwrap();
            assert!(!pings(&left, "192.0.2.2") && !pings(&left, "2001:db8::2"), "it drops again");
            let after = rules();
            for trace in ["10.1.2", "fd00:1", "CNM-", "accept-", "net: web"] {
                assert!(!after.contains(trace), "{trace}\n{after}");
            }
        });
    }
}

#[test]
fn packets_pass_where_the_policy_of_iptables_is_to_drop() {
    packets_pass_although("iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
}

/// As Docker and kube-proxy have it: rules, among them one that drops.
#[test]
fn packets_pass_where_a_rule_of_iptables_drops() {
    packets_pass_although(
        "for each in iptables-nft ip6tables-nft; do $each -A FORWARD -i docker0 -j ACCEPT && $each -A FORWARD -j DROP; done",
    );
}

#[test]
fn packets_pass_where_the_legacy_iptables_drops() {
    packets_pass_although("iptables-legacy -P FORWARD DROP && ip6tables-legacy -P FORWARD DROP");
}

#[test]
fn packets_pass_where_a_rule_of_the_legacy_iptables_drops() {
    packets_pass_although(
        "for each in iptables-legacy ip6tables-legacy; do $each -A FORWARD -i docker0 -j ACCEPT && $each -A FORWARD -j DROP; done",
    );
}

#[test]
fn packets_pass_where_another_table_of_nftables_drops() {
    packets_pass_although(
        "nft 'table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }'",
    );
}

#[test]
fn a_host_that_drops_nothing_gets_no_rule_of_iptables() {
    alone(|| {
        let name = with_way_back();
        run("iptables-nft -P FORWARD ACCEPT && iptables-legacy -P FORWARD ACCEPT");
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &open(3, true)).unwrap();
        let said = ruleset() + &run("iptables-legacy-save");
        assert!(!said.contains("CNI-FORWARD") && !said.contains("CNM-"), "{said}");
        assert!(pings(&format!("{name}left"), "192.0.2.2"));
    });
}

/// The administrator's chains are asked first, in nftables and in iptables, and never touched.
#[test]
fn the_administrator_comes_first_and_keeps_the_chains() {
    alone(|| {
        let name = with_way_back();
        let left = format!("{name}left");
        run(
            "iptables-nft -P FORWARD DROP && iptables-nft -N CNI-ADMIN && iptables-nft -A CNI-ADMIN -d 192.0.2.2 -j DROP",
        );
        run("nft 'table inet cnm { chain admin { ip6 daddr 2001:db8::2 drop; }; }'");
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &open(3, true)).unwrap();
        assert!(!pings(&left, "192.0.2.2") && !pings(&left, "2001:db8::2"), "{}", ruleset());
        run("iptables-nft -F CNI-ADMIN && nft flush chain inet cnm admin");
        assert!(pings(&left, "192.0.2.2") && pings(&left, "2001:db8::2"), "{}", ruleset());
        run("iptables-nft -A CNI-ADMIN -d 192.0.2.2 -j DROP && nft add rule inet cnm admin ip6 daddr 2001:db8::2 drop");
        firewall.release("web").unwrap();
        let left = ruleset();
        assert!(left.contains("ip daddr 192.0.2.2") && left.contains("ip6 daddr 2001:db8::2 drop"), "{left}");
    });
}

/// Two more bridges beside `cni0`: (name of the namespace on it, its address).
fn another_bridge(name: &str, bridge: &str, number: u8) -> String {
    let space = format!("{name}{bridge}");
    run(&format!(
        "ip link add {bridge} type bridge && ip link set {bridge} up && ip addr add 10.{number}.0.1/24 dev {bridge} && \
         ip netns add {space} && ip link add p{bridge} type veth peer name eth0 netns {space} && \
         ip link set p{bridge} master {bridge} up && ip -n {space} link set eth0 up && \
         ip -n {space} addr add 10.{number}.0.3/24 dev eth0 && ip -n {space} route add default via 10.{number}.0.1"
    ));
    space
}

fn on(bridge: &str, address: &str, ingress: Ingress) -> [Intent; 1] {
    let Intent::Forward(forwarding) = forward(3, Gatekeeper::Nftables, ingress, true) else { unreachable!() };
    [Intent::Forward(Forwarding {
        addresses: vec![address.parse().unwrap()],
        device: Some(bridge.into()),
        ..forwarding
    })]
}

#[test]
fn bridges_with_a_policy_are_kept_apart_and_others_are_not() {
    alone(|| {
        let name = with_way_back();
        let (left, right) = (format!("{name}left"), format!("{name}right"));
        let (b, c) = (another_bridge(&name, "cni1", 21), another_bridge(&name, "cni2", 22));
        let mut firewall = HostFirewall::default();
        assert!(pings(&left, "10.21.0.3") && pings(&b, "10.1.2.3"));
        firewall.install(&owner("a"), &on("cni0", "10.1.2.3/24", Ingress::SameBridge)).unwrap();
        assert!(pings(&left, "10.21.0.3") && pings(&b, "10.1.2.3"), "the other one has no policy\n{}", ruleset());
        let db = Owner::new("db", "b", "eth0");
        firewall.install(&db, &on("cni1", "10.21.0.3/24", Ingress::SameBridge)).unwrap();
        firewall.install(&Owner::new("free", "c", "eth0"), &on("cni2", "10.22.0.3/24", Ingress::Open)).unwrap();
        assert!(!pings(&left, "10.21.0.3") && !pings(&b, "10.1.2.3"), "{}", ruleset());
        assert!(pings(&left, "10.22.0.3") && pings(&c, "10.21.0.3"), "no policy there\n{}", ruleset());
        assert!(pings(&left, "10.1.2.4") && pings(&left, "192.0.2.2") && pings(&left, "10.1.2.1"), "{}", ruleset());
        firewall.release("db").unwrap();
        assert!(pings(&left, "10.21.0.3"), "gone with its last endpoint\n{}", ruleset());
        firewall.release("web").unwrap();
        // Isolated: nor within. What is only bridged passes through the rules, too, where the kernel is told so.
        run("sysctl -qw net.bridge.bridge-nf-call-iptables=1");
        firewall.install(&owner("a"), &on("cni0", "10.1.2.3/24", Ingress::Isolated)).unwrap();
        firewall.install(&db, &on("cni1", "10.21.0.3/24", Ingress::SameBridge)).unwrap();
        assert!(!pings(&left, "10.1.2.4") && !pings(&right, "10.1.2.3"), "{}", ruleset());
        assert!(!pings(&left, "10.21.0.3") && pings(&left, "192.0.2.2") && pings(&left, "10.1.2.1"), "{}", ruleset());
        firewall.release("web").unwrap();
        firewall.release("db").unwrap();
        assert!(pings(&left, "10.1.2.4"));
        for trace in ["cni0", "cni1", "net: "] {
            assert!(!ruleset().replace("accept-cni2", "").contains(trace) || trace == "net: ", "{}", ruleset());
        }
    });
}

#[test]
fn two_policies_on_one_bridge_are_an_error_that_names_both() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &on("cni0", "10.1.2.3/24", Ingress::SameBridge)).unwrap();
        let before = ruleset();
        let db = Owner::new("db", "b", "eth0");
        let error = firewall.install(&db, &on("cni0", "10.1.2.4/24", Ingress::Isolated)).unwrap_err().to_string();
        for word in ["ingress-isolated-cni0", "ingress-same-bridge-cni0", "web", "ingressPolicy"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert_eq!(ruleset(), before, "all or nothing");
        // The same one, or none, is welcome.
        firewall.install(&db, &on("cni0", "10.1.2.4/24", Ingress::SameBridge)).unwrap();
        firewall.install(&Owner::new("free", "c", "eth0"), &on("cni0", "10.1.2.5/24", Ingress::Open)).unwrap();
        firewall.release("web").unwrap();
        assert!(ruleset().contains("ingress-same-bridge-cni0"), "{}", ruleset());
        firewall.release("db").unwrap();
        assert!(!ruleset().contains("ingress-same-bridge"), "{}", ruleset());
    });
}

/// An endpoint of somebody else's bridge answers for itself: it goes by its tag, and GC finds it.
#[test]
fn what_an_endpoint_has_itself_goes_with_it_and_by_collection() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        let alone = |last| [forward(last, Gatekeeper::Nftables, Ingress::SameBridge, false)];
        run("iptables-nft -P FORWARD DROP");
        firewall.install(&owner("a"), &alone(3)).unwrap();
        firewall.withdraw(&owner("a"), Share::Forwarding, &[]).unwrap();
        let empty = ruleset();
        assert!(!empty.contains("net: web") && !empty.contains("10.1.2"), "{empty}");
        for (name, last) in [("a", 3), ("b", 4), ("c", 5)] {
            firewall.install(&owner(name), &alone(last)).unwrap();
        }
        firewall.install(&Owner::new("db", "a", "eth0"), &alone(9)).unwrap();
        firewall.withdraw(&owner("a"), Share::Forwarding, &[]).unwrap();
        let keep = owner("b").tag();
        firewall.collect_share("web", Share::Forwarding, &|tag: &OwnerTag| *tag == keep, &|_| true).unwrap();
        let left = ruleset();
        assert!(left.contains("10.1.2.4") && left.contains("10.1.2.9") && !left.contains("10.1.2.5"), "{left}");
        assert!(left.contains("ingress-same-bridge-cni0"));
        assert_eq!(firewall.drift(&owner("b"), &alone(4)).unwrap(), Vec::<String>::new());
        firewall.release("web").unwrap();
        assert_eq!(ruleset(), left, "nothing of it is the network's");
        firewall.withdraw(&owner("b"), Share::Forwarding, &[]).unwrap();
        firewall.collect_share("db", Share::Forwarding, &|_| false, &|_| false).unwrap();
        assert_eq!(ruleset(), empty);
    });
}

#[test]
fn what_somebody_takes_away_is_named_and_made_again() {
    for (harm, words) in [
        ("iptables-nft -F FORWARD && iptables-nft -P FORWARD DROP", "leads to CNI-FORWARD is missing"),
        ("iptables-nft -F && iptables-nft -X", "which accepts 10.1.2.0/24, is missing"),
        (
            "for c in $(iptables-nft -S | sed -n 's/^-N \\(CNM-.*\\)/\\1/p'); do iptables-nft -F $c; done",
            "has lost rules",
        ),
        (
            "for each in iptables-nft ip6tables-nft; do $each -S | sed -n '/ctstate DNAT/s/^-A/-D/p' | \
             while read line; do $each $line; done; done",
            "has lost rules",
        ),
        ("nft delete table inet cnm", "chain firewall of table inet cnm is missing"),
        ("nft flush chain inet mine forward", "the rules that accept it are missing"),
        (
            "nft -a list chain inet mine forward | sed -n '/status dnat/s/.*handle //p' | \
             while read rule; do nft delete rule inet mine forward handle $rule; done",
            "the rules that accept it are missing",
        ),
        (
            "iptables-legacy -S | sed -n '/ctstate DNAT/s/^-A/-D/p' | while read line; do iptables-legacy $line; done",
            "of the legacy iptables, which accepts 10.1.2.0/24, is missing or has lost rules",
        ),
        (
            "ip6tables-legacy -S | sed -n '/-s fd00/s/^-A/-D/p' | while read line; do ip6tables-legacy $line; done",
            "of the legacy iptables, which accepts fd00:1::/64, is missing or has lost rules",
        ),
    ] {
        alone(move || {
            let name = with_way_back();
            run(
                "for each in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $each -P FORWARD DROP; done",
            );
            run("nft 'table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }'");
            let mut firewall = HostFirewall::default();
            let intents = open(3, true);
            firewall.install(&owner("a"), &intents).unwrap();
            let whole = rules();
            run(harm);
            let drift = firewall.drift(&owner("a"), &intents).unwrap();
            assert!(drift.iter().any(|line| line.contains(words)), "{harm}: {drift:?}");
            if harm.contains("inet mine") {
                // Chains of others are looked through by the first endpoint only.
                firewall.release("web").unwrap();
            }
            firewall.install(&owner("b"), &open(4, true)).unwrap();
            assert_eq!(firewall.drift(&owner("a"), &intents).unwrap(), Vec::<String>::new(), "{harm}: {}", ruleset());
            assert!(pings(&format!("{name}left"), "192.0.2.2"), "{harm}: {}", rules());
            for word in ["accept", "ACCEPT"] {
                assert_eq!(rules().matches(word).count(), whole.matches(word).count(), "{harm}: {}", rules());
            }
        });
    }
}

/// What `docs/rules.md` says, as nft and iptables list it.
#[test]
fn the_rules_are_those_in_the_book() {
    alone(|| {
        run("iptables-nft -P FORWARD DROP");
        run("nft 'table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }'");
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[forward(3, Gatekeeper::Nftables, Ingress::SameBridge, true)]).unwrap();
        let alone = Owner::new("db", "b", "eth0");
        firewall.install(&alone, &on("cni1", "10.21.0.3/24", Ingress::Isolated)).unwrap();
        let listed = ruleset();
        let tables = listed.split_inclusive("\n}\n").filter(|table| table.starts_with("table inet"));
        let iptables = run("iptables-nft-save | grep -v '^#' | sed 's/ \\[[0-9:]*\\]//'");
        let all = tables.collect::<String>() + &iptables;
        assert_eq!(all, include_str!("forwarding.txt"), "\n{all}");
    });
}

#[test]
fn nft_and_iptables_load_their_own_listing_again() {
    alone(|| {
        run("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[forward(3, Gatekeeper::Nftables, Ingress::Isolated, true)]).unwrap();
        let saved = run("iptables-nft-save");
        assert!(saved.contains("-s 10.1.2.0/24 -i cni0 -j ACCEPT"), "{saved}");
        assert!(
            saved.contains("-d 10.1.2.0/24 -o cni0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
            "{saved}"
        );
        assert!(
            saved.contains("-A FORWARD -m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD"),
            "{saved}"
        );
        assert_eq!(
            run("iptables-nft-save > /run/saved && iptables-nft-restore < /run/saved && iptables-nft-save")
                .lines()
                .filter(|line| line.starts_with(['-', ':']))
                .collect::<Vec<_>>(),
            saved.lines().filter(|line| line.starts_with(['-', ':'])).collect::<Vec<_>>()
        );
        let ours = run("nft list table inet cnm");
        assert!(
            attempt("nft list table inet cnm > /run/ours && nft delete table inet cnm && nft -f /run/ours").is_ok(),
            "{ours}"
        );
    });
}
