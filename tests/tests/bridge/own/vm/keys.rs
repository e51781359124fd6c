//! Keys that Debian's reference plugins (1.1.1) do not know: `vlanTrunk` and `preserveDefaultVlan`. That release keeps the
//! default VLAN always, later ones only when asked.

use cnm_tests::{Conf, Feature, Host, needs};
use serde_json::json;

use crate::lan;
use crate::vm::wire;

#[test]
fn the_port_is_untagged_in_its_vlan_and_leaves_the_default_one() {
    needs(&[Feature::VlanFiltering]);
    for (keep, vlans) in [(false, ["100 pvid untagged"].as_slice()), (true, &["1 untagged", "100 pvid untagged"])] {
        let host = Host::new();
        let conf = lan().with("vlan", 100).with("preserveDefaultVlan", keep);
        let (one, result) = host.attach(&conf, "one");
        assert_eq!(host.vlans(&result.host_link()), vlans);
        assert_eq!(host.link("br-web").json["linkinfo"]["info_data"]["vlan_filtering"], 1);
        assert_eq!(result.interfaces().len(), 3);
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        host.del(&conf, &one).succeeds_silently();
        assert!(!host.has_link(&result.host_link()));
    }
}

#[test]
fn a_trunk_carries_its_vlans_tagged() {
    needs(&[Feature::VlanFiltering]);
    let trunk = json!([{ "id": 10 }, { "minID": 20, "maxID": 22 }, { "minID": 4094, "maxID": 4094, "id": 2 }]);
    let tagged = ["2", "10", "20", "21", "22"];
    for (conf, native) in [(lan(), "1 pvid untagged"), (lan().with("vlan", 5), "5 pvid untagged")] {
        let host = Host::new();
        let (one, result) = host.attach(&conf.clone().with("vlanTrunk", trunk.clone()), "one");
        let mut wanted = vec![native];
        wanted.extend(tagged);
        wanted.push("4094");
        wanted.sort_by_key(|text| text.split(' ').next().and_then(|id| id.parse::<u16>().ok()));
        assert_eq!(host.vlans(&result.host_link()), wanted);
        let conf = conf.with("vlanTrunk", trunk.clone());
        host.check(&conf.after(result.json()), &one).succeeds_silently();
    }
}

#[test]
fn an_empty_trunk_switches_filtering_on_and_changes_no_port() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let (_one, result) = host.attach(&lan().with("vlanTrunk", json!([])), "one");
    assert_eq!(host.link("br-web").json["linkinfo"]["info_data"]["vlan_filtering"], 1);
    assert_eq!(host.vlans(&result.host_link()), ["1 pvid untagged"]);
}

#[test]
fn a_sandbox_on_a_trunk_speaks_tagged_to_each_vlan() {
    needs(&[Feature::VlanFiltering, Feature::VlanDevices]);
    let host = Host::new();
    let trunk = Conf::bridge("web").with("vlanTrunk", json!([{ "id": 10 }, { "minID": 20, "maxID": 21 }]));
    let (router, _) = host.attach(&trunk, "router");
    for (name, vlan) in [("ten", 10), ("twenty", 20), ("thirty", 30)] {
        router.run(&format!("ip link add link eth0 name eth0.{vlan} type vlan id {vlan}"));
        router.run(&format!("ip link set eth0.{vlan} up"));
        router.run(&format!("ip addr add 10.0.{vlan}.1/24 dev eth0.{vlan}"));
        let (sandbox, _) = host.attach(&wire(vlan), name);
        sandbox.run(&format!("ip addr add 10.0.{vlan}.2/24 dev eth0"));
        if name == "thirty" {
            sandbox.cannot_reach("10.0.30.1");
        } else {
            sandbox.reaches(format!("10.0.{vlan}.1"));
            router.reaches(format!("10.0.{vlan}.2"));
        }
    }
}

#[test]
fn a_port_hears_the_default_vlan_only_if_it_kept_it() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let (default, _) = host.attach(&Conf::bridge("web").with("vlanTrunk", json!([])), "default");
    let (kept, _) = host.attach(&wire(100).with("preserveDefaultVlan", true), "kept");
    let (left, _) = host.attach(&wire(100), "left");
    let (mut to_kept, mut to_left) = (kept.capture(), left.capture());
    default.run("ip addr add 192.0.2.1/24 dev eth0");
    default.cannot_reach("192.0.2.2");
    // It asked for the address by broadcast, which every port of its VLAN passes on.
    let mac = default.link("eth0").mac;
    to_kept.wait_for("a broadcast of the default VLAN", |frame| frame.source() == mac);
    let strays = to_left.frames().iter().filter(|frame| frame.source() == mac).count();
    assert_eq!(strays, 0, "frames of the default VLAN left by a port that is not in it");
}
