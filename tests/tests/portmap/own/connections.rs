//! Connections that are older than what is published, or younger than what was.

use std::net::UdpSocket;
use std::time::Duration;

use cnm_tests::{Host, Namespace};

use crate::{HOST, at, attach, mapping, network, portmap, publish, settle};

/// A client that keeps its port, and with it its connection.
fn client(namespace: &Namespace) -> UdpSocket {
    let socket = namespace.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(700))).expect("a timeout");
    socket
}

fn answers(socket: &UdpSocket, port: u16) -> bool {
    let mut buffer = [0; 64];
    // An answer "port unreachable" to an earlier packet is an error of this one.
    let _ = socket.send_to(b"?", at(HOST[0], port)).or_else(|_| socket.send_to(b"?", at(HOST[0], port)));
    socket.recv(&mut buffer).is_ok() || socket.recv(&mut buffer).is_ok()
}

fn tracked(host: &Host, filter: &str) -> Vec<String> {
    let listed = host.attempt(&format!("conntrack -L -f ipv4 {filter}")).text();
    listed.lines().map(str::to_owned).collect()
}

/// A client that asked before the port was published, and one that goes on asking after it was not: both have a tracked
/// connection that would lead their packets where the first one went.
#[test]
fn udp_clients_follow_what_is_published() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        host.requires("conntrack");
        let outside = host.outside();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        let (two, second) = attach(&host, &web, "two");
        settle(&one);
        let (in_one, in_two) = (one.echo(), two.echo());
        let elsewhere = outside.echo();
        let backed = |port| {
            portmap(&web, &[mapping(5353, port, "udp"), mapping(elsewhere.port(), port, "udp")])
                .with("backend", backend)
        };
        // Connections are tracked from the first rule on that needs it.
        host.run("nft add table ip track");
        host.run("nft add chain ip track c { type nat hook prerouting priority 0; }");
        let early = client(&outside);
        assert!(!answers(&early, 5353), "{backend}: nobody listens");
        assert_eq!(tracked(&host, "-p udp --orig-port-dst 5353").len(), 1, "{backend}");
        // One of the same port number that is none of ours: it leads through the host.
        assert!(two.asks_udp("198.51.100.2".parse().expect("an address"), &elsewhere).is_some());
        let through =
            |host: &Host| tracked(host, &format!("-p udp --orig-port-dst {} -d 198.51.100.2", elsewhere.port()));
        let foreign = through(&host);
        assert_eq!(foreign.len(), 1, "{backend}");
        publish(&host, &backed(in_one.port()), &one, &first).succeeds();
        assert!(answers(&early, 5353), "{backend}: the old connection was forgotten");
        assert_eq!(through(&host).len(), 1, "{backend}: others' stay");
        host.del(&backed(in_one.port()), &one).succeeds_silently();
        assert!(!answers(&early, 5353), "{backend}: nobody listens any more");
        publish(&host, &backed(in_two.port()), &two, &second).succeeds();
        assert!(answers(&early, 5353), "{backend}: it goes to the new container");
        let led: Vec<String> = tracked(&host, "-p udp --orig-port-dst 5353");
        assert!(led.iter().all(|line| line.contains("src=10.1.2.3")), "{backend}: {led:?}");
        assert_eq!(through(&host).len(), 1, "{backend}: others' stay");
    }
}

/// ADD again (a runtime that repeats itself), and a second network of the same container: what works is not disturbed.
#[test]
fn connections_that_are_right_stay() {
    let host = Host::new();
    host.requires("conntrack");
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    settle(&one);
    let echo = one.echo();
    let conf = portmap(&web, &[mapping(5353, echo.port(), "udp")]);
    publish(&host, &conf, &one, &first).succeeds();
    let early = client(&outside);
    assert!(answers(&early, 5353));
    let before = tracked(&host, "-p udp --orig-port-dst 5353 -o id");
    let id = |lines: &[String]| lines.first().and_then(|line| line.split("id=").nth(1)).map(str::to_owned);
    assert!(id(&before).is_some(), "{before:?}");
    publish(&host, &conf, &one, &first).succeeds();
    assert_eq!(id(&tracked(&host, "-p udp --orig-port-dst 5353 -o id")), id(&before));
}
