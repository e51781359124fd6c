//! Both backends do the same to packets, and each goes without a trace.

use cnm_tests::{Conf, Host, Suite};
use serde_json::json;

use crate::{HOST, at, attach, mapping, network, portmap, publish, settle, traffic};

fn by_iptables(conf: Conf) -> Conf {
    conf.with("backend", "iptables")
}

#[test]
fn iptables_answers() {
    traffic::ports_answer(&Host::new(), false, &by_iptables);
}

#[test]
fn iptables_answers_where_bridged_frames_are_filtered() {
    traffic::ports_answer(&Host::new(), true, &by_iptables);
}

#[test]
fn the_legacy_iptables_answers() {
    let host = Host::new();
    host.uses_legacy_iptables();
    traffic::ports_answer(&host, false, &by_iptables);
    assert!(host.run("iptables-legacy-save -t nat").contains("CNI-HOSTPORT-DNAT"));
    assert!(!host.ruleset().objects.keys().any(|key| key.contains("CNI-")), "{:?}", host.ruleset());
}

#[test]
fn iptables_without_snat() {
    traffic::without_snat(&by_iptables);
}

/// Debian's reference plugin does not know the key yet.
#[test]
fn with_masq_all_everybody_looks_like_the_host() {
    traffic::with_masq_all(&|conf| conf);
    traffic::with_masq_all(&by_iptables);
}

#[test]
fn iptables_at_one_address() {
    traffic::at_one_address(&by_iptables);
}

#[test]
fn iptables_only_to_the_host() {
    traffic::only_to_the_host(&by_iptables);
}

/// A neighbour who sends packets for 127.0.0.1 by wire: the rules would redirect them before the kernel sees that they
/// are impossible.
#[test]
fn ports_at_the_loopback_address_cannot_be_reached_by_wire() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        let (two, _) = attach(&host, &web, "two");
        settle(&one);
        let (echo, own) = (one.echo(), host.echo());
        let mut local = mapping(8080, echo.port(), "tcp");
        local["hostIP"] = "127.0.0.1".into();
        let conf = portmap(&web, &[local, mapping(9090, echo.port(), "tcp")]).with("backend", backend);
        publish(&host, &conf, &one, &first).succeeds();
        assert!(host.asks_tcp_at(at("127.0.0.1", 8080)).is_some(), "{backend}");
        assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None, "{backend}");
        for (neighbour, gateway, name) in [(&outside, HOST[0], "outside"), (&two, "10.1.2.1", "a container")] {
            neighbour.run("ip addr flush dev lo");
            neighbour.run("ip route flush table local dev lo");
            neighbour.run("sysctl -qw net.ipv4.conf.all.route_localnet=1");
            neighbour.run(&format!("ip route add 127.0.0.0/8 via {gateway} dev eth0"));
            for port in [8080, own.port()] {
                assert_eq!(neighbour.asks_tcp_at(at("127.0.0.1", port)), None, "{name} by wire, {backend}");
            }
        }
        // Without the guard the packets do come that way.
        match backend {
            "nftables" => host.run("nft flush chain inet cnm publish-loopback"),
            _ => host.run("iptables -t raw -F PREROUTING"),
        };
        assert!(outside.asks_tcp_at(at("127.0.0.1", 8080)).is_some(), "{backend}: is the test right?");
        assert!(two.asks_tcp_at(at("127.0.0.1", own.port())).is_some(), "{backend}: is the test right?");
    }
}

/// What the plugin has made goes with DEL, whatever the configuration says by then, and without prevResult,
/// runtimeConfig and namespace.
#[test]
fn del_needs_the_name_alone() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let web = network("web", 2);
        let (zero, nought) = attach(&host, &web, "zero");
        let warm = portmap(&web, &[mapping(1, 1, "tcp")]).with("backend", backend);
        publish(&host, &warm, &zero, &nought).succeeds();
        host.del(&warm, &zero).succeeds_silently();
        let (one, first) = attach(&host, &web, "one");
        let before = host.snapshot();
        let ports = [mapping(8080, 80, "tcp"), mapping(53, 53, "udp"), mapping(9, 9, "sctp")];
        let conf = portmap(&web, &ports).with("backend", backend);
        publish(&host, &conf, &one, &first).succeeds();
        assert!(before.compare(&host.snapshot()).is_err(), "{backend}: something was published");
        // The other backend, and a configuration that would be refused.
        let other = if backend == "nftables" { "iptables" } else { "pf" };
        let bare = portmap(&web, &[mapping(70, 0, "icmp")]).with("backend", other).with("markMasqBit", 99);
        for conf in [bare.clone(), bare.without("runtimeConfig")] {
            host.call("portmap", "DEL").conf(&conf).container("one").ifname("eth0").run().succeeds_silently();
            host.is_again(&before);
        }
    }
}

