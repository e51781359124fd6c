//! The host on its own network.

use cnm_tests::{Host, Lan};
use serde_json::json;

use super::{accessible, links};

#[test]
fn host_and_endpoints_reach_each_other_and_the_host_keeps_its_place_on_the_wire() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let routes = host.routes().len();
    let (one, first) = host.attach(&accessible(), "one");
    let (two, second) = host.attach(&accessible(), "two");
    for result in [&first, &second] {
        for address in result.addresses() {
            host.reaches(address.addr());
        }
    }
    for endpoint in [&one, &two] {
        endpoint.reaches("10.1.2.130");
        endpoint.reaches("fd00:1:2::130");
        endpoint.reaches("198.51.100.2");
    }
    lan.station.reaches("10.1.2.130");
    host.reaches("10.1.2.20");
    host.reaches("198.51.100.2");
    assert_eq!(host.address_texts("eth0"), ["10.1.2.10/24", "fd00:1:2::10/64"]);
    assert!(host.routes().len() > routes);
}

/// Of the host's own address on the parent the station must keep hearing from the parent alone.
#[test]
fn the_host_s_other_addresses_are_not_answered_for() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let mut capture = lan.station.capture();
    let (_one, result) = host.attach(&accessible(), "one");
    host.reaches(result.ip());
    lan.station.run("ip neigh flush all");
    lan.station.reaches("10.1.2.10");
    lan.station.reaches("10.1.2.130");
    let mac = |name: &str| host.link(name).mac;
    let name = links(&host, "mv-").pop().expect("the host's interface on the network");
    let (parent, shim) = (mac("eth0"), mac(&name));
    assert_eq!(lan.station.neighbour("10.1.2.10"), Some(parent));
    // Who speaks as another address is not answered, but must ask as this one.
    host.run(&format!("ip neigh flush dev {name}"));
    host.attempt(&format!("ping -n -q -c 1 -W 1 -I 10.1.2.10 {}", result.ip()));
    // What it says in ARP, asking (of the endpoint) and answering (the station), is its own address. The station does not mind
    // a second answer that comes later, so its table does not tell.
    let senders: Vec<[u8; 4]> = capture
        .frames()
        .iter()
        .filter(|frame| frame.bytes[12..14] == [0x08, 0x06] && frame.source() == shim)
        .map(|frame| frame.bytes[28..32].try_into().expect("four bytes"))
        .collect();
    assert!(senders.len() >= 2, "it neither asked nor answered: {senders:?}");
    assert!(senders.iter().all(|sender| *sender == [10, 1, 2, 130]), "{senders:?}");
}

#[test]
fn check_sees_the_host_s_side() {
    for deed in ["ip addr del 10.1.2.130/32 dev", "ip link del", "ip route flush dev", "ip link set down dev"] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        let (one, result) = host.attach(&accessible(), "one");
        let conf = accessible().after(result.json());
        host.check(&conf, &one).succeeds_silently();
        let shim = links(&host, "mv-").pop().expect("the host's interface on the network");
        host.run(&format!("{deed} {shim}"));
        host.check(&conf, &one).fails().says(&["on the host"]);
    }
}

#[test]
fn an_address_that_the_host_has_elsewhere_is_refused() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&accessible());
    let one = host.sandbox("one");
    let conf = accessible().with("hostAddress", "10.1.2.10");
    let before = host.snapshot();
    host.add(&conf, &one).fails().says(&["10.1.2.10", "taken", "eth0"]);
    host.del(&conf, &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn one_family_is_enough() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, result) = host.attach(&accessible().with("hostAddress", json!(["fd00:1:2::130"])), "one");
    host.reaches(result.addresses()[1].addr());
    host.cannot_reach(result.ip());
    one.reaches("fd00:1:2::130");
}
