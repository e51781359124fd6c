//! STATUS: whether the next ADD could be served, and whether endpoints that are there suffer.

use serde_json::json;

use super::{Site, THERE, bare, blue, world};

#[test]
fn status_is_fine_before_and_after_the_first_endpoint() {
    let site = Site::new();
    for conf in [world(), bare("blue", 42), blue().with("internal", true)] {
        let before = site.snapshot();
        site.status(&conf).succeeds_silently();
        site.is_again(&before);
    }
    let _one = site.attach(&world(), "one");
    site.status(&world()).succeeds_silently();
}

#[test]
fn without_underlay_or_its_address_nothing_is_available() {
    let site = Site::new();
    site.status(&bare("blue", 42).with("underlay", "up9")).fails_with(50, &["no device up9"]);
    site.status(&bare("blue", 42).with("local", "192.0.2.9")).fails_with(50, &["192.0.2.9"]);
    site.run("ip -4 addr flush dev up0");
    site.status(&blue()).fails_with(50, &["up0 has no IPv4 address"]);
    site.run("ip link del up0");
    site.status(&blue()).fails_with(50, &["no device up0"]);
}

#[test]
fn what_is_down_cuts_endpoints_off() {
    let site = Site::new();
    let (one, _) = site.attach(&blue(), "one");
    site.run("ip link set vx42 down");
    site.status(&blue()).fails_with(51, &["vx42 is down"]);
    site.run("ip link set vx42 up");
    site.status(&blue()).succeeds_silently();
    site.run("ip link set up0 down");
    site.status(&blue()).fails_with(51, &[]);
    site.run("ip link set up0 up");
    site.status(&blue()).succeeds_silently();
    site.run(&format!("ip route add 203.0.113.0/24 via {THERE}"));
    let far = blue().with("peers", json!(["203.0.113.9"]));
    site.status(&far).succeeds_silently();
    site.run("ip route del 203.0.113.0/24");
    site.status(&far).fails_with(51, &["no route to 203.0.113.9"]);
    site.del(&blue(), &one).succeeds_silently();
}

#[test]
fn a_bridge_name_that_is_something_else_is_not_available() {
    let site = Site::new();
    site.run("ip link add ov42 type veth peer name other");
    site.status(&blue()).fails_with(50, &["ov42", "not a bridge"]);
}
