//! Beside others: a second interface of the container, somebody else's disciplines, many at once.

use cnm_tests::{Attached, Host, Sandbox};

use crate::{device, discipline, limit, limits, network, port, stage};

#[track_caller]
fn second_interface(host: &Host, one: &Sandbox) -> Attached {
    host.calling("ADD", &network(), one).ifname("eth1").run().attached()
}

#[test]
fn two_interfaces_of_a_container_on_one_network_have_a_device_each() {
    let (host, one, first) = stage();
    let second = second_interface(&host, &one);
    let before = host.snapshot();
    let (slow, fast) = (limits(0, 8_000_000), limits(0, 80_000_000));
    limit(&host, &slow, &one, &first).succeeds();
    let on_second = |verb: &str, conf: &cnm_tests::Conf| host.calling(verb, conf, &one).ifname("eth1").run();
    let result = on_second("ADD", &fast.clone().after(second.json())).attached();
    let other = result.interfaces().last().expect("its device").clone();
    assert!(other.starts_with("bwp") && other.len() == 15 && other != device(), "{other}");
    assert_eq!(discipline(&host, device(), "tbf")["options"]["rate"], 1_000_000);
    assert_eq!(discipline(&host, &other, "tbf")["options"]["rate"], 10_000_000);
    on_second("CHECK", &fast.clone().after(result.json())).succeeds_silently();
    host.check(&slow.clone().after(first.json()), &one).succeeds_silently();
    // Each DEL takes its own, in either order.
    host.del(&slow.clone(), &one).succeeds_silently();
    assert!(!host.has_link(device()) && host.has_link(&other));
    on_second("CHECK", &fast.clone().after(result.json())).succeeds_silently();
    on_second("DEL", &fast).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn disciplines_of_others_are_left_alone_and_named() {
    for (foreign, kind) in [("root handle 7: tbf rate 1mbit burst 10kb latency 9ms", "tbf 7:"), ("clsact", "clsact")] {
        let (host, one, attached) = stage();
        host.run(&format!("tc qdisc add dev {} {foreign}", port(&attached)));
        let before = host.snapshot();
        let failure = limit(&host, &limits(8_000_000, 8_000_000), &one, &attached).fails();
        failure.says(&[kind, &port(&attached)]);
        host.is_again(&before);
    }
}

#[test]
fn add_again_makes_what_is_configured_now() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    for conf in
        [limits(8_000_000, 0), limits(8_000_000, 16_000_000), limits(16_000_000, 8_000_000), limits(0, 8_000_000)]
    {
        for _ in 0..2 {
            let result = limit(&host, &conf, &one, &attached).attached();
            host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        }
    }
    host.del(&limits(0, 8_000_000).after(attached.json()), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn many_at_once() {
    let host = Host::new();
    let sandboxes = host.sandboxes(12);
    let attached: Vec<Attached> = sandboxes.iter().map(|sandbox| host.add(&network(), sandbox).attached()).collect();
    let before = host.snapshot();
    let conf = limits(8_000_000, 8_000_000);
    for verb in ["ADD", "DEL"] {
        let all: Vec<_> = sandboxes
            .iter()
            .zip(&attached)
            .map(|(sandbox, attached)| host.calling(verb, &conf.clone().after(attached.json()), sandbox).start())
            .collect();
        all.into_iter().for_each(|call| drop(call.finish().succeeds()));
        let devices = host.links().iter().filter(|link| link.name.starts_with("bwp")).count();
        assert_eq!(devices, if verb == "ADD" { 12 } else { 0 });
    }
    host.is_again(&before);
}

/// More messages than one send takes answers for.
#[test]
fn five_hundred_subnets() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    let subnets: Vec<String> = (0..500).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect();
    let conf = limits(8_000_000, 8_000_000).with("unshapedSubnets", subnets);
    let result = limit(&host, &conf, &one, &attached).attached();
    assert_eq!(host.filters(device(), "1:").len(), 500);
    assert_eq!(host.filters(&port(&attached), "1:").len(), 500);
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf.after(result.json()), &one).succeeds_silently();
    host.is_again(&before);
}
