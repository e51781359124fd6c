//! A published port is reached although the host drops what it forwards, and nothing else is.

use std::net::SocketAddr;

use cnm_tests::{Conf, Echo, Host, Sandbox};
use serde_json::{Value, json};

use super::nothing_is_left;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network, OUTSIDE, addresses};

/// The host's addresses towards [`Host::outside`].
const HOST: [&str; 2] = ["198.51.100.1", "2001:db8:51::1"];

/// Ways to drop what is forwarded.
const BY_IPTABLES: &[&str] = &[IPTABLES_DROPS, IP6TABLES_DROPS];
const BY_RULES_OF_IPTABLES: &[&str] = &["iptables-nft -A FORWARD -j DROP", "ip6tables-nft -A FORWARD -j REJECT"];
const BY_LEGACY_IPTABLES: &[&str] = &["iptables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD DROP"];
const BY_NFTABLES: &[&str] = &[
    "nft add table inet mine",
    "nft add chain inet mine forward { type filter hook forward priority 10; policy drop; }",
];

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// portmap in a network: port 8080 of the host leads to `echo`.
fn portmap(network: &Network, echo: &Echo) -> Conf {
    let mapping = |protocol| json!({ "hostPort": 8080, "containerPort": echo.port(), "protocol": protocol });
    Conf::new("portmap", network.bridge.name())
        .with("capabilities", json!({ "portMappings": true }))
        .with("runtimeConfig", json!({ "portMappings": [mapping("tcp"), mapping("udp")] }))
}

/// A host with a world beyond it that knows the way to the containers, so that only the firewall keeps it away.
fn host_and_outside(drops: &[&str]) -> (Host, Sandbox) {
    let host = Host::new();
    let outside = host.outside();
    for (family, subnet, via) in [("-4", "10.11.0.0/24", HOST[0]), ("-6", "fd00:11::/64", HOST[1])] {
        outside.run(&format!("ip {family} route add {subnet} via {via}"));
    }
    drops.iter().for_each(|line| drop(host.run(line)));
    (host, outside)
}

/// ADD of the chain as runtimes write it: bridge, portmap, firewall.
#[track_caller]
fn publish(host: &Host, network: &Network, sandbox: &Sandbox, echo: &Echo) -> Value {
    let result = host.add(&network.bridge, sandbox).succeeds();
    host.add(&portmap(network, echo).after(&result), sandbox).succeeds();
    host.add(&network.firewall.clone().after(&result), sandbox).succeeds();
    // A fresh host's first IPv6 packet waits until its own addresses are proved to be unique.
    OUTSIDE.iter().for_each(|to| sandbox.reaches(to));
    result
}

#[track_caller]
fn withdraw(host: &Host, network: &Network, sandbox: &Sandbox, echo: &Echo, result: &Value) {
    for conf in [&network.firewall, &portmap(network, echo), &network.bridge] {
        host.del(&conf.clone().after(result), sandbox).succeeds_silently();
    }
}

/// With a host that drops in this way, and each backend that can tell it otherwise.
fn is_reached_and_nothing_else(drops: &[&str], backends: &[&str]) {
    for backend in backends {
        let (host, outside) = host_and_outside(drops);
        let network = Network::new("web", 11).with("backend", *backend);
        let one = host.sandbox("one");
        let (echo, secret) = (one.echo(), one.echo());
        let result = publish(&host, &network, &one, &echo);
        for (family, address) in addresses(&result).iter().enumerate() {
            let why = format!("{backend:?}, {address}");
            let client = Some(OUTSIDE[family].parse().expect("an address"));
            assert_eq!(outside.asks_tcp_at(at(HOST[family], 8080)), client, "{why}");
            assert_eq!(outside.asks_udp_at(at(HOST[family], 8080)), client, "{why}");
            // Neither by the host's address nor by the container's own.
            assert_eq!(outside.asks_tcp_at(at(HOST[family], secret.port())), None, "{why}");
            assert_eq!(outside.asks_tcp_at(at(address, secret.port())), None, "{why}");
            assert_eq!(outside.asks_tcp_at(at(address, echo.port())), None, "{why}: past the published port");
        }
        host.check(&network.firewall.clone().after(&result), &one).succeeds_silently();
        withdraw(&host, &network, &one, &echo, &result);
        nothing_is_left(&host, &network, &addresses(&result));
        assert_eq!(host.ruleset().mentions("--ctstate DNAT"), Vec::<String>::new(), "{backend:?}");
    }
}

