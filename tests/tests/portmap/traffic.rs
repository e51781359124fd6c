//! Who reaches a published port, and as whom.

use std::net::IpAddr;

use cnm_tests::{Conf, Host};

use crate::{HOST, address, at, attach, mapping, network, portmap, publish, settle};

/// Whether bridged frames visit the rules of IPv4 and IPv6 (`br_netfilter`), as hosts with Docker or Kubernetes have it.
fn bridge_netfilter(host: &Host, on: bool) {
    for family in ["iptables", "ip6tables"] {
        host.run(&format!("sysctl -qw net.bridge.bridge-nf-call-{family}={}", u8::from(on)));
    }
}

#[test]
fn ports_answer_from_outside_from_the_host_and_from_their_own_network() {
    ports_answer(&Host::new(), false, &|conf| conf);
}

#[test]
fn ports_answer_where_bridged_frames_are_filtered() {
    ports_answer(&Host::new(), true, &|conf| conf);
}

pub(crate) fn ports_answer(host: &Host, bridged: bool, by: &dyn Fn(Conf) -> Conf) {
    bridge_netfilter(host, bridged);
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(host, &web, "one");
    let (two, second) = attach(host, &web, "two");
    settle(&one);
    let echo = one.echo();
    let ports = [mapping(8080, echo.port(), "tcp"), mapping(8080, echo.port(), "udp")];
    let conf = by(portmap(&web, &ports));
    assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None, "nothing is published yet");
    let result = publish(host, &conf, &one, &first).attached();
    assert_eq!(result.json(), first.json(), "the result is passed on");
    for (family, server) in HOST.into_iter().enumerate() {
        let client: IpAddr = ["198.51.100.2", "2001:db8:51::2"][family].parse().expect("an address");
        let target = at(server, 8080);
        assert_eq!(outside.asks_tcp_at(target), Some(client), "the outside is seen as it is");
        assert_eq!(outside.asks_udp_at(target), Some(client), "the outside is seen as it is");
        assert_eq!(host.asks_tcp_at(target), Some(target.ip()), "the host");
        assert_eq!(host.asks_udp_at(target), Some(target.ip()), "the host");
        // Their answers must come back by the host: they get its address on the bridge.
        let gateway = first.gateway(family);
        for (neighbour, who) in [(&two, "a neighbour"), (&one, "the container itself")] {
            assert_eq!(neighbour.asks_tcp_at(target), Some(gateway), "{who}");
            assert_eq!(neighbour.asks_udp_at(target), Some(gateway), "{who}");
            let nearest = at(&gateway.to_string(), 8080);
            assert_eq!(neighbour.asks_tcp_at(nearest), Some(gateway), "{who}, at the gateway");
        }
        // What does not use the port is not masqueraded.
        let direct = at(&address(&first, family).to_string(), echo.port());
        assert_eq!(two.asks_tcp_at(direct), Some(address(&second, family)));
    }
    assert_eq!(host.asks_tcp_at(at("127.0.0.1", 8080)), Some(first.gateway(0)), "the loopback address");
    assert_eq!(host.asks_udp_at(at("127.0.0.1", 8080)), Some(first.gateway(0)), "the loopback address");
    assert_eq!(host.sysctl("net/ipv4/conf/br-web/route_localnet"), "1");
    host.del(&conf.after(first.json()), &one).succeeds_silently();
    for target in [at(HOST[0], 8080), at(HOST[1], 8080)] {
        assert_eq!(outside.asks_tcp_at(target), None);
        assert_eq!(host.asks_udp_at(target), None);
        assert_eq!(two.asks_tcp_at(target), None);
    }
    assert_eq!(host.asks_tcp_at(at("127.0.0.1", 8080)), None);
}

#[test]
fn without_snat_neighbours_cannot_use_the_port() {
    without_snat(&|conf| conf);
}

pub(crate) fn without_snat(by: &dyn Fn(Conf) -> Conf) {
    let host = Host::new();
    bridge_netfilter(&host, false);
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let (two, _) = attach(&host, &web, "two");
    let echo = one.echo();
    let conf = by(portmap(&web, &[mapping(8080, echo.port(), "tcp")]).with("snat", false));
    publish(&host, &conf, &one, &first).succeeds();
    assert!(outside.asks_tcp_at(at(HOST[0], 8080)).is_some());
    assert_eq!(two.asks_tcp_at(at(HOST[0], 8080)), None, "the answer does not come back by the host");
    assert_eq!(host.asks_tcp_at(at("127.0.0.1", 8080)), None);
    assert_eq!(host.sysctl("net/ipv4/conf/br-web/route_localnet"), "0");
}

pub(crate) fn with_masq_all(by: &dyn Fn(Conf) -> Conf) {
    let host = Host::new();
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    settle(&one);
    let echo = one.echo();
    let conf = by(portmap(&web, &[mapping(8080, echo.port(), "tcp")]).with("masqAll", true));
    publish(&host, &conf, &one, &first).succeeds();
    for (family, server) in HOST.into_iter().enumerate() {
        assert_eq!(outside.asks_tcp_at(at(server, 8080)), Some(first.gateway(family)));
        assert_eq!(one.asks_tcp_at(at(server, 8080)), Some(first.gateway(family)));
    }
}

#[test]
fn a_port_at_one_address_answers_there_alone() {
    at_one_address(&|conf| conf);
}

pub(crate) fn at_one_address(by: &dyn Fn(Conf) -> Conf) {
    let host = Host::new();
    let outside = host.outside();
    host.run("ip addr add 198.51.100.7/24 dev uplink");
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let echo = one.echo();
    let mut only = mapping(8080, echo.port(), "tcp");
    only["hostIP"] = "198.51.100.7".into();
    let conf = by(portmap(&web, &[only]));
    publish(&host, &conf, &one, &first).succeeds();
    assert!(outside.asks_tcp_at(at("198.51.100.7", 8080)).is_some());
    assert!(host.asks_tcp_at(at("198.51.100.7", 8080)).is_some());
    assert!(one.asks_tcp_at(at("198.51.100.7", 8080)).is_some());
    for other in [HOST[0], HOST[1]] {
        assert_eq!(outside.asks_tcp_at(at(other, 8080)), None, "{other}");
        assert_eq!(host.asks_tcp_at(at(other, 8080)), None, "{other}");
    }
}

/// GHSA-jv3w-x3r3-g6rm: traffic that passes through the host, or leaves it, is none of the plugin's business.
#[test]
fn only_packets_to_the_host_are_redirected() {
    only_to_the_host(&|conf| conf);
}

pub(crate) fn only_to_the_host(by: &dyn Fn(Conf) -> Conf) {
    let host = Host::new();
    let outside = host.outside();
    let far = outside.echo();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let (two, _) = attach(&host, &web, "two");
    settle(&two);
    let _decoy = one.echo_on(far.port());
    let conf = by(portmap(&web, &[mapping(far.port(), far.port(), "tcp"), mapping(far.port(), far.port(), "udp")]));
    publish(&host, &conf, &one, &first).succeeds();
    for server in ["198.51.100.2", "2001:db8:51::2"] {
        let uplink: IpAddr = HOST[usize::from(server.contains(':'))].parse().expect("an address");
        assert_eq!(two.asks_tcp_at(at(server, far.port())), Some(uplink), "a container to the outside");
        assert_eq!(two.asks_udp_at(at(server, far.port())), Some(uplink), "a container to the outside");
        assert_eq!(host.asks_tcp_at(at(server, far.port())), Some(uplink), "the host to the outside");
    }
}
