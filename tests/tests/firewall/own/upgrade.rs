//! What the reference plugin has made under the same configuration is removed by ours, and the other way round.

use cnm_tests::{Conf, Host, Sandbox, Suite};
use serde_json::{Value, json};

use crate::{IP6TABLES_DROPS, IPTABLES_DROPS};

fn previous(sandbox: &Sandbox, last: u8) -> Value {
    json!({ "cniVersion": "1.0.0",
        "interfaces": [{ "name": "br-web" }, { "name": "veth1a2b3c4d" }, { "name": "eth0", "sandbox": sandbox.path() }],
        "ips": [{ "address": format!("10.11.0.{last}/24"), "interface": 2 },
                { "address": format!("fd00:11::{last}/64"), "interface": 2 }] })
}

#[track_caller]
fn call(host: &Host, suite: &Suite, verb: &str, conf: &Conf, sandbox: &Sandbox) {
    host.calling(verb, conf, sandbox).by(suite).run().succeeds();
}

#[track_caller]
fn gone(host: &Host, traces: &[&str], why: &str) {
    for trace in traces {
        assert_eq!(host.ruleset().mentions(trace), Vec::<String>::new(), "{why}");
    }
}

#[test]
fn attachments_of_the_reference_are_detached_by_ours() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for legacy in [false, true] {
        for backend in ["", "iptables", "nftables"] {
            let host = Host::new();
            if legacy {
                host.uses_legacy_iptables();
            }
            let conf = Conf::new("firewall", "web").with("ingressPolicy", "same-bridge");
            // The reference takes an unknown backend for none.
            let conf = conf.with("backend", backend);
            let (one, two) = (host.sandbox("one"), host.sandbox("two"));
            let (first, second) = (conf.clone().after(&previous(&one, 2)), conf.clone().after(&previous(&two, 3)));
            call(&host, &reference, "ADD", &first, &one);
            call(&host, &reference, "ADD", &second, &two);
            // A runtime that asks after the upgrade must not be told that its containers are cut off.
            let before = host.snapshot();
            call(&host, &ours, "CHECK", &first, &one);
            host.is_again(&before);
            call(&host, &ours, "DEL", &first, &one);
            gone(&host, &["10.11.0.2", "fd00:11::2"], backend);
            assert_ne!(host.ruleset().mentions("10.11.0.3"), Vec::<String>::new(), "the other one's stay");
            assert_ne!(host.ruleset().mentions("br-web"), Vec::<String>::new(), "and its policy");
            call(&host, &reference, "CHECK", &second, &two);
            host.run("iptables -D CNI-FORWARD -s 10.11.0.3/32 -j ACCEPT");
            host.calling("CHECK", &second, &two).run().fails().says(&["is missing"]);
            call(&host, &ours, "DEL", &second, &two);
            gone(&host, &["10.11.0", "fd00:11:", "br-web"], backend);
        }
    }
}

/// With iptables, chains and rules are the same text. What the reference leaves is what it does not know: the note of
/// whose they were and the rule for published ports. Both go with our next GC.
#[test]
fn attachments_of_ours_by_iptables_are_checked_and_detached_by_the_reference() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    let host = Host::new();
    host.run(IPTABLES_DROPS);
    host.run(IP6TABLES_DROPS);
    let conf = Conf::new("firewall", "web").with("backend", "iptables").with("ingressPolicy", "same-bridge");
    let one = host.sandbox("one");
    let attached = conf.clone().after(&previous(&one, 2));
    call(&host, &ours, "ADD", &attached, &one);
    call(&host, &reference, "CHECK", &attached, &one);
    call(&host, &reference, "DEL", &attached, &one);
    let left = host.ruleset().iptables;
    let beyond = |line: &String| line.contains("-A CNM-FORWARD ") || line.contains("--ctstate DNAT");
    assert!(left.iter().all(|line| !line.contains("10.11.0.2") || beyond(line)), "{left:?}");
    host.gc(&conf.version("1.1.0")).succeeds_silently();
    gone(&host, &["10.11.0.2", "fd00:11::2", "br-web"], "after GC");
}

/// What iptables has by chain, without the note of whose the addresses are and without the rules for published ports, which
/// the reference does not accept. The comment on the rules that all bridges
/// share is the newer reference's (Debian has 1.1.1).
fn chains(host: &Host) -> Vec<String> {
    let mut lines: Vec<String> = host.ruleset().iptables;
    lines.retain(|line| !line.contains("CNM-FORWARD") && !line.contains("--ctstate DNAT"));
    lines.iter_mut().for_each(|line| *line = line.replace("same-bridge|isolated", "same-bridge"));
    // By family and chain; the order within a chain is kept.
    lines.sort_by_key(|line| line.split(' ').take(3).map(str::to_owned).collect::<Vec<_>>());
    lines
}

#[test]
fn chains_rules_and_order_of_iptables_are_those_of_the_reference() {
    for (policy, admin) in [("open", ""), ("same-bridge", "MINE")] {
        let made = [Suite::under_test(), Suite::reference()].map(|suite| {
            let host = Host::new();
            host.run(IPTABLES_DROPS);
            let conf = Conf::new("firewall", "web").with("backend", "iptables").with("ingressPolicy", policy);
            let conf = conf.with("iptablesAdminChainName", admin);
            let other = conf.clone().with("name", "db");
            let (one, two) = (host.sandbox("one"), host.sandbox("two"));
            call(&host, &suite, "ADD", &conf.clone().after(&previous(&one, 2)), &one);
            call(&host, &suite, "ADD", &conf.clone().after(&previous(&two, 3)), &two);
            let both = chains(&host);
            let three = host.sandbox("three");
            let mut db = previous(&three, 9);
            db["interfaces"][0]["name"] = json!("br-db");
            call(&host, &suite, "ADD", &other.clone().after(&db), &three);
            let all = chains(&host);
            call(&host, &suite, "DEL", &conf.after(&previous(&one, 2)), &one);
            (both, all, chains(&host))
        });
        let [ours, reference] = made;
        assert_eq!(ours.0, reference.0, "{policy}: two attachments");
        assert_eq!(ours.1, reference.1, "{policy}: another network");
        assert_eq!(ours.2, reference.2, "{policy}: one has gone");
        assert!(ours.1.len() > 12, "{:?}", ours.1);
    }
}

/// Both suites at work beside each other on one host.
#[test]
fn ours_uses_the_chains_that_the_reference_has_made() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    let host = Host::new();
    host.run(IPTABLES_DROPS);
    let conf = Conf::new("firewall", "web").with("backend", "iptables").with("ingressPolicy", "same-bridge");
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let (first, second) = (conf.clone().after(&previous(&one, 2)), conf.clone().after(&previous(&two, 3)));
    call(&host, &reference, "ADD", &first, &one);
    let before = host.ruleset().iptables;
    call(&host, &ours, "ADD", &second, &two);
    let added: Vec<String> = host.ruleset().iptables.into_iter().filter(|line| !before.contains(line)).collect();
    assert!(
        added
            .iter()
            .all(|line| line.contains("10.11.0.3") || line.contains("fd00:11::3") || line.contains("CNM-FORWARD")),
        "{added:?}"
    );
    call(&host, &ours, "DEL", &second, &two);
    assert_eq!(host.ruleset().iptables, before);
    call(&host, &reference, "CHECK", &first, &one);
}
