//! Beyond the reference: GC, STATUS, exhaustion told apart, reservations of earlier boots, broken stores.

use cnm_tests::{Conf, Host, Suite};
use serde_json::json;

use crate::{STORE, call, lease, pool, reserved};

fn current() -> Conf {
    pool().version("1.1.0").subnet("10.1.2.0/24")
}

#[test]
fn the_plugin_has_two_names() {
    let host = Host::new();
    let add = |name: &str, id: &str| {
        host.call(name, "ADD").conf(&current()).container(id).ifname("eth0").netns("/run/netns/x").run().attached()
    };
    assert_eq!(add("host-local", "a").ip().to_string(), "10.1.2.2");
    assert_eq!(add("host-local-ipam", "b").ip().to_string(), "10.1.2.3");
}

#[test]
fn gc_frees_what_is_not_listed() {
    let host = Host::new();
    for id in ["a", "b", "c"] {
        let _ = lease(&host, &current(), id);
    }
    let keep_b = current().keeping(&[("b", "eth0"), ("c", "net1")]);
    host.call("host-local", "GC").conf(&keep_b).run().succeeds_silently();
    assert_eq!(reserved(&host), ["10.1.2.3"]);
    host.call("host-local", "GC").conf(&current()).run().succeeds_silently();
    assert_eq!(reserved(&host), Vec::<String>::new());
}

#[test]
fn status_says_when_no_address_is_left() {
    let host = Host::new();
    let small = pool().version("1.1.0").subnet("10.1.2.0/24").range_set(json!([{ "subnet": "10.9.0.0/30" }]));
    let status = || host.call("host-local", "STATUS").conf(&small).run();
    status().succeeds_silently();
    let _ = lease(&host, &small, "a");
    status().fails_with(50, &["10.9.0"]);
    call(&host, "ADD", &small, "b").fails_with(11, &["no IP addresses available in range set: 10.9.0.1-10.9.0.2"]);
    assert_eq!(reserved(&host), ["10.1.2.2", "10.9.0.2"], "what b got from the first set was given back");
    call(&host, "DEL", &small, "a").succeeds_silently();
    status().succeeds_silently();
}

#[test]
fn an_empty_file_is_nobodys() {
    let host = Host::new();
    host.write_file(&format!("{STORE}/10.1.2.2"), "");
    assert_eq!(lease(&host, &current(), "a").ip().to_string(), "10.1.2.2");
}

#[test]
fn reservations_of_an_earlier_boot_do_not_block_a_full_pool() {
    let host = Host::new();
    let small = pool().version("1.1.0").subnet("10.1.2.0/29");
    for n in 2..7 {
        host.write_file(&format!("{STORE}/10.1.2.{n}"), format!("old{n}\r\neth0"));
    }
    host.run(&format!("touch -d 2001-01-01 {STORE}/10.1.2.4"));
    assert_eq!(lease(&host, &small, "new").ip().to_string(), "10.1.2.4");
    let _ = call(&host, "ADD", &small, "next").fails_with(11, &[]);
}

#[test]
fn different_troubles_are_different_errors() {
    let host = Host::new();
    let conf = current();
    let ask = |id: &str, ip: &str| {
        let call = host.call("host-local", "ADD").conf(&conf).container(id).ifname("eth0").netns("/run/netns/x");
        call.args(&format!("IP={ip}")).run().fails().code
    };
    let _ = lease(&host, &conf, "a");
    let duplicate = call(&host, "ADD", &conf, "a").fails().code;
    let (outside, occupied) = (ask("b", "192.0.2.1"), ask("b", "10.1.2.2"));
    host.run("mkdir -p /run/broken");
    host.write_file("/run/broken/pool", "a file where the folder belongs");
    let broken = call(&host, "ADD", &conf.clone().ipam("dataDir", "/run/broken"), "b").fails().code;
    let mut codes = vec![duplicate, outside, occupied, broken];
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 4, "{codes:?}");
}

#[test]
fn names_do_not_leave_their_folder() {
    let host = Host::new();
    for name in ["../../../run/out", "a/b", "..", ""] {
        call(&host, "ADD", &current().with("name", name), "a").fails_with(7, &["network name"]);
    }
    assert_eq!(host.list_folder("/var/lib/cni"), Vec::<String>::new());
}

#[test]
fn wrong_values_are_named_with_their_path() {
    let host = Host::new();
    for (conf, words) in [
        (pool().range_set(json!([{ "subnet": "10.1.2.0" }])), &["ipam.ranges[0][0].subnet", "10.1.2.0"][..]),
        (pool().subnet("10.1.2.0/24").range_set(json!([{ "subnet": "x/8" }])), &["ipam.ranges[1][0].subnet", "x/8"]),
        (pool().range_set(json!([{ "subnet": "10.1.2.0/24", "gateway": "y" }])), &["ipam.ranges[0][0].gateway", "y"]),
        (
            pool().range_set(json!([{ "subnet": "10.1.2.0/24", "rangeStart": "z" }])),
            &["ipam.ranges[0][0].rangeStart", "z"],
        ),
        (current().ipam("routes", json!([{ "dst": "w" }])), &["ipam.routes[0].dst", "w"]),
        (current().with("runtimeConfig", json!({ "ips": ["v"] })), &["runtimeConfig.ips[0]", "v"]),
        (current().with("args", json!({ "cni": { "ips": ["u"] } })), &["args.cni.ips[0]", "u"]),
    ] {
        call(&host, "ADD", &conf, "a").fails().says(words);
    }
    assert_eq!(reserved(&host), Vec::<String>::new());
}

#[test]
fn either_suite_frees_what_the_other_reserved() {
    let reference = Suite::reference();
    let ours = Suite::under_test();
    for (first, second) in [(&reference, &ours), (&ours, &reference)] {
        let host = Host::new();
        let conf = pool().subnet("10.1.2.0/24").subnet("fd00::/64");
        let by = |suite: &Suite, verb: &str, id: &str| {
            let call = host.call("host-local", verb).conf(&conf).container(id).ifname("eth0");
            call.netns("/run/netns/x").by(suite).run()
        };
        by(first, "ADD", "a").succeeds();
        by(second, "ADD", "b").succeeds();
        by(first, "ADD", "c").succeeds();
        assert_eq!(reserved(&host), ["10.1.2.2", "10.1.2.3", "10.1.2.4", "fd00::2", "fd00::3", "fd00::4"]);
        by(second, "ADD", "a").fails().says(&["duplicate allocation"]);
        by(second, "DEL", "a").succeeds_silently();
        by(first, "DEL", "b").succeeds_silently();
        assert_eq!(reserved(&host), ["10.1.2.4", "fd00::4"]);
        by(second, "ADD", "d").succeeds();
        by(first, "DEL", "c").succeeds_silently();
        by(first, "DEL", "d").succeeds_silently();
        assert_eq!(reserved(&host), Vec::<String>::new());
    }
}

#[test]
fn files_have_the_modes_of_todays_reference() {
    let host = Host::new();
    let _ = lease(&host, &current(), "a");
    let modes = host.run(&format!("stat -c %a {STORE} {STORE}/10.1.2.2 {STORE}/last_reserved_ip.0"));
    assert_eq!(modes.split_whitespace().collect::<Vec<_>>(), ["755", "600", "600"]);
}

#[test]
fn del_frees_an_address_although_the_ranges_have_become_wrong() {
    let host = Host::new();
    let _ = lease(&host, &current(), "a");
    call(&host, "DEL", &pool().range_set(json!([{ "subnet": "10.1.2.7/24" }])), "a").succeeds_silently();
    assert_eq!(reserved(&host), Vec::<String>::new());
}
