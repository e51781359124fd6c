//! How much fits: what the underlay carries less the outer headers, never a constant.

use serde_json::json;

use super::{HERE, Site, THERE, bare, blue};

#[test]
fn it_follows_the_device() {
    for (underlay, overlay) in [(9000, 8950), (1500, 1450), (1400, 1350)] {
        let site = Site::new();
        site.run(&format!("ip link set up0 mtu {underlay}"));
        let (one, _) = site.attach(&blue(), "one");
        assert_eq!(one.link("eth0").mtu, overlay);
        assert_eq!(site.link("vx42").mtu, overlay);
    }
}

#[test]
fn it_follows_the_route_to_the_peers() {
    let site = Site::new();
    site.run(&format!("ip route add 198.51.100.0/24 via {THERE} mtu 1300"));
    site.run(&format!("ip route add 203.0.113.0/24 via {THERE}"));
    for (peers, overlay) in [
        (json!(["203.0.113.7"]), 1450),
        (json!(["198.51.100.7"]), 1250),
        (json!(["203.0.113.7", "198.51.100.7"]), 1250),
    ] {
        let conf = blue().with("peers", peers);
        let (one, _) = site.attach(&conf, "one");
        assert_eq!(one.link("eth0").mtu, overlay);
        site.del(&conf, &one).succeeds_silently();
        one.vanish();
    }
}

/// The tunnels' address is on lo, the way to the peers leads over one of two links: the narrower one counts.
#[test]
fn an_address_on_lo_behind_two_links() {
    let site = Site::new();
    site.run("ip addr add 203.0.113.1/32 dev lo");
    site.run("ip link add up1 type veth peer name eth1 netns far");
    site.run("ip link set up1 mtu 1420 up");
    site.run("ip addr add 198.51.100.1/24 dev up1");
    site.far.run("ip link set eth1 mtu 1420 up");
    site.run(&format!("ip route add 203.0.113.2/32 nexthop via {THERE} nexthop via 198.51.100.2"));
    for key in ["underlay", "local"] {
        let conf = bare("blue", 42).without("underlay").with(key, "203.0.113.1").with("peers", json!(["203.0.113.2"]));
        let (one, _) = site.attach(&conf, "one");
        assert_eq!(one.link("eth0").mtu, 1370, "{key}");
        assert_eq!(super::vxlan(&site, "vx42")["link"], json!(null), "any link will do");
        site.del(&conf, &one).succeeds_silently();
        one.vanish();
    }
}

#[test]
fn nothing_tells_it() {
    let site = Site::new();
    site.run("ip addr add 203.0.113.1/32 dev lo");
    let conf = bare("blue", 42).with("underlay", "203.0.113.1").subnet(super::V4);
    let one = site.sandbox("one");
    site.add(&conf, &one).fails_with(7, &["mtu", "cannot be derived", "lo"]);
    site.add(&conf.with("mtu", 1400), &one).succeeds();
    assert_eq!(one.link("eth0").mtu, 1400);
}

#[test]
fn an_explicit_one_must_fit() {
    let site = Site::new();
    let one = site.sandbox("one");
    let before = site.snapshot();
    site.add(&blue().with("mtu", 1451), &one).fails_with(7, &["mtu", "1451", "1500", "50", "1450"]);
    site.is_again(&before);
    site.add(&blue().with("mtu", 1300), &one).succeeds();
    assert_eq!((one.link("eth0").mtu, site.link("vx42").mtu), (1300, 1300));
}

#[test]
fn an_underlay_that_is_too_narrow() {
    let site = Site::new();
    site.run("ip link set up0 mtu 100");
    let one = site.sandbox("one");
    site.add(&blue().with("local", HERE), &one).fails_with(7, &["mtu", "100", "50"]);
}
