//! All that we make by iptables, beside what others have there, in every way: by netlink, by getsockopt(2) and a program, by
//! programs alone.

use std::collections::BTreeMap;

use cnm::{Backend, Firewall, Forwarding, Gatekeeper, Hairpin, Ingress, Intent, Owner, Publication, SetMark, Share};
use kernel::HostFirewall;

use crate::ports::port;
use crate::world::{alone, attempt, masquerade, owner, run, use_variant};

const VARIANTS: [&str; 3] = ["nft", "legacy", "wrapped"];

/// What others may have: words that we know and words that we do not, in chains of theirs and in those that all share,
/// with counters.
const OTHERS: &str = r#"*raw
:PREROUTING ACCEPT [0:0]
[1:60] -A PREROUTING -p icmp -m icmp --icmp-type 8 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
[2:120] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[3:180] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[4:240] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
[5:300] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
[6:360] -A POSTROUTING -s 172.17.0.0/255.255.0.255 -m statistic --mode random --probability 0.50000000000 -j ACCEPT
[7:420] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
[8:480] -A DOCKER -p tcp -m tcp --sport 1:5 --dport 8082 -j DNAT --to-destination 172.17.0.3
[9:540] -A KUBE-SERVICES -p udp -m multiport --dports 5:9,53 -m limit --limit 5/sec -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
[10:600] -A INPUT -i eth+ -p gre -j REJECT --reject-with icmp-port-unreachable
[11:660] -A FORWARD -j DOCKER-USER
[12:720] -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[13:780] -A DOCKER-USER -m length --length 100 -g RETURNING
[14:840] -A DOCKER-USER -m comment --comment "dnat name: \"web\" id: \"c0ffee\"" -j RETURN
COMMIT
"#;

/// An attachment with all that iptables can carry: masqueraded, published, forwarded.
fn everything(last: u8) -> Vec<Intent> {
    let addresses = [format!("10.1.2.{last}/24"), format!("fd00:1::{last:x}/64")];
    let mut intents: Vec<Intent> = addresses.iter().map(|one| masquerade(one, Backend::Iptables)).collect();
    for target in &addresses {
        let target: ipnet::IpNet = target.parse().unwrap();
        let host = if target.addr().is_ipv6() { "[2001:db8::1]" } else { "192.0.2.1" };
        let ports = [
            format!("{}/tcp", 8000 + u16::from(last)),
            format!("{host}:{}/udp", 53 + u16::from(last)),
            "9/sctp".into(),
        ];
        intents.push(Intent::Publish(Publication {
            target,
            device: Some("cni0".into()),
            ports: ports.iter().take(if last == 3 { 3 } else { 2 }).map(|text| port(text)).collect(),
            masquerade: Hairpin::Neighbours,
            backend: Backend::Iptables,
            conditions: Vec::new(),
            mark: SetMark::Bit(13),
        }));
    }
    intents.push(Intent::Forward(Forwarding {
        addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
        device: Some("cni0".into()),
        shared: true,
        ingress: Ingress::Isolated,
        gatekeeper: Gatekeeper::Iptables,
        admin_chain: "CNI-ADMIN".into(),
        zone: "trusted".into(),
    }));
    intents
}

fn leave(firewall: &mut HostFirewall, owner: &Owner) {
    firewall.withdraw(owner, Share::Ports, &[]).unwrap();
    firewall.withdraw(owner, Share::Forwarding, &[]).unwrap();
    firewall.remove(owner, None).unwrap();
}

/// Both families with all counters, without dates.
fn saved() -> String {
    let text = run("iptables-save -c; ip6tables-save -c");
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// The rules of each chain in order, without counters: the variants list chains in different order.
fn by_chain() -> BTreeMap<String, Vec<String>> {
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in run("iptables-save; ip6tables-save").lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_owned();
        } else if let Some(chain) = line.strip_prefix(":CN").and_then(|rest| rest.split(' ').next()) {
            chains.entry(format!("{table} CN{chain}")).or_default();
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let (chain, rule) = rule.split_once(' ').unwrap();
            chains.entry(format!("{table} {chain}")).or_default().push(rule.to_owned());
        }
    }
    chains
}

/// A world with a bridge, and what others have.
fn in_company(variant: &'static str, test: impl FnOnce(&mut HostFirewall) + Send + 'static) {
    alone(move || {
        use_variant(variant);
        run("ip link add cni0 type bridge");
        // A chain to go on at, which iptables wants to be there first.
        let six = OTHERS.replace("icmp-port", "icmp6-port").replace("-p icmp -m icmp --icmp-type 8", "-p ipv6-icmp");
        let six = six.replace("172.17.0.0/255.255.0.255", "fd00::/ffff::ff").replace("127.0.0.0/8", "::1/128");
        let six = six.replace("172.17.0.0/16", "fd00:17::/64").replace("172.17.0.2:80", "[fd00:17::2]:80");
        let six = six.replace("172.17.0.3", "fd00:17::3");
        for (family, text) in [("iptables", OTHERS.to_owned()), ("ip6tables", six)] {
            let text = text.replace(":DOCKER-USER - [0:0]\n", ":DOCKER-USER - [0:0]\n:RETURNING - [0:0]\n");
            std::fs::write("/run/others", text).unwrap();
            run(&format!("{family}-restore --counters /run/others"));
        }
        test(&mut HostFirewall::default());
    });
}

