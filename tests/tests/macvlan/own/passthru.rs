//! The parent for one endpoint alone.

use cnm_tests::{Host, Lan};

use super::current;

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
