//! Frames and packets: to the wire, to a second host, and what the modes keep apart.

use cnm_tests::{Conf, Host, Lan, eventually};
use serde_json::json;

use crate::{OUTSIDE, lan, world};

#[test]
fn endpoints_reach_the_wire_and_the_world_and_are_reached() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, result) = host.attach(&world(), "one");
    for address in ["10.1.2.20", "fd00:1:2::20"].into_iter().chain(OUTSIDE) {
        one.reaches(address);
    }
    for address in result.addresses() {
        lan.station.reaches(address.addr());
        lan.router.reaches(address.addr());
    }
}

#[test]
fn endpoints_of_two_hosts_reach_each_other() {
    let (host, other) = (Host::new(), Host::new());
    let lan = Lan::new(&host);
    lan.plug_in(&other, 11);
    let (one, _) = host.attach(&world(), "one");
    // Two hosts share no store of leases: each has a range of its own.
    let range = json!([{ "subnet": crate::V4, "rangeStart": "10.1.2.200", "rangeEnd": "10.1.2.220" }]);
    let (two, result) = other.attach(&Conf::macvlan("wire").range_set(range), "two");
    one.reaches(result.ip());
    two.reaches("10.1.2.100");
    lan.station.reaches(result.ip());
}

/// Who reaches whom with two endpoints on one parent: (mode, each other, each other when the switch sends frames back).
#[test]
fn the_modes_keep_endpoints_apart() {
    for (mode, direct, reflected) in [("bridge", true, true), ("vepa", false, true), ("private", false, false)] {
        let host = Host::new();
        let lan = Lan::new(&host);
        let conf = crate::lan().with("mode", mode);
        let (one, first) = host.attach(&conf, "one");
        let (_two, second) = host.attach(&conf, "two");
        lan.station.reaches(first.ip());
        lan.station.reaches(second.ip());
        if direct {
            one.reaches(second.ip());
        } else {
            one.cannot_reach(second.ip());
        }
        lan.switch.run("ip link set port1 type bridge_slave hairpin on");
        one.run("ip neigh flush all");
        if reflected {
            one.reaches(second.ip());
        } else {
            one.cannot_reach(second.ip());
        }
    }
}

#[test]
fn passthru_has_the_parent_for_itself() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, result) = host.attach(&crate::lan().with("mode", "passthru"), "one");
    assert_eq!(one.link("eth0").mac, host.link("eth0").mac);
    lan.station.reaches(result.ip());
    one.reaches("10.1.2.1");
}

/// A macvlan and its parent do not hear each other.
#[test]
fn the_host_is_not_reached_by_the_parent() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, result) = host.attach(&lan(), "one");
    host.cannot_reach(result.ip());
    one.cannot_reach("10.1.2.10");
}

#[test]
fn an_address_that_is_used_again_is_announced_on_the_wire() {
    let host = Host::new();
    is_announced(&host, &Lan::new(&host), &lan(), &["10.1.2.100"]);
}

/// The neighbours hear of the addresses that the first endpoint of `conf` gets.
#[track_caller]
pub(crate) fn is_announced(host: &Host, lan: &Lan, conf: &Conf, addresses: &[&str]) {
    let stale = "02:00:00:00:00:99";
    for address in addresses {
        lan.station.run(&format!("ip neigh replace {address} lladdr {stale} dev eth0 nud reachable"));
    }
    let mut capture = lan.station.capture();
    let (_one, result) = host.attach(conf, "one");
    let mac = result.mac("eth0");
    for address in addresses {
        let wanted = address.parse().expect("an address");
        let frame = capture.wait_for("an announcement", |frame| frame.announces() == Some(wanted));
        assert_eq!(Some(frame.source()), mac, "{address}");
        eventually("the neighbour is corrected without traffic", || match lan.station.neighbour(address) {
            heard if heard == mac => Ok(()),
            other => Err(format!("it says {other:?}, not {mac:?}")),
        });
    }
}
