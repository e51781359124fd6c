//! Bad input: the right code, a message that names the place, no rule left behind.

use cnm_tests::{Conf, Host};
use serde_json::{Value, json};

fn previous(interfaces: Value, index: usize) -> Value {
    json!({ "cniVersion": "1.0.0", "interfaces": interfaces, "ips": [{ "address": "10.1.2.3/24", "interface": index }] })
}

#[test]
fn every_mistake_is_named_and_leaves_nothing() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let inside = json!({ "name": "eth0", "sandbox": sandbox.path() });
    let good = previous(json!([{ "name": "br0" }, inside]), 1);
    let conf = || Conf::new("firewall", "web");
    let cases: Vec<(Conf, u64, Vec<&str>)> = vec![
        (conf().with("backend", "ebtables").after(&good), 7, vec!["backend: unknown backend \"ebtables\""]),
        (conf().with("backend", 3).after(&good), 6, vec!["backend"]),
        (
            conf().with("ingressPolicy", "none").after(&good),
            7,
            vec!["ingressPolicy", "unknown ingress policy: \"none\""],
        ),
        (conf().with("ingressPolicy", true).after(&good), 6, vec!["ingressPolicy"]),
        (conf().with("iptablesAdminChainName", "A B").after(&good), 7, vec!["iptablesAdminChainName", "A B"]),
        (conf().after(&previous(json!([{ "name": "br0" }, inside]), 2)), 7, vec!["prevResult.ips[0].interface", "2"]),
        (conf().after(&previous(json!([]), 0)), 7, vec!["prevResult.ips[0].interface"]),
        (
            conf().with("ingressPolicy", "isolated").after(&previous(json!([inside]), 0)),
            7,
            vec!["interface needs to be set for ingress policy \"isolated\"", "prevResult.interfaces[0]"],
        ),
        (
            conf().with("backend", "iptables").after(&previous(json!([{ "name": "br0 -j ACCEPT" }, inside]), 1)),
            7,
            vec!["prevResult.interfaces[0].name", "br0 -j ACCEPT"],
        ),
    ];
    let before = host.snapshot();
    for (conf, code, words) in cases {
        host.add(&conf, &sandbox).fails_with(code, &words);
        host.is_again(&before);
        // A configuration that became wrong keeps nobody from leaving.
        host.del(&conf, &sandbox).succeeds_silently();
    }
}

#[test]
fn firewalld_that_does_not_run_is_an_error_that_says_so() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let good = previous(json!([{ "name": "br0" }, { "name": "eth0", "sandbox": sandbox.path() }]), 1);
    let conf = Conf::new("firewall", "web").with("backend", "firewalld").after(&good);
    let call = |verb: &str| {
        host.calling(verb, &conf, &sandbox).env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/no-such-socket").run()
    };
    call("ADD").fails().says(&["firewalld", "D-Bus"]);
    call("DEL").succeeds_silently();
    assert_eq!(host.ruleset().mentions("net: web"), Vec::<String>::new());
}
