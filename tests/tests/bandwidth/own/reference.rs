//! The reference ring: the same configuration by ours and by the reference plugin, each on a host of its own. The kernel
//! must have the same, but for what is listed here.

use cnm_tests::{Conf, Host, Suite};
use serde_json::{Value, json};

use crate::{bandwidth, device, limits, network, port};

/// Keys that number objects, and where the suites differ with a reason: the reference sends a table of transmission times
/// from which the kernel guesses the link layer, and its redirection has a second action that is never reached.
const LEFT_OUT: &[&str] = &["index", "refcnt", "linklayer", "mpu", "order", "ref", "bind", "to_dev", "ht_divisor"];

fn same(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), same(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(same).collect()),
        other => other.clone(),
    }
}

/// What a suite makes of a configuration: the disciplines of both links, the first action of the filter, the result's
/// interfaces, or the error's text.
fn made(suite: &Suite, conf: &Conf) -> Vec<Value> {
    let host = Host::new();
    let (one, attached) = host.attach(&network(), "one");
    let call = host.calling("ADD", &conf.clone().after(attached.json()), &one).by(suite).run();
    if !call.status.success() {
        return vec![json!(call.fails().msg)];
    }
    let port = port(&attached);
    let mut all: Vec<Value> = host.disciplines(&port);
    for filter in host.filters(&port, "ffff:") {
        let action = &filter["options"]["actions"][0];
        all.push(json!({ "filter": filter["pref"], "protocol": filter["protocol"], "flow": filter["options"]["flowid"],
            "kind": action["kind"], "action": action["mirred_action"], "direction": action["direction"], "to": action["to_dev"] }));
    }
    if let Some(link) = host.find_link(device()) {
        all.extend(host.disciplines(device()));
        all.push(json!({ "kind": link.kind, "mtu": link.mtu, "up": link.up }));
    }
    let names: Vec<String> = serde_json::from_str::<Value>(&call.stdout).expect("a result")["interfaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|link| link["name"].as_str().unwrap_or_default().replace(&port, "<port>"))
        .collect();
    all.push(json!(names));
    all.iter()
        .map(|value| serde_json::from_str(&same(value).to_string().replace(&port, "<port>")).expect("JSON"))
        .collect()
}

#[test]
fn the_kernel_has_what_the_reference_would_make() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for conf in [
        limits(8_000_000, 0),
        limits(0, 8_000_000),
        limits(20_000_000, 1_000_000),
        limits(123_456_789, 987_654_321),
        limits(40_000_000_000, 80_000_000_000),
        bandwidth().with("ingressRate", 1000).with("ingressBurst", 1000),
        bandwidth().with("ingressRate", 1001).with("ingressBurst", 100_000),
        bandwidth().with("runtimeConfig", json!({ "bandwidth": { "ingressRate": 8000, "ingressBurst": 9999 } })),
        bandwidth(),
    ] {
        assert_eq!(made(&ours, &conf), made(&reference, &conf), "{conf}");
    }
}

#[test]
fn errors_contain_the_reference_s_words() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for conf in [
        bandwidth().with("ingressRate", 8000),
        bandwidth().with("egressBurst", 8000),
        bandwidth().with("egressRate", 8000).with("egressBurst", 4_294_967_295u64 * 8),
    ] {
        let (own, theirs) = (made(&ours, &conf), made(&reference, &conf));
        let text = |all: &[Value]| all[0].as_str().unwrap_or_default().to_owned();
        assert!(text(&own).contains(&text(&theirs)), "{own:?}: {theirs:?}");
    }
}
