//! Keys: what is limited, where it may stand, and the numbers that the kernel then has.

use cnm_tests::Conf;
use serde_json::json;

use crate::{bandwidth, device, discipline, limit, limits, port, stage};

#[test]
fn nothing_or_zero_limits_nothing_and_passes_the_result_on() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    let zero = json!({ "ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0 });
    for conf in [
        bandwidth(),
        bandwidth().with("ingressRate", 0).with("ingressBurst", 0),
        bandwidth().with("runtimeConfig", json!({ "bandwidth": zero })),
    ] {
        assert_eq!(limit(&host, &conf, &one, &attached).attached().json(), attached.json());
        host.is_again(&before);
        host.del(&conf.after(attached.json()), &one).succeeds_silently();
        host.is_again(&before);
    }
}

#[test]
fn each_direction_has_its_own_place() {
    for (ingress, egress) in [(20_000_000, 0), (0, 40_000_000), (20_000_000, 40_000_000)] {
        let (host, one, attached) = stage();
        let result = limit(&host, &limits(ingress, egress), &one, &attached).attached();
        let port = port(&attached);
        assert_eq!(host.disciplines(&port).iter().any(|found| found["kind"] == "tbf"), ingress != 0);
        assert_eq!(host.disciplines(&port).iter().any(|found| found["kind"] == "ingress"), egress != 0);
        assert_eq!(host.has_link(device()), egress != 0);
        let mut expected = attached.interfaces();
        if ingress != 0 {
            let options = &discipline(&host, &port, "tbf")["options"];
            assert_eq!((&options["rate"], &options["burst"]), (&json!(2_500_000), &json!(125_000)));
        }
        if egress != 0 {
            let options = &discipline(&host, device(), "tbf")["options"];
            assert_eq!((&options["rate"], &options["burst"]), (&json!(5_000_000), &json!(250_000)));
            assert_eq!(host.filters(&port, "ffff:").len(), 1);
            let link = host.link(device());
            assert!(link.up && link.kind == "ifb");
            assert_eq!(link.mtu, host.link(&port).mtu);
            assert_eq!(result.mac(device()), Some(link.mac));
            expected.push(device().into());
        }
        assert_eq!(result.interfaces(), expected);
        assert_eq!(result.addresses(), attached.addresses());
    }
}

#[test]
fn a_runtime_s_wish_counts_when_the_configuration_has_none() {
    let wish = json!({ "ingressRate": 8_000_000, "ingressBurst": 800_000 });
    // go-cni's keys and its burst without limit.
    let capitalised =
        json!({ "IngressRate": 8_000_000, "IngressBurst": 4_294_967_295u64, "EgressRate": 0, "EgressBurst": 0 });
    let runtime = |conf: Conf, wish| conf.with("runtimeConfig", json!({ "bandwidth": wish }));
    for (conf, rate) in [
        (runtime(bandwidth(), wish.clone()), 1_000_000),
        (runtime(bandwidth(), capitalised), 1_000_000),
        (runtime(limits(16_000_000, 0), wish), 2_000_000),
    ] {
        let (host, one, attached) = stage();
        limit(&host, &conf, &one, &attached).succeeds();
        assert_eq!(discipline(&host, &port(&attached), "tbf")["options"]["rate"], rate);
        assert!(!host.has_link(device()));
    }
}

#[test]
fn wrong_numbers_are_refused_and_leave_nothing() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    for (conf, words) in [
        (bandwidth().with("ingressRate", 8000), &["if rate is set, burst must also be set"][..]),
        (bandwidth().with("egressBurst", 8000), &["if burst is set, rate must also be set"]),
        (
            bandwidth().with("egressRate", 8000).with("egressBurst", 4_294_967_295u64 * 8),
            &["burst cannot be more than 4GB"],
        ),
        (bandwidth().with("egressRate", -1).with("egressBurst", 8), &["egressRate"]),
        (bandwidth().with("egressRate", "10M").with("egressBurst", 8), &["egressRate"]),
    ] {
        limit(&host, &conf, &one, &attached).fails().says(words);
        host.is_again(&before);
    }
}
