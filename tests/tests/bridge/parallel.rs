//! Runtimes attach and detach in parallel and share bridge and pool without a lock.

use std::collections::BTreeSet;

use cnm_tests::{Host, Sandbox};

use crate::world;

const ENDPOINTS: usize = 16;

#[test]
fn sixteen_first_endpoints_at_once() {
    let host = Host::new();
    let sandboxes = host.sandboxes(ENDPOINTS);
    let calls: Vec<_> = sandboxes.iter().map(|sandbox| host.calling("ADD", &world(), sandbox).start()).collect();
    let addresses: BTreeSet<_> = calls.into_iter().flat_map(|call| call.finish().attached().addresses()).collect();
    assert_eq!(addresses.len(), 2 * ENDPOINTS, "every endpoint has addresses of its own: {addresses:?}");
    assert_eq!(host.ports("br-web").len(), ENDPOINTS);
    assert_eq!(host.address_texts("br-web").len(), 2);
}

#[test]
fn who_attaches_while_others_detach_keeps_what_is_its_own() {
    let host = Host::new();
    let _outside = host.outside();
    host.warm_up(&world());
    let sandboxes = host.sandboxes(ENDPOINTS);
    let before = host.snapshot();
    let (even, odd): (Vec<_>, Vec<_>) = sandboxes.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    let even: Vec<&Sandbox> = even.into_iter().map(|(_, sandbox)| sandbox).collect();
    let odd: Vec<&Sandbox> = odd.into_iter().map(|(_, sandbox)| sandbox).collect();
    for sandbox in &even {
        host.add(&world(), sandbox).succeeds();
    }
    // In each round one half leaves while the other comes; the first that comes meets the last that leaves.
    for (leaving, coming) in [(&even, &odd), (&odd, &even), (&even, &odd)] {
        let starts = leaving.iter().zip(coming).flat_map(|(goes, comes)| {
            [host.calling("DEL", &world(), goes).start(), host.calling("ADD", &world(), comes).start()]
        });
        let running: Vec<_> = starts.collect();
        for call in running {
            call.finish().succeeds();
        }
        for sandbox in coming {
            sandbox.reaches("198.51.100.2");
        }
        for sandbox in leaving {
            assert!(!sandbox.has_link("eth0"));
        }
    }
    let running: Vec<_> = odd.iter().map(|sandbox| host.calling("DEL", &world(), sandbox).start()).collect();
    for call in running {
        call.finish().succeeds_silently();
    }
    host.is_again(&before);
}

#[test]
fn several_networks_at_once() {
    let host = Host::new();
    let confs: Vec<_> = (0..4)
        .map(|n| cnm_tests::Conf::bridge(&format!("n{n}")).to_the_world().subnet(&format!("10.{n}.0.0/24")))
        .collect();
    let sandboxes = host.sandboxes(8);
    let calls: Vec<_> =
        sandboxes.iter().enumerate().map(|(n, sandbox)| host.calling("ADD", &confs[n % 4], sandbox).start()).collect();
    for (n, call) in calls.into_iter().enumerate() {
        let address = call.finish().attached().ip().to_string();
        assert!(address.starts_with(&format!("10.{}.0.", n % 4)), "{address}");
    }
    for n in 0..4 {
        assert_eq!(host.ports(&format!("br-n{n}")).len(), 2);
    }
}
