//! CHECK, GC, STATUS, VERSION.

use cnm_tests::Host;

use crate::{HOST, at, attach, mapping, network, portmap, publish};

#[test]
fn check_names_what_is_missing() {
    for (backend, damage, words) in [
        ("nftables", "nft delete element inet cnm ports4 { tcp . 8080 }", "tcp . 8080 of map ports4"),
        ("nftables", "nft delete table inet cnm", "8080/tcp"),
        ("iptables", "iptables -t nat -F CNI-HOSTPORT-DNAT", "--dports 8080"),
        ("iptables", "iptables -t raw -F PREROUTING", "127.0.0.0/8"),
        ("iptables", "ip6tables -t nat -F OUTPUT", "OUTPUT"),
        ("nftables", "sysctl -qw net.ipv4.conf.br-web.route_localnet=0", "route_localnet"),
    ] {
        let host = Host::new();
        let web = network("web", 2).without("ipMasq");
        let (one, first) = attach(&host, &web, "one");
        let conf = portmap(&web, &[mapping(8080, 80, "tcp"), mapping(53, 53, "udp")]).with("backend", backend);
        let conf = conf.after(first.json());
        host.add(&conf, &one).succeeds();
        host.check(&conf, &one).succeeds_silently();
        // What others add is no drift.
        host.run("iptables -t nat -A PREROUTING -p tcp --dport 9 -j ACCEPT");
        host.check(&conf, &one).succeeds_silently();
        host.run(damage);
        host.check(&conf, &one).fails_with(100, &[words]);
        // ADD again mends it.
        host.add(&conf, &one).succeeds();
        host.check(&conf, &one).succeeds_silently();
    }
}

/// Rules of the chains that all share are looked at by CHECK only.
#[test]
fn check_sees_that_a_shared_chain_has_lost_rules() {
    let host = Host::new();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let conf = portmap(&web, &[mapping(8080, 80, "tcp")]).with("backend", "nftables").after(first.json());
    host.add(&conf, &one).succeeds();
    host.run("nft flush chain inet cnm publish-output");
    host.check(&conf, &one).fails_with(100, &["publish-output", "lost rules"]);
}

#[test]
fn gc_removes_what_belongs_to_no_valid_attachment() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let (web, db) = (network("web", 2), network("db", 3));
        let published = |network: &cnm_tests::Conf, name: &str, number: u16| {
            let (sandbox, attached) = attach(&host, network, name);
            let echo = sandbox.echo();
            let conf = portmap(network, &[mapping(number, echo.port(), "tcp")]).with("backend", backend);
            publish(&host, &conf, &sandbox, &attached).succeeds();
            (sandbox, echo)
        };
        let kept = (published(&web, "one", 8001), published(&web, "two", 8002), published(&db, "one-db", 8003));
        let gc = |keep: &[(&str, &str)]| {
            host.gc(&portmap(&web, &[]).version("1.1.0").keeping(keep)).succeeds_silently();
        };
        let answering = || [8001, 8002, 8003].map(|port| outside.asks_tcp_at(at(HOST[0], port)).is_some());
        gc(&[("one", "eth0"), ("two", "eth0")]);
        assert_eq!(answering(), [true, true, true], "{backend}");
        gc(&[("two", "eth0")]);
        assert_eq!(answering(), [false, true, true], "{backend}");
        gc(&[]);
        assert_eq!(answering(), [false, false, true], "{backend}: another network's");
        drop(kept);
    }
}

#[test]
fn status_asks_for_the_backend() {
    let host = Host::new();
    let conf = portmap(&network("web", 2), &[]).version("1.1.0");
    for backend in ["nftables", "iptables"] {
        host.status(&conf.clone().with("backend", backend)).succeeds_silently();
    }
    host.status(&conf.clone()).succeeds_silently();
    host.status(&conf.with("backend", "pf")).fails_with(7, &["pf"]);
    assert_eq!(host.run("nft list ruleset"), "", "asking makes nothing");
}

#[test]
fn the_chain_works_in_every_version() {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let host = Host::new();
        let web = network("web", 2).version(version);
        let (one, first) = attach(&host, &web, "one");
        let echo = one.echo();
        let conf = portmap(&web, &[mapping(8080, echo.port(), "tcp")]).version(version);
        assert_eq!(publish(&host, &conf, &one, &first).attached().json(), first.json(), "{version}");
        assert!(host.asks_tcp_at(at("127.0.0.1", 8080)).is_some(), "{version}: the device was found");
        assert!(one.asks_tcp_at(at("10.1.2.1", 8080)).is_some(), "{version}");
        host.del(&conf, &one).succeeds_silently();
        assert!(one.asks_tcp_at(at("10.1.2.1", 8080)).is_none(), "{version}");
    }
}
