//! GC and STATUS.

use cnm_tests::Host;
use serde_json::json;

use super::NEWEST;
use crate::{device, limit, limits, network, stage};

#[test]
fn gc_takes_the_devices_of_the_dead_of_its_network() {
    let host = Host::new();
    let sandboxes = host.sandboxes(3);
    let conf = limits(8_000_000, 8_000_000).version(NEWEST);
    for sandbox in &sandboxes {
        let attached = host.add(&network().version(NEWEST), sandbox).attached();
        limit(&host, &conf, sandbox, &attached).succeeds();
    }
    // Somebody else's, by the same kind of name or in the same group.
    host.run("ip link add bwp012345678901 type ifb");
    let group = host.links().iter().find(|link| link.kind == "ifb").expect("a device").group.clone();
    host.run(&format!("ip link add other group {group} type ifb"));
    let devices = || host.links().iter().filter(|link| link.kind == "ifb").count();
    assert_eq!(devices(), 5);
    host.gc(&conf.clone().with("name", "other")).succeeds_silently();
    assert_eq!(devices(), 5);
    host.gc(&conf.clone().keeping(&[("s0", "eth0"), ("s1", "eth0"), ("s2", "eth1")])).succeeds_silently();
    assert_eq!(devices(), 4);
    host.gc(&conf.clone().with("cni.dev/valid-attachments", json!(null))).succeeds_silently();
    assert_eq!(devices(), 2);
    host.gc(&conf).succeeds_silently();
    assert!(host.has_link("bwp012345678901") && host.has_link("other"));
}

#[test]
fn status_says_what_add_would_say_of_the_configuration() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    host.status(&limits(8_000_000, 8_000_000).version(NEWEST)).succeeds_silently();
    host.status(&crate::bandwidth().version(NEWEST)).succeeds_silently();
    host.status(&crate::bandwidth().with("ingressRate", 8).version(NEWEST)).fails().says(&["ingressBurst"]);
    host.is_again(&before);
    assert!(!host.has_link(device()) && one.has_link("eth0") && !attached.interfaces().is_empty());
}
