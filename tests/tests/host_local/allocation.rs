//! Which address comes next.

use cnm_tests::Host;
use serde_json::json;

use crate::{call, lease, pool, reserved};

#[test]
fn addresses_come_in_order_after_the_last_one() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24");
    for n in 2..6 {
        let result = lease(&host, &conf, &format!("c{n}"));
        assert_eq!(result.json()["ips"][0]["address"], format!("10.1.2.{n}/24"));
        assert_eq!(result.json()["ips"][0]["gateway"], "10.1.2.1");
    }
    call(&host, "DEL", &conf, "c3").succeeds_silently();
    assert_eq!(lease(&host, &conf, "c6").ip().to_string(), "10.1.2.6", "a freed address is not reused at once");
    assert_eq!(reserved(&host), ["10.1.2.2", "10.1.2.4", "10.1.2.5", "10.1.2.6"]);
}

#[test]
fn the_flat_form_of_old_configurations() {
    let host = Host::new();
    let conf = pool().ipam("subnet", "10.1.2.0/24").ipam("rangeStart", "10.1.2.10").ipam("gateway", "10.1.2.254");
    let result = lease(&host, &conf, "a");
    assert_eq!(result.json()["ips"], json!([{ "address": "10.1.2.10/24", "gateway": "10.1.2.254" }]));
}

#[test]
fn a_range_wraps_around_and_skips_the_gateway() {
    let host = Host::new();
    let set = json!([{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.10", "rangeEnd": "10.1.2.13", "gateway": "10.1.2.11" }]);
    let conf = pool().range_set(set);
    let all: Vec<_> = ["a", "b", "c"].iter().map(|name| lease(&host, &conf, name).ip().to_string()).collect();
    assert_eq!(all, ["10.1.2.10", "10.1.2.12", "10.1.2.13"]);
    call(&host, "ADD", &conf, "d").fails().says(&["no IP addresses available in range set: 10.1.2.10-10.1.2.13"]);
    call(&host, "DEL", &conf, "a").succeeds_silently();
    assert_eq!(lease(&host, &conf, "d").ip().to_string(), "10.1.2.10");
}

#[test]
fn one_address_from_each_set() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24").subnet("fd00:1:2::/64").subnet("10.9.0.0/16");
    let result = lease(&host, &conf, "a");
    let addresses: Vec<_> = result.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.2/24", "fd00:1:2::2/64", "10.9.0.2/16"]);
    call(&host, "DEL", &conf, "a").succeeds_silently();
    assert_eq!(reserved(&host), Vec::<String>::new());
}

#[test]
fn a_set_continues_in_its_next_range() {
    let host = Host::new();
    let set = json!([{ "subnet": "10.1.2.0/30" }, { "subnet": "10.7.7.0/29" }]);
    let conf = pool().range_set(set);
    let all: Vec<_> = ["a", "b", "c"].iter().map(|name| lease(&host, &conf, name).addresses()[0].to_string()).collect();
    assert_eq!(all, ["10.1.2.2/30", "10.7.7.2/29", "10.7.7.3/29"]);
}

#[test]
fn huge_ranges_cost_nothing() {
    let host = Host::new();
    let conf = pool().subnet("10.0.0.0/8").subnet("1100:200::/24");
    let result = lease(&host, &conf, "a");
    let addresses: Vec<_> = result.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.2/8", "1100:200::2/24"]);
}

#[test]
fn the_smallest_subnets() {
    let host = Host::new();
    for (subnet, first) in [("10.1.2.0/30", "10.1.2.2/30"), ("fd00::/126", "fd00::2/126")] {
        let conf = pool().subnet(subnet);
        assert_eq!(
            lease(&host, &conf, subnet.split('/').next().expect("x").replace(':', "-").as_str()).addresses()[0]
                .to_string(),
            first
        );
    }
    for subnet in ["10.1.2.0/31", "10.1.2.2/32", "fd00::/127", "fd00::1/128"] {
        call(&host, "ADD", &pool().subnet(subnet), "x").fails().says(&["too small to allocate from"]);
    }
}

#[test]
fn routes_and_dns_are_part_of_the_lease() {
    let host = Host::new();
    host.write_file("/etc/cni/resolv.conf", "# a comment\nnameserver 192.0.2.53\nnameserver 2001:db8::53\ndomain d.example\nsearch a.example b.example\noptions ndots:2 edns0\n");
    let routes = json!([{ "dst": "0.0.0.0/0" }, { "dst": "192.0.2.0/24", "gw": "10.1.2.7" }]);
    let conf = pool().subnet("10.1.2.0/24").ipam("routes", routes.clone()).ipam("resolvConf", "/etc/cni/resolv.conf");
    let result = lease(&host, &conf, "a");
    assert_eq!(result.json()["routes"], routes);
    let dns = json!({ "nameservers": ["192.0.2.53", "2001:db8::53"], "domain": "d.example", "search": ["a.example", "b.example"], "options": ["ndots:2", "edns0"] });
    assert_eq!(result.json()["dns"], dns);
    assert!(result.json()["interfaces"].is_null());
}

#[test]
fn a_wrong_range_is_refused() {
    let host = Host::new();
    for (set, words) in [
        (json!([{ "subnet": "10.1.2.7/24" }]), "Network has host bits set"),
        (json!([{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1" }]), "10.1.3.1 not in network"),
        (json!([{ "subnet": "10.1.2.0/24", "rangeEnd": "10.1.1.1" }]), "10.1.1.1 not in network"),
        (json!([{ "subnet": "10.1.2.0/24" }, { "subnet": "fd00::/64" }]), "mixed address families"),
        (json!([{ "subnet": "10.1.0.0/16" }, { "subnet": "10.1.2.0/24" }]), "overlap"),
        (json!([]), "empty range set"),
    ] {
        let conf = pool().range_set(set);
        call(&host, "ADD", &conf, "a").fails().says(&[words]);
    }
    let twice = pool().subnet("10.1.0.0/16").subnet("10.1.2.0/24");
    call(&host, "ADD", &twice, "a").fails().says(&["overlap"]);
    call(&host, "ADD", &pool(), "a").fails().says(&["no IP ranges specified"]);
    assert_eq!(reserved(&host), Vec::<String>::new());
}

#[test]
fn sixteen_at_once_get_sixteen_addresses() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24").subnet("fd00::/64");
    let start = |verb: &str, n: usize| {
        let call = host.call("host-local", verb).conf(&conf).container(&format!("c{n}"));
        call.ifname("eth0").netns("/run/netns/none").start()
    };
    let calls: Vec<_> = (0..16).map(|n| start("ADD", n)).collect();
    let all: std::collections::BTreeSet<_> =
        calls.into_iter().flat_map(|call| call.finish().attached().addresses()).collect();
    assert_eq!(all.len(), 32);
    assert_eq!(reserved(&host).len(), 32);
    let calls: Vec<_> = (0..16).map(|n| start("DEL", n)).collect();
    for call in calls {
        call.finish().succeeds_silently();
    }
    assert_eq!(reserved(&host), Vec::<String>::new());
}
