//! Published ports in nf_tables: what is installed, who has what, what remains.

use std::net::IpAddr;

use cnm::{Backend, Firewall, Hairpin, Intent, Owner, Protocol, Publication, PublishedPort, SetMark, Share};
use kernel::HostFirewall;

use crate::world::{alone, owner, ruleset, run};

/// `8080/tcp`, `10.0.0.1:53/udp`, to the same port plus 1000.
pub(crate) fn port(text: &str) -> PublishedPort {
    let (rest, protocol) = text.rsplit_once('/').unwrap();
    let (host, port) = rest.rsplit_once(':').map_or((None, rest), |(host, port)| (Some(host), port));
    let host = host.map(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().unwrap());
    let port: u16 = port.parse().unwrap();
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => panic!("{other}"),
    };
    PublishedPort { protocol, host, port, target_port: port.wrapping_add(1000) }
}

pub(crate) fn publish(target: &str, device: &str, ports: &[&str]) -> Intent {
    Intent::Publish(Publication {
        target: target.parse().unwrap(),
        device: Some(device.into()),
        ports: ports.iter().map(|text| port(text)).collect(),
        masquerade: Hairpin::Neighbours,
        backend: Backend::Nftables,
        conditions: Vec::new(),
        mark: SetMark::Bit(13),
    })
}

/// The base alone.
fn empty() -> String {
    let mut firewall = HostFirewall::default();
    firewall.install(&owner("first"), &[publish("10.1.2.200/24", "cni0", &["1/tcp"])]).unwrap();
    firewall.withdraw(&owner("first"), Share::Ports, &[]).unwrap();
    ruleset()
}

#[test]
fn the_ruleset_is_the_one_in_the_book_and_nft_can_load_its_own_listing() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        let intents = [
            publish("10.1.2.3/24", "cni0", &["8080/tcp", "192.0.2.1:53/udp", "9/sctp"]),
            publish("fd00:1::3/64", "cni0", &["8080/tcp", "192.0.2.1:53/udp"]),
        ];
        firewall.install(&owner("c0ffee"), &intents).unwrap();
        let second = [publish("10.9.9.3/24", "cni9", &["8080/tcp"])];
        let elsewhere = Owner::new("db", "c0ffee", "eth1");
        firewall.install(&elsewhere, &second).unwrap();
        let listed = ruleset();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firewall/ports.nft");
            std::fs::write(file, &listed).unwrap();
        }
        assert_eq!(
            listed,
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firewall/ports.nft")).unwrap(),
            "\n{listed}"
        );
        run("nft list ruleset >/run/listed.nft && nft flush ruleset && nft -f /run/listed.nft");
        assert_eq!(ruleset(), listed);
        // What nft has made of it is as good as ours: nothing to complain of or to add, and it can be taken away.
        assert_eq!(firewall.drift(&owner("c0ffee"), &intents).unwrap(), Vec::<String>::new());
        assert_eq!(firewall.drift(&elsewhere, &second).unwrap(), Vec::<String>::new());
        firewall.install(&owner("c0ffee"), &intents).unwrap();
        firewall.install(&elsewhere, &second).unwrap();
        assert_eq!(ruleset(), listed, "installing twice is once");
        firewall.withdraw(&owner("c0ffee"), Share::Ports, &[]).unwrap();
        firewall.withdraw(&elsewhere, Share::Ports, &[]).unwrap();
        let left = ruleset();
        assert_eq!(left, empty());
        assert!(!left.contains("elements"), "{left}");
    });
}

/// What a set or map has, without comments.
fn elements(set: &str) -> Vec<String> {
    let kind = if set.starts_with("hairpins") || set.starts_with("veiled") { "set" } else { "map" };
    let listed = run(&format!("nft list {kind} inet cnm {set}"));
    let Some((_, rest)) = listed.split_once("elements = { ") else { return Vec::new() };
    let (list, _) = rest.split_once(" }").unwrap();
    let strip = |element: &str| match element.split_once(" comment \"") {
        Some((key, rest)) => format!("{key}{}", rest.split_once('"').unwrap().1),
        None => element.to_owned(),
    };
    let mut elements: Vec<String> = list.split(",\n").map(|element| strip(element.trim())).collect();
    elements.sort();
    elements
}

