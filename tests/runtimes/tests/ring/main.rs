//! Real runtimes with the plugins under test: what kubelet's containerd, podman and `ctr` do, and call for call what
//! nerdctl and CRI-O do, neither of which Debian 12 has.
//!
//! What is below `own` goes beyond the reference plugins; everything else passes with either suite.

mod containerd;
mod crio;
mod ctr;
mod nerdctl;
mod podman;

use std::net::{IpAddr, SocketAddr};

use cnm_tests::{Namespace, eventually};

/// The address of the host on its uplink, and of the world outside, for each family.
const HOST: [&str; 2] = ["198.51.100.1", "2001:db8:51::1"];
const OUTSIDE: [&str; 2] = ["198.51.100.2", "2001:db8:51::2"];

/// The port of a host, published or not.
fn port(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// The echo server behind `target` must answer TCP and UDP; the source address that it saw of TCP.
#[track_caller]
fn answers(place: &Namespace, target: SocketAddr) -> IpAddr {
    let ask = |what: &str, answer: Option<IpAddr>| {
        answer.ok_or_else(|| format!("{} gets no {what} from {target}", place.label()))
    };
    let seen = eventually("a published port answers", || ask("TCP", place.asks_tcp_at(target)));
    eventually("a published port answers", || ask("UDP", place.asks_udp_at(target)));
    seen
}

/// Nothing must answer at `target`, neither TCP nor UDP.
#[track_caller]
fn is_mute(place: &Namespace, target: SocketAddr) {
    for (what, answer) in [("TCP", place.asks_tcp_at(target)), ("UDP", place.asks_udp_at(target))] {
        assert_eq!(answer, None, "{} gets {what} from {target}", place.label());
    }
}
