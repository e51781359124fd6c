//! Each version's result shape; versions that nobody has.

use cnm_tests::{Conf, Host};
use serde_json::{Value, json};

use crate::{VERSIONS, call, lan};

/// The versions that the binaries under test have: the reference of Debian 12 stops at 1.0.0.
fn supported(host: &Host) -> &'static [&'static str] {
    if host.suite().is_reference() { &VERSIONS[..6] } else { &VERSIONS }
}

#[test]
fn version_tells_what_is_supported() {
    let host = Host::new();
    for kind in ["bridge", "loopback", "host-local"] {
        let outcome = host.call(kind, "VERSION").netns("dummy").ifname("dummy").env("CNI_PATH", "dummy").run();
        let answer = outcome.succeeds();
        let newest = supported(&host).last().expect("there are versions");
        assert_eq!(answer, json!({ "cniVersion": newest, "supportedVersions": supported(&host) }), "{kind}");
        assert_eq!(outcome.stdout.lines().count(), 1, "one line");
    }
}

#[test]
fn without_a_command_the_plugin_introduces_itself() {
    let host = Host::new();
    for kind in ["bridge", "loopback", "host-local"] {
        let outcome = host.call(kind, "").run();
        outcome.succeeds_silently();
        let about = outcome.stderr;
        assert!(about.starts_with(&format!("CNI {kind} plugin ")), "{about}");
        let list = supported(&host).join(", ");
        assert!(about.contains(&format!("CNI protocol versions supported: {list}")), "{about}");
    }
}

#[test]
fn every_version_has_its_own_result() {
    let host = Host::new();
    for version in supported(&host) {
        let (sandbox, result) = host.attach(&lan().version(version), &format!("s-{version}"));
        let result = result.json();
        assert_eq!(result["cniVersion"], *version);
        let old = matches!(*version, "0.1.0" | "0.2.0");
        assert_eq!(result["ip4"].is_object(), old, "{version}: {result}");
        assert_eq!(result["interfaces"].is_array(), !old, "{version}: {result}");
        let tells_family = matches!(*version, "0.3.0" | "0.3.1" | "0.4.0");
        let family = if tells_family { json!("4") } else { Value::Null };
        assert_eq!(result["ips"][0]["version"], family, "{version}: {result}");
        if old {
            assert_eq!(result["ip4"]["gateway"], "10.1.2.1");
        }
        host.del(&lan().version(version).after(result), &sandbox).succeeds_silently();
    }
}

#[test]
fn without_a_version_the_first_is_meant() {
    let host = Host::new();
    let (_one, result) = host.attach(&lan().without("cniVersion"), "one");
    assert_eq!(result.json()["cniVersion"], "0.1.0");
    let (_two, result) = host.attach(&lan().version(""), "two");
    assert_eq!(result.json()["cniVersion"], "0.1.0");
}

#[test]
fn an_unknown_version_is_refused() {
    let host = Host::new();
    for version in ["9.9.9", "1.0", "0.3"] {
        for verb in ["ADD", "DEL"] {
            let failure =
                call(&host, verb).conf(&lan().version(version)).run().fails_with(1, &["incompatible CNI versions"]);
            failure.says(&[version, "plugin supports"]);
        }
    }
}

#[test]
fn both_families_below_1_0() {
    let host = Host::new();
    let dual = lan().subnet("fd00::/64");
    let (_one, result) = host.attach(&dual.clone().version("0.2.0"), "one");
    assert_eq!(result.json()["ip4"]["ip"], "10.1.2.2/24");
    assert_eq!(result.json()["ip6"]["ip"], "fd00::2/64");
    let (_two, result) = host.attach(&dual.version("0.4.0"), "two");
    assert_eq!(result.json()["ips"][1]["version"], "6");
}

#[test]
fn a_previous_result_of_the_same_version_is_understood_by_del_and_check() {
    let host = Host::new();
    for version in ["0.4.0", "1.0.0"] {
        let conf = lan().version(version);
        let (sandbox, result) = host.attach(&conf, &format!("s-{version}"));
        let conf: Conf = conf.after(result.json());
        host.check(&conf, &sandbox).succeeds_silently();
        host.del(&conf, &sandbox).succeeds_silently();
    }
}
