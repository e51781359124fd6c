//! Published ports: from the host, from outside, and from the container itself.

use super::{PUBLISHED, warm};
use crate::{HOST, answers, is_mute, port};

#[test]
fn published_ports_answer_from_everywhere() {
    let (podman, outside, before) = warm();
    let container = podman.runs("web", "-p 8080:80 -p 8080:80/udp -p 9000-9002:90-92 -p 9000-9002:90-92/udp");
    for inside in [80, 90, 91, 92] {
        let published = if inside == 80 { 8080 } else { 8910 + inside };
        let _echo = container.echo_on(inside);
        assert_eq!(answers(&outside, port(HOST[0], published)).to_string(), "198.51.100.2", "the client is seen");
        for address in ["127.0.0.1", HOST[0], "10.88.0.1"] {
            answers(&podman, port(address, published));
        }
        for address in [HOST[0], "10.88.0.1"] {
            answers(&container, port(address, published));
        }
    }
    let other = podman.runs("other", "");
    let _echo = container.echo_on(80);
    answers(&other, port(HOST[0], 8080));
    is_mute(&outside, port(HOST[0], 8081));
    drop((container, other));
    podman.removes("web");
    podman.removes("other");
    podman.is_as(&before);
}

#[test]
fn a_port_of_one_address_is_published_there_only() {
    let (podman, outside, _) = warm();
    podman.run("ip addr add 198.51.100.3/24 dev uplink");
    let container = podman.runs("web", "-p 198.51.100.3:8080:80 -p 198.51.100.3:8080:80/udp");
    let _echo = container.echo_on(80);
    answers(&outside, port("198.51.100.3", 8080));
    answers(&podman, port("198.51.100.3", 8080));
    is_mute(&outside, port(HOST[0], 8080));
    is_mute(&podman, port("127.0.0.1", 8080));
    podman.removes("web");
}

#[test]
fn a_port_of_loopback_is_for_the_host_alone() {
    let (podman, outside, _) = warm();
    let container = podman.runs("web", "-p 127.0.0.1:8080:80 -p 127.0.0.1:8080:80/udp");
    let _echo = container.echo_on(80);
    answers(&podman, port("127.0.0.1", 8080));
    is_mute(&outside, port(HOST[0], 8080));
    podman.removes("web");
}

#[test]
fn a_port_is_free_again_when_its_container_is_gone() {
    let (podman, _outside, before) = warm();
    for name in ["one", "two"] {
        let container = podman.runs(name, PUBLISHED);
        let _echo = container.echo_on(80);
        answers(&podman, port("127.0.0.1", 8080));
        drop(container);
        podman.removes(name);
    }
    podman.is_as(&before);
}