/// podman publishes the same ports for every network of a container.
#[test]
fn another_attachment_of_the_container_takes_over() {
    alone(|| {
        let empty = empty();
        let mut firewall = HostFirewall::default();
        let networks = [("web", "10.1.2.3/24", "cni0"), ("db", "10.9.9.3/24", "cni9"), ("log", "10.8.8.3/24", "cni8")];
        let ports = ["8080/tcp", "192.0.2.1:8080/tcp"];
        for (network, target, device) in networks {
            firewall.install(&Owner::new(network, "a", device), &[publish(target, device, &ports)]).unwrap();
        }
        assert_eq!(elements("ports4"), ["tcp . 8080 : 10.1.2.3 . 9080"]);
        assert_eq!(elements("host_ports4"), ["192.0.2.1 . tcp . 8080 : 10.1.2.3 . 9080"]);
        let near = ["\"cni8\" . tcp . 8080 : 10.8.8.3 . 9080", "\"cni9\" . tcp . 8080 : 10.9.9.3 . 9080"];
        assert_eq!(elements("near_ports4"), near);
        assert_eq!(elements("hairpins4").len(), 3);
        firewall.withdraw(&Owner::new("web", "a", "cni0"), Share::Ports, &[]).unwrap();
        assert_eq!(elements("ports4"), ["tcp . 8080 : 10.9.9.3 . 9080"]);
        assert_eq!(elements("host_ports4"), ["192.0.2.1 . tcp . 8080 : 10.9.9.3 . 9080"]);
        assert_eq!(elements("near_ports4"), near[..1]);
        firewall.withdraw(&Owner::new("log", "a", "cni8"), Share::Ports, &[]).unwrap();
        assert_eq!(elements("ports4"), ["tcp . 8080 : 10.9.9.3 . 9080"]);
        assert_eq!(elements("near_ports4"), [""; 0]);
        firewall.withdraw(&Owner::new("db", "a", "cni9"), Share::Ports, &[]).unwrap();
        assert_eq!(ruleset(), empty);
    });
}

#[test]
fn another_container_is_refused_and_the_holder_is_named() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[publish("10.1.2.3/24", "cni0", &["8080/tcp", "192.0.2.1:53/udp"])]).unwrap();
        let before = ruleset();
        for (ports, refused) in [
            (&["7/tcp", "8080/tcp"][..], "8080/tcp"),
            (&["192.0.2.7:8080/tcp"], "192.0.2.7:8080/tcp"),
            (&["192.0.2.1:53/udp"], "192.0.2.1:53/udp"),
            (&["53/udp"], "53/udp"),
        ] {
            let error =
                firewall.install(&owner("b"), &[publish("10.1.2.4/24", "cni0", ports)]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("publish port {refused} of the host: Address already in use")),
                "{error}"
            );
            assert!(error.contains("net: web, if: eth0, id: a"), "{error}");
            assert_eq!(ruleset(), before, "all or nothing");
        }
        // Neither the other protocol nor the other family nor another address of the host is taken.
        let others = [
            publish("10.1.2.4/24", "cni0", &["8080/udp", "8080/sctp", "192.0.2.2:53/udp", "53/tcp"]),
            publish("fd00:1::4/64", "cni0", &["8080/tcp"]),
        ];
        firewall.install(&owner("b"), &others).unwrap();
        firewall.withdraw(&owner("b"), Share::Ports, &[]).unwrap();
        assert_eq!(ruleset(), before);
        firewall.withdraw(&owner("a"), Share::Ports, &[]).unwrap();
        firewall.install(&owner("b"), &[publish("10.1.2.4/24", "cni0", &["8080/tcp"])]).unwrap();
        assert_eq!(elements("ports4"), ["tcp . 8080 : 10.1.2.4 . 9080"]);
    });
}

/// An ADD after a crash, with other ports and another address, replaces what the one before had left.
#[test]
fn what_the_attachment_had_before_is_replaced() {
    alone(|| {
        let empty = empty();
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &[publish("10.1.2.3/24", "cni0", &["80/tcp", "81/tcp"])]).unwrap();
        firewall.install(&owner("a"), &[publish("10.1.2.9/24", "cni0", &["81/tcp", "82/tcp"])]).unwrap();
        assert_eq!(elements("ports4"), ["tcp . 81 : 10.1.2.9 . 1081", "tcp . 82 : 10.1.2.9 . 1082"]);
        assert_eq!(elements("published4").len(), 2);
        assert_eq!(elements("hairpins4").len(), 2);
        firewall.withdraw(&owner("a"), Share::Ports, &[]).unwrap();
        assert_eq!(ruleset(), empty);
    });
}

/// More ports than fit one transaction, of which pairs lead to one port of the endpoint.
#[test]
fn a_range_of_ports_comes_and_goes_whole() {
    alone(|| {
        let empty = empty();
        let mut firewall = HostFirewall::default();
        let Intent::Publish(mut publication) = publish("10.1.2.3/24", "cni0", &[]) else { unreachable!() };
        publication.ports = (1000..2000u16)
            .map(|port| PublishedPort { protocol: Protocol::Tcp, host: None, port, target_port: port / 2 })
            .collect();
        let intents = [Intent::Publish(publication)];
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!((elements("ports4").len(), elements("hairpins4").len()), (1000, 500));
        assert_eq!(firewall.drift(&owner("a"), &intents).unwrap(), Vec::<String>::new());
        let once = ruleset();
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!(ruleset(), once);
        firewall.withdraw(&owner("a"), Share::Ports, &[]).unwrap();
        assert_eq!(ruleset(), empty);
    });
}

