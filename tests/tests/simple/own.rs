//! none and host, which only we have; GC and STATUS of all three.

use cnm_tests::{Conf, Host};
use serde_json::json;

fn none() -> Conf {
    Conf::new("none", "none").version("1.1.0")
}

fn host_network() -> Conf {
    Conf::new("host", "host").version("1.1.0")
}

#[test]
fn none_is_lo_and_nothing_else() {
    let host = Host::new();
    let (one, result) = host.attach(&none(), "one");
    assert!(one.link("lo").up);
    assert_eq!(one.links().len(), 1);
    assert_eq!(result.interfaces(), ["lo"]);
    assert_eq!(host.links().len(), 1);
    let conf = none().after(result.json());
    host.check(&conf, &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
}

#[test]
fn check_of_none_finds_an_intruder() {
    let host = Host::new();
    let (one, result) = host.attach(&none(), "one");
    let conf = none().after(result.json());
    one.run("ip link add intruder type veth peer name accomplice");
    one.run("ip link set intruder up");
    host.check(&conf, &one).fails().says(&["intruder"]);
    one.run("ip link del intruder");
    host.check(&conf, &one).succeeds_silently();
    one.run("ip link set lo down");
    host.check(&conf, &one).fails().says(&["lo"]);
}

#[test]
fn none_leaves_no_trace_when_the_namespace_is_gone() {
    let host = Host::new();
    let before = host.snapshot();
    let (one, _) = host.attach(&none(), "one");
    let call = host.calling("DEL", &none(), &one);
    one.vanish();
    call.run().succeeds_silently();
    host.is_again(&before);
}

#[test]
fn host_reports_what_the_host_has_and_changes_nothing() {
    let host = Host::new();
    let _outside = host.outside();
    let before = host.snapshot();
    let call = |verb: &str, conf: &Conf| {
        host.call("host", verb).conf(conf).container("one").ifname("eth0").netns("/proc/self/ns/net").run()
    };
    let result = call("ADD", &host_network()).attached();
    assert!(result.interfaces().contains(&"uplink".to_owned()), "{}", result.json());
    assert_eq!(result.mac("uplink"), Some(host.link("uplink").mac));
    let addresses: Vec<String> = result.addresses().iter().map(ToString::to_string).collect();
    for address in ["198.51.100.1/24", "2001:db8:51::1/64"] {
        assert!(addresses.contains(&address.to_owned()), "{addresses:?}");
    }
    for ip in result.json()["ips"].as_array().expect("addresses") {
        let index = ip["interface"].as_u64().expect("an index");
        assert!((index as usize) < result.interfaces().len());
    }
    call("CHECK", &host_network().after(result.json())).succeeds_silently();
    call("DEL", &host_network().after(result.json())).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn host_refuses_any_other_namespace() {
    let host = Host::new();
    let one = host.sandbox("one");
    let before = host.snapshot();
    let failure = host.add(&host_network(), &one).fails();
    failure.says(&["/run/netns/one"]);
    host.is_again(&before);
    host.del(&host_network(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn gc_and_status_of_all_three_are_fine_and_change_nothing() {
    let host = Host::new();
    let (one, _) = host.attach(&Conf::new("loopback", "lo").version("1.1.0"), "one");
    let before = host.snapshot();
    for conf in [none(), host_network(), Conf::new("loopback", "lo").version("1.1.0")] {
        host.status(&conf).succeeds_silently();
        host.gc(&conf.clone().with("cni.dev/valid-attachments", json!(null))).succeeds_silently();
        host.is_again(&before);
    }
    assert!(one.link("lo").up);
}

#[test]
fn a_sandbox_that_is_none_is_refused_by_all_three() {
    let host = Host::new();
    host.write_file("/run/plain", "not a namespace");
    for conf in [none(), host_network(), Conf::new("loopback", "lo")] {
        for path in ["/run/plain", "/run/netns/missing"] {
            let call = host.call(conf.kind(), "ADD").conf(&conf).container("one").ifname("eth0").netns(path);
            call.run().fails().says(&[path]);
        }
    }
}