#[test]
fn a_published_port_is_reached_where_the_policy_of_iptables_is_to_drop() {
    is_reached_and_nothing_else(BY_IPTABLES, &["", "iptables"]);
}

#[test]
fn a_published_port_is_reached_where_rules_of_iptables_drop() {
    is_reached_and_nothing_else(BY_RULES_OF_IPTABLES, &["nftables", "iptables"]);
}

#[test]
fn a_published_port_is_reached_where_the_legacy_iptables_drops() {
    is_reached_and_nothing_else(BY_LEGACY_IPTABLES, &["nftables"]);
}

#[test]
fn a_published_port_is_reached_where_another_table_of_nftables_drops() {
    is_reached_and_nothing_else(BY_NFTABLES, &["nftables"]);
}

/// Policies are about bridges: the world reaches published ports, and other bridges with a policy do not, by whatever
/// address they ask.
#[test]
fn a_policy_keeps_other_bridges_from_published_ports_but_not_the_world() {
    for backend in ["nftables", "iptables"] {
        for policy in ["same-bridge", "isolated"] {
            let (host, outside) = host_and_outside(BY_IPTABLES);
            let with = |name, number| Network::new(name, number).with("backend", backend);
            let web = with("web", 11).with("ingressPolicy", policy);
            let (db, free) = (with("db", 12).with("ingressPolicy", "same-bridge"), with("free", 13));
            let one = host.sandbox("one");
            let echo = one.echo();
            publish(&host, &web, &one, &echo);
            let (near, _) = web.attach(&host, "near");
            let (two, _) = db.attach(&host, "two");
            let (three, _) = free.attach(&host, "three");
            for sandbox in [&near, &two, &three] {
                OUTSIDE.iter().for_each(|to| sandbox.reaches(to));
            }
            for server in HOST {
                let (target, why) = (at(server, 8080), format!("{backend}, {policy}, {server}"));
                assert!(outside.asks_tcp_at(target).is_some(), "{why}: the world");
                assert!(host.asks_tcp_at(target).is_some(), "{why}: the host");
                assert!(three.asks_tcp_at(target).is_some(), "{why}: a bridge without a policy");
                assert_eq!(two.asks_tcp_at(target), None, "{why}: another bridge with one");
                let within = near.asks_tcp_at(target);
                assert_eq!(within.is_some(), policy == "same-bridge", "{why}: a neighbour {within:?}");
            }
        }
    }
}

/// Whoever takes the rule for published ports away, and nothing else, is noticed.
#[test]
fn check_sees_that_published_ports_are_dropped() {
    let by_iptables =
        "iptables-nft -S | sed -n '/ctstate DNAT/s/^-A/-D/p' | while read line; do iptables-nft $line; done";
    let by_nft = "nft -a list chain inet mine forward | sed -n '/status dnat/s/.*handle //p' | \
                  while read rule; do nft delete rule inet mine forward handle $rule; done";
    for (drops, backend, harm, words) in [
        (BY_IPTABLES, "nftables", by_iptables.to_owned(), "has lost rules"),
        (BY_IPTABLES, "iptables", by_iptables.to_owned(), "-d 10.11.0.2/32 -m conntrack --ctstate DNAT -j ACCEPT"),
        (BY_LEGACY_IPTABLES, "nftables", by_iptables.replace("-nft", "-legacy"), "has lost rules"),
        (BY_NFTABLES, "nftables", by_nft.to_owned(), "the rules that accept it are missing"),
    ] {
        let (host, outside) = host_and_outside(drops);
        let network = Network::new("web", 11).with("backend", backend);
        let one = host.sandbox("one");
        let echo = one.echo();
        let result = publish(&host, &network, &one, &echo);
        assert!(outside.asks_tcp_at(at(HOST[0], 8080)).is_some(), "{drops:?}, {backend}");
        host.write_file("/run/damage", harm);
        host.run("sh -e /run/damage");
        assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None, "{drops:?}, {backend}");
        host.check(&network.firewall.clone().after(&result), &one).fails().says(&[words]);
        withdraw(&host, &network, &one, &echo, &result);
    }
}
