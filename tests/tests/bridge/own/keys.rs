//! Keys and results beyond Debian's reference plugins (1.1.1).

use cnm_tests::{Conf, Feature, Host};
use serde_json::json;

use crate::{dual, lan};

#[test]
fn addresses_are_usable_at_once() {
    let host = Host::new();
    let (one, _) = host.attach(&dual().with("isGateway", true), "one");
    for (place, device) in [(&*one, "eth0"), (&*host, "br-web")] {
        for address in place.addresses(device) {
            assert!(address.json["tentative"].is_null(), "{}", address.json);
        }
    }
}

#[test]
fn dns_of_the_configuration_wins_over_the_leases() {
    let host = Host::new();
    host.write_file("/etc/cni/resolv.conf", "nameserver 192.0.2.53\nsearch lease.example\n");
    let from_lease = lan().ipam("resolvConf", "/etc/cni/resolv.conf");
    let (_one, result) = host.attach(&from_lease, "one");
    assert_eq!(result.json()["dns"], json!({ "nameservers": ["192.0.2.53"], "search": ["lease.example"] }));
    let own = from_lease.with("dns", json!({ "nameservers": ["192.0.2.54"] }));
    let (_two, result) = host.attach(&own, "two");
    assert_eq!(result.json()["dns"], json!({ "nameservers": ["192.0.2.54"] }));
}

#[test]
fn enabledad_leaves_duplicate_address_detection_on() {
    let host = Host::new();
    let (one, _) = host.attach(&dual().with("enabledad", true), "one");
    assert_eq!(one.sysctl("net/ipv6/conf/eth0/accept_dad"), "1");
    assert_eq!(one.sysctl("net/ipv6/conf/eth0/enhanced_dad"), "1");
    let (two, _) = host.attach(&dual(), "two");
    assert_eq!(two.sysctl("net/ipv6/conf/eth0/accept_dad"), "0");
    assert_eq!(two.sysctl("net/ipv4/conf/eth0/arp_notify"), "1");
    assert_eq!(two.sysctl("net/ipv6/conf/eth0/keep_addr_on_down"), "1");
}

#[test]
fn port_isolation_is_a_flag_of_the_port() {
    let host = Host::new();
    let (one, first) = host.attach(&lan().with("portIsolation", true), "one");
    let (two, second) = host.attach(&lan().with("portIsolation", true), "two");
    let (_three, third) = host.attach(&lan(), "three");
    assert_eq!(host.link(&first.host_link()).port_flag("isolated"), Some(true));
    assert_eq!(host.link(&third.host_link()).port_flag("isolated"), Some(false));
    one.cannot_reach(second.ip());
    one.reaches(third.ip());
    two.reaches(third.ip());
}

#[test]
fn disable_container_interface_leaves_it_down() {
    let host = Host::new();
    let conf = Conf::bridge("web").with("disableContainerInterface", true);
    let (one, result) = host.attach(&conf, "one");
    assert!(!one.link("eth0").up);
    assert_eq!(host.ports("br-web"), [result.host_link()]);
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    assert!(!one.has_link("eth0"));
}

#[test]
fn vlans_need_a_kernel_that_filters_them() {
    let host = Host::new();
    // Where it does, `vm` says what they do.
    let supported = Feature::VlanFiltering.is_here();
    let one = host.sandbox("one");
    let before = host.snapshot();
    for conf in [
        lan().with("vlan", 7),
        lan().with("vlanTrunk", json!([{ "id": 7 }, { "minID": 20, "maxID": 30 }])),
        lan().with("vlan", 7).with("preserveDefaultVlan", true),
    ] {
        if supported {
            host.add(&conf, &one).succeeds();
            host.del(&conf, &one).succeeds_silently();
            continue;
        }
        host.add(&conf, &one).fails().says(&["VLAN filtering", "br-web"]);
        host.is_again(&before);
    }
}

#[test]
fn preserve_default_vlan_alone_needs_no_vlans() {
    let host = Host::new();
    let (one, _) = host.attach(&lan().with("preserveDefaultVlan", true).with("isGateway", true), "one");
    one.reaches("10.1.2.1");
}

#[test]
fn a_default_route_of_the_lease_is_not_doubled() {
    let host = Host::new();
    let conf = dual().with("isDefaultGateway", true).routes(&["0.0.0.0/0", "::/0"]);
    let (one, _) = host.attach(&conf, "one");
    let defaults = one.routes().into_iter().filter(|route| route.to == "default");
    let gateways: Vec<String> = defaults.map(|route| route.via).collect();
    assert_eq!(gateways, ["10.1.2.1", "fd00:1:2::1"]);
}
