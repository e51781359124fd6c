//! VLANs beyond the reference: CHECK, GC and STATUS see them, errors say how to mend it, upgrades work.

mod check;
mod keys;

use cnm_tests::{Conf, Feature, Host, Suite, needs};
use serde_json::json;

use super::firewall_is_clean;
use crate::vm::bridged_frames_pass_no_firewall;
use crate::{OUTSIDE, dual, lan, world};

fn gateway() -> Conf {
    dual().with("isGateway", true).with("vlan", 100)
}

/// A network of its own VLAN on the bridge of the others.
fn on_the_same_bridge(name: &str, vlan: u16) -> Conf {
    let conf = Conf::new("bridge", name).version("1.1.0").with("bridge", "br-web").with("vlan", vlan);
    conf.with("isGateway", true).subnet(&format!("10.0.{vlan}.0/24"))
}

/// The ports that stand for the gateways of VLANs.
fn gateway_ports(host: &Host) -> Vec<String> {
    let is_one = |port: &String| host.link(port).json["link"].as_str().is_some_and(|twin| twin.starts_with("br-web."));
    host.ports("br-web").into_iter().filter(is_one).collect()
}

#[test]
fn the_next_endpoint_mends_a_gateway_that_is_gone() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let (one, result) = host.attach(&gateway(), "one");
    host.run("ip link del br-web.100");
    one.cannot_reach("10.1.2.1");
    host.check(&gateway().after(result.json()), &one).fails().says(&["veth", "is missing"]);
    let _two = host.attach(&gateway(), "two");
    one.reaches("10.1.2.1");
    host.check(&gateway().after(result.json()), &one).succeeds_silently();
}

#[test]
fn gc_takes_the_bridge_with_the_gateways_of_its_vlans() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let conf = world().version("1.1.0").with("vlan", 100);
    let (one, _) = host.attach(&conf, "one");
    host.gc(&conf.clone().keeping(&[("one", "eth0")])).succeeds_silently();
    one.reaches("10.1.2.1");
    one.vanish();
    host.gc(&conf.keeping(&[])).succeeds_silently();
    firewall_is_clean(&host);
    for link in ["br-web", "br-web.100"] {
        assert!(!host.has_link(link), "{link} is left");
    }
    assert_eq!(host.links().len(), 1, "nothing but lo");
}

#[test]
fn gc_leaves_the_gateways_of_other_networks_on_the_bridge() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let (red, blue) = (on_the_same_bridge("red", 10), on_the_same_bridge("blue", 20));
    let (one, _) = host.attach(&red, "one");
    let (two, _) = host.attach(&blue, "two");
    host.del(&red, &one).succeeds_silently();
    host.gc(&red.keeping(&[])).succeeds_silently();
    assert!(!host.has_link("br-web.10"));
    two.reaches("10.0.20.1");
    host.del(&blue, &two).succeeds_silently();
    host.gc(&blue.keeping(&[])).succeeds_silently();
    assert!(!host.has_link("br-web.20"));
}

#[test]
fn a_bridge_that_does_not_filter_is_refused_with_the_command_that_mends_it() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    host.run("ip link add name br-web type bridge");
    let one = host.sandbox("one");
    let before = host.snapshot();
    let conf = lan().version("1.1.0").with("vlan", 100);
    host.add(&conf, &one).fails_with(7, &["br-web", "ip link set br-web type bridge vlan_filtering 1"]);
    host.is_again(&before);
    host.status(&conf).fails_with(50, &["br-web", "vlan_filtering 1"]);
    host.run("ip link set br-web type bridge vlan_filtering 1");
    host.status(&conf).succeeds_silently();
    host.add(&conf, &one).succeeds();
}

