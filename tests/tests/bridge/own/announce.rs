//! A reused address works at once: the neighbours hear of the new owner.

use cnm_tests::{Host, eventually};

use crate::{dual, lan};

#[test]
fn a_peer_with_a_stale_arp_entry_learns_the_new_owner() {
    let host = Host::new();
    let (one, _) = host.attach(&lan(), "one");
    one.run("ip neigh replace 10.1.2.77 lladdr 02:00:00:00:00:99 dev eth0 nud reachable");
    let two = host.sandbox("two");
    let result = host.calling("ADD", &lan(), &two).args("IgnoreUnknown=1;IP=10.1.2.77").run().attached();
    assert_eq!(result.ip().to_string(), "10.1.2.77");
    let mac = result.mac("eth0");
    eventually("the neighbour entry is corrected without traffic", || match one.neighbour("10.1.2.77") {
        heard if heard == mac => Ok(()),
        other => Err(format!("it says {other:?}, not {mac:?}")),
    });
    one.reaches("10.1.2.77");
}

#[test]
fn the_announcement_is_seen_on_the_bridge() {
    let host = Host::new();
    let (one, _) = host.attach(&dual(), "one");
    let mut capture = one.capture();
    let (_two, result) = host.attach(&dual(), "two");
    let address = result.ip();
    let frame = capture.wait_for("a gratuitous ARP packet", |frame| frame.announces() == Some(address));
    assert_eq!(Some(frame.source()), result.mac("eth0"));
}

#[test]
fn a_peer_with_a_stale_neighbour_entry_learns_the_new_owner() {
    let host = Host::new();
    let (one, _) = host.attach(&dual(), "one");
    one.run("ip neigh replace fd00:1:2::77 lladdr 02:00:00:00:00:99 dev eth0 nud reachable");
    let two = host.sandbox("two");
    let conf = dual().with("args", serde_json::json!({ "cni": { "ips": ["fd00:1:2::77"] } }));
    let result = host.add(&conf, &two).attached();
    let mac = result.mac("eth0");
    eventually("the neighbour entry is corrected without traffic", || match one.neighbour("fd00:1:2::77") {
        heard if heard == mac => Ok(()),
        other => Err(format!("it says {other:?}, not {mac:?}")),
    });
    one.reaches("fd00:1:2::77");
}

#[test]
fn the_neighbour_advertisement_is_seen_on_the_bridge() {
    let host = Host::new();
    let (one, _) = host.attach(&dual(), "one");
    let mut capture = one.capture();
    let (_two, result) = host.attach(&dual(), "two");
    let address = result.addresses()[1].addr();
    let frame = capture.wait_for("an unsolicited advertisement", |frame| frame.announces() == Some(address));
    assert_eq!(Some(frame.source()), result.mac("eth0"));
}
