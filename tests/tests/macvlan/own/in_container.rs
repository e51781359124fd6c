//! Masters in the container: GC, DEL without the sandbox, and what is refused there.

use cnm_tests::{Conf, Host, Lan, Sandbox};

use super::current;

/// A network on a card that the sandbox has.
fn inner() -> Conf {
    current().ipam("routes", serde_json::json!([])).with("linkInContainer", true)
}

/// A sandbox with a card of its own on the wire.
fn sandbox(host: &Host, lan: &Lan) -> Sandbox {
    let one = host.sandbox("one");
    lan.plug_in(&one, 30);
    one
}

#[test]
fn del_without_namespace_and_gc_find_the_link() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let one = sandbox(&host, &lan);
    let add = || host.calling("ADD", &inner(), &one).ifname("net1").run().attached();
    let result = add();
    lan.station.reaches(result.ip());
    host.gc(&inner().keeping(&[("one", "net1")])).succeeds_silently();
    assert!(one.has_link("net1"));
    host.calling("DEL", &inner(), &one).ifname("net1").netns("").run().succeeds_silently();
    assert!(!one.has_link("net1") && one.has_link("eth0"));
    add();
    host.gc(&inner()).succeeds_silently();
    assert!(!one.has_link("net1") && one.has_link("eth0"));
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let one = sandbox(&host, &lan);
    host.calling("ADD", &inner(), &one).ifname("net1").run().succeeds();
    let before = host.snapshot();
    for (conf, ifname, words) in [
        (inner(), "eth0", &["eth0", "file exists"][..]),
        (
            inner().with("master", "eth7"),
            "net2",
            &["failed to lookup master \"eth7\"", "no such interface in the sandbox"],
        ),
        (inner().without("master"), "net2", &["no default route interface found", "in the sandbox"]),
        (inner().with("mode", "passthru"), "net2", &["mode passthru", "eth0", "if: net1, id: one"]),
        (inner().with("mtu", 1501), "net2", &["invalid MTU 1501, must be [0, master MTU(1500)]"]),
    ] {
        host.calling("ADD", &conf, &one).ifname(ifname).run().fails().says(words);
        host.is_again(&before);
    }
}

#[test]
fn check_names_a_master_that_has_gone_from_the_container() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let one = sandbox(&host, &lan);
    let result = host.calling("ADD", &inner(), &one).ifname("net1").run().attached();
    let conf = inner().after(result.json());
    let check = || host.calling("CHECK", &conf, &one).ifname("net1").run();
    check().succeeds_silently();
    one.run("ip link del eth0");
    check().fails_with(100, &["master eth0 in the sandbox is missing"]);
    host.calling("DEL", &conf, &one).ifname("net1").run().succeeds_silently();
    host.status(&inner()).succeeds_silently();
}
