//! CHECK: content with what ADD made, whatever later plugins add to it, and not content when it is gone.

use cnm_tests::{Conf, Host};

use crate::{lan, world};

#[test]
fn check_is_content_after_add() {
    for conf in [lan(), world(), world().with("hairpinMode", true), lan().with("promiscMode", true)] {
        let host = Host::new();
        let (one, result) = host.attach(&conf, "one");
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    }
}

#[test]
fn check_accepts_what_later_plugins_add() {
    let host = Host::new();
    let (one, result) = host.attach(&world(), "one");
    one.run("ip addr add 192.0.2.7/32 dev eth0");
    one.run("ip route add 203.0.113.0/24 via 10.1.2.1");
    one.run("ip link set eth0 mtu 1300");
    host.check(&world().after(result.json()), &one).succeeds_silently();
}

#[test]
fn check_needs_the_previous_result() {
    let host = Host::new();
    let (one, _) = host.attach(&lan(), "one");
    host.check(&lan(), &one).fails().says(&["Required prevResult missing"]);
}

#[test]
fn check_finds_what_was_tampered_with() {
    for damage in [
        "ip -n one addr del 10.1.2.2/24 dev eth0",
        "ip -n one addr del fd00:1:2::2/64 dev eth0",
        "ip -n one route del default via 10.1.2.1",
        "ip -n one link del eth0",
        "ip -n one link set eth0 address 02:00:00:00:00:99",
        "rm /var/lib/cni/networks/web/10.1.2.2 /var/lib/cni/networks/web/fd00:1:2::2",
    ] {
        let host = Host::new();
        let (one, result) = host.attach(&world(), "one");
        host.run(damage);
        let outcome = host.check(&world().after(result.json()), &one);
        assert!(!outcome.status.success(), "CHECK does not see: {damage}");
        let _ = outcome.fails();
    }
}

#[test]
fn check_is_refused_below_its_first_version() {
    let host = Host::new();
    let old = Conf::bridge("web").version("0.3.1").subnet("10.1.2.0/24");
    let (one, result) = host.attach(&old, "one");
    host.check(&old.after(result.json()), &one).fails_with(1, &["config version does not allow CHECK"]);
}
