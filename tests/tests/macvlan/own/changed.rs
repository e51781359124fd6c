//! What has changed between ADD and DEL: the configuration, names, places. Nothing may stay behind all the same.

use cnm_tests::{Host, Lan};

use super::{accessible, current, the_last_endpoint_takes_along};

/// The container may call its interface what it likes; its address must not live on when somebody else gets it.
#[test]
fn a_link_of_another_name_is_found_by_its_tag() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&current());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    host.add(&current(), &two).succeeds();
    let before = host.snapshot();
    let result = host.add(&current(), &one).attached();
    one.run("ip link set eth0 down");
    one.run("ip link set eth0 name foo");
    let conf = current().after(result.json());
    host.check(&conf, &one).fails_with(100, &["macvlan eth0 in the sandbox is missing"]);
    host.del(&conf, &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn a_link_in_another_namespace_is_found_by_its_tag() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&current());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    // The host's kernel knows namespaces in which it has made something.
    host.calling("ADD", &current(), &two).ifname("net1").run().succeeds();
    let before = host.snapshot();
    host.add(&current(), &one).succeeds();
    one.run(&format!("ip link set eth0 netns {}", two.net_path()));
    assert!(two.has_link("eth0"));
    host.del(&current(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn host_access_that_has_left_the_configuration_goes_with_the_last_endpoint() {
    let host = Host::new();
    let lan = Lan::new(&host);
    the_last_endpoint_takes_along(&host, &lan, &current());
    let one = host.sandbox("another");
    let before = host.snapshot();
    host.add(&accessible(), &one).succeeds();
    host.gc(&current()).succeeds_silently();
    host.is_again(&before);
}

/// A macvlan stands on its master whatever that is called.
#[test]
fn a_master_of_another_name_is_missed_by_check_and_not_by_del() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, result) = host.attach(&current(), "one");
    host.run("ip link set eth0 down");
    host.run("ip link set eth0 name lan0");
    host.run("ip link set lan0 up");
    lan.station.reaches(result.ip());
    let conf = current().after(result.json());
    host.check(&conf, &one).fails_with(100, &["master eth0 on the host is missing"]);
    host.check(&conf.clone().with("master", "lan0"), &one).succeeds_silently();
    let two = host.sandbox("two");
    host.add(&current(), &two).fails().says(&["failed to lookup master \"eth0\"", "name another one as master"]);
    host.del(&conf, &one).succeeds_silently();
    assert!(!one.has_link("eth0"));
    let leases = host.list_folder("/var/lib/cni/networks/wire");
    assert!(!leases.contains(&result.ip().to_string()), "{leases:?}");
}

#[test]
fn a_master_in_another_namespace_does_not_keep_del_from_its_work() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, result) = host.attach(&current(), "one");
    let (two, _) = host.attach(&current(), "two");
    let _aside = host.sandbox("aside");
    host.run("ip link set eth0 netns aside");
    let conf = current().after(result.json());
    let _ = host.check(&conf, &one).fails();
    host.del(&conf, &one).succeeds_silently();
    host.calling("DEL", &current(), &two).netns("").run().succeeds_silently();
    assert!(!one.has_link("eth0") && !two.has_link("eth0"));
}
