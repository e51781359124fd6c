//! Every wrong value gets a code and a message that names the JSON path and the value; nothing is created.

use cnm_tests::Conf;
use serde_json::{Value, json};

use super::{HERE, HERE6, Site, THERE, THERE6, bare, blue};

/// ADD must refuse `conf` with `code` and `words` and leave the state as it was.
#[track_caller]
fn refused(site: &Site, conf: &Conf, code: u64, words: &[&str]) {
    let one = site.sandbox("one");
    let before = site.snapshot();
    site.add(conf, &one).fails_with(code, words);
    site.is_again(&before);
    one.vanish();
}

#[test]
fn values_of_keys() {
    let site = Site::new();
    let mac = "02:00:00:00:09:01";
    for (key, value, words) in [
        ("vni", json!(0), &["vni", "1 to 16777215", "0"][..]),
        ("vni", json!(16_777_216), &["vni", "16777216"]),
        ("port", json!(0), &["port", "1 to 65535"]),
        ("port", json!(65536), &["port", "65536"]),
        ("mtu", json!(67), &["mtu", "67"]),
        ("bridge", json!("a-very-long-name-of-a-bridge"), &["bridge", "a-very-long-name"]),
        ("underlay", json!("a-very-long-name-of-a-link"), &["underlay", "a-very-long-name"]),
        ("underlay", json!("224.0.0.1"), &["underlay", "224.0.0.1"]),
        ("local", json!("192.0.2"), &["local", "IP address", "192.0.2"]),
        ("local", json!("0.0.0.0"), &["local", "0.0.0.0"]),
        ("peers", json!(["192.0.2.2", "far"]), &["peers[1]", "IP address", "far"]),
        ("peers", json!(["239.1.1.1"]), &["peers[0]", "239.1.1.1"]),
        ("peers", json!(["127.0.0.1"]), &["peers[0]", "127.0.0.1"]),
        ("peers", json!([HERE, THERE6]), &["peers", "families", THERE6]),
        ("fdb", json!([{ "mac": mac }]), &["fdb[0].vtep", "IP address"]),
        ("fdb", json!([{ "vtep": THERE }]), &["fdb[0].mac"]),
        ("fdb", json!([{ "mac": "xx", "vtep": THERE }]), &["fdb[0].mac", "xx"]),
        ("fdb", json!([{ "mac": "01:00:5e:00:00:01", "vtep": THERE }]), &["fdb[0].mac", "one station"]),
        ("fdb", json!([{ "mac": mac, "vtep": "224.0.0.1" }]), &["fdb[0]", "another host"]),
        (
            "fdb",
            json!([{ "mac": mac, "vtep": THERE }, { "mac": mac, "vtep": "192.0.2.3" }]),
            &["fdb[1].mac", "behind two"],
        ),
        ("neighbours", json!([{ "ip": "10.1.2.9", "mac": mac }]), &["neighbours[0].mac", "no entry of fdb"]),
        ("neighbours", json!([{ "mac": mac }]), &["neighbours[0].ip"]),
    ] {
        refused(&site, &bare("blue", 42).with(key, value), 7, words);
    }
}

#[test]
fn keys_that_exclude_each_other() {
    let site = Site::new();
    let fdb = json!([{ "mac": "02:00:00:00:09:01", "vtep": THERE }]);
    for (conf, words) in [
        (blue().with("group", "239.1.1.1"), &["group", "peers"][..]),
        (bare("blue", 42).with("group", "239.1.1.1").with("fdb", fdb.clone()), &["group", "fdb"]),
        (blue().with("fdb", fdb), &["fdb", "peers"]),
        (bare("blue", 42).with("group", "192.0.2.9"), &["group", "multicast", "192.0.2.9"]),
        (bare("blue", 42).with("underlay", HERE).with("group", "239.1.1.1"), &["group", "device"]),
        (bare("blue", 42).with("underlay", HERE).with("local", "192.0.2.77"), &["local", "192.0.2.77", HERE]),
        (bare("blue", 42).without("underlay"), &["underlay"]),
        (bare("blue", 42).with("local", HERE).with("peers", json!([THERE6])), &["families", THERE6, HERE]),
        (bare("blue", 42).with("local", HERE6).with("group", "239.1.1.1"), &["families", "239.1.1.1"]),
        (blue().without("vni"), &["vni"]),
    ] {
        refused(&site, &conf, 7, words);
    }
    for (key, value) in [("vlan", json!(5)), ("vlanTrunk", json!([{ "id": 5 }])), ("promiscMode", json!(true))] {
        refused(&site, &blue().with(key, value), 2, &[key, "bridge networks only"]);
    }
}

#[test]
fn values_of_another_type() {
    let site = Site::new();
    let wrong: [(&str, Value); 9] = [
        ("vni", json!("42")),
        ("vni", json!(4.5)),
        ("port", json!("4789")),
        ("underlay", json!(1)),
        ("local", json!(["192.0.2.1"])),
        ("peers", json!("192.0.2.2")),
        ("fdb", json!({})),
        ("neighbours", json!("x")),
        ("group", json!(true)),
    ];
    for (key, value) in wrong {
        refused(&site, &bare("blue", 42).with(key, value), 6, &[key]);
    }
}

/// What is not there now may come: the runtime may try again.
#[test]
fn an_underlay_that_is_not_there() {
    let site = Site::new();
    refused(&site, &bare("blue", 42).with("underlay", "up9"), 11, &["underlay", "no device up9"]);
    refused(&site, &bare("blue", 42).with("underlay", "192.0.2.9"), 11, &["192.0.2.9"]);
    refused(&site, &bare("blue", 42).with("local", "192.0.2.9"), 11, &["local", "192.0.2.9"]);
    site.run("ip addr flush dev up0");
    refused(&site, &blue(), 11, &["underlay", "up0 has no IPv4 address"]);
}
