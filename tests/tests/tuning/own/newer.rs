//! Keys of newer reference plugins, and what they get wrong.

use cnm_tests::Host;
use serde_json::json;

use super::NEWEST;
use crate::{network, stage, tune, tuning};

#[test]
fn the_length_of_the_queue_is_set_checked_and_restored() {
    let (host, one, attached) = stage();
    let length = || one.link("eth0").json["txqlen"].clone();
    let born = length();
    let conf = tuning().with("txQLen", 200).with("args", json!({ "cni": { "txQLen": 300 } }));
    let result = tune(&host, &conf, &one, &attached).attached();
    assert_eq!(length(), 300);
    let known = conf.after(result.json());
    host.check(&known, &one).succeeds_silently();
    one.run("ip link set eth0 txqueuelen 7");
    host.check(&known, &one).fails().says(&["TxQLen", "300", "7"]);
    host.del(&known, &one).succeeds_silently();
    assert_eq!(length(), born);
}

/// The reference panics.
#[test]
fn sysctls_of_args_alone() {
    let (host, one, attached) = stage();
    let args = json!({ "cni": { "sysctl": { "net.core.somaxconn": "600" } } });
    tune(&host, &tuning().with("args", args), &one, &attached).succeeds();
    assert_eq!(one.sysctl("net/core/somaxconn"), "600");
}

#[test]
fn interfaces_with_dots() {
    let host = Host::new();
    let one = host.sandbox("one");
    let attached = host.calling("ADD", &network(), &one).ifname("net1.7").run().attached();
    let sysctls = json!({ "net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.conf.net1.7.log_martians": "1",
        "net/ipv6/conf/net1.7/hop_limit": "33" });
    let conf = tuning().with("sysctl", sysctls);
    let call = |verb: &str| host.calling(verb, &conf.clone().after(attached.json()), &one).ifname("net1.7").run();
    call("ADD").succeeds();
    for (key, value) in [
        ("ipv4/conf/net1.7/arp_filter", "1"),
        ("ipv4/conf/net1.7/log_martians", "1"),
        ("ipv6/conf/net1.7/hop_limit", "33"),
    ] {
        assert_eq!(one.sysctl(&format!("net/{key}")), value);
    }
    call("CHECK").succeeds_silently();
}

#[test]
fn the_result_has_the_new_mtu_where_the_version_has_one() {
    let host = Host::new();
    let (one, attached) = host.attach(&network().version(NEWEST), "one");
    assert_eq!(attached.json()["interfaces"][2]["mtu"], 1500);
    let conf = tuning().version(NEWEST).with("mtu", 1400);
    let result = tune(&host, &conf, &one, &attached).attached();
    assert_eq!(result.json()["interfaces"][2]["mtu"], 1400);
    assert_eq!(result.json()["interfaces"][1], attached.json()["interfaces"][1]);
}

/// Lists come back with tabs, whatever they were written with: the reference's CHECK then fails.
#[test]
fn check_compares_lists_by_their_words() {
    let (host, one, attached) = stage();
    let conf = tuning().with("sysctl", json!({ "net.ipv4.ip_local_port_range": "20000 30000" }));
    let result = tune(&host, &conf, &one, &attached).attached();
    host.check(&conf.after(result.json()), &one).succeeds_silently();
}

#[test]
fn no_child_process_is_started() {
    let (host, one, attached) = stage();
    let conf = tuning().with("mtu", 1400).with("mac", "02:00:00:00:00:77").after(attached.json());
    for verb in ["ADD", "CHECK", "DEL"] {
        let (calls, outcome) = cnm_tests::SystemCalls::of(host.calling(verb, &conf, &one));
        outcome.succeeds();
        calls.start_no_program();
    }
}

#[test]
fn a_list_of_allowed_variables_is_heeded() {
    let (host, one, attached) = stage();
    host.write_file("/etc/cni/tuning/allowlist.conf", "^net\\.core\\.\n\n  rp_filter  \n");
    let conf = |key: &str| tuning().with("sysctl", json!({ key: "1" }));
    tune(&host, &conf("net.core.somaxconn"), &one, &attached).succeeds();
    // Not anchored: it matches anywhere in the name as it is written.
    tune(&host, &conf("net.ipv4.conf.IFNAME.rp_filter"), &one, &attached).succeeds();
    for key in ["net/core/somaxconn", "net.ipv4.conf.all.log_martians"] {
        let failure = tune(&host, &conf(key), &one, &attached).fails();
        failure.says(&[&format!(
            "Sysctl {key} is not allowed. Only the following sysctls are allowed: [^net\\.core\\. rp_filter]"
        )]);
    }
    // CHECK and DEL do not ask it.
    host.del(&conf("net.ipv4.conf.all.log_martians"), &one).succeeds_silently();
}

#[test]
fn keys_must_not_stand_twice() {
    let (host, one, attached) = stage();
    let conf = tuning().with("sysctl", json!({ "net.core.somaxconn": "1" })).after(attached.json()).to_string();
    let twice = conf.replace(r#""net.core.somaxconn":"1""#, r#""net.core.somaxconn":"1","net.core.somaxconn":"2""#);
    assert_ne!(conf, twice);
    let call = host.calling("ADD", &tuning(), &one).stdin(twice);
    call.run().fails().says(&["duplicated sysctl keys are not allowed"]);
}
