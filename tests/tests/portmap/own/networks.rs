//! Containers on several networks, and containers that want the same port.

use cnm_tests::{Attached, Conf, Host, Outcome, Sandbox};

use crate::{HOST, at, attach, mapping, network, portmap, publish, settle};

/// ADD of a network and of portmap behind it, for another interface of a sandbox.
fn connect(host: &Host, network: &Conf, conf: &Conf, sandbox: &Sandbox, ifname: &str) -> (Attached, Outcome) {
    let result = host.calling("ADD", network, sandbox).ifname(ifname).run().attached();
    let outcome = host.calling("ADD", &conf.clone().after(result.json()), sandbox).ifname(ifname).run();
    (result, outcome)
}

/// podman publishes the same ports once for each network of a container, in any order.
#[test]
fn a_container_on_two_networks_answers_on_both_until_the_last_is_gone() {
    for (isolated, backend) in [(false, "nftables"), (true, "nftables"), (false, "iptables")] {
        let host = Host::new();
        let outside = host.outside();
        // `internal` networks have no way to each other through the host.
        let web = network("web", 2);
        let db = if isolated { network("db", 3).with("internal", true) } else { network("db", 3) };
        let one = host.sandbox("one");
        let echo = one.echo();
        let ports = [mapping(8080, echo.port(), "tcp"), mapping(8080, echo.port(), "udp")];
        let (on_web, on_db) =
            (portmap(&web, &ports).with("backend", backend), portmap(&db, &ports).with("backend", backend));
        let (first, outcome) = connect(&host, &web, &on_web, &one, "eth0");
        outcome.succeeds();
        let second = db.clone().without("isDefaultGateway").with("isGateway", true);
        let (second, outcome) = connect(&host, &second, &on_db, &one, "eth1");
        outcome.succeeds();
        let (in_web, _) = attach(&host, &web, "in-web");
        let (in_db, _) = attach(&host, &db, "in-db");
        settle(&one);
        settle(&in_web);
        one.reaches("fd00:1:3::1");
        if isolated {
            // It has no default route to find the host's other address by.
            in_db.run("ip route add default via 10.1.3.1");
        } else {
            settle(&in_db);
        }
        let everybody = |left: &str, families: &[&str]| {
            for &server in families {
                let target = at(server, 8080);
                for (who, name) in
                    [(&*outside, "outside"), (&*host, "host"), (&*in_web, "web"), (&*in_db, "db"), (&*one, "itself")]
                {
                    assert!(who.asks_tcp_at(target).is_some(), "{name} to {target} by TCP, {left}");
                    assert!(who.asks_udp_at(target).is_some(), "{name} to {target} by UDP, {left}");
                }
            }
            assert!(host.asks_tcp_at(at("127.0.0.1", 8080)).is_some(), "{left}");
        };
        everybody("both there", if isolated { &HOST[..1] } else { &HOST });
        if isolated {
            continue;
        }
        // The first network is disconnected: the other takes over.
        host.calling("DEL", &on_web.after(first.json()), &one).ifname("eth0").run().succeeds_silently();
        host.calling("DEL", &web.clone().after(first.json()), &one).ifname("eth0").run().succeeds_silently();
        one.run("ip route add default via 10.1.3.1");
        one.run("ip -6 route add default via fd00:1:3::1");
        settle(&one);
        everybody("the second alone", &HOST);
        host.calling("DEL", &on_db.after(second.json()), &one).ifname("eth1").run().succeeds_silently();
        assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None);
        assert!(
            host.ruleset().elements().iter().all(|element| !element.contains("8080")),
            "{:?}",
            host.ruleset().elements()
        );
    }
}

#[test]
fn a_taken_port_is_refused_by_name_and_its_holder_unharmed() {
    for (backend, named) in [("nftables", "net: web, if: eth0, id: one"), ("iptables", "name: \"web\" id: \"one\"")] {
        taken(backend, named);
    }
}

fn taken(backend: &str, named: &str) {
    let host = Host::new();
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let (two, second) = attach(&host, &web, "two");
    let echo = one.echo();
    publish(&host, &portmap(&web, &[mapping(8080, echo.port(), "tcp")]).with("backend", backend), &one, &first)
        .succeeds();
    let before = host.snapshot();
    let mut elsewhere = mapping(8080, 80, "tcp");
    elsewhere["hostIP"] = "127.0.0.1".into();
    for ports in [vec![mapping(8080, 80, "tcp")], vec![mapping(9090, 80, "tcp"), elsewhere]] {
        let conf = portmap(&web, &ports).with("backend", backend);
        publish(&host, &conf, &two, &second).fails_with(999, &["8080/tcp", named]);
        host.is_again(&before);
        host.del(&conf.after(second.json()), &two).succeeds_silently();
        host.is_again(&before);
    }
    assert!(outside.asks_tcp_at(at(HOST[0], 8080)).is_some());
}

/// kube-proxy, say, redirects service addresses to the very endpoint and port that a host port leads to: that is its own
/// business, and the endpoint sees who asks.
#[test]
fn what_others_redirect_to_the_endpoint_is_not_masqueraded() {
    let host = Host::new();
    let web = network("web", 2);
    // As with kube-proxy; else answers within a bridge do not come back by the host.
    host.run("sysctl -qw net.bridge.bridge-nf-call-iptables=1");
    let (one, first) = attach(&host, &web, "one");
    let (two, second) = attach(&host, &web, "two");
    let echo = one.echo();
    publish(&host, &portmap(&web, &[mapping(80, echo.port(), "tcp")]), &one, &first).succeeds();
    let script = format!(
        "add table ip others\nadd chain ip others pre {{ type nat hook prerouting priority -101; }}\n\
         add rule ip others pre ip daddr 10.99.0.1 tcp dport 80 dnat to 10.1.2.2:{}\n",
        echo.port()
    );
    host.write_file("/run/others.nft", script);
    host.run("nft -f /run/others.nft");
    let own = second.addresses()[0].addr();
    assert_eq!(two.asks_tcp_at(at("10.99.0.1", 80)), Some(own));
    assert_eq!(two.asks_tcp_at(at("10.1.2.1", 80)), Some(first.gateway(0)), "the host port is");
}