/// What the reference plugin has published before an upgrade in place.
#[test]
fn what_the_reference_has_published_goes_with_del_and_gc() {
    for gone_by in ["DEL", "GC"] {
        let host = Host::new();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        let conf = portmap(&web, &[mapping(8080, 80, "tcp"), mapping(53, 53, "udp")]);
        let with_result = conf.clone().after(first.json());
        host.calling("ADD", &with_result, &one).by(&Suite::reference()).run().succeeds();
        let there = |host: &Host| host.run("iptables-save -t nat") + &host.run("ip6tables-save -t nat");
        let made = there(&host).matches("CNI-DN-").count();
        assert!(made > 0);
        host.check(&with_result, &one).succeeds_silently();
        if gone_by == "DEL" {
            host.call("portmap", "DEL").conf(&conf).container("one").ifname("eth0").run().succeeds_silently();
        } else {
            let gc = |keep: &[(&str, &str)]| {
                host.gc(&conf.clone().version("1.1.0").keeping(keep)).succeeds_silently();
            };
            gc(&[("one", "eth0")]);
            assert_eq!(there(&host).matches("CNI-DN-").count(), made, "valid attachments stay");
            gc(&[]);
        }
        assert_eq!(there(&host).matches("CNI-DN-").count(), 0, "{}", there(&host));
    }
}

/// The nftables backend of newer reference plugins, which Debian does not have yet: its tables as it writes them.
#[test]
fn rules_of_the_reference_by_nftables_go_with_del() {
    let host = Host::new();
    let web = network("web", 2);
    let rules = |id: &str| {
        format!(
            "add rule ip cni_hostport hostports tcp dport 8080 dnat to 10.1.2.2:80 comment \"{id}\"\n\
             add rule ip cni_hostport masquerading ip saddr 10.1.2.2 ip daddr 10.1.2.2 masquerade comment \"{id}\"\n"
        )
    };
    let script = "add table ip cni_hostport { comment \"CNI portmap plugin\"; }\n\
                  add chain ip cni_hostport hostports\n\
                  add chain ip cni_hostport hostip_hostports\n\
                  add chain ip cni_hostport masquerading { type nat hook postrouting priority 100; }\n";
    host.write_file("/run/reference.nft", format!("{script}{}{}", rules("one"), rules("two")));
    host.run("nft -f /run/reference.nft");
    host.call("portmap", "DEL").conf(&portmap(&web, &[])).container("one").ifname("eth0").run().succeeds_silently();
    let left = host.run("nft list ruleset");
    assert_eq!((left.matches("\"one\"").count(), left.matches("\"two\"").count()), (0, 2), "{left}");
}

/// Conditions decide who may use the port; written in either language, they choose the backend.
#[test]
fn conditions_are_those_of_either_program() {
    for conditions in [json!(["ip", "saddr", "!=", "198.51.100.0/24"]), json!(["!", "-s", "198.51.100.0/24"])] {
        let host = Host::new();
        let outside = host.outside();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        let (two, second) = attach(&host, &web, "two");
        settle(&one);
        let echo = one.echo();
        let before = host.ruleset().elements();
        let conf = portmap(&web, &[mapping(8080, echo.port(), "tcp")]).with("conditionsV4", conditions.clone());
        publish(&host, &conf, &one, &first).succeeds();
        host.check(&conf.clone().after(first.json()), &one).succeeds_silently();
        assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None, "{conditions}");
        assert!(outside.asks_tcp_at(at(HOST[1], 8080)).is_some(), "{conditions}: IPv6 has none");
        assert!(two.asks_tcp_at(at("10.1.2.1", 8080)).is_some(), "{conditions}");
        assert!(one.asks_tcp_at(at("10.1.2.1", 8080)).is_some(), "{conditions}");
        let wrong = portmap(&web, &[mapping(8081, 80, "tcp")]).with("conditionsV4", json!([conditions[0], "nonsense"]));
        publish(&host, &wrong, &two, &second).fails_with(999, &["nonsense"]);
        host.del(&conf, &one).succeeds_silently();
        assert_eq!(two.asks_tcp_at(at("10.1.2.1", 8080)), None, "{conditions}");
        assert_eq!(host.ruleset().elements(), before);
        assert!(host.ruleset().mentions("id: one").iter().all(|line| !line.contains("8080")));
    }
}

/// Rules in the older variant of iptables, from a time when that had the plain name.
#[test]
fn rules_of_the_legacy_variant_go_with_del_and_gc() {
    for gone_by in ["DEL", "GC"] {
        let host = Host::new();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        let conf = portmap(&web, &[mapping(8080, 80, "tcp"), mapping(53, 53, "udp")]).with("backend", "iptables");
        publish(&host, &conf, &one, &first).succeeds();
        for family in ["iptables", "ip6tables"] {
            let saved = host.run(&format!("{family}-save -t nat"));
            host.write_file("/run/saved", saved);
            host.run(&format!("{family}-legacy-restore --noflush /run/saved"));
        }
        let there = |variant: &str| {
            ["iptables", "ip6tables"]
                .map(|family| host.run(&format!("{family}{variant}-save -t nat")).matches("CNI-DN-").count())
        };
        assert!(there("-legacy").iter().all(|count| *count > 0));
        if gone_by == "DEL" {
            host.call("portmap", "DEL").conf(&conf).container("one").ifname("eth0").run().succeeds_silently();
        } else {
            host.gc(&conf.clone().version("1.1.0").keeping(&[])).succeeds_silently();
        }
        for variant in ["-legacy", "-nft"] {
            assert_eq!(there(variant), [0, 0], "{gone_by}, {variant}");
        }
    }
}
