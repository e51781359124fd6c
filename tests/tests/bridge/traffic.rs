//! Who reaches whom, and as whom.

use cnm_tests::Host;

use crate::{OUTSIDE, V4, V6, dual, world};

#[test]
fn sandboxes_reach_each_other_and_the_gateway() {
    let host = Host::new();
    let (one, first) = host.attach(&world(), "one");
    let (two, second) = host.attach(&world(), "two");
    for family in 0..2 {
        one.reaches(second.addresses()[family].addr());
        two.reaches(first.addresses()[family].addr());
        one.reaches(first.gateway(family));
        host.reaches(first.addresses()[family].addr());
    }
}

#[test]
fn without_a_gateway_sandboxes_reach_only_each_other() {
    let host = Host::new();
    let _outside = host.outside();
    let (one, _) = host.attach(&dual(), "one");
    let (_two, second) = host.attach(&dual(), "two");
    for (family, address) in OUTSIDE.into_iter().enumerate() {
        one.reaches(second.addresses()[family].addr());
        one.cannot_reach(address);
    }
    assert_eq!(host.address_texts("br-web"), Vec::<String>::new());
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "0");
}

#[test]
fn beyond_the_host_sandboxes_look_like_the_host() {
    let host = Host::new();
    let outside = host.outside();
    let echo = outside.echo();
    let (one, _) = host.attach(&world(), "one");
    for (server, uplink) in [(OUTSIDE[0], "198.51.100.1"), (OUTSIDE[1], "2001:db8:51::1")] {
        let seen = one.is_seen_as(server.parse().expect("an address"), &echo);
        assert_eq!(seen.to_string(), uplink);
    }
}

#[test]
fn within_the_subnet_nobody_is_masqueraded() {
    let host = Host::new();
    let (one, first) = host.attach(&world(), "one");
    let (two, second) = host.attach(&world(), "two");
    let (in_two, on_host) = (two.echo(), host.echo());
    for family in 0..2 {
        let own = first.addresses()[family].addr();
        assert_eq!(one.is_seen_as(second.addresses()[family].addr(), &in_two), own);
        assert_eq!(one.is_seen_as(first.gateway(family), &on_host), own);
    }
}

#[test]
fn without_masquerade_the_outside_sees_the_sandbox() {
    let host = Host::new();
    let outside = host.outside();
    let echo = outside.echo();
    let open = dual().with("isDefaultGateway", true);
    let (one, result) = host.attach(&open, "one");
    outside.run(&format!("ip route add {V4} via 198.51.100.1"));
    outside.run(&format!("ip route add {V6} via 2001:db8:51::1"));
    for (family, address) in OUTSIDE.into_iter().enumerate() {
        let server = address.parse().expect("an address");
        assert_eq!(one.is_seen_as(server, &echo), result.addresses()[family].addr());
    }
}

#[test]
fn a_second_endpoint_changes_nothing_for_the_first() {
    let host = Host::new();
    let _outside = host.outside();
    let (one, _) = host.attach(&world(), "one");
    let (two, _) = host.attach(&world(), "two");
    for address in OUTSIDE {
        one.reaches(address);
        two.reaches(address);
    }
    host.del(&world(), &two).succeeds_silently();
    for address in OUTSIDE {
        one.reaches(address);
    }
}
