//! Hosts that drop in ways that the reference does not know, and policies that it has not.

use cnm_tests::Host;

use super::nothing_is_left;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network, OUTSIDE, addresses};

/// A table of the administrator's own, the older iptables, and rules instead of a policy.
const DROPS: [&[&str]; 4] = [
    &[
        "nft add table inet mine",
        "nft add chain inet mine forward { type filter hook forward priority 10; policy drop; }",
    ],
    &["iptables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD DROP"],
    &["iptables-nft -A FORWARD -j DROP", "ip6tables-nft -A FORWARD -j REJECT"],
    &[
        "nft add table ip six",
        "nft add chain ip six f { type filter hook forward priority -5; policy drop; }",
        "ip6tables-nft -P FORWARD DROP",
    ],
];

#[test]
fn packets_pass_and_the_host_drops_again_when_the_last_has_gone() {
    for how in DROPS {
        let host = Host::new();
        let _outside = host.outside();
        how.iter().for_each(|line| drop(host.run(line)));
        let network = Network::new("web", 11);
        let (one, first) = network.attach(&host, "one");
        let (two, second) = network.attach(&host, "two");
        for sandbox in [&one, &two] {
            OUTSIDE.iter().for_each(|to| sandbox.reaches(to));
        }
        host.check(&network.firewall.clone().after(&first), &one).succeeds_silently();
        network.del(&host, &one, &first);
        OUTSIDE.iter().for_each(|to| two.reaches(to));
        // The last firewall DEL comes before the last endpoint's own.
        host.del(&network.firewall, &two).succeeds_silently();
        host.del(&network.bridge, &two).succeeds_silently();
        nothing_is_left(&host, &network, &[addresses(&first), addresses(&second)].concat());
        let free = host.sandbox("free");
        host.add(&network.bridge, &free).succeeds();
        free.cannot_reach(OUTSIDE[0]);
    }
}

/// Also where what is bridged passes no firewall; and the bridge plugin's own CHECK does not mind, with the flags that
/// podman and nerdctl ask for.
#[test]
fn isolated_is_isolated_within_the_bridge_too() {
    for (backend, bridged) in [("", 0), ("", 1), ("iptables", 1)] {
        let host = Host::new();
        let _outside = host.outside();
        for key in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            host.run(&format!("sysctl -qw net.bridge.{key}={bridged}"));
        }
        let mut network = Network::new("web", 11).with("backend", backend).with("ingressPolicy", "isolated");
        network.bridge = network.bridge.with("hairpinMode", true);
        let other = Network::new("db", 12).with("backend", backend).with("ingressPolicy", "same-bridge");
        let (one, first) = network.attach(&host, "one");
        let (two, second) = network.attach(&host, "two");
        let (three, third) = other.attach(&host, "three");
        one.cannot_reach(&addresses(&second)[0]);
        two.cannot_reach(&addresses(&first)[1]);
        one.cannot_reach(&addresses(&third)[0]);
        three.cannot_reach(&addresses(&first)[0]);
        for to in [OUTSIDE[0], OUTSIDE[1], "10.11.0.1"] {
            one.reaches(to);
        }
        for conf in [&network.bridge, &network.firewall] {
            host.check(&conf.clone().after(&first), &one).succeeds_silently();
        }
        let port = cnm_tests::Attached(first.clone()).host_link();
        host.run(&format!("bridge link set dev {port} isolated off"));
        host.check(&network.firewall.clone().after(&first), &one).fails().says(&[&port, "is not isolated"]);
        network.del_untold(&host, &one);
        network.del_untold(&host, &two);
        nothing_is_left(&host, &network, &[addresses(&first), addresses(&second)].concat());
        assert_ne!(host.ruleset().mentions("br-db"), Vec::<String>::new(), "{backend}: another network's policy stays");
        other.del_untold(&host, &three);
        nothing_is_left(&host, &other, &addresses(&third));
    }
}

/// nftables starts no program, and the second endpoint changes nothing at all: is there an nf_tables, and is everything
/// in it? Where iptables drops, its chain FORWARD is looked through in each family, too.
#[test]
fn the_second_endpoint_costs_the_firewall_nothing() {
    for (drops, asks) in [(&[][..], 2), (&[IPTABLES_DROPS, IP6TABLES_DROPS][..], 4)] {
        let host = Host::new();
        drops.iter().for_each(|line| drop(host.run(line)));
        let network = Network::new("web", 11).with("ingressPolicy", "same-bridge");
        let (_one, _) = network.attach(&host, "one");
        let rules = host.ruleset();
        let two = host.sandbox("two");
        let result = host.add(&network.bridge, &two).succeeds();
        let trace = |verb: &str| {
            let conf = network.firewall.clone().after(&result);
            let strace = "strace -f -qq -e trace=execve,sendto,sendmsg -o /run/.cover-log";
            host.calling(verb, &conf, &two).under(strace).run().succeeds();
            let log = host.read_file("/run/.cover-log").expect("strace writes its log");
            let count = |name: &str| log.lines().filter(|line| line.contains(&format!(" {name}("))).count();
            (count("execve"), count("sendto") + count("sendmsg"))
        };
        for (verb, most) in [("ADD", asks), ("DEL", asks)] {
            let (programs, sends) = trace(verb);
            assert_eq!(programs, 1, "{verb}: itself");
            assert!(sends <= most, "{verb}: {sends} sends, not {most}");
            assert_eq!(host.ruleset(), rules);
        }
    }
}

/// What IPv6 needs does not matter to who has none.
#[test]
fn a_missing_ip6tables_does_not_matter_to_ipv4() {
    let host = Host::new();
    let _outside = host.outside();
    host.run(IPTABLES_DROPS);
    host.run("mount --bind /bin/false /usr/sbin/xtables-legacy-multi");
    host.run("mkdir /run/programs");
    for program in ["iptables-restore", "iptables-save"] {
        host.run(&format!("ln -s /usr/sbin/xtables-nft-multi /run/programs/{program}"));
    }
    let bridge = cnm_tests::Conf::bridge("web").subnet("10.11.0.0/24").to_the_world();
    let firewall = cnm_tests::Conf::new("firewall", "web").with("backend", "iptables");
    let one = host.sandbox("one");
    let result = host.add(&bridge, &one).succeeds();
    let call = |verb: &str, conf: &cnm_tests::Conf| host.calling(verb, conf, &one).env("PATH", "/run/programs").run();
    call("ADD", &firewall.clone().after(&result)).succeeds();
    one.reaches(OUTSIDE[0]);
    call("CHECK", &firewall.clone().after(&result)).succeeds_silently();
    call("DEL", &firewall).succeeds_silently();
    one.cannot_reach(OUTSIDE[0]);
}
