//! STATUS says whether ADD would find what it needs in the kernel, and makes nothing to know it.

use serde_json::json;

use super::NEWEST;
use crate::{bandwidth, limit, limits, stage};

#[test]
fn status_asks_and_makes_nothing() {
    let (host, one, attached) = stage();
    let subnets = |conf: cnm_tests::Conf| conf.with("shapedSubnets", json!(["10.0.0.0/8", "fd00::/64"]));
    let runtime = bandwidth().with("capabilities", json!({ "bandwidth": true }));
    let before = host.snapshot();
    for conf in [runtime, limits(8_000_000, 8_000_000), subnets(limits(8_000_000, 8_000_000))] {
        let conf = conf.version(NEWEST);
        host.status(&conf).succeeds_silently();
        assert_eq!(host.snapshot(), before, "{conf:?}");
    }
    // Not even where the loopback device, which is asked about, has a discipline of somebody's.
    host.run("tc qdisc add dev lo root handle 7: pfifo limit 9");
    let before = host.snapshot();
    for _ in 0..2 {
        host.status(&subnets(limits(8_000_000, 8_000_000)).version(NEWEST)).succeeds_silently();
        assert_eq!(host.snapshot(), before);
    }
    assert!(host.run("tc qdisc show dev lo").contains("pfifo 7: root"), "{}", host.run("tc qdisc show dev lo"));
    limit(&host, &limits(8_000_000, 8_000_000), &one, &attached).succeeds();
}

/// Who may not ask is told so, not that all is well.
#[test]
fn who_may_not_ask_is_told_so() {
    let (host, _one, _attached) = stage();
    let conf = limits(8_000_000, 0).version(NEWEST);
    let call = host.call(conf.kind(), "STATUS").conf(&conf);
    call.under("setpriv --bounding-set -net_admin --inh-caps -net_admin")
        .run()
        .fails()
        .says(&["ask for the discipline tbf", "root"]);
}
