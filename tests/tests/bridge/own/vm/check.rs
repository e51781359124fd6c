//! CHECK names what was done to the VLANs.

use cnm_tests::{Conf, Feature, Host, needs};
use serde_json::json;

use super::{gateway, gateway_ports};
use crate::lan;

/// Attaches `one`; then each damage makes CHECK fail with all of its words, and undone leaves CHECK content. `PORT` is
/// the endpoint's port, `GATE` the gateway's.
#[track_caller]
fn finds(conf: &Conf, damages: &[(&str, &str, &[&str])]) {
    let host = Host::new();
    let (one, result) = host.attach(conf, "one");
    let conf = conf.clone().after(result.json());
    let gate = gateway_ports(&host).pop().unwrap_or_default();
    let spelt = |line: &str| line.replace("PORT", &result.host_link()).replace("GATE", &gate);
    for (damage, undo, words) in damages {
        host.check(&conf, &one).succeeds_silently();
        host.run(&spelt(damage));
        let outcome = host.check(&conf, &one);
        assert!(!outcome.status.success(), "CHECK does not see: {damage}");
        for word in *words {
            outcome.fails().says(&[&spelt(word)]);
        }
        host.run(&spelt(undo));
    }
    host.check(&conf, &one).succeeds_silently();
}

#[test]
fn check_sees_the_vlans_of_a_port() {
    needs(&[Feature::VlanFiltering]);
    finds(
        &lan().with("vlan", 100).with("mtu", 1400),
        &[
            (
                "bridge vlan del dev PORT vid 100",
                "bridge vlan add dev PORT vid 100 pvid untagged",
                &["PORT", "lacks VLAN 100"],
            ),
            ("bridge vlan add dev PORT vid 300", "bridge vlan del dev PORT vid 300", &["PORT", "VLAN 300 tagged, too"]),
            (
                "bridge vlan add dev PORT vid 100",
                "bridge vlan add dev PORT vid 100 pvid untagged",
                &["PORT", "has VLAN 100 tagged, not VLAN 100 untagged"],
            ),
            (
                "ip link set br-web type bridge vlan_filtering 0",
                "ip link set br-web type bridge vlan_filtering 1",
                &["br-web", "vlan_filtering 1"],
            ),
            ("ip link set PORT mtu 1300", "ip link set PORT mtu 1400", &["PORT", "MTU 1300, not 1400"]),
        ],
    );
}

#[test]
fn check_sees_the_vlans_of_a_trunk() {
    needs(&[Feature::VlanFiltering]);
    let trunk = json!([{ "id": 10 }, { "minID": 20, "maxID": 22 }]);
    finds(
        &lan().with("vlanTrunk", trunk.clone()),
        &[
            ("bridge vlan del dev PORT vid 21", "bridge vlan add dev PORT vid 21", &["PORT", "lacks VLAN 21 tagged"]),
            (
                "bridge vlan add dev PORT vid 21 pvid",
                "bridge vlan add dev PORT vid 1 pvid untagged",
                &["PORT", "has VLAN 1 untagged on the way out, not VLAN 1 untagged"],
            ),
        ],
    );
    // Whoever keeps the default VLAN may be given others.
    finds(
        &lan().with("vlanTrunk", trunk).with("vlan", 5).with("preserveDefaultVlan", true),
        &[("bridge vlan del dev PORT vid 5", "bridge vlan add dev PORT vid 5 pvid untagged", &["lacks VLAN 5"])],
    );
}

#[test]
fn check_sees_the_gateway_of_a_vlan() {
    needs(&[Feature::VlanFiltering]);
    finds(
        &gateway(),
        &[
            (
                "bridge vlan del dev GATE vid 100",
                "bridge vlan add dev GATE vid 100 pvid untagged",
                &["GATE", "lacks VLAN 100"],
            ),
            ("bridge vlan add dev GATE vid 200", "bridge vlan del dev GATE vid 200", &["GATE", "VLAN 200 tagged, too"]),
            ("ip addr del 10.1.2.1/24 dev br-web.100", "ip addr add 10.1.2.1/24 dev br-web.100", &["10.1.2.1/24"]),
            ("ip link set GATE down", "ip link set GATE up", &["GATE", "down"]),
        ],
    );
}
