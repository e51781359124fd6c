//! Attributes of the interface: who may ask, what the result says, what DEL restores.

use cnm_tests::{Conf, Host};
use serde_json::json;

use crate::{FOLDER, network, stage, tune, tuning};

/// All attributes that Debian's plugin knows.
fn everything() -> Conf {
    tuning().with("mac", "02:00:00:00:00:77").with("mtu", 1400).with("promisc", true).with("allmulti", true)
}

#[test]
fn nothing_asked_passes_the_result_on() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    assert_eq!(tune(&host, &tuning(), &one, &attached).attached().json(), attached.json());
    host.del(&tuning(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn attributes_are_set_noted_and_restored() {
    let (host, one, attached) = stage();
    let (before, born) = (host.snapshot(), one.link("eth0"));
    let result = tune(&host, &everything(), &one, &attached).attached();
    let link = one.link("eth0");
    assert_eq!((link.mac.as_str(), link.mtu, link.promiscuous), ("02:00:00:00:00:77", 1400, true));
    assert!(link.json["flags"].as_array().expect("flags").iter().any(|flag| flag == "ALLMULTI"));
    assert_eq!(result.mac("eth0").as_deref(), Some("02:00:00:00:00:77"));
    assert_eq!(result.interfaces(), attached.interfaces());
    let note = host.read_file(&format!("{FOLDER}/one_eth0.json")).expect("a note");
    let note: serde_json::Value = serde_json::from_str(&note).expect("JSON");
    assert_eq!(
        (&note["mac"], &note["mtu"], &note["promisc"], &note["allmulti"]),
        (&json!(born.mac), &json!(1500), &json!(false), &json!(false))
    );
    host.del(&everything().after(result.json()), &one).succeeds_silently();
    assert_eq!(host.list_folder(FOLDER), Vec::<String>::new());
    host.is_again(&before_with_folder(&before, &host));
}

/// The folder of the notes stays.
fn before_with_folder(before: &cnm_tests::Snapshot, host: &Host) -> cnm_tests::Snapshot {
    let folders = ["file /run/cni/", "file /run/cni/tuning/"];
    let now = host.snapshot();
    let mut expected = before.clone();
    for folder in folders {
        if let Some(mode) = now.entries().get(folder) {
            expected = expected.and(folder, mode);
        }
    }
    expected
}

#[test]
fn the_strongest_of_four_sources_decides_about_the_mac() {
    let address = |last: u8| format!("02:00:00:00:00:0{last}");
    let conf = tuning().with("mac", address(1));
    let runtime = json!({ "mac": address(3) });
    let args = json!({ "cni": { "mac": address(4) } });
    for (conf, arguments, expected) in [
        (conf.clone(), String::new(), 1),
        (conf.clone(), format!("IgnoreUnknown=1;MAC={}", address(2)), 2),
        (conf.clone().with("runtimeConfig", runtime.clone()), format!("MAC={}", address(2)), 3),
        (conf.with("runtimeConfig", runtime).with("args", args), format!("MAC={}", address(2)), 4),
    ] {
        let (host, one, attached) = stage();
        let call = host.calling("ADD", &conf.after(attached.json()), &one).args(&arguments);
        let result = call.run().attached();
        assert_eq!(one.link("eth0").mac, address(expected));
        assert_eq!(result.mac("eth0"), Some(address(expected)));
    }
}

#[test]
fn args_cni_override() {
    let (host, one, attached) = stage();
    let args = json!({ "cni": { "mtu": 1300, "promisc": true, "allmulti": false } });
    let conf = tuning().with("mtu", 1400).with("allmulti", true).with("args", args);
    tune(&host, &conf, &one, &attached).succeeds();
    let link = one.link("eth0");
    assert_eq!((link.mtu, link.promiscuous), (1300, true));
    assert!(!link.json["flags"].as_array().expect("flags").iter().any(|flag| flag == "ALLMULTI"));
}

#[test]
fn another_folder() {
    let (host, one, attached) = stage();
    let conf = tuning().with("dataDir", "/run/elsewhere/deep").with("mtu", 1400);
    tune(&host, &conf, &one, &attached).succeeds();
    assert_eq!(host.list_folder("/run/elsewhere/deep"), ["one_eth0.json"]);
    host.del(&conf, &one).succeeds_silently();
    assert_eq!(host.list_folder("/run/elsewhere/deep"), Vec::<String>::new());
    assert_eq!(one.link("eth0").mtu, 1500);
}

#[test]
fn del_never_fails() {
    let (host, one, attached) = stage();
    tune(&host, &everything(), &one, &attached).succeeds();
    one.run("ip link del eth0");
    host.del(&everything(), &one).succeeds_silently();
    host.del(&everything(), &one).succeeds_silently();
    host.calling("DEL", &everything(), &one).netns("").run().succeeds_silently();
    let never = host.sandbox("never");
    host.del(&tuning(), &never).succeeds_silently();
    let call = host.calling("DEL", &network(), &one);
    one.vanish();
    call.run().succeeds_silently();
}
