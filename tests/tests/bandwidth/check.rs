//! CHECK: what somebody changed.

use crate::{bandwidth, device, limit, limits, port, stage};

#[test]
fn check_is_fine_after_add_and_finds_what_is_missing_or_different() {
    for sabotage in
        ["tc qdisc change dev PORT root handle 1: tbf rate 9mbit burst 50kb latency 25ms", "ip link del DEVICE"]
    {
        let (host, one, attached) = stage();
        let conf = limits(8_000_000, 16_000_000);
        let result = limit(&host, &conf, &one, &attached).attached();
        let conf = conf.after(result.json());
        host.check(&conf, &one).succeeds_silently();
        host.run(&sabotage.replace("PORT", &port(&attached)).replace("DEVICE", device()));
        let _ = host.check(&conf, &one).fails();
    }
}

#[test]
fn check_wants_a_result_and_the_veth_in_it() {
    let (host, one, attached) = stage();
    let conf = limits(8_000_000, 0);
    let _ = host.check(&conf, &one).fails();
    limit(&host, &conf, &one, &attached).succeeds();
    let mut other = attached.json().clone();
    other["interfaces"][1]["name"] = "veth00000000".into();
    host.check(&conf.after(&other), &one).fails().says(&["no veth peer of container interface found in host ns"]);
    host.check(&bandwidth().with("ingressRate", 8).after(attached.json()), &one).fails().says(&["burst"]);
}
