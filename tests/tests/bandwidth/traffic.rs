//! How fast real traffic is, measured by iperf3.

use std::net::IpAddr;

use cnm_tests::{Namespace, Sandbox};
use serde_json::json;

use crate::{limit, limits, stage};

/// How often a measurement may be repeated: a busy machine makes traffic slower than its limit, never faster.
const TRIES: usize = 4;

/// What is measured must never be more than a tenth above the limit, and at best not more than a tenth below it.
#[track_caller]
fn is_limited(from: &Namespace, sandbox: &Sandbox, address: IpAddr, into: bool, rate: f64) {
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        // The other side asks, so that the sandbox is the server in both directions.
        let measured = from.throughput(sandbox, address, !into);
        assert!(measured < rate * 1.1, "{measured} bits per second pass a limit of {rate}");
        best = best.max(measured);
        if best > rate * 0.9 {
            return;
        }
    }
    panic!("only {best} bits per second of {rate}");
}

/// Far above every limit of these tests, even on a busy machine.
#[track_caller]
fn is_free(from: &Namespace, sandbox: &Sandbox, address: IpAddr, into: bool) {
    let fast = (0..TRIES).any(|_| from.throughput(sandbox, address, !into) > 100e6);
    assert!(fast, "limited although nothing asks for it");
}

#[test]
fn ipv4_is_limited_in_both_directions() {
    let (host, one, attached) = stage();
    limit(&host, &limits(20_000_000, 30_000_000), &one, &attached).succeeds();
    is_limited(&host, &one, attached.addresses()[0].addr(), true, 20e6);
    is_limited(&host, &one, attached.addresses()[0].addr(), false, 30e6);
}

#[test]
fn ipv6_is_limited_in_both_directions() {
    let (host, one, attached) = stage();
    limit(&host, &limits(30_000_000, 20_000_000), &one, &attached).succeeds();
    is_limited(&host, &one, attached.addresses()[1].addr(), true, 30e6);
    is_limited(&host, &one, attached.addresses()[1].addr(), false, 20e6);
}

#[test]
fn one_direction_leaves_the_other_free() {
    let (host, one, attached) = stage();
    limit(&host, &limits(20_000_000, 0), &one, &attached).succeeds();
    is_limited(&host, &one, attached.addresses()[0].addr(), true, 20e6);
    is_free(&host, &one, attached.addresses()[0].addr(), false);
}

mod own {
    use super::*;

    /// What go-cni and CRI-O send for "no burst of my own": the reference's queue is then minutes long.
    #[test]
    fn a_burst_without_limit_is_no_rate_without_limit() {
        let (host, one, attached) = stage();
        let wish = json!({ "IngressRate": 20_000_000, "IngressBurst": 4_294_967_295u64 });
        let conf = crate::bandwidth().with("runtimeConfig", json!({ "bandwidth": wish }));
        limit(&host, &conf, &one, &attached).succeeds();
        let address = attached.addresses()[0].addr();
        // The bucket is full at first: a second's worth. Empty it.
        let _ = host.throughput(&one, address, false);
        is_limited(&host, &one, address, true, 20e6);
    }

    #[test]
    fn subnets_are_told_apart_by_the_address_of_the_other_side() {
        let (host, one, attached) = stage();
        let outside = host.outside();
        for (sandbox, way) in [(&one, "via 10.1.2.1"), (&outside, "via 198.51.100.1")] {
            let to = if sandbox.name() == "one" { "198.51.100.0/24" } else { "10.1.2.0/24" };
            sandbox.run(&format!("ip route add {to} {way}"));
        }
        host.set_sysctl("net/ipv4/ip_forward", "1");
        let address = attached.addresses()[0].addr();
        for (key, outside_is_free) in [("unshapedSubnets", true), ("shapedSubnets", false)] {
            let conf = limits(20_000_000, 20_000_000).with(key, json!(["198.51.100.0/24"]));
            limit(&host, &conf, &one, &attached).succeeds();
            for into in [true, false] {
                let (near, far): (&Namespace, &Namespace) = (&host, &outside);
                let (free, limited) = if outside_is_free { (far, near) } else { (near, far) };
                is_limited(limited, &one, address, into, 20e6);
                is_free(free, &one, address, into);
            }
        }
    }
}
