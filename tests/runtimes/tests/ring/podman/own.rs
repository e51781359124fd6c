//! Where the reference fails.

use std::net::SocketAddr;

use cnm_runtime_tests::Podman;

use super::{PUBLISHED, with_networks};
use crate::{HOST, answers, is_mute, port};

/// podman calls portmap once for each network, with the same ports.
#[test]
fn a_port_of_a_container_on_two_networks_answers_from_everywhere() {
    let (podman, outside, before) = with_networks(&[("red", "10.89.21.0/24"), ("blue", "10.89.22.0/24")]);
    let both = podman.runs("both", &format!("--network red --network blue {PUBLISHED}"));
    let (red, blue) = (podman.runs("r", "--network red"), podman.runs("b", "--network blue"));
    let _echo = both.echo_on(80);
    let published: SocketAddr = port(HOST[0], 8080);
    answers(&podman, published);
    answers(&podman, port("127.0.0.1", 8080));
    answers(&outside, published);
    answers(&red, published);
    answers(&blue, published);
    answers(&both, published);
    answers(&red, port("10.89.21.1", 8080));
    answers(&blue, port("10.89.22.1", 8080));
    podman.does("network disconnect red both");
    answers(&outside, published);
    answers(&red, published);
    drop((both, red, blue));
    for name in ["both", "r", "b"] {
        podman.removes(name);
    }
    podman.is_as(&before);
}

/// A neighbour may send to any address, 127.0.0.1 included; the reference translates it before the kernel refuses it.
#[test]
fn a_port_of_loopback_is_not_reachable_from_the_wire() {
    let podman = Podman::new();
    let outside = podman.outside();
    let container = podman.runs("web", "-p 127.0.0.1:8080:80 -p 127.0.0.1:8080:80/udp -p 9090:80");
    let _echo = container.echo_on(80);
    outside.run("ip addr del 127.0.0.1/8 dev lo");
    outside.set_sysctl("net/ipv4/conf/all/route_localnet", "1");
    outside.run("ip route add 127.0.0.1/32 via 198.51.100.1");
    answers(&podman, port("127.0.0.1", 8080));
    is_mute(&outside, port("127.0.0.1", 8080));
    podman.removes("web");
}
