//! Every wrong value gets a code and a message that names the JSON path and the value; nothing is created.

use cnm_tests::{Conf, Host};
use serde_json::{Value, json};

use crate::{V4, lan, world};

/// ADD must refuse `conf` with `code` and `words` and leave the state as it was.
#[track_caller]
fn refused(host: &Host, conf: &Conf, code: u64, words: &[&str]) {
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.add(conf, &one).fails_with(code, words);
    host.is_again(&before);
    one.vanish();
}

#[test]
fn values_of_keys() {
    let host = Host::new();
    for (key, value, words) in [
        ("mtu", json!(-1), &["mtu", "-1"][..]),
        ("mtu", json!(67), &["mtu", "67"]),
        ("mtu", json!(65536), &["mtu", "65536"]),
        ("vlan", json!(-1), &["invalid VLAN ID -1 (must be between 0 and 4094)"]),
        ("vlan", json!(4095), &["invalid VLAN ID 4095 (must be between 0 and 4094)"]),
        ("bridge", json!("../etc"), &["bridge", "../etc"]),
        ("bridge", json!("a-very-long-name-of-a-bridge"), &["bridge", "a-very-long-name-of-a-bridge"]),
        ("bridge", json!("a b"), &["bridge", "a b"]),
        ("bridge", json!("."), &["bridge"]),
        ("ipMasqBackend", json!("ebtables"), &["ipMasqBackend", "unknown ipmasq backend", "ebtables"]),
        ("runtimeConfig", json!({ "mac": "xx" }), &["runtimeConfig.mac", "xx"]),
        ("runtimeConfig", json!({ "mac": "01:00:5e:00:00:01" }), &["runtimeConfig.mac", "01:00:5e:00:00:01"]),
        ("args", json!({ "cni": { "mac": "00:00:00:00:00:00" } }), &["args.cni.mac", "00:00:00:00:00:00"]),
        ("vlanTrunk", json!([{ "id": 0 }]), &["vlanTrunk[0]", "incorrect trunk id parameter"]),
        (
            "vlanTrunk",
            json!([{ "id": 5 }, { "minID": 4095, "maxID": 1 }]),
            &["vlanTrunk[1]", "incorrect trunk minID parameter"],
        ),
        ("vlanTrunk", json!([{ "minID": 9, "maxID": 8 }]), &["minID is greater than maxID in trunk parameter"]),
        (
            "vlanTrunk",
            json!([{ "minID": 9 }]),
            &["minID and maxID should be configured simultaneously, maxID is missing"],
        ),
        (
            "vlanTrunk",
            json!([{ "maxID": 9 }]),
            &["minID and maxID should be configured simultaneously, minID is missing"],
        ),
    ] {
        refused(&host, &lan().with(key, value), 7, words);
    }
    let both = lan().with("hairpinMode", true).with("promiscMode", true);
    refused(&host, &both, 7, &["cannot set hairpin mode and promiscuous mode at the same time"]);
    let down = lan().with("disableContainerInterface", true);
    refused(&host, &down, 7, &["cannot use IPAM when DisableContainerInterface flag is set"]);
}

#[test]
fn types_of_keys() {
    let host = Host::new();
    for (key, value) in [
        ("mtu", json!("1500")),
        ("mtu", json!(1500.5)),
        ("vlan", json!("7")),
        ("isGateway", json!("true")),
        ("ipMasq", json!(1)),
        ("hairpinMode", json!([])),
        ("bridge", json!(7)),
        ("ipam", json!("host-local")),
        ("vlanTrunk", json!({ "id": 1 })),
        ("internal", json!("no")),
        ("icc", json!(0)),
        ("dns", json!([])),
        ("runtimeConfig", json!([])),
    ] {
        refused(&host, &lan().with(key, value), 6, &[key]);
    }
}

