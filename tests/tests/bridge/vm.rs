//! VLANs: keys, kernel state, and who reaches whom.

use cnm_tests::{Conf, Feature, Host, needs};

use crate::{OUTSIDE, dual, lan, world};

/// Where bridged frames pass the firewall (br_netfilter), the first frame of a connection meets the NAT hooks while it is
/// bridged to the gateway's port, before it is routed; that settles for good that the connection is not masqueraded. It is
/// the kernel's, and the same with the reference plugins: a VLAN's way to the world needs this switched off.
pub(crate) fn bridged_frames_pass_no_firewall(host: &Host) {
    for family in ["iptables", "ip6tables"] {
        let key = format!("net/bridge/bridge-nf-call-{family}");
        if host.read_file(&format!("/proc/sys/{key}")).is_some() {
            host.set_sysctl(&key, "0");
        }
    }
}

/// A layer-2 network on the bridge of [`lan`], untagged in one VLAN; the tests give the addresses.
pub(crate) fn wire(vlan: u16) -> Conf {
    Conf::bridge("web").with("vlan", vlan)
}

#[test]
fn the_port_is_untagged_in_its_vlan() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let conf = lan().with("vlan", 100);
    let (one, result) = host.attach(&conf, "one");
    let vlans = host.vlans(&result.host_link());
    assert!(vlans.contains(&"100 pvid untagged".into()), "{vlans:?}");
    assert_eq!(host.link("br-web").json["linkinfo"]["info_data"]["vlan_filtering"], 1);
    assert_eq!(result.interfaces().len(), 3);
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    assert!(!host.has_link(&result.host_link()));
}

#[test]
fn ports_of_one_vlan_reach_each_other_and_nobody_else() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let sandboxes: Vec<_> =
        [("a", 100), ("b", 100), ("c", 200)].map(|(name, vlan)| host.attach(&wire(vlan), name).0).into();
    for (sandbox, last) in sandboxes.iter().zip(1..) {
        sandbox.run(&format!("ip addr add 192.0.2.{last}/24 dev eth0"));
    }
    sandboxes[0].reaches("192.0.2.2");
    sandboxes[1].reaches("192.0.2.1");
    sandboxes[0].cannot_reach("192.0.2.3");
    sandboxes[2].cannot_reach("192.0.2.2");
}

#[test]
fn the_gateway_of_a_vlan_is_a_device_beside_the_bridge() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let conf = dual().with("isGateway", true).with("vlan", 100);
    let (one, result) = host.attach(&conf, "one");
    let names = result.interfaces();
    assert_eq!((names[0].as_str(), names[2].as_str(), names[3].as_str()), ("br-web", "eth0", "br-web.100"));
    assert_eq!(result.mac("br-web.100"), Some(host.link("br-web.100").mac));
    assert_eq!(host.address_texts("br-web"), Vec::<String>::new());
    assert_eq!(host.address_texts("br-web.100"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "1");
    for gateway in ["10.1.2.1", "fd00:1:2::1"] {
        one.reaches(gateway);
    }
    // Its other end is a port in that VLAN and in no other.
    let ports = host.ports("br-web");
    let port = ports.iter().find(|&port| *port != names[1]).expect("a second port");
    assert!(host.vlans(port).contains(&"100 pvid untagged".into()), "{:?}", host.vlans(port));
    let (other, _) = host.attach(&wire(200), "other");
    other.run("ip addr add 10.1.2.77/24 dev eth0");
    other.cannot_reach("10.1.2.1");
    // The second endpoint uses the same one.
    let (two, second) = host.attach(&conf, "two");
    two.reaches("10.1.2.1");
    one.reaches(second.ip());
    assert_eq!(host.ports("br-web").len(), 4);
    host.check(&conf.clone().after(second.json()), &two).succeeds_silently();
    // It stays with the bridge, as the reference's does.
    host.del(&conf, &two).succeeds_silently();
    one.reaches("10.1.2.1");
    host.del(&conf, &one).succeeds_silently();
    assert_eq!(host.address_texts("br-web.100"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
}

#[test]
fn from_a_vlan_to_the_world() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    bridged_frames_pass_no_firewall(&host);
    let outside = host.outside();
    let echo = outside.echo();
    let (one, _) = host.attach(&world().with("vlan", 7), "one");
    for (server, uplink) in [(OUTSIDE[0], "198.51.100.1"), (OUTSIDE[1], "2001:db8:51::1")] {
        assert_eq!(one.is_seen_as(server.parse().expect("an address"), &echo).to_string(), uplink);
    }
}

/// As hosts with Docker or Kubernetes have it: `docs/rules.md` says why a connection is not masqueraded there, and gives the
/// rules with which it is. When this test finds that it is without them, they can go from the book.
#[test]
fn from_a_vlan_to_the_world_where_bridged_frames_are_filtered_by_the_rules_in_the_book() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    for family in ["iptables", "ip6tables"] {
        host.set_sysctl(&format!("net/bridge/bridge-nf-call-{family}"), "1");
    }
    let outside = host.outside();
    let echo = outside.echo();
    let (one, _) = host.attach(&world().with("vlan", 7), "one");
    let worlds = [(OUTSIDE[0], "198.51.100.1"), (OUTSIDE[1], "2001:db8:51::1")];
    for (server, _) in worlds {
        assert_eq!(one.asks_tcp(server.parse().expect("an address"), &echo), None, "not masqueraded");
    }
    let book = include_str!("../../../docs/rules.md");
    let rules = book.split("```").find(|part| part.contains("chain bridged {")).expect("the rules in the book");
    host.write_file("/run/bridged.nft", rules);
    host.run("nft -f /run/bridged.nft");
    for (server, uplink) in worlds {
        assert_eq!(one.is_seen_as(server.parse().expect("an address"), &echo).to_string(), uplink);
    }
}

#[test]
fn two_vlans_of_one_bridge_have_a_gateway_each_and_meet_by_routing_only() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let net = |name: &str, vlan: u16, subnet: &str| {
        Conf::new("bridge", name)
            .with("bridge", "br-web")
            .with("vlan", vlan)
            .with("isDefaultGateway", true)
            .subnet(subnet)
    };
    let (one, first) = host.attach(&net("red", 10, "10.0.10.0/24"), "one");
    let (two, second) = host.attach(&net("blue", 20, "10.0.20.0/24"), "two");
    assert_eq!(host.address_texts("br-web.10"), ["10.0.10.1/24"]);
    assert_eq!(host.address_texts("br-web.20"), ["10.0.20.1/24"]);
    one.reaches(second.ip());
    two.reaches(first.ip());
    host.run("sysctl -q -w net.ipv4.ip_forward=0");
    one.cannot_reach(second.ip());
    one.reaches("10.0.10.1");
}

#[test]
fn a_false_source_is_dropped_in_a_vlan_too() {
    needs(&[Feature::VlanFiltering]);
    let host = Host::new();
    let conf = lan().with("vlan", 9).with("macspoofchk", true);
    let (one, _) = host.attach(&conf, "one");
    let (_two, second) = host.attach(&conf, "two");
    one.reaches(second.ip());
    one.run("ip link set eth0 address 02:00:00:00:00:99");
    one.cannot_reach(second.ip());
}
