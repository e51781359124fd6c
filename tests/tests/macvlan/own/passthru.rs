//! The parent for one endpoint alone.

use std::thread;

use cnm_tests::{Host, Lan};

use super::{accessible, current};

#[test]
fn a_second_endpoint_is_refused_by_the_name_of_the_first() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let conf = current().with("mode", "passthru");
    let (one, result) = host.attach(&conf, "first-one");
    let two = host.sandbox("two");
    let before = host.snapshot();
    for second in [conf.clone(), current()] {
        host.add(&second, &two).fails_with(7, &["passthru", "eth0", "first-one"]);
        host.is_again(&before);
    }
    lan.station.reaches(result.ip());
    host.del(&conf, &one).succeeds_silently();
    host.add(&conf, &two).succeeds();
}

#[test]
fn a_parent_in_use_cannot_be_passed_through() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (_one, _) = host.attach(&current(), "first-one");
    let two = host.sandbox("two");
    let before = host.snapshot();
    host.add(&current().with("mode", "passthru"), &two).fails_with(7, &["passthru", "eth0", "first-one"]);
    host.is_again(&before);
}

#[test]
fn check_and_del_know_the_parent_s_hardware_address() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let conf = current().with("mode", "passthru").with("mac", "02:00:00:00:00:0a");
    host.warm_up(&conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&conf, &one).attached();
    assert_eq!(result.mac("eth0"), Some(host.link("eth0").mac));
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    host.is_again(&before);
}

/// The interface of the host on the network would stand on the same parent.
#[test]
fn host_access_is_refused_beside_a_passthru_endpoint_with_its_name() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (_one, _) = host.attach(&current().with("mode", "passthru"), "first-one");
    let two = host.sandbox("two");
    let before = host.snapshot();
    let other = accessible().with("name", "other");
    host.add(&other, &two).fails_with(7, &["passthru", "eth0", "first-one", "that one would have it alone"]);
    host.is_again(&before);
}

/// Whoever is second has nothing, whichever of the two that is.
#[test]
fn of_two_that_come_at_once_one_gets_the_parent() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let conf = current().with("mode", "passthru");
    host.warm_up(&conf);
    let both = host.sandboxes(2);
    let before = host.snapshot();
    for _ in 0..5 {
        let outcomes: Vec<_> = thread::scope(|scope| {
            let calls: Vec<_> = both.iter().map(|one| scope.spawn(|| host.add(&conf, one))).collect();
            calls.into_iter().map(|call| call.join().expect("no call panics")).collect()
        });
        let winner = outcomes.iter().position(|outcome| outcome.status.success()).expect("one of them");
        outcomes[1 - winner].fails_with(7, &["mode passthru: eth0 is in use by"]);
        assert!(both[winner].has_link("eth0") && !both[1 - winner].has_link("eth0"));
        lan.station.reaches(outcomes[winner].attached().ip());
        for one in &both {
            host.del(&conf, one).succeeds_silently();
        }
        host.is_again(&before);
    }
}
