//! What belongs to others stays theirs, through a failed ADD and the DEL that follows it.

use cnm_tests::{Conf, Host};

use crate::{V4, lan, world};

#[test]
fn an_interface_that_is_already_there_survives_add_and_del() {
    let host = Host::new();
    host.warm_up(&world());
    let one = host.sandbox("one");
    host.run("ip link add peer0 type veth peer name eth0 netns one");
    one.run("ip addr add 192.0.2.1/24 dev eth0");
    let before = host.snapshot();
    let foreign = one.link("eth0").index;
    host.add(&world(), &one).fails().says(&["eth0", "already exists"]);
    host.is_again(&before);
    host.del(&world(), &one).succeeds_silently();
    host.is_again(&before);
    assert_eq!(one.link("eth0").index, foreign);
}

#[test]
fn a_foreign_port_of_our_bridge_survives_del() {
    let host = Host::new();
    host.warm_up(&lan());
    let one = host.sandbox("one");
    host.run("ip link add mine type veth peer name eth0 netns one");
    host.run("ip link set mine master br-web up");
    let before = host.snapshot();
    host.del(&lan(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn a_second_add_leaves_the_first_attachment_alone() {
    let host = Host::new();
    let _outside = host.outside();
    let (one, result) = host.attach(&world(), "one");
    let before = host.snapshot();
    let _ = host.add(&world(), &one).fails();
    host.is_again(&before);
    one.reaches("198.51.100.2");
    host.check(&world().after(result.json()), &one).succeeds_silently();
}

#[test]
fn an_add_for_the_same_container_elsewhere_leaves_the_first_alone() {
    let host = Host::new();
    let (one, result) = host.attach(&world(), "one");
    let two = host.sandbox("two");
    let before = host.snapshot();
    let _ = host.calling("ADD", &world(), &two).container("one").run().fails();
    host.is_again(&before);
    host.check(&world().after(result.json()), &one).succeeds_silently();
}

#[test]
fn an_add_that_fails_late_leaves_nothing() {
    let host = Host::new();
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    for conf in [
        // The route's gateway is reachable from nowhere.
        world().ipam("routes", serde_json::json!([{ "dst": "192.0.2.0/24", "gw": "203.0.113.1" }])),
        // The bridge has another address.
        lan().with("isGateway", true).ipam("ranges", serde_json::json!([[{ "subnet": "10.9.9.0/24" }]])),
        world().ipam("type", "no-such-ipam"),
        world().with("runtimeConfig", serde_json::json!({ "ips": ["192.0.2.1"] })),
    ] {
        let _ = host.add(&conf, &one).fails();
        host.is_again(&before);
    }
}

#[test]
fn a_bridge_name_that_is_another_kind_of_link_is_refused() {
    let host = Host::new();
    let one = host.sandbox("one");
    host.run("ip link add br-web type veth peer name other");
    let before = host.snapshot();
    host.add(&lan(), &one).fails().says(&["br-web", "not a bridge"]);
    host.is_again(&before);
    host.del(&lan(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn a_gateway_address_of_another_network_is_refused() {
    let host = Host::new();
    host.warm_up(&world());
    let two = host.sandbox("two");
    let before = host.snapshot();
    let other = Conf::bridge("web").with("name", "other").with("isGateway", true).subnet("10.9.9.0/24");
    let failure = host.add(&other, &two).fails();
    failure.says(&["br-web", "already has an IP address different from 10.9.9.1/24", "10.1.2.1"]);
    // The folder of the new network's address store is made before the bridge is looked at.
    let ours = |state: cnm_tests::Snapshot| {
        state.without(&["file /var/lib/cni/networks/other", "file /var/lib/cni/networks/.other"])
    };
    cnm_tests::eventually("nothing else is left", || ours(before.clone()).compare(&ours(host.snapshot())));
    assert!(!host.list_folder("/var/lib/cni/networks/other").contains(&"10.9.9.2".to_owned()));
}

#[test]
fn a_missing_ipam_plugin_is_named() {
    let host = Host::new();
    let one = host.sandbox("one");
    let conf = Conf::bridge("web").with("ipam", serde_json::json!({ "type": "no-such-ipam", "subnet": V4 }));
    host.add(&conf, &one).fails().says(&["no-such-ipam", host.suite().folder()]);
}
