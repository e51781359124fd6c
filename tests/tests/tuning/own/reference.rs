//! The reference ring: the same configuration by ours and by the reference plugin, each on a host of its own. Result, note
//! and interface must be the same.

use cnm_tests::{Conf, Host, Suite};
use serde_json::{Value, json};

use crate::{FOLDER, network, tuning};

/// What a suite makes of a configuration, addresses that were drawn at random replaced.
fn made(suite: &Suite, conf: &Conf) -> Vec<String> {
    let host = Host::new();
    let (one, attached) = host.attach(&network(), "one");
    let random = one.link("eth0").mac;
    let outcome = host.calling("ADD", &conf.clone().after(attached.json()), &one).by(suite).run();
    if !outcome.status.success() {
        return vec![outcome.fails().msg];
    }
    let result: Value = serde_json::from_str(&outcome.stdout).expect("a result");
    let link = one.link("eth0");
    let note: Option<Value> = host.read_file(&format!("{FOLDER}/one_eth0.json")).map(|text| {
        let mut note: Value = serde_json::from_str(&text).expect("a note");
        // The one key of ours.
        note.as_object_mut().expect("an object").remove("cnm");
        note
    });
    let inner = &result["interfaces"][2];
    let mut all = vec![
        format!("{inner} {}", result["ips"]),
        format!("{note:?}"),
        format!("{} {} {}", link.mac, link.mtu, link.json["flags"]),
    ];
    all.push(one.sysctl("net/core/somaxconn"));
    all.push(one.sysctl("net/ipv4/conf/eth0/arp_filter"));
    host.calling("DEL", conf, &one).by(suite).run().succeeds_silently();
    let link = one.link("eth0");
    all.push(format!("{} {} {}", link.mac, link.mtu, link.json["flags"]));
    all.push(format!("{:?}", host.list_folder(FOLDER)));
    all.into_iter().map(|text| text.replace(&random, "<random>")).collect()
}

#[test]
fn results_notes_and_interfaces_are_those_of_the_reference() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    let sysctls = json!({ "net.core.somaxconn": "517", "net.ipv4.conf.IFNAME.arp_filter": "1" });
    for conf in [
        tuning(),
        tuning().with("sysctl", sysctls.clone()),
        tuning().with("mac", "02:00:00:00:00:77"),
        tuning().with("mtu", 1400),
        tuning().with("promisc", true),
        tuning().with("allmulti", true),
        tuning().with("allmulti", false),
        tuning().with("mtu", 0).with("mac", ""),
        tuning().with("mac", "02:00:00:00:00:77").with("mtu", 1400).with("promisc", true).with("allmulti", true),
        tuning()
            .with("sysctl", sysctls)
            .with("args", json!({ "cni": { "mtu": 1300, "sysctl": { "net.core.somaxconn": "7" } } })),
    ] {
        assert_eq!(made(&ours, &conf), made(&reference, &conf), "{conf}");
    }
}

#[test]
fn errors_contain_the_reference_s_words() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for conf in [tuning().with("sysctl", json!({ "kernel.hostname": "x" })), tuning().with("runtimeConfig", 7)] {
        let (own, theirs) = (made(&ours, &conf), made(&reference, &conf));
        assert!(own.len() == 1 && theirs.len() == 1, "{own:?} {theirs:?}");
        let words = ["invalid net sysctl key"];
        let said = words.iter().filter(|word| theirs[0].contains(**word)).all(|word| own[0].contains(word));
        assert!(said, "{own:?}: {theirs:?}");
    }
}
