//! `ipMasqBackend`: the same effect from either, and nothing of it left afterwards.

use cnm_tests::Host;

use super::firewall_is_clean;
use crate::{OUTSIDE, world};

#[test]
fn either_backend_masquerades_and_leaves_nothing() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let echo = outside.echo();
        let conf = world().with("ipMasqBackend", backend).with("macspoofchk", true);
        host.warm_up(&conf);
        let (one, two) = (host.sandbox("one"), host.sandbox("two"));
        let before = host.snapshot();
        let first = host.add(&conf, &one).attached();
        let second = host.add(&conf, &two).attached();
        for (family, uplink) in ["198.51.100.1", "2001:db8:51::1"].iter().enumerate() {
            let server = OUTSIDE[family].parse().expect("an address");
            assert_eq!(one.is_seen_as(server, &echo).to_string(), *uplink, "{backend}");
            assert_eq!(two.is_seen_as(server, &echo).to_string(), *uplink, "{backend}");
            let (own, other) = (first.addresses()[family].addr(), second.addresses()[family].addr());
            let in_two = two.echo();
            assert_eq!(one.is_seen_as(other, &in_two), own, "{backend}: no masquerade inside the subnet");
        }
        host.del(&conf, &one).succeeds_silently();
        two.reaches(OUTSIDE[0]);
        two.reaches(OUTSIDE[1]);
        host.del(&conf, &two).succeeds_silently();
        firewall_is_clean(&host);
        host.is_again(&before);
    }
}

#[test]
fn nftables_is_the_default_and_starts_no_program() {
    let host = Host::new();
    let one = host.sandbox("one");
    let conf = world().with("macspoofchk", true);
    let calls = host.calling("ADD", &conf, &one);
    let (counted, outcome) = cnm_tests::SystemCalls::of(calls);
    outcome.succeeds();
    counted.start_no_program();
    assert!(host.ruleset().iptables.is_empty());
    assert!(!host.ruleset().mentions("net: web, if: eth0, id: one").is_empty());
}

#[test]
fn iptables_gets_the_rules_of_the_reference() {
    let host = Host::new();
    let conf = world().with("ipMasqBackend", "iptables");
    let _ = host.attach(&conf, "one");
    let chain = "CNI-dfac37d0de8eb9e854547b4e";
    // Network `web` and container `a` make that name with the reference plugins too.
    let (_a, result) = host.attach(&conf, "a");
    let v4 = result.addresses()[0].addr();
    let rules = host.ruleset();
    for rule in [
        format!(
            "iptables-save: -A POSTROUTING -s {v4}/32 -m comment --comment \"name: \\\"web\\\" id: \\\"a\\\"\" -j {chain}"
        ),
        format!(
            "iptables-save: -A {chain} -d 10.1.2.0/24 -m comment --comment \"name: \\\"web\\\" id: \\\"a\\\"\" -j ACCEPT"
        ),
        format!(
            "iptables-save: -A {chain} ! -d 224.0.0.0/4 -m comment --comment \"name: \\\"web\\\" id: \\\"a\\\"\" -j MASQUERADE"
        ),
        format!(
            "ip6tables-save: -A {chain} ! -d ff00::/8 -m comment --comment \"name: \\\"web\\\" id: \\\"a\\\"\" -j MASQUERADE"
        ),
    ] {
        assert!(rules.iptables.contains(&rule), "{rule} is not in {:#?}", rules.iptables);
    }
}

#[test]
fn an_unknown_backend_is_refused() {
    let host = Host::new();
    let one = host.sandbox("one");
    let before = host.snapshot();
    let outcome = host.add(&world().with("ipMasqBackend", "ebtables"), &one);
    outcome.fails_with(7, &["ipMasqBackend", "unknown ipmasq backend", "ebtables"]);
    host.is_again(&before);
}

#[test]
fn ten_endpoints_cost_the_firewall_no_more_than_one() {
    let host = Host::new();
    let _ = host.attach(&world(), "one");
    let first = host.ruleset();
    let attached: Vec<_> = (0..9).map(|n| host.attach(&world(), &format!("s{n}"))).collect();
    assert_eq!(host.ruleset().objects, first.objects);
    drop(attached);
}

#[test]
fn two_interfaces_on_one_network_are_masqueraded_apart() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let conf = crate::lan().with("isGateway", true).with("ipMasq", true).with("ipMasqBackend", backend);
        let (one, _) = host.attach(&conf, "one");
        let second = host.calling("ADD", &conf, &one).ifname("net1").run().attached();
        one.run("ip route add 198.51.100.0/24 via 10.1.2.1 dev net1");
        one.run("sysctl -q -w net.ipv4.conf.all.rp_filter=0");
        host.del(&conf, &one).succeeds_silently();
        one.reaches("198.51.100.2");
        assert!(one.has_link("net1"), "{backend}");
        host.calling("DEL", &conf, &one).ifname("net1").run().succeeds_silently();
        firewall_is_clean(&host);
        drop((outside, second));
    }
}
