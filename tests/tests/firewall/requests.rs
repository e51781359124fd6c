//! What comes in and goes out.

use cnm_tests::{Conf, Host};
use serde_json::json;

use crate::Network;

#[test]
fn the_result_is_the_previous_one() {
    let host = Host::new();
    for (number, version) in (20..).zip(["0.4.0", "1.0.0"]) {
        let network = Network::new(&format!("n{number}"), number).version(version);
        let sandbox = host.sandbox(&format!("s{number}"));
        let previous = host.add(&network.bridge, &sandbox).succeeds();
        let result = host.add(&network.firewall.clone().after(&previous), &sandbox).succeeds();
        assert_eq!(result, previous);
        host.check(&network.firewall.clone().after(&result), &sandbox).succeeds_silently();
        network.del(&host, &sandbox, &result);
    }
}

#[test]
fn without_previous_result_add_and_check_fail_and_del_succeeds() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let conf = Conf::new("firewall", "web");
    let before = host.snapshot();
    for verb in ["ADD", "CHECK"] {
        host.calling(verb, &conf, &sandbox).run().fails().says(&["missing prevResult from earlier plugin"]);
    }
    host.del(&conf, &sandbox).succeeds_silently();
    host.call("firewall", "DEL").conf(&conf).container("never").ifname("eth0").run().succeeds_silently();
    host.is_again(&before);
}

#[test]
fn an_unknown_policy_is_an_error_that_names_it() {
    let host = Host::new();
    let network = Network::new("web", 11).with("ingressPolicy", "closed");
    let sandbox = host.sandbox("one");
    let result = host.add(&network.bridge, &sandbox).succeeds();
    host.add(&network.firewall.clone().after(&result), &sandbox).fails().says(&["unknown ingress policy: \"closed\""]);
}

#[test]
fn a_policy_needs_a_bridge() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let previous = json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.1.2.3/24" }] });
    let conf = Conf::new("firewall", "web").with("ingressPolicy", "same-bridge").after(&previous);
    host.add(&conf, &sandbox).fails().says(&["interface needs to be set for ingress policy \"same-bridge\""]);
}
