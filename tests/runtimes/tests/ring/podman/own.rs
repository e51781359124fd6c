//! Where the reference fails.

use std::net::{IpAddr, SocketAddr};

use cnm_runtime_tests::Podman;
use cnm_tests::Suite;

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

/// Nothing that names a container, or belongs to one, is in the firewall or among the addresses.
#[track_caller]
fn nothing_is_left_of(podman: &Podman, ids: &[String]) {
    let rules = podman.ruleset();
    for trace in ids.iter().map(String::as_str).chain(["CNI-DN-", "veth"]) {
        assert_eq!(rules.mentions(trace), Vec::<String>::new(), "{trace}");
    }
    for network in podman.list_folder("/var/lib/cni/networks") {
        let mut left = podman.list_folder(&format!("/var/lib/cni/networks/{network}"));
        left.retain(|name| name.parse::<IpAddr>().is_ok());
        assert_eq!(left, Vec::<String>::new(), "addresses of {network}");
    }
    assert_eq!(podman.list_folder("/var/lib/cni/results"), Vec::<String>::new());
    let links: Vec<String> = podman.links().into_iter().map(|link| link.name).collect();
    assert!(links.iter().all(|link| !link.starts_with("veth")), "{links:?}");
}

fn id(podman: &Podman, name: &str) -> String {
    podman.inspect(name)["Id"].as_str().expect("a container has an id").to_owned()
}

#[test]
fn what_the_reference_attached_goes_after_an_upgrade() {
    let podman = Podman::new();
    let outside = podman.outside();
    podman.changes_to(&Suite::reference());
    podman.does("network create --ipv6 --subnet 10.89.23.0/24 --subnet fd00:89:23::/64 -o isolate=true dual");
    podman.runs("both", &format!("--network podman --network dual {PUBLISHED}"));
    podman.runs("one", "--network dual -p 9090:80");
    let ids = ["both", "one"].map(|name| id(&podman, name));
    assert!(!podman.ruleset().mentions(&ids[0]).is_empty(), "the reference has made rules");
    podman.changes_to(podman.suite());
    for name in ["both", "one"] {
        podman.removes(name);
    }
    nothing_is_left_of(&podman, &ids);
    // And an upgraded network is used on.
    let container = podman.runs("new", &format!("--network dual {PUBLISHED}"));
    let _echo = container.echo_on(80);
    answers(&outside, port(HOST[0], 8080));
    podman.removes("new");
}

#[test]
fn a_container_of_the_reference_is_restarted_after_an_upgrade() {
    let podman = Podman::new();
    let outside = podman.outside();
    podman.changes_to(&Suite::reference());
    drop(podman.runs("web", PUBLISHED));
    let ids = [id(&podman, "web")];
    podman.changes_to(podman.suite());
    podman.does("restart --time 0 web");
    let container = podman.container("web");
    let echo = container.echo_on(80);
    answers(&outside, port(HOST[0], 8080));
    drop((container, echo));
    podman.removes("web");
    nothing_is_left_of(&podman, &ids);
}
