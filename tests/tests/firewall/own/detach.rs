//! DEL needs neither prevResult nor the sandbox, and leaves everybody else's alone.

use cnm_tests::{Conf, Host, Sandbox};
use serde_json::{Value, json};

use super::nothing_is_left;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network, addresses};

#[test]
fn without_previous_result_and_sandbox_nothing_is_left() {
    for backend in ["", "nftables", "iptables"] {
        for policy in ["open", "same-bridge", "isolated"] {
            let host = Host::new();
            host.run(IPTABLES_DROPS);
            host.run(IP6TABLES_DROPS);
            let network = Network::new("web", 11).with("backend", backend).with("ingressPolicy", policy);
            let (one, result) = network.attach(&host, "one");
            let name = one.name().to_owned();
            one.vanish();
            for conf in [&network.firewall, &network.bridge] {
                let call = host.call(conf.kind(), "DEL").conf(conf).container(&name).ifname("eth0");
                call.run().succeeds_silently();
            }
            nothing_is_left(&host, &network, &addresses(&result));
        }
    }
}

/// What somebody else's plugin attached: the port has not the name that our drivers give, the result is made up.
fn foreign(bridge: &str, address: &str, sandbox: &Sandbox) -> Value {
    json!({ "cniVersion": "1.0.0",
        "interfaces": [{ "name": bridge }, { "name": "veth1a2b3c4d" }, { "name": "eth0", "sandbox": sandbox.path() }],
        "ips": [{ "address": address, "interface": 2 }] })
}

#[test]
fn behind_other_plugins_each_attachment_answers_for_itself() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        host.run(IPTABLES_DROPS);
        let conf = Conf::new("firewall", "web").with("backend", backend).with("ingressPolicy", "same-bridge");
        let (one, two) = (host.sandbox("one"), host.sandbox("two"));
        host.add(&conf.clone().after(&foreign("br-web", "10.11.0.2/24", &one)), &one).succeeds();
        host.add(&conf.clone().after(&foreign("br-web", "10.11.0.3/24", &two)), &two).succeeds();
        host.del(&conf, &one).succeeds_silently();
        let rules = host.ruleset();
        assert_eq!(rules.mentions("10.11.0.2"), Vec::<String>::new(), "{backend}");
        assert_ne!(rules.mentions("10.11.0.3"), Vec::<String>::new(), "{backend}");
        let policy = |host: &Host| {
            let lines = host.ruleset().iptables;
            let by_iptables = lines.iter().any(|line| line.contains("-i br-web") && line.contains("STAGE"));
            by_iptables || !host.ruleset().mentions("ingress-same-bridge-br-web").is_empty()
        };
        assert!(policy(&host), "{backend}: the other one needs it");
        host.check(&conf.clone().after(&foreign("br-web", "10.11.0.3/24", &two)), &two).succeeds_silently();
        host.del(&conf, &two).succeeds_silently();
        assert!(!policy(&host), "{backend}: the last one has gone");
        let rules = host.ruleset();
        for trace in ["10.11.0", "br-web", "net: web"] {
            assert_eq!(rules.mentions(trace), Vec::<String>::new(), "{backend}");
        }
    }
}

/// The address of a container that is gone was given to another before the runtime came around to DEL.
#[test]
fn a_late_del_does_not_hurt_who_has_the_address_now() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        host.run(IPTABLES_DROPS);
        let conf = Conf::new("firewall", "web").with("backend", backend);
        let (one, two) = (host.sandbox("one"), host.sandbox("two"));
        let (first, second) = (foreign("br-web", "10.11.0.2/24", &one), foreign("br-web", "10.11.0.2/24", &two));
        host.add(&conf.clone().after(&first), &one).succeeds();
        host.add(&conf.clone().after(&second), &two).succeeds();
        host.del(&conf.clone().after(&first), &one).succeeds_silently();
        host.check(&conf.clone().after(&second), &two).succeeds_silently();
        host.del(&conf.clone().after(&second), &two).succeeds_silently();
        assert_eq!(host.ruleset().mentions("10.11.0.2"), Vec::<String>::new(), "{backend}");
    }
}

/// CHECK names what is missing and makes nothing.
#[test]
fn check_looks_and_does_not_touch() {
    for (backend, harm, words) in [
        ("nftables", "nft delete table inet cnm", "chain firewall of table inet cnm is missing"),
        ("iptables", "iptables -F CNI-FORWARD", "iptables rule -A CNI-FORWARD"),
        ("iptables", "iptables -F FORWARD", "iptables rule -A FORWARD"),
    ] {
        let host = Host::new();
        host.run(IPTABLES_DROPS);
        let network = Network::new("web", 11).with("backend", backend);
        let (one, result) = network.attach(&host, "one");
        let conf = network.firewall.clone().after(&result);
        host.check(&conf, &one).succeeds_silently();
        host.run(harm);
        let before = host.snapshot();
        host.check(&conf, &one).fails().says(&[words]);
        host.is_again(&before);
        network.del(&host, &one, &result);
    }
}
