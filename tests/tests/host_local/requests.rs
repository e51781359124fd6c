//! Addresses that somebody asks for, from every source.

use cnm_tests::{Conf, Host, Outcome};
use serde_json::json;

use crate::{call, lease, pool, reserved};

fn with_args(host: &Host, conf: &Conf, container: &str, args: &str) -> Outcome {
    let call = host.call("host-local", "ADD").conf(conf).container(container).ifname("eth0");
    call.netns("/run/netns/none").args(args).run()
}

#[test]
fn all_three_sources_are_served_together() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24").subnet("fd00::/64").subnet("10.9.0.0/16");
    let conf = conf.with("args", json!({ "cni": { "ips": ["fd00::99/64"] } }));
    let conf = conf.with("runtimeConfig", json!({ "ips": ["10.9.1.1"] }));
    let result = with_args(&host, &conf, "a", "IgnoreUnknown=1;IP=10.1.2.77/24").attached();
    let addresses: Vec<_> = result.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.77/24", "fd00::99/64", "10.9.1.1/16"]);
}

#[test]
fn ranges_of_the_runtime_come_first() {
    let host = Host::new();
    let conf =
        pool().subnet("10.1.2.0/24").with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.5.0.0/24" }]] }));
    let addresses: Vec<_> = lease(&host, &conf, "a").addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.5.0.2/24", "10.1.2.2/24"]);
}

#[test]
fn what_cannot_be_had_is_an_error_of_its_own() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24");
    with_args(&host, &conf, "a", "IP=10.1.2.77").succeeds();
    with_args(&host, &conf, "b", "IP=10.1.2.77").fails().says(&["10.1.2.77", "not available"]);
    with_args(&host, &conf, "b", "IP=10.1.2.1").fails().says(&["requested ip 10.1.2.1 is subnet's gateway"]);
    with_args(&host, &conf, "b", "IP=192.0.2.1").fails().says(&["failed to allocate all requested IPs: 192.0.2.1"]);
    let _ = with_args(&host, &conf, "b", "IP=nonsense").fails();
    let _ = with_args(&host, &conf, "b", "UNKNOWN=1").fails();
    assert_eq!(reserved(&host), ["10.1.2.77"]);
}

#[test]
fn a_second_lease_for_the_same_interface_is_refused() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24");
    let _ = lease(&host, &conf, "a");
    call(&host, "ADD", &conf, "a").fails().says(&["duplicate allocation is not allowed"]);
    let other = host.call("host-local", "ADD").conf(&conf).container("a").ifname("net1").netns("/run/netns/none");
    assert_eq!(other.run().attached().ip().to_string(), "10.1.2.3");
}

#[test]
fn check_knows_who_has_a_lease() {
    let host = Host::new();
    let conf = pool().version("0.4.0").subnet("10.1.2.0/24");
    let result = lease(&host, &conf, "a");
    let conf = conf.after(result.json());
    call(&host, "CHECK", &conf, "a").succeeds_silently();
    let _ = call(&host, "CHECK", &conf, "b").fails();
    call(&host, "DEL", &conf, "a").succeeds_silently();
    let _ = call(&host, "CHECK", &conf, "a").fails();
}
