//! Bad input: the right code, a message that names the path, nothing left.

use serde_json::json;

use crate::{bandwidth, limit, limits, stage};

#[test]
fn wrong_values_are_named_by_their_path() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    let runtime = |wish| bandwidth().with("runtimeConfig", json!({ "bandwidth": wish }));
    let rate = || bandwidth().with("ingressRate", 8_000_000).with("ingressBurst", 800_000);
    for (code, conf, words) in [
        (7, bandwidth().with("ingressRate", 8000), &["ingressBurst: if rate is set, burst must also be set"][..]),
        (7, bandwidth().with("egressBurst", 8000), &["egressRate: if burst is set, rate must also be set"]),
        (7, runtime(json!({ "egressRate": 8000 })), &["runtimeConfig.bandwidth.egressBurst: if rate is set"]),
        (7, runtime(json!({ "EgressRate": -5, "EgressBurst": 8 })), &["runtimeConfig.bandwidth.egressRate", "-5"]),
        (7, bandwidth().with("ingressRate", -1).with("ingressBurst", 8), &["ingressRate", "-1"]),
        (7, bandwidth().with("ingressRate", 1.5).with("ingressBurst", 8), &["ingressRate", "1.5"]),
        (7, bandwidth().with("ingressRate", 1e30).with("ingressBurst", 8), &["ingressRate", "whole number"]),
        (
            7,
            bandwidth().with("ingressRate", 8).with("ingressBurst", u64::MAX),
            &["ingressBurst: burst cannot be more than 4GB"],
        ),
        (
            7,
            bandwidth().with("ingressRate", 7).with("ingressBurst", 8),
            &["ingressRate: less than one byte per second"],
        ),
        (7, bandwidth().with("ingressRate", 8).with("ingressBurst", 7), &["ingressBurst: less than one byte"]),
        (
            7,
            bandwidth().with("ingressRate", u64::MAX).with("ingressBurst", 8),
            &["ingressBurst: too small for ingressRate"],
        ),
        (6, bandwidth().with("egressRate", "10M").with("egressBurst", 8), &["egressRate", "10M"]),
        (6, bandwidth().with("runtimeConfig", json!({ "bandwidth": 7 })), &["runtimeConfig.bandwidth"]),
        (7, rate().with("shapedSubnets", json!(["10.0.0.0/8", "hello"])), &["shapedSubnets[1]", "hello"]),
        (6, rate().with("unshapedSubnets", "10.0.0.0/8"), &["unshapedSubnets"]),
        (
            7,
            rate().with("unshapedSubnets", json!(["::/0"])).with("shapedSubnets", json!(["::/0"])),
            &["unshapedSubnets and shapedSubnets cannot be both specified"],
        ),
    ] {
        limit(&host, &conf, &one, &attached).fails_with(code, words);
        host.is_again(&before);
        // What was never made can be removed.
        host.del(&conf.after(attached.json()), &one).succeeds_silently();
        host.is_again(&before);
    }
}

#[test]
fn results_that_do_not_tell_of_a_veth_are_refused() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    let conf = limits(8_000_000, 8_000_000);
    host.add(&conf, &one).fails_with(7, &["must be called as chained plugin", "plugins"]);
    for (result, words) in [
        (json!({ "cniVersion": "1.0.0" }), &["no interfaces provided", "prevResult.interfaces"][..]),
        (
            json!({ "cniVersion": "1.0.0", "interfaces": [{ "name": "eth0", "sandbox": one.path() }] }),
            &["no interfaces provided"],
        ),
        (
            json!({ "cniVersion": "1.0.0", "interfaces": [{ "name": "br-web" }, { "name": "eth0", "sandbox": one.path() }] }),
            &["no veth peer of container interface found in host ns", "br-web"],
        ),
        (json!({ "cniVersion": "1.0.0", "interfaces": 7 }), &["prevResult.interfaces"]),
    ] {
        host.add(&conf.clone().after(&result), &one).fails().says(words);
        host.is_again(&before);
    }
    let call = host.calling("ADD", &conf.clone().after(attached.json()), &one).ifname("eth9");
    call.run().fails_with(7, &["container interface eth9 has no veth peer"]);
    host.is_again(&before);
    one.run("ip link add eth7 type bridge");
    let call = host.calling("ADD", &conf.after(attached.json()), &one).ifname("eth7");
    call.run().fails_with(7, &["container interface eth7 has no veth peer"]);
}
