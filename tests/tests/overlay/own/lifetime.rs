//! Bridge and VXLAN come with the first endpoint and go with the last, by DEL or GC.

use super::{Site, blue, world};

#[test]
fn the_last_del_takes_everything() {
    let site = Site::new();
    site.warm_up(&world());
    let before = site.snapshot();
    let (one, _) = site.attach(&world(), "one");
    let (two, _) = site.attach(&world(), "two");
    site.del(&world(), &one).succeeds_silently();
    assert!(site.has_link("ov42") && site.has_link("vx42"), "two is still there");
    site.del(&world(), &two).succeeds_silently();
    for name in ["ov42", "vx42"] {
        assert!(!site.has_link(name), "{name}");
    }
    assert_eq!(site.ruleset().plain_chains(), Vec::<String>::new());
    site.del(&world(), &two).succeeds_silently();
    one.vanish();
    two.vanish();
    site.is_again(&before);
}

#[test]
fn a_sandbox_that_has_gone_and_no_result() {
    let site = Site::new();
    let (one, _) = site.attach(&world(), "one");
    let path = one.path().to_owned();
    one.vanish();
    site.call("vxlan-overlay", "DEL")
        .conf(&world())
        .container("one")
        .netns(&path)
        .ifname("eth0")
        .run()
        .succeeds_silently();
    assert!(!site.has_link("ov42") && !site.has_link("vx42"));
}

#[test]
fn del_needs_no_underlay() {
    let site = Site::new();
    let (one, _) = site.attach(&world(), "one");
    site.run("ip addr flush dev up0");
    site.del(&world(), &one).succeeds_silently();
    assert!(!site.has_link("ov42") && !site.has_link("vx42"));
    // The kernel removes the VXLAN with the device below it.
    let site = Site::new();
    let (one, _) = site.attach(&world(), "one");
    site.run("ip link del up0");
    assert!(!site.has_link("vx42"));
    site.del(&world(), &one).succeeds_silently();
    assert!(!site.has_link("ov42"));
}

/// What became wrong in a configuration must not keep what it made.
#[test]
fn del_and_gc_of_a_configuration_that_became_wrong() {
    let wrong = [
        world().with("peers", "everybody").with("group", "239.1.1.1"),
        world().without("underlay"),
        world().with("underlay", "up9").with("mtu", 9000),
        world().with("vlan", 5).with("port", 0),
    ];
    for conf in wrong {
        for verb in ["DEL", "GC"] {
            let site = Site::new();
            let (one, _) = site.attach(&world(), "one");
            match verb {
                "DEL" => site.del(&conf, &one).succeeds_silently(),
                _ => site.gc(&conf).succeeds_silently(),
            }
            assert!(!one.has_link("eth0") && !site.has_link("ov42") && !site.has_link("vx42"), "{verb} {conf}");
        }
    }
}

/// Devices under the names that the configuration had before are ours, too; and they stay while an endpoint is on them.
#[test]
fn a_vni_that_has_changed_since() {
    let site = Site::new();
    let (one, _) = site.attach(&world(), "one");
    let (two, second) = site.attach(&world(), "two");
    let changed = world().with("vni", 43).with("bridge", "br-new");
    site.del(&changed, &one).succeeds_silently();
    site.check(&world().after(second.json()), &two).succeeds_silently();
    site.del(&changed, &two).succeeds_silently();
    assert!(!site.has_link("ov42") && !site.has_link("vx42"));
    assert_eq!(site.ruleset().plain_chains(), Vec::<String>::new());
}

#[test]
fn gc_takes_the_dead_and_with_the_last_of_them_the_network() {
    let site = Site::new();
    let (one, first) = site.attach(&world(), "one");
    let (two, _) = site.attach(&world(), "two");
    site.gc(&world().keeping(&[("one", "eth0")])).succeeds_silently();
    assert!(one.has_link("eth0") && !two.has_link("eth0"));
    assert!(site.has_link("ov42") && site.has_link("vx42"));
    site.check(&world().after(first.json()), &one).succeeds_silently();
    site.gc(&world()).succeeds_silently();
    assert!(!one.has_link("eth0") && !site.has_link("ov42") && !site.has_link("vx42"));
    assert_eq!(site.ruleset().plain_chains(), Vec::<String>::new());
    site.gc(&world()).succeeds_silently();
}

/// A port of somebody else in the bridge: it stays, for who uses it.
#[test]
fn a_bridge_that_others_use_stays() {
    let site = Site::new();
    let (one, _) = site.attach(&blue(), "one");
    site.run("ip link add mine type veth peer name yours");
    site.run("ip link set mine master ov42 up");
    site.del(&blue(), &one).succeeds_silently();
    assert!(site.has_link("ov42") && site.has_link("mine"));
    assert!(!site.has_link("vx42"));
    site.run("ip link del mine");
    site.gc(&blue()).succeeds_silently();
    assert!(!site.has_link("ov42"));
}

#[test]
fn an_add_that_fails_leaves_no_network() {
    let site = Site::new();
    let one = site.sandbox("one");
    one.run("ip link add eth0 type veth peer name other");
    let before = site.snapshot();
    site.add(&blue(), &one).fails().says(&["eth0"]);
    site.is_again(&before);
    one.run("ip link del eth0");
    // A full pool: the endpoint was there already.
    let full = blue().without("ipam").range_set(serde_json::json!([{ "subnet": "10.1.2.0/30" }]));
    let (two, _) = site.attach(&full, "two");
    site.add(&full, &one).fails().says(&["10.1.2"]);
    assert!(site.has_link("vx42"), "two is there");
    site.del(&full, &two).succeeds_silently();
    assert!(!site.has_link("vx42") && !site.has_link("ov42"));
}
