//! GC: what is not listed goes, in whatever namespace it is, and nothing else.

use cnm_tests::{Conf, Host, Lan};

use super::{accessible, current, links};

#[test]
fn a_partial_list_keeps_the_listed() {
    for conf in [current(), accessible()] {
        let host = Host::new();
        let lan = Lan::new(&host);
        let all: Vec<_> = (0..4).map(|n| host.attach(&conf, &format!("s{n}"))).collect();
        host.gc(&conf.clone().keeping(&[("s1", "eth0"), ("s3", "eth0")])).succeeds_silently();
        for (n, (sandbox, result)) in all.iter().enumerate() {
            let kept = n % 2 == 1;
            assert_eq!(sandbox.has_link("eth0"), kept, "s{n}");
            let lease = host.list_folder("/var/lib/cni/networks/wire").contains(&result.ip().to_string());
            assert_eq!(lease, kept, "lease of s{n}");
            let route = host.has_route(&result.ip().to_string(), "");
            assert_eq!(route, kept && conf == accessible(), "route to s{n}");
            if kept {
                lan.station.reaches(result.ip());
                host.check(&conf.clone().after(result.json()), sandbox).succeeds_silently();
            }
        }
    }
}

#[test]
fn an_empty_list_means_nothing_is_valid() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&current());
    let sandboxes = host.sandboxes(3);
    let before = host.snapshot();
    for sandbox in &sandboxes {
        host.add(&accessible(), sandbox).succeeds();
    }
    assert_eq!(links(&host, "mv-").len(), 1);
    host.gc(&accessible()).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn other_networks_and_foreign_macvlans_stay() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (_one, _) = host.attach(&current(), "one");
    let other = Conf::macvlan("other").version("1.1.0").subnet("10.9.9.0/24");
    let (two, _) = host.attach(&other, "two");
    let three = host.sandbox("three");
    host.run("ip link add link eth0 name eth0 netns three type macvlan");
    host.run("ip link add link eth0 name mine type macvlan");
    host.gc(&current()).succeeds_silently();
    assert!(two.has_link("eth0") && three.has_link("eth0") && host.has_link("mine"));
}

#[test]
fn the_interface_name_is_part_of_the_attachment() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, _) = host.attach(&current(), "one");
    host.calling("ADD", &current().ipam("routes", serde_json::json!([])), &one).ifname("net1").run().succeeds();
    host.gc(&current().keeping(&[("one", "net1")])).succeeds_silently();
    assert!(!one.has_link("eth0") && one.has_link("net1"));
}

#[test]
fn vanished_sandboxes_leave_leases_and_routes_that_gc_finds() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&accessible());
    let before = host.snapshot();
    for n in 0..3 {
        let (sandbox, _) = host.attach(&accessible(), &format!("s{n}"));
        sandbox.vanish();
    }
    host.gc(&accessible()).succeeds_silently();
    host.is_again(&before);
}
