//! Who reaches whom.

use cnm_tests::{Conf, Host};

const V4: &str = "10.1.2.0/24";
const V6: &str = "fd00:1:2::/64";

fn world(name: &str) -> Conf {
    Conf::bridge(name).to_the_world().subnet(V4).subnet(V6)
}

#[test]
fn sandboxes_reach_each_other_and_the_gateway() {
    let host = Host::new();
    let web = world("web");
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let first = host.add(&web, &one).attached();
    let second = host.add(&web, &two).attached();
    for family in 0..2 {
        one.reaches(second.addresses()[family].addr());
        two.reaches(first.addresses()[family].addr());
        one.reaches(first.gateway(family));
        host.reaches(first.addresses()[family].addr());
    }
}

#[test]
fn beyond_the_host_sandboxes_look_like_the_host() {
    let host = Host::new();
    let outside = host.outside();
    let echo = outside.echo();
    let web = world("web");
    let one = host.sandbox("one");
    host.add(&web, &one).succeeds();
    for (server, uplink) in [("198.51.100.2", "198.51.100.1"), ("2001:db8:51::2", "2001:db8:51::1")] {
        let seen = one.is_seen_as(server.parse().expect("an address"), &echo);
        assert_eq!(seen.to_string(), uplink);
    }
}