#[test]
fn routes_and_leases_that_cannot_be() {
    let host = Host::new();
    for (routes, words) in [
        (json!([{ "dst": "10.0.0.0/33" }]), &["ipam.routes[0].dst", "10.0.0.0/33"][..]),
        (json!([{ "dst": "0.0.0.0/0" }, { "dst": "nowhere" }]), &["ipam.routes[1].dst", "nowhere"]),
        (json!([{ "dst": "0.0.0.0/0", "gw": "10.1.2" }]), &["ipam.routes[0].gw", "10.1.2"]),
    ] {
        let conf = lan().ipam("routes", routes);
        let one = host.sandbox("one");
        let before = host.snapshot();
        host.add(&conf, &one).fails().says(words);
        // The bridge of the network is shared and never rolled back.
        let shared = &[
            "host link br-web",
            "host sysctl net/ipv4/conf/br-web",
            "host sysctl net/ipv6/conf/br-web",
            "host address br-web",
            "host route",
            "file /var/lib/cni",
        ];
        let after = host.snapshot().without(shared);
        assert_eq!(before.without(shared).compare(&after), Ok(()));
        one.vanish();
    }
}

#[test]
fn sandboxes_that_are_none() {
    let host = Host::new();
    host.warm_up(&world());
    host.write_file("/run/plain", "not a namespace");
    let before = host.snapshot();
    for (path, words) in [
        ("/run/plain", &["/run/plain"][..]),
        ("/run", &["/run"]),
        ("/run/netns/none", &["/run/netns/none", "no such file or directory"]),
        ("/proc/self/ns/mnt", &["/proc/self/ns/mnt"]),
        ("relative/path", &["relative/path"]),
    ] {
        let call = host.call("bridge", "ADD").conf(&world()).container("one").ifname("eth0");
        call.netns(path).run().fails().says(words);
        host.is_again(&before);
    }
}

#[test]
fn our_own_namespace_is_refused_before_anything_happens() {
    let host = Host::new();
    let before = host.snapshot();
    for path in ["/proc/self/ns/net", "/proc/thread-self/ns/net"] {
        for verb in ["ADD", "CHECK"] {
            let call = host.call("bridge", verb).conf(&world().after(&json!({ "cniVersion": "1.0.0" })));
            let outcome = call.container("one").ifname("eth0").netns(path).run();
            outcome.fails_with(8, &["plugin's netns and netns from CNI_NETNS should not be the same"]);
            host.is_again(&before);
        }
    }
}

#[test]
fn long_and_hostile_names() {
    let host = Host::new();
    let long = "x".repeat(255);
    let one = host.sandbox("one");
    for name in ["../web", "a/b", "", ".hidden"] {
        let conf = world().with("name", name);
        host.add(&conf, &one).fails_with(7, &["network name"]);
    }
    assert_eq!(host.list_folder("/var/lib/cni"), Vec::<String>::new());
    host.warm_up(&world());
    let before = host.snapshot();
    host.calling("ADD", &world(), &one)
        .container("../../one")
        .run()
        .fails_with(4, &["invalid characters in containerID"]);
    host.is_again(&before);
    // Any length is valid for a container id.
    host.calling("ADD", &world(), &one).container(&long).run().succeeds();
    host.calling("DEL", &world(), &one).container(&long).run().succeeds_silently();
    host.is_again(&before);
    // A network name is a file's name, so it ends at 255 bytes.
    let named = Conf::bridge("web").with("name", long.as_str()).subnet(V4);
    let result = host.add(&named, &one).attached();
    assert_eq!(
        host.list_folder(&format!("/var/lib/cni/networks/{long}")).first().map(String::as_str),
        Some("10.1.2.2")
    );
    host.del(&named.after(result.json()), &one).succeeds_silently();
    assert!(!one.has_link("eth0"));
}

#[test]
fn previous_results_that_are_none() {
    let host = Host::new();
    let (one, _) = host.attach(&lan(), "one");
    for previous in [
        json!("text"),
        json!([]),
        json!({ "cniVersion": "1.0.0", "ips": [{ "address": "x" }] }),
        json!({ "cniVersion": "9.9.9" }),
    ] {
        let outcome = host.check(&lan().with("prevResult", previous.clone()), &one);
        let failure = outcome.fails();
        assert_ne!(failure.code, Some(999), "{previous}: {failure:?}");
    }
    host.check(&lan().with("prevResult", Value::Null), &one).fails().says(&["Required prevResult missing"]);
}
