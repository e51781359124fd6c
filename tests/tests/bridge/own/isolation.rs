//! `internal` and `icc`: Docker's isolation, which the reference plugins do not have.

use cnm_tests::{Conf, Host};

use super::firewall_is_clean;
use crate::{OUTSIDE, V4, V6, dual, world};

#[test]
fn an_internal_network_has_no_way_out() {
    let host = Host::new();
    let outside = host.outside();
    let internal = world().with("internal", true);
    let (one, first) = host.attach(&internal, "one");
    let (_two, second) = host.attach(&internal, "two");
    // Even for who insists: other networks may have enabled forwarding, and a sandbox may set routes.
    host.set_sysctl("net/ipv4/ip_forward", "1");
    host.set_sysctl("net/ipv6/conf/all/forwarding", "1");
    outside.run(&format!("ip route add {V4} via 198.51.100.1"));
    outside.run(&format!("ip route add {V6} via 2001:db8:51::1"));
    for (family, address) in OUTSIDE.into_iter().enumerate() {
        one.reaches(second.addresses()[family].addr());
        let gateway = first.gateway(family);
        one.reaches(gateway);
        one.run(&format!("ip route replace default via {gateway}"));
        one.cannot_reach(address);
        outside.cannot_reach(first.addresses()[family].addr());
    }
}

#[test]
fn an_internal_network_has_no_default_route_and_no_masquerade() {
    let host = Host::new();
    let internal = world().with("internal", true);
    let (one, result) = host.attach(&internal, "one");
    assert!(!one.has_route("default", ""), "{:?}", one.routes());
    assert!(result.json()["routes"].as_array().is_none_or(Vec::is_empty), "{}", result.json());
    assert_eq!(host.ruleset().mentions("masquerade").len(), 0);
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "0");
}

#[test]
fn other_networks_of_the_host_cannot_enter_an_internal_one() {
    let host = Host::new();
    let (one, first) = host.attach(&world().with("internal", true), "one");
    let other = Conf::bridge("other").to_the_world().subnet("10.9.9.0/24").subnet("fd00:9::/64");
    let (two, second) = host.attach(&other, "two");
    for family in 0..2 {
        two.cannot_reach(first.addresses()[family].addr());
        one.run(&format!("ip route replace default via {}", first.gateway(family)));
        one.cannot_reach(second.addresses()[family].addr());
    }
}

#[test]
fn endpoints_of_an_open_network_reach_other_networks() {
    let host = Host::new();
    let (one, first) = host.attach(&world(), "one");
    let other = Conf::bridge("other").to_the_world().subnet("10.9.9.0/24").subnet("fd00:9::/64");
    let (two, second) = host.attach(&other, "two");
    for family in 0..2 {
        one.reaches(second.addresses()[family].addr());
        two.reaches(first.addresses()[family].addr());
    }
}

#[test]
fn without_icc_endpoints_reach_the_world_but_not_each_other() {
    let host = Host::new();
    let _outside = host.outside();
    let closed = world().with("icc", false);
    let (one, first) = host.attach(&closed, "one");
    let (two, second) = host.attach(&closed, "two");
    for (family, address) in OUTSIDE.into_iter().enumerate() {
        one.reaches(first.gateway(family));
        one.reaches(address);
        two.reaches(address);
        let other = second.addresses()[family].addr();
        one.cannot_reach(other);
        // Nor by way of the gateway.
        one.run(&format!("ip route add {other} via {}", first.gateway(family)));
        two.run(&format!("ip route add {} via {}", first.addresses()[family].addr(), second.gateway(family)));
        one.cannot_reach(other);
    }
}

#[test]
fn internal_and_without_icc_only_the_gateway_is_left() {
    let host = Host::new();
    let _outside = host.outside();
    let closed = world().with("icc", false).with("internal", true);
    let (one, first) = host.attach(&closed, "one");
    let (_two, second) = host.attach(&closed, "two");
    for (family, address) in OUTSIDE.into_iter().enumerate() {
        one.reaches(first.gateway(family));
        one.cannot_reach(second.addresses()[family].addr());
        one.cannot_reach(address);
    }
}

#[test]
fn isolation_lasts_until_the_last_endpoint_and_leaves_nothing() {
    for conf in [dual().with("internal", true), dual().with("icc", false), world().with("icc", false)] {
        let host = Host::new();
        host.warm_up(&conf);
        let (one, two) = (host.sandbox("one"), host.sandbox("two"));
        let before = host.snapshot();
        host.add(&conf, &one).succeeds();
        host.add(&conf, &two).succeeds();
        host.del(&conf, &one).succeeds_silently();
        assert!(!host.ruleset().mentions("br-web").is_empty(), "one endpoint is still there");
        host.del(&conf, &two).succeeds_silently();
        firewall_is_clean(&host);
        host.is_again(&before);
    }
}