#[test]
fn every_way_makes_the_same() {
    let made = VARIANTS.map(|variant| {
        alone(move || {
            use_variant(variant);
            run("ip link add cni0 type bridge");
            let mut firewall = HostFirewall::default();
            for (container, last) in [("c0ffee", 3), ("other", 4)] {
                firewall.install(&owner(container), &everything(last)).unwrap();
                assert_eq!(firewall.drift(&owner(container), &everything(last)).unwrap(), Vec::<String>::new());
            }
            by_chain()
        })
    });
    assert_eq!(made[0].values().map(Vec::len).sum::<usize>(), 91, "{:#?}", made[0]);
    assert_eq!(made[0], made[1]);
    assert_eq!(made[0], made[2]);
}

/// What a program has made, netlink reads, and the other way round: so it is with rules from before an upgrade.
#[test]
fn each_way_understands_what_another_has_made() {
    for (maker, user) in [("wrapped", "nft"), ("nft", "wrapped")] {
        alone(move || {
            run("ip link add cni0 type bridge");
            use_variant(maker);
            let mut firewall = HostFirewall::default();
            firewall.install(&owner("c0ffee"), &everything(3)).unwrap();
            let made = by_chain();
            run("umount /etc/alternatives");
            use_variant(user);
            assert_eq!(firewall.drift(&owner("c0ffee"), &everything(3)).unwrap(), Vec::<String>::new());
            firewall.install(&owner("c0ffee"), &everything(3)).unwrap();
            assert_eq!(by_chain(), made, "made twice is made once");
            // What iptables is asked for by its own words, it finds.
            for (key, rules) in &made {
                let (table, chain) = key.split_once(' ').unwrap();
                for rule in rules {
                    let family = if rule.contains("::") { "ip6tables" } else { "iptables" };
                    run(&format!("{family} -t {table} -C {chain} {rule}"));
                }
            }
            leave(&mut firewall, &owner("c0ffee"));
            assert!(!saved().contains("c0ffee") && !saved().contains("10.1.2.3"), "{}", saved());
        });
    }
}

#[test]
fn rules_of_others_stay_to_the_byte() {
    for variant in VARIANTS {
        in_company(variant, |firewall| {
            let others = saved();
            firewall.install(&owner("first"), &everything(9)).unwrap();
            let ours = |line: &&str| !line.contains("CNI-") && !line.contains("CNM-") && !line.contains("CNI portfwd");
            let without_ours =
                |text: &str| text.lines().filter(ours).map(|line| format!("{line}\n")).collect::<String>();
            assert_eq!(without_ours(&saved()), others);
            leave(firewall, &owner("first"));
            let before = saved();
            assert_eq!(without_ours(&before), others);
            for _ in 0..2 {
                firewall.install(&owner("c0ffee"), &everything(3)).unwrap();
                assert_eq!(firewall.drift(&owner("c0ffee"), &everything(3)).unwrap(), Vec::<String>::new());
                assert_ne!(saved(), before);
                leave(firewall, &owner("c0ffee"));
                assert_eq!(saved(), before);
            }
            for share in [Share::Ports, Share::Forwarding] {
                firewall.collect_share("web", share, &|_| false, &|_| false).unwrap();
            }
            firewall.collect_containers("web", &|_| false).unwrap();
            assert_eq!(saved(), before, "a rule of somebody else with our comment is not ours");
        });
    }
}