#[test]
fn drift_names_what_is_lost_and_adding_again_mends_it() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        let intents = [publish("10.1.2.3/24", "cni0", &["8080/tcp", "53/udp"])];
        firewall.install(&owner("a"), &intents).unwrap();
        let whole = ruleset();
        run("nft delete element inet cnm ports4 '{ tcp . 8080 }'");
        run("nft delete element inet cnm hairpins4 '{ cni0 . 10.1.2.3 . udp . 1053 }'");
        run("nft delete element inet cnm published4 '{ udp . 53 . 0x0 }'");
        assert_eq!(
            firewall.drift(&owner("a"), &intents).unwrap(),
            [
                "port 53/udp of the host is not published to 10.1.2.3 port 1053",
                "element tcp . 8080 of map ports4 of table inet cnm is missing",
            ]
        );
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!(ruleset(), whole);
        run("nft flush map inet cnm publishers");
        assert_eq!(
            firewall.drift(&owner("a"), &intents).unwrap(),
            [
                "port 8080/tcp of the host is missing in map publishers of table inet cnm",
                "port 53/udp of the host is missing in map publishers of table inet cnm"
            ]
        );
        firewall.install(&owner("a"), &intents).unwrap();
        run("nft flush chain inet cnm publish-output");
        assert_eq!(
            firewall.drift(&owner("a"), &intents).unwrap(),
            ["chain publish-output of table inet cnm has lost rules"]
        );
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!(ruleset(), whole, "a steady ADD fills it again");
        for chain in ["publish", "publish-prerouting", "publish-postrouting", "publish-loopback"] {
            run(&format!("nft flush chain inet cnm {chain}"));
            firewall.install(&owner("a"), &intents).unwrap();
            assert_eq!(ruleset(), whole, "{chain}");
        }
        run("nft delete chain inet cnm publish-loopback");
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!(firewall.drift(&owner("a"), &intents).unwrap(), Vec::<String>::new());
        run("nft flush ruleset");
        assert_eq!(firewall.drift(&owner("a"), &intents).unwrap().len(), 8);
        firewall.install(&owner("a"), &intents).unwrap();
        assert_eq!(ruleset(), whole);
        // Taking away what somebody has half taken away.
        run("nft flush map inet cnm ports4");
        firewall.withdraw(&owner("a"), Share::Ports, &[]).unwrap();
        assert!(!ruleset().contains("elements"), "{}", ruleset());
    });
}

#[test]
fn collecting_keeps_the_valid_and_other_networks() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        for (network, container, at) in [("web", "a", 3), ("web", "b", 4), ("db", "a", 5)] {
            let port = format!("80{at}/tcp");
            let intents = [publish(&format!("10.1.2.{at}/24"), "cni0", &[&port])];
            firewall.install(&Owner::new(network, container, "eth0"), &intents).unwrap();
        }
        let valid = owner("b").tag();
        firewall.collect_share("web", Share::Ports, &|tag| *tag == valid, &|id| id == "b").unwrap();
        assert_eq!(elements("ports4"), ["tcp . 804 : 10.1.2.4 . 1804", "tcp . 805 : 10.1.2.5 . 1805"]);
        firewall.collect_share("web", Share::Ports, &|_| false, &|_| false).unwrap();
        firewall.collect_share("db", Share::Forwarding, &|_| false, &|_| false).unwrap();
        assert_eq!(elements("ports4"), ["tcp . 805 : 10.1.2.5 . 1805"]);
    });
}

/// Where nothing was ever published, taking away finds nothing and makes nothing; nor does publishing nothing.
#[test]
fn a_host_without_our_tables_stays_without() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.withdraw(&owner("a"), Share::Ports, &[]).unwrap();
        firewall.collect_share("web", Share::Ports, &|_| false, &|_| false).unwrap();
        firewall.install(&owner("a"), &[publish("10.1.2.3/24", "cni0", &["[::]:80/tcp"])]).unwrap();
        assert_eq!(ruleset(), "");
    });
}

/// Each has a socket of its own, as processes do: none loses a port, and in the end all is as at the beginning.
#[test]
fn all_at_once() {
    alone(|| {
        let empty = empty();
        std::thread::scope(|scope| {
            for who in 0..8u16 {
                scope.spawn(move || {
                    for round in 0..12 {
                        let mut firewall = HostFirewall::default();
                        let me = Owner::new(format!("net{}", who % 3), format!("c{}", who / 2), format!("eth{who}"));
                        // Pairs are attachments of one container with the same ports.
                        let ports = [format!("{}/tcp", 100 + who / 2), format!("{}/udp", 100 + who / 2)];
                        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
                        let intents = [publish(&format!("10.1.{who}.3/24"), &format!("cni{who}"), &ports)];
                        firewall.install(&me, &intents).unwrap();
                        assert_eq!(
                            firewall.drift(&me, &intents).unwrap(),
                            Vec::<String>::new(),
                            "{who} in round {round}"
                        );
                        firewall.withdraw(&me, Share::Ports, &[]).unwrap();
                    }
                });
            }
        });
        assert_eq!(ruleset(), empty);
    });
}