#[test]
fn a_failed_add_leaves_no_port_and_no_vlan() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    host.warm_up(&gateway());
    let one = host.sandbox("one");
    let before = host.snapshot();
    let full = gateway()
        .ipam("ranges", json!([[{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.9" }]]));
    host.add(&full, &one).succeeds();
    let two = host.sandbox("two");
    host.add(&full, &two).fails().says(&["no IP addresses available"]);
    host.del(&full, &one).succeeds_silently();
    two.vanish();
    host.is_again(&before);
}

#[test]
fn an_internal_network_in_a_vlan_reaches_its_gateway_only() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let _outside = host.outside();
    let conf = world().with("vlan", 100).with("internal", true);
    let (one, result) = host.attach(&conf, "one");
    one.reaches("10.1.2.1");
    host.run("sysctl -q -w net.ipv4.ip_forward=1");
    one.cannot_reach(OUTSIDE[0]);
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    firewall_is_clean(&host);
}

#[test]
fn without_icc_the_endpoints_of_a_vlan_reach_their_gateway_only() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    bridged_frames_pass_no_firewall(&host);
    let _outside = host.outside();
    let conf = world().with("vlan", 100).with("icc", false);
    let (one, _) = host.attach(&conf, "one");
    let (_two, second) = host.attach(&conf, "two");
    one.reaches("10.1.2.1");
    one.reaches(OUTSIDE[0]);
    for address in second.addresses() {
        one.cannot_reach(address.addr());
    }
}

#[test]
fn ours_takes_over_the_gateway_that_the_reference_made() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    bridged_frames_pass_no_firewall(&host);
    let _outside = host.outside();
    let conf = world().with("vlan", 100);
    let (old, new) = (host.sandbox("old"), host.sandbox("new"));
    let first = host.calling("ADD", &conf, &old).by(&Suite::reference()).run().attached();
    let second = host.add(&conf, &new).attached();
    old.reaches(second.ip());
    for sandbox in [&old, &new] {
        sandbox.reaches("10.1.2.1");
        sandbox.reaches(OUTSIDE[0]);
    }
    assert_eq!(host.ports("br-web").len(), 3, "one gateway for both");
    host.check(&conf.clone().after(first.json()), &old).succeeds_silently();
    host.check(&conf.clone().after(second.json()), &new).succeeds_silently();
    host.del(&conf.clone().after(first.json()), &old).succeeds_silently();
    host.del(&conf.after(second.json()), &new).succeeds_silently();
    assert_eq!(host.ports("br-web").len(), 1);
    firewall_is_clean(&host);
}

#[test]
fn the_reference_uses_and_detaches_what_ours_made() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let conf = gateway();
    let (old, new) = (host.sandbox("old"), host.sandbox("new"));
    let first = host.add(&conf, &old).attached();
    let second = host.calling("ADD", &conf, &new).by(&Suite::reference()).run().attached();
    old.reaches(second.ip());
    new.reaches("10.1.2.1");
    for (sandbox, result) in [(&old, &first), (&new, &second)] {
        host.calling("DEL", &conf.clone().after(result.json()), sandbox)
            .by(&Suite::reference())
            .run()
            .succeeds_silently();
    }
    assert_eq!(host.ports("br-web").len(), 1);
}

#[test]
fn endpoints_of_many_vlans_come_and_go_in_parallel() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let sandboxes = host.sandboxes(8);
    let confs: Vec<Conf> = (0..8).map(|n| on_the_same_bridge(&format!("net{}", n % 2), 10 + n % 2)).collect();
    let pending: Vec<_> =
        confs.iter().zip(&sandboxes).map(|(conf, sandbox)| host.calling("ADD", conf, sandbox).start()).collect();
    let results: Vec<_> = pending.into_iter().map(|call| call.finish().attached()).collect();
    assert_eq!(gateway_ports(&host).len(), 2);
    for (n, sandbox) in sandboxes.iter().enumerate() {
        sandbox.reaches(format!("10.0.{}.1", 10 + n % 2));
        assert_eq!(host.vlans(&results[n].host_link()), [format!("{} pvid untagged", 10 + n % 2)]);
    }
    let pending: Vec<_> =
        confs.iter().zip(&sandboxes).map(|(conf, sandbox)| host.calling("DEL", conf, sandbox).start()).collect();
    for call in pending {
        call.finish().succeeds_silently();
    }
    assert_eq!(host.ports("br-web").len(), 2);
}
