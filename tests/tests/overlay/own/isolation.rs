//! Networks of one host are worlds of their own, also with the same subnet in both.

use super::{Site, V4, bare};

#[test]
fn nothing_is_forwarded_from_one_to_another() {
    let site = Site::new();
    let blue = bare("blue", 42).subnet("10.1.2.0/24").subnet("fd00:1:2::/64").to_the_world();
    let red = bare("red", 43).subnet("10.1.3.0/24").subnet("fd00:1:3::/64").to_the_world();
    let (one, in_blue) = site.attach(&blue, "one");
    let (two, in_red) = site.attach(&red, "two");
    let (three, _) = site.attach(&blue, "three");
    for family in 0..2 {
        one.cannot_reach(in_red.addresses()[family].addr());
        two.cannot_reach(in_blue.addresses()[family].addr());
        three.reaches(in_blue.addresses()[family].addr());
        one.reaches(["192.0.2.2", "2001:db8::2"][family]);
    }
}

/// A network without a gateway is in the same subnet as one with: the host neither answers there for what it has here,
/// nor carries anything over.
#[test]
fn the_same_subnet_in_both() {
    let site = Site::new();
    let blue = bare("blue", 42).subnet(V4).to_the_world();
    let red = bare("red", 43).subnet(V4);
    let (one, in_blue) = site.attach(&blue, "one");
    let (_three, third) = site.attach(&blue, "three");
    let (two, in_red) = site.attach(&red, "two");
    let (four, fourth) = site.attach(&red, "four");
    assert_eq!((in_blue.ip(), third.ip()), (in_red.ip(), fourth.ip()), "the same addresses in both");
    // Each reaches its own.
    one.reaches(third.ip());
    four.reaches(in_red.ip());
    assert_eq!(one.neighbour(&third.ip().to_string()), third.mac("eth0"));
    assert_eq!(four.neighbour(&in_red.ip().to_string()), in_red.mac("eth0"));
    // Only blue has the gateway; whoever insists is not carried over.
    two.cannot_reach("10.1.2.1");
    two.run("ip route add default via 10.1.2.1");
    two.cannot_reach("192.0.2.2");
    let bridge = site.link("ov43").mac;
    two.run(&format!("ip neigh replace 10.1.2.1 lladdr {bridge} dev eth0 nud permanent"));
    two.run("ip addr add 10.9.9.9/32 dev eth0");
    two.run(&format!("ip route add {}/32 via 10.1.2.1 src 10.9.9.9", third.ip()));
    two.cannot_reach(third.ip());
    one.reaches("192.0.2.2");
}

/// The host can have an address once only; the second network is told, and leaves nothing.
#[test]
fn the_same_gateway_in_both_is_refused_clearly() {
    let site = Site::new();
    let blue = bare("blue", 42).subnet(V4).to_the_world();
    let red = bare("red", 43).subnet(V4).to_the_world();
    site.warm_up(&red);
    let (_one, _) = site.attach(&blue, "one");
    let two = site.sandbox("two");
    let before = site.snapshot();
    site.add(&red, &two).fails_with(7, &["10.1.2.1", "ov43", "ov42", "subnet of its own"]);
    site.is_again(&before);
}

#[test]
fn an_internal_overlay_has_no_way_out() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    let internal = bare("blue", 42)
        .with("peers", serde_json::json!(["192.0.2.2"]))
        .subnet(V4)
        .to_the_world()
        .with("internal", true);
    let (one, result) = site.attach(&internal, "one");
    site.set_sysctl("net/ipv4/ip_forward", "1");
    one.reaches("10.1.2.99");
    one.reaches("10.1.2.1");
    one.run("ip route replace default via 10.1.2.1");
    one.cannot_reach("192.0.2.2");
    site.far.run(&format!("ip route add {}/32 via 192.0.2.1", result.ip()));
    site.far.cannot_reach(result.ip());
}
