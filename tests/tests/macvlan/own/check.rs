//! CHECK names the object that is missing or different, on the real kernel.

use cnm_tests::{Host, Lan};
use serde_json::json;

use super::current;
use crate::lan;

#[test]
fn every_change_is_named() {
    for (deed, words) in [
        ("ip link del eth0", "macvlan eth0 in the sandbox is missing"),
        ("ip link set eth0 down", "link eth0 in the sandbox is down"),
        ("ip addr del 10.1.2.100/24 dev eth0", "address 10.1.2.100/24 on eth0 in the sandbox is missing"),
        ("ip addr del fd00:1:2::100/64 dev eth0", "address fd00:1:2::100/64 on eth0 in the sandbox is missing"),
        ("ip route del default via 10.1.2.1", "route 0.0.0.0/0 via 10.1.2.1 on eth0 in the sandbox is missing"),
        ("ip -6 route del default", "route ::/0 via fd00:1:2::1 on eth0 in the sandbox is missing"),
        ("ip link set eth0 address 02:00:00:00:00:99", "macvlan eth0 in the sandbox has MAC 02:00:00:00:00:99, not "),
        ("ip link set eth0 type macvlan mode private", "macvlan eth0 in the sandbox has mode private, not bridge"),
    ] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        let (one, result) = host.attach(&current(), "one");
        one.run(deed);
        host.check(&current().after(result.json()), &one).fails_with(100, &[words]);
    }
}

#[test]
fn another_link_of_the_name_is_no_substitute() {
    for (maker, words) in [
        ("ip link add link other name eth0 netns one type macvlan mode bridge", "does not stand on eth0"),
        ("ip link add side type veth peer name eth0 netns one", "is not a macvlan but veth"),
    ] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        host.run("ip link add other type veth peer name end");
        let (one, result) = host.attach(&current(), "one");
        one.run("ip link del eth0");
        host.run(maker);
        let outcome = host.check(&current().after(result.json()), &one);
        outcome.fails_with(100, &["macvlan eth0 in the sandbox", words]);
    }
}

/// A result before 1.1.0 does not tell the table; the route is there all the same.
#[test]
fn routes_with_table_metric_and_scope_are_made_and_found() {
    let far = json!({ "dst": "203.0.113.0/24", "mtu": 1300, "advmss": 1000, "priority": 50, "table": 100 });
    let near = json!({ "dst": "192.0.2.0/24", "scope": 253 });
    for (version, routes) in [("1.0.0", json!([far])), ("1.1.0", json!([far, near]))] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        let conf = lan().version(version).ipam("routes", routes);
        let (one, result) = host.attach(&conf, "one");
        let table = one.run("ip route show table 100");
        for word in ["203.0.113.0/24 via 10.1.2.1 dev eth0", "metric 50", "mtu 1300", "advmss 1000"] {
            assert!(table.contains(word), "{word}: {table}");
        }
        let direct = one.run("ip route show 192.0.2.0/24");
        assert_eq!(direct.trim(), if version == "1.1.0" { "192.0.2.0/24 dev eth0 scope link" } else { "" });
        let conf = conf.after(result.json());
        host.check(&conf, &one).succeeds_silently();
        one.run("ip route flush table 100");
        host.check(&conf, &one).fails_with(100, &["route 203.0.113.0/24 via 10.1.2.1 on eth0"]);
    }
}