/// What an operator does by hand to chains of ours must not keep DEL from its work, nor must DEL do more.
#[test]
fn chains_that_an_operator_has_edited() {
    let me = owner("c0ffee");
    let masq = me.masquerade_chain();
    let dnat = format!("CNI-DN-{}", &masq[4..25]);
    let edits = [
        // Leads to our chains from elsewhere, in words that are not ours.
        format!("-t nat -A DOCKER -j {dnat}"),
        format!("-t nat -A LEAVING -m length --length 100 -j {masq}"),
        format!("-t nat -I CNI-HOSTPORT-DNAT -p tcp -m limit --limit 5/sec -m multiport --dports 8003 -j {dnat}"),
        format!("-t nat -I POSTROUTING -s 172.17.0.0/255.255.0.255 -j {masq}"),
        format!("-t nat -I POSTROUTING -m statistic --mode random --probability 0.5 -j {masq}"),
        // Adds to them.
        format!("-t nat -I {dnat} -m limit --limit 5/sec -j RETURN"),
        format!("-t nat -A {masq} -p icmp -j ACCEPT"),
        // Takes away.
        format!("-t nat -F {dnat}"),
        format!("-t nat -F {masq}"),
        "-t nat -D CNI-HOSTPORT-DNAT 1".to_owned(),
        "-t nat -F CNI-HOSTPORT-MASQ".to_owned(),
        "-t filter -D CNI-FORWARD 2".to_owned(),
        "-t filter -F CNM-FORWARD".to_owned(),
        "-t filter -D FORWARD 1".to_owned(),
        // Beside them.
        "-t filter -I CNI-FORWARD -m limit --limit 5/sec -j ACCEPT".to_owned(),
        "-t filter -A CNI-ADMIN -s 10.1.2.3 -p tcp --syn -j DROP".to_owned(),
    ];
    for variant in VARIANTS {
        let (me, edits) = (me.clone(), edits.clone());
        in_company(variant, move |firewall| {
            run("iptables -t nat -N LEAVING; iptables -t nat -A POSTROUTING -j LEAVING");
            for edit in edits {
                for again in [false, true] {
                    firewall.install(&me, &everything(3)).unwrap();
                    run(&format!("iptables {edit}"));
                    if again {
                        firewall.install(&me, &everything(3)).unwrap();
                        assert_eq!(firewall.drift(&me, &everything(3)).unwrap(), Vec::<String>::new(), "{edit}");
                    }
                    leave(firewall, &me);
                    firewall.withdraw(&me, Share::Forwarding, &everything(3)[4..]).unwrap();
                    let left = run("iptables-save");
                    for trace in [&me.masquerade_chain(), "CNI-DN-", "c0ffee, if", "10.1.2.3/32 -j", "10.1.2.3:"] {
                        let own = left.lines().filter(|line| line.contains(trace) && !line.contains("CNI-ADMIN"));
                        assert_eq!(own.collect::<Vec<_>>(), Vec::<&str>::new(), "{variant}: {edit}, again: {again}");
                    }
                    assert!(left.contains("-j DOCKER") && left.contains("--dport 8081"), "{left}");
                }
            }
            let left = run("iptables-save -t filter");
            assert!(left.contains("-A CNI-FORWARD -m limit"), "what is nobody's stays: {left}");
            assert!(left.contains("-A CNI-ADMIN -s 10.1.2.3/32 -p tcp -m tcp --tcp-flags"), "{left}");
        });
    }
}

/// Another program that writes all the time, without any lock of ours: neither loses anything.
#[test]
fn somebody_else_writes_at_the_same_time() {
    in_company("nft", |firewall| {
        run("iptables -t nat -N BUSY");
        // A thread of this one's namespaces.
        let busy = std::thread::spawn(|| {
            for number in 0..60 {
                run(&format!("iptables -t nat -A BUSY -p tcp --dport {} -j RETURN", 1000 + number));
                run(
                    "iptables -t nat -I CNI-HOSTPORT-DNAT -j BUSY 2>/dev/null; iptables -t nat -D CNI-HOSTPORT-DNAT -j BUSY 2>/dev/null; true",
                );
            }
        });
        let mut rounds = 0;
        while !busy.is_finished() || rounds < 3 {
            firewall.install(&owner("c0ffee"), &everything(3)).unwrap();
            assert_eq!(firewall.drift(&owner("c0ffee"), &everything(3)).unwrap(), Vec::<String>::new());
            leave(firewall, &owner("c0ffee"));
            rounds += 1;
        }
        busy.join().unwrap();
        let left = run("iptables-save -t nat");
        assert_eq!(left.matches("-A BUSY ").count(), 60, "{left}");
        assert!(!left.contains("CNI-DN-"), "{left}");
    });
}

/// In nf_tables no program is needed at all, also not on a host where iptables has never been used.
#[test]
fn nf_tables_needs_no_program() {
    alone(|| {
        use_variant("nft");
        run("ip link add cni0 type bridge");
        for program in ["xtables-legacy-multi", "xtables-nft-multi"] {
            run(&format!("mount --bind /bin/false /usr/sbin/{program}"));
        }
        let mut firewall = HostFirewall::default();
        for _ in 0..2 {
            firewall.install(&owner("c0ffee"), &everything(3)).unwrap();
            assert_eq!(firewall.drift(&owner("c0ffee"), &everything(3)).unwrap(), Vec::<String>::new());
        }
        let taken = firewall.install(&owner("other"), &everything(3)).unwrap_err().to_string();
        assert!(taken.contains("is published by another container") && taken.contains("c0ffee"), "{taken}");
        leave(&mut firewall, &owner("other"));
        assert_eq!(firewall.drift(&owner("c0ffee"), &everything(3)).unwrap(), Vec::<String>::new());
        run("umount /usr/sbin/xtables-nft-multi");
        assert_eq!(saved().matches("c0ffee").count(), 14, "{}", saved());
        run("mount --bind /bin/false /usr/sbin/xtables-nft-multi");
        leave(&mut firewall, &owner("c0ffee"));
        run("umount /usr/sbin/xtables-nft-multi");
        assert!(!saved().contains("c0ffee") && attempt("iptables -t nat -S CNI-HOSTPORT-DNAT 1").unwrap().is_empty());
    });
}
