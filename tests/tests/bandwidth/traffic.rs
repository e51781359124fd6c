//! How fast real traffic is, measured by iperf3.

use std::net::IpAddr;

use cnm_tests::{Attached, Host, Namespace, Sandbox};
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

    /// A sandbox and the world beyond its host, with routes between them.
    fn with_the_world() -> (Host, Sandbox, Attached, Sandbox) {
        let (host, one, attached) = stage();
        let outside = host.outside();
        for (family, beyond, gateway, lan, uplink) in [
            ("-4", "198.51.100.0/24", "10.1.2.1", "10.1.2.0/24", "198.51.100.1"),
            ("-6", "2001:db8:51::/64", "fd00:1:2::1", "fd00:1:2::/64", "2001:db8:51::1"),
        ] {
            one.run(&format!("ip {family} route add {beyond} via {gateway}"));
            outside.run(&format!("ip {family} route add {lan} via {uplink}"));
        }
        host.set_sysctl("net/ipv4/ip_forward", "1");
        host.set_sysctl("net/ipv6/conf/all/forwarding", "1");
        (host, one, attached, outside)
    }

    #[test]
    fn what_is_not_of_a_subnet_is_limited_by_the_address_of_the_other_side() {
        let (host, one, attached, outside) = with_the_world();
        let subnets = json!(["198.51.100.0/24", "2001:db8:51::/64"]);
        limit(&host, &limits(20_000_000, 20_000_000).with("unshapedSubnets", subnets), &one, &attached).succeeds();
        for (address, into) in [(0, true), (1, false)] {
            let address = attached.addresses()[address].addr();
            is_limited(&host, &one, address, into, 20e6);
            is_free(&outside, &one, address, into);
        }
    }

    #[test]
    fn what_is_of_a_subnet_is_limited_by_the_address_of_the_other_side() {
        let (host, one, attached, outside) = with_the_world();
        let subnets = json!(["198.51.100.0/24", "2001:db8:51::/64"]);
        limit(&host, &limits(20_000_000, 20_000_000).with("shapedSubnets", subnets), &one, &attached).succeeds();
        for (address, into) in [(0, false), (1, true)] {
            let address = attached.addresses()[address].addr();
            is_limited(&outside, &one, address, into, 20e6);
            is_free(&host, &one, address, into);
        }
    }
}
