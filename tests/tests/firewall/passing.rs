//! Packets pass where the host's own policy drops them.

use cnm_tests::Host;

use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network, OUTSIDE, addresses};

#[test]
fn packets_pass_where_iptables_drops_what_is_forwarded() {
    for backend in ["", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        host.run(IPTABLES_DROPS);
        host.run(IP6TABLES_DROPS);
        let network = Network::new("web", 11).with("backend", backend);
        let one = host.sandbox("one");
        let result = host.add(&network.bridge, &one).succeeds();
        one.cannot_reach(OUTSIDE[0]);
        host.add(&network.firewall.clone().after(&result), &one).succeeds();
        for to in OUTSIDE {
            one.reaches(to);
        }
        // What nobody asked for is dropped as before.
        for (family, address) in ["-4", "-6"].iter().zip(addresses(&result)) {
            let via = if *family == "-4" { "198.51.100.1" } else { "2001:db8:51::1" };
            outside.run(&format!("ip {family} route add {address} via {via}"));
            outside.cannot_reach(address);
        }
        network.del(&host, &one, &result);
        assert_eq!(host.ruleset().mentions(&addresses(&result)[0]), Vec::<String>::new(), "{backend}");
    }
}

#[test]
fn two_networks_talk_to_each_other_unless_told_otherwise() {
    let host = Host::new();
    host.run(IPTABLES_DROPS);
    host.run(IP6TABLES_DROPS);
    let (web, db) = (Network::new("web", 11), Network::new("db", 12));
    let (one, first) = web.attach(&host, "one");
    let (two, second) = db.attach(&host, "two");
    one.reaches(&addresses(&second)[0]);
    two.reaches(&addresses(&first)[1]);
    web.del(&host, &one, &first);
    two.reaches("10.11.0.1");
    db.del(&host, &two, &second);
}

/// The chain that is the administrator's is asked first.
#[test]
fn the_administrator_may_forbid_what_would_pass() {
    for (key, chain) in [(None, "CNI-ADMIN"), (Some("iptablesAdminChainName"), "MINE")] {
        let host = Host::new();
        let _outside = host.outside();
        host.run(IPTABLES_DROPS);
        let network = Network::new("web", 11).with("backend", "iptables");
        let network = key.into_iter().fold(network, |network, key| network.with(key, chain));
        let (one, result) = network.attach(&host, "one");
        one.reaches(OUTSIDE[0]);
        host.run(&format!("iptables -A {chain} -d {} -j DROP", OUTSIDE[0]));
        one.cannot_reach(OUTSIDE[0]);
        let (two, other) = network.attach(&host, "two");
        two.cannot_reach(OUTSIDE[0]);
        network.del(&host, &two, &other);
        network.del(&host, &one, &result);
        let left = host.ruleset().iptables;
        assert!(left.iter().any(|line| line.contains(chain) && line.contains(OUTSIDE[0])), "{left:?}");
    }
}
