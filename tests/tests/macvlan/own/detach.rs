//! DEL of what the reference leaves: after a failed ADD, without namespace, with host access.

use cnm_tests::{Host, Lan};
use serde_json::json;

use super::{accessible, current, the_last_endpoint_takes_along};
use crate::{V4, lan};

/// The reference leaves the link, and with it the sandbox cannot be attached again.
#[test]
fn an_ipam_failure_leaves_nothing() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let full = lan()
        .without("ipam")
        .range_set(json!([{ "subnet": V4, "rangeStart": "10.1.2.100", "rangeEnd": "10.1.2.100" }]));
    for conf in [full.clone(), full.with("hostAccess", true).with("hostAddress", "10.1.2.130")] {
        let (one, _) = host.attach(&conf, "one");
        let two = host.sandbox("two");
        let before = host.snapshot();
        host.add(&conf, &two).fails().says(&["no IP addresses available"]);
        host.is_again(&before);
        // A lease that outlives its endpoint.
        host.calling("DEL", &conf.clone().without("ipam"), &one).run().succeeds_silently();
        let before = host.snapshot();
        host.add(&conf, &two).fails().says(&["no IP addresses available"]);
        host.is_again(&before);
        host.del(&conf, &one).succeeds_silently();
        one.vanish();
        two.vanish();
    }
}

#[test]
fn without_namespace_the_link_is_found_wherever_it_is() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&current());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    host.add(&current(), &two).succeeds();
    let before = host.snapshot();
    host.add(&current(), &one).succeeds();
    host.calling("DEL", &current(), &one).netns("").run().succeeds_silently();
    assert!(two.has_link("eth0"));
    host.is_again(&before);
    host.add(&current(), &one).succeeds();
    host.calling("DEL", &current(), &one).netns("/run/netns/never-was").run().succeeds_silently();
    host.is_again(&before);
}

/// The namespace's identity is the kernel's, not its path's.
#[test]
fn the_attachment_is_the_owner_s_alone() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, _) = host.attach(&current(), "one");
    let (_two, _) = host.attach(&current(), "two");
    let before = host.snapshot();
    host.calling("DEL", &current(), &one).container("three").run().succeeds_silently();
    host.calling("DEL", &current(), &one).container("three").netns("").run().succeeds_silently();
    host.is_again(&before);
}

#[test]
fn the_last_endpoint_takes_the_host_s_interface_along() {
    let host = Host::new();
    let lan = Lan::new(&host);
    the_last_endpoint_takes_along(&host, &lan, &accessible());
}

#[test]
fn a_sandbox_that_has_vanished_is_no_endpoint_any_more() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&accessible());
    let before = host.snapshot();
    let (one, _) = host.attach(&accessible(), "one");
    let call = host.calling("DEL", &accessible(), &one);
    one.vanish();
    call.run().succeeds_silently();
    host.is_again(&before);
}

/// Debian's reference plugin looks for the master first.
#[test]
fn del_after_the_master_has_gone() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&lan());
    let (one, result) = host.attach(&lan(), "one");
    host.run("ip link del eth0");
    assert!(!one.has_link("eth0"), "the kernel takes what stands on it along");
    for conf in [lan().after(result.json()), lan(), lan().without("master")] {
        host.del(&conf, &one).succeeds_silently();
    }
    let files = host.list_folder("/var/lib/cni/networks/wire");
    assert!(!files.contains(&result.ip().to_string()), "{files:?}");
}
