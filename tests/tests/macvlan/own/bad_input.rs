//! Wrong values are named with their path, change nothing, and do not keep DEL from its work.

use cnm_tests::{Conf, Host, Lan};
use serde_json::{Value, json};

use super::{accessible, current};
use crate::lan;

fn wrong() -> Vec<(Conf, &'static [&'static str])> {
    let access = |key: &str, value: Value| accessible().with(key, value);
    vec![
        (lan().with("mode", "x"), &["mode: unknown macvlan mode: \"x\"", "passthru"]),
        (lan().with("mode", 4), &["mode: expected a string"]),
        (lan().with("mtu", -1), &["mtu: expected 0 or 68 to 65535 bytes, got -1"]),
        (lan().with("mtu", "1500"), &["mtu: expected a whole number"]),
        (lan().with("bcqueuelen", -5), &["bcqueuelen: expected a whole number from 0 to 4294967295, got -5"]),
        (lan().with("mac", "02:00"), &["mac: not a MAC address of six bytes", "02:00"]),
        (lan().with("mac", "01:00:5e:00:00:01"), &["mac: an interface cannot have", "unicast"]),
        (lan().with("master", "a/b"), &["master: expected an interface name"]),
        (lan().with("master", "lo"), &["does not take lo as master", "must be an Ethernet interface"]),
        (
            current().with("mtu", 1200),
            &["create address fd00:1:2::", " on eth0 in the sandbox", "an MTU of 1280 bytes"],
        ),
        (
            lan().ipam("routes", json!([{ "dst": "203.0.113.0/24", "gw": "10.99.2.9" }])),
            &["create route 203.0.113.0/24 via 10.99.2.9", "gateway must be in a subnet"],
        ),
        (lan().with("internal", true), &["internal", "leave out master"]),
        (lan().with("hostAddress", "10.1.2.130"), &["hostAddress", "hostAccess"]),
        (lan().with("hostAccess", true), &["hostAddress", "rangeStart"]),
        (access("mode", json!("private")), &["hostAccess", "mode bridge"]),
        (access("ipam", json!(null)), &["hostAccess", "ipam"]),
        (access("hostAddress", json!("10.1.2.130/24")), &["hostAddress: expected an IP address"]),
        (access("hostAddress", json!(["10.1.2.130", "10.1.2.131"])), &["hostAddress", "one address of each family"]),
        (access("hostAddress", json!("192.0.2.7")), &["hostAddress: 192.0.2.7 is in no subnet"]),
        (access("hostAddress", json!("10.1.2.255")), &["hostAddress: 10.1.2.255", "broadcast"]),
        (
            access("hostAddress", json!("10.1.2.105")).with("args", json!({ "cni": { "ips": ["10.1.2.105"] } })),
            &["hostAddress", "has given 10.1.2.105"],
        ),
    ]
}

#[test]
fn add_names_the_value_and_changes_nothing() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&accessible());
    let one = host.sandbox("one");
    let before = host.snapshot();
    for (conf, words) in wrong() {
        host.add(&conf, &one).fails().says(words);
        host.is_again(&before);
        host.del(&conf.without("ipam"), &one).succeeds_silently();
        host.is_again(&before);
    }
}

/// The kernel would make a name of its own of it, which nobody finds again.
#[test]
fn a_pattern_is_no_interface_name() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.calling("ADD", &current(), &one).ifname("eth%d").run().fails_with(4, &["interface name contains %"]);
    host.is_again(&before);
}

#[test]
fn a_foreign_link_of_the_name_that_host_access_needs_is_left_alone() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, _) = host.attach(&accessible(), "one");
    let name = super::links(&host, "mv-").pop().expect("the host's interface on the network");
    host.del(&accessible(), &one).succeeds_silently();
    host.run(&format!("ip link add {name} type veth peer name other"));
    let before = host.snapshot();
    let words = [&name, "is not a macvlan but veth", "rename or remove"];
    host.add(&accessible(), &one).fails_with(7, &words);
    host.is_again(&before);
    host.del(&accessible(), &one).succeeds_silently();
    host.gc(&accessible()).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_works_although_a_value_has_become_wrong() {
    for (key, value) in [
        ("mode", json!("x")),
        ("mtu", json!(-1)),
        ("bcqueuelen", json!(-1)),
        ("mac", json!("x")),
        ("master", json!("gone")),
        ("internal", json!(true)),
        ("hostAccess", json!(true)),
    ] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        host.warm_up(&lan());
        let one = host.sandbox("one");
        let before = host.snapshot();
        host.add(&lan(), &one).succeeds();
        host.del(&lan().with(key, value), &one).succeeds_silently();
        host.is_again(&before);
    }
}
