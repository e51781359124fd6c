//! Beside the reference plugin: the same answers, and one store for both.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use crate::support::{Dice, OURS, addresses, call, conf, reference, reservations};
use cni::json::Json;

/// Continuations of `ipam` (or of the whole document, after `|`), `CNI_ARGS`.
const CASES: &[(&str, &str)] = &[
    (r#""subnet":"10.7.0.0/24""#, ""),
    (r#""subnet":"10.7.0.0/24","gateway":"10.7.0.254""#, ""),
    (r#""subnet":"10.7.0.0/24","rangeStart":"10.7.0.9","rangeEnd":"10.7.0.12","gateway":"10.7.0.9""#, ""),
    (r#""Subnet":"10.7.0.0/24","RANGES":[[{"Subnet":"fd00:7::/64"}]]"#, ""),
    (
        r#""ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"fd00:7::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0","gw":"fd00:7::9"}]"#,
        "",
    ),
    (r#""ranges":[[{"subnet":"10.7.0.0/29","rangeEnd":"10.7.0.2"},{"subnet":"10.8.0.0/29"}]]"#, ""),
    (r#""ranges":[[{"subnet":"1100:200::/24"}],[{"subnet":"10.0.0.0/8"}]]"#, ""),
    (r#""subnet":"10.7.0.0/24""#, "IP=10.7.0.77"),
    (r#""subnet":"10.7.0.0/24""#, "IgnoreUnknown=true;A=b;IP=10.7.0.77/16"),
    (r#""subnet":"10.7.0.0/24""#, "IP=10.7.0.1"),
    (r#""subnet":"10.7.0.0/24""#, "IP=10.8.0.1"),
    (r#""subnet":"10.7.0.0/24""#, "A=b"),
    (r#""subnet":"10.7.0.0/24"},"runtimeConfig":{"ips":["10.7.0.9/24"]},"x":{"#, ""),
    (r#""subnet":"10.7.0.0/24"},"args":{"cni":{"ips":["10.7.0.9"]}},"x":{"#, ""),
    (r#""subnet":"10.7.0.0/24"},"runtimeConfig":{"ipRanges":[[{"subnet":"10.9.0.0/24"}]]},"x":{"#, ""),
    (r#""x":1"#, ""),
    (r#""ranges":[]"#, ""),
    (r#""ranges":[[]]"#, ""),
    (r#""subnet":"10.7.0.0/31""#, ""),
    (r#""subnet":"fd00::/127""#, ""),
    (r#""subnet":"10.7.0.1/24""#, ""),
    (r#""subnet":"10.7.0.0/24","rangeStart":"10.8.0.1""#, ""),
    (r#""subnet":"10.7.0.0/24","rangeEnd":"10.8.0.1""#, ""),
    (r#""subnet":"10.7.0.0/24","rangeStart":"10.7.0.9","rangeEnd":"10.7.0.8""#, ""),
    (r#""ranges":[[{"subnet":"10.7.0.0/24"},{"subnet":"fd00::/64"}]]"#, ""),
    (r#""ranges":[[{"subnet":"10.7.0.0/24"},{"subnet":"10.7.0.0/24"}]]"#, ""),
    (r#""ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"10.7.0.0/16"}]]"#, ""),
    (r#""subnet":"10.7.0.0/29","rangeStart":"10.7.0.1","rangeEnd":"10.7.0.1""#, ""),
];

/// The parts that must be equal; the order of keys is no part.
fn parts(result: &Json) -> Vec<String> {
    let root = cni::json::Node::root(result);
    let mut parts = addresses(result);
    for (list, keys) in [("ips", ["gateway", "interface"]), ("routes", ["dst", "gw"])] {
        for entry in root.list(list).expect("a list") {
            parts.extend(keys.map(|key| {
                format!("{key} {:?}", entry.get(key).expect("an object").map(|node| node.value().to_string()))
            }));
        }
    }
    // The version in Debian prints an empty object, later ones and ours none.
    let dns = root.get("dns").expect("an object").map(|node| node.value().to_string());
    parts.extend(dns.filter(|dns| dns != "{}"));
    parts
}

#[test]
fn both_answer_alike() {
    for (ipam, args) in CASES {
        let mut stores = Vec::new();
        let mut answers = Vec::new();
        for program in [reference(), OURS] {
            let data = tempfile::tempdir().expect("a directory");
            let conf = conf(data.path(), ipam);
            // The second attachment goes on where the first one stopped; the third is the first one again.
            let ids = ["a", "b", "a"];
            answers.push(ids.map(|id| call(program, "ADD", id, &conf, args)));
            stores.push((reservations(data.path()), ids.map(|id| call(program, "DEL", id, &conf, args).is_ok())));
        }
        let ours = answers.pop().expect("two");
        let theirs = answers.pop().expect("two");
        for (theirs, ours) in theirs.iter().zip(&ours) {
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) => assert_eq!(parts(theirs), parts(ours), "{ipam} {args}"),
                (Err(theirs), Err(ours)) => {
                    assert!(ours.contains(theirs.as_str()), "{ipam} {args}: {theirs:?} is not in {ours:?}")
                }
                _ => panic!("{ipam} {args}: reference {theirs:?}, ours {ours:?}"),
            }
        }
        // DEL: known difference, ours releases with a configuration that the reference refuses.
        assert_eq!(stores[0].0, stores[1].0, "{ipam} {args}");
    }
}

#[test]
fn a_random_history_may_change_hands_at_any_step() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(
        data.path(),
        r#""ranges":[[{"subnet":"10.7.0.0/27"}],[{"subnet":"fd00:7::/123","rangeEnd":"fd00:7::1e"}]]"#,
    );
    let mut model: BTreeMap<String, u8> = BTreeMap::new();
    let mut last = 1;
    let mut dice = Dice(7);
    for step in 0..300 {
        let program = if dice.roll(2) == 0 { reference() } else { OURS };
        let id = format!("c{}", dice.roll(34));
        if dice.roll(5) < 3 {
            let free = (1..=29_u8)
                .map(|ahead| (last - 1 + ahead - 1) % 29 + 2)
                .find(|at| !model.values().any(|taken| taken == at));
            let result = call(program, "ADD", &id, &conf, "");
            match (model.contains_key(&id), free) {
                (true, _) => {
                    let msg = result.expect_err("has one");
                    assert!(msg.contains("duplicate allocation is not allowed"), "step {step}: {msg}");
                }
                (false, None) => {
                    let msg = result.expect_err("full");
                    assert!(
                        msg.contains("no IP addresses available in range set: 10.7.0.1-10.7.0.30"),
                        "step {step}: {msg}"
                    );
                }
                (false, Some(at)) => {
                    assert_eq!(
                        addresses(&result.expect("room")),
                        [format!("10.7.0.{at}/27"), format!("fd00:7::{at:x}/123")],
                        "step {step}, {program}"
                    );
                    model.insert(id, at);
                    last = at;
                }
            }
        } else {
            call(program, "DEL", &id, &conf, "").expect("DEL succeeds");
            model.remove(&id);
        }
        let expected: BTreeMap<String, String> = model
            .iter()
            .flat_map(|(id, at)| {
                [format!("10.7.0.{at}"), format!("fd00:7::{at:x}")].map(|name| (name, format!("{id}\r\neth0")))
            })
            .collect();
        assert_eq!(reservations(data.path()), expected, "step {step}, {program}");
    }
}

#[test]
fn both_at_once_never_give_one_address_twice() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = &conf(data.path(), r#""subnet":"10.7.0.0/26""#);
    thread::scope(|scope| {
        for worker in 0..6_u64 {
            let data = data.path();
            scope.spawn(move || {
                let mut dice = Dice(worker);
                for round in 0..25 {
                    let mut program = || if dice.roll(2) == 0 { reference() } else { OURS };
                    let id = format!("w{worker}r{round}");
                    let result = call(program(), "ADD", &id, conf, "").expect("62 addresses for 6");
                    let address = addresses(&result).remove(0);
                    let address = address.split('/').next().expect("an address");
                    let content = std::fs::read_to_string(data.join("net").join(address)).expect("reserved");
                    assert_eq!(content, format!("{id}\r\neth0"));
                    call(program(), "CHECK", &id, conf, "").expect("there");
                    call(program(), "DEL", &id, conf, "").expect("ours");
                }
            });
        }
    });
    assert_eq!(reservations(data.path()), BTreeMap::new());
    let last: IpAddr =
        std::fs::read_to_string(data.path().join("net/last_reserved_ip.0")).expect("there").parse().expect("whole");
    assert!(matches!(last, IpAddr::V4(last) if last > Ipv4Addr::new(10, 7, 0, 1)));
}
