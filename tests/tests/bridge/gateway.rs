//! `isGateway`, `isDefaultGateway`, `forceAddress`.

use cnm_tests::{Conf, Host};
use serde_json::json;

use crate::{V4, V6, dual, lan};

#[test]
fn is_gateway_puts_the_first_address_on_the_bridge_and_forwards() {
    let host = Host::new();
    let (one, result) = host.attach(&dual().with("isGateway", true), "one");
    assert_eq!(host.address_texts("br-web"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "1");
    assert_eq!(host.sysctl("net/ipv6/conf/all/forwarding"), "1");
    assert_eq!(result.json()["ips"][0]["gateway"], "10.1.2.1");
    assert_eq!(result.json()["ips"][1]["gateway"], "fd00:1:2::1");
    assert!(!one.has_route("default", ""), "isGateway alone gives no default route");
}

#[test]
fn forwarding_is_enabled_only_for_the_families_in_use() {
    let host = Host::new();
    let _ = host.attach(&lan().with("isGateway", true), "one");
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "1");
    assert_eq!(host.sysctl("net/ipv6/conf/all/forwarding"), "0");
}

#[test]
fn is_default_gateway_adds_a_default_route_for_each_family() {
    let host = Host::new();
    let (one, result) = host.attach(&dual().with("isDefaultGateway", true), "one");
    assert!(one.has_route("default", "10.1.2.1"));
    assert!(one.has_route("default", "fd00:1:2::1"));
    let routes = json!([{ "dst": "0.0.0.0/0", "gw": "10.1.2.1" }, { "dst": "::/0", "gw": "fd00:1:2::1" }]);
    assert_eq!(result.json()["routes"], routes);
}

#[test]
fn the_range_says_which_address_is_the_gateway() {
    let host = Host::new();
    let set = json!([{ "subnet": V4, "gateway": "10.1.2.99" }]);
    let conf = Conf::bridge("web").with("isDefaultGateway", true).range_set(set);
    let (one, result) = host.attach(&conf, "one");
    assert_eq!(host.address_texts("br-web"), ["10.1.2.99/24"]);
    assert_eq!(result.gateway(0).to_string(), "10.1.2.99");
    assert!(one.has_route("default", "10.1.2.99"));
}

#[test]
fn routes_of_the_lease_arrive_in_the_sandbox() {
    let host = Host::new();
    let routes =
        json!([{ "dst": "192.0.2.0/24" }, { "dst": "203.0.113.0/24", "gw": "10.1.2.7" }, { "dst": "fd00:9::/48" }]);
    let conf = dual().with("isGateway", true).ipam("routes", routes.clone());
    let (one, result) = host.attach(&conf, "one");
    assert!(one.has_route("192.0.2.0/24", "10.1.2.1"), "no gateway in the route: that of the family's address");
    assert!(one.has_route("203.0.113.0/24", "10.1.2.7"));
    assert!(one.has_route("fd00:9::/48", "fd00:1:2::1"));
    assert_eq!(result.json()["routes"], routes);
}

#[test]
fn another_address_on_the_bridge_is_an_error() {
    let host = Host::new();
    let _ = host.attach(&lan().with("isGateway", true), "one");
    let other = Conf::bridge("web").with("name", "other").with("isGateway", true).subnet("10.9.9.0/24");
    let two = host.sandbox("two");
    let failure = host.add(&other, &two).fails();
    failure.says(&["br-web", "already has an IP address different from 10.9.9.1/24"]);
    host.del(&other, &two).succeeds_silently();
    assert_eq!(host.address_texts("br-web"), ["10.1.2.1/24"]);
}

#[test]
fn force_address_replaces_it() {
    let host = Host::new();
    let _ = host.attach(&lan().with("isGateway", true), "one");
    let other = Conf::bridge("web").with("name", "other").with("isGateway", true).with("forceAddress", true);
    let _ = host.attach(&other.subnet("10.9.9.0/24"), "two");
    assert_eq!(host.address_texts("br-web"), ["10.9.9.1/24"]);
}

#[test]
fn ipv6_addresses_that_do_not_overlap_may_share_a_bridge() {
    let host = Host::new();
    let _ = host.attach(&Conf::bridge("web").with("isGateway", true).subnet(V6), "one");
    let other = Conf::bridge("web").with("name", "other").with("isGateway", true).subnet("fd00:7::/64");
    let _ = host.attach(&other, "two");
    let mut addresses = host.address_texts("br-web");
    addresses.sort();
    assert_eq!(addresses, ["fd00:1:2::1/64", "fd00:7::1/64"]);
}

#[test]
fn the_bridge_keeps_its_hardware_address_when_ports_come_and_go() {
    let host = Host::new();
    let conf = lan().with("isGateway", true);
    let (_one, first) = host.attach(&conf, "one");
    let mac = host.link("br-web").mac;
    assert_eq!(first.mac("br-web"), Some(mac.clone()));
    let (two, _) = host.attach(&conf, "two");
    assert_eq!(host.link("br-web").mac, mac);
    host.del(&conf, &two).succeeds_silently();
    assert_eq!(host.link("br-web").mac, mac);
}
