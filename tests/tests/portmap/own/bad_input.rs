//! What cannot be: the right code, a message that names the path, and no rule left.

use cnm_tests::{Conf, Host, Sandbox};
use serde_json::{Value, json};

use crate::{mapping, network, portmap};

/// A result as a bridge plugin prints it.
fn previous(sandbox: &Sandbox) -> Value {
    json!({ "cniVersion": "1.0.0",
        "interfaces": [{ "name": "br-web" }, { "name": "veth1" }, { "name": "eth0", "sandbox": sandbox.path() }],
        "ips": [{ "address": "10.1.2.3/24", "interface": 2 }] })
}

fn with(key: &str, value: Value) -> Conf {
    let mut one = mapping(8080, 80, "tcp");
    one[key] = value;
    portmap(&network("web", 2), &[mapping(7070, 70, "tcp"), one])
}

#[test]
fn is_refused_by_path_and_leaves_nothing() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let before = host.snapshot();
    let plain = || with("protocol", "tcp".into());
    let path = |key: &str| format!("runtimeConfig.portMappings[1].{key}");
    let cases: Vec<(Conf, u64, Vec<String>)> = vec![
        (with("hostPort", json!(0)), 7, vec![path("hostPort"), "Invalid host port number: 0".into()]),
        (with("hostPort", json!(70000)), 7, vec![path("hostPort"), "70000".into()]),
        (with("hostPort", json!(7070)), 7, vec![path("hostPort"), "7070/tcp".into()]),
        (with("containerPort", json!(-1)), 7, vec![path("containerPort"), "Invalid container port number: -1".into()]),
        (with("hostPort", json!("80")), 6, vec![path("hostPort")]),
        (with("protocol", "icmp".into()), 7, vec![path("protocol"), "icmp".into()]),
        (with("hostIP", "nowhere".into()), 7, vec![path("hostIP"), "nowhere".into()]),
        (with("hostIP", "2001:db8::1".into()), 7, vec![path("hostIP"), "2001:db8::1".into()]),
        (plain().with("backend", "pf"), 7, vec!["backend".into(), "pf".into()]),
        (plain().with("markMasqBit", 32), 7, vec!["markMasqBit".into()]),
        (plain().with("conditionsV4", json!("-s 10.0.0.0/8")), 6, vec!["conditionsV4".into()]),
        (
            plain().with("backend", "nftables").with("conditionsV4", json!(["-s", "10.0.0.0/8"])),
            7,
            vec!["conditionsV4".into()],
        ),
    ];
    for (conf, code, words) in cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        host.add(&conf.clone().after(&previous(&sandbox)), &sandbox).fails_with(code, &words);
        host.is_again(&before);
        host.del(&conf, &sandbox).succeeds_silently();
        host.is_again(&before);
    }
    let mut stray = previous(&sandbox);
    stray["ips"][0]["interface"] = json!(7);
    let mut bare = stray.clone();
    bare["interfaces"] = json!([]);
    for result in [stray, bare] {
        host.add(&plain().after(&result), &sandbox).fails_with(7, &["prevResult.ips[0].interface", "7"]);
        host.is_again(&before);
    }
    host.add(&plain(), &sandbox).fails_with(7, &["must be called as chained plugin"]);
    host.check(&plain(), &sandbox).fails_with(7, &["must be called as chained plugin"]);
    host.is_again(&before);
}

/// Rules that the kernel or the programs refuse: what came before them goes, too.
#[test]
fn what_is_refused_late_is_undone() {
    let host = Host::new();
    host.run("ip link add br-web type bridge");
    let sandbox = host.sandbox("one");
    let warm = portmap(&network("web", 2), &[mapping(1, 1, "tcp")]);
    for backend in ["nftables", "iptables"] {
        host.add(&warm.clone().with("backend", backend).after(&previous(&sandbox)), &sandbox).succeeds();
        host.del(&warm, &sandbox).succeeds_silently();
    }
    let before = host.snapshot();
    let conf = portmap(&network("web", 2), &[mapping(8080, 80, "tcp")]);
    for (conditions, words) in
        [(json!(["ip", "saddr", "nonsense/x"]), "nonsense"), (json!(["-s", "10.0.0.0/sense"]), "sense")]
    {
        let conf = conf.clone().with("conditionsV4", conditions).after(&previous(&sandbox));
        host.add(&conf, &sandbox).fails_with(999, &[words]);
        host.is_again(&before);
    }
    let missing = conf.clone().with("externalSetMarkChain", "NOBODY-S").after(&previous(&sandbox));
    host.add(&missing, &sandbox).fails_with(999, &["NOBODY-S", "externalSetMarkChain"]);
    host.is_again(&before);
    // The bridge is gone: its variable cannot be set.
    host.run("ip link del br-web");
    let before = host.snapshot();
    host.add(&conf.after(&previous(&sandbox)), &sandbox).fails_with(999, &["route_localnet"]);
    host.is_again(&before);
}
