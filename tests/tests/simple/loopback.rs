//! loopback, as containerd asks for it.

use cnm_tests::{Conf, Host};
use serde_json::json;

/// containerd's own configuration.
fn loopback() -> Conf {
    Conf::new("loopback", "cni-loopback").version("0.3.1")
}

#[test]
fn add_brings_lo_up_and_says_so() {
    let host = Host::new();
    let one = host.sandbox("one");
    assert!(!one.link("lo").up);
    let result = host.calling("ADD", &loopback(), &one).ifname("lo").run().attached();
    assert!(one.link("lo").up);
    let json = result.json();
    assert_eq!(json["interfaces"], json!([{ "name": "lo", "mac": "00:00:00:00:00:00", "sandbox": one.path() }]));
    for (n, address) in ["127.0.0.1/8", "::1/128"].iter().enumerate() {
        assert_eq!(json["ips"][n]["address"], *address);
        // Without it containerd would take this address for the pod's.
        assert_eq!(json["ips"][n]["interface"], 0);
    }
    one.reaches("127.0.0.1");
}

#[test]
fn the_interface_name_does_not_matter() {
    let host = Host::new();
    let one = host.sandbox("one");
    let result = host.add(&loopback(), &one).attached();
    assert_eq!(result.interfaces(), ["lo"]);
    assert!(one.link("lo").up);
}

#[test]
fn check_wants_it_up() {
    let host = Host::new();
    let conf = loopback().version("1.0.0");
    let (one, result) = host.attach(&conf, "one");
    let conf = conf.after(result.json());
    host.check(&conf, &one).succeeds_silently();
    one.run("ip link set lo down");
    let _ = host.check(&conf, &one).fails();
}

#[test]
fn del_takes_it_down_whatever_is_left() {
    let host = Host::new();
    let (one, _) = host.attach(&loopback(), "one");
    host.del(&loopback(), &one).succeeds_silently();
    assert!(!one.link("lo").up);
    host.del(&loopback(), &one).succeeds_silently();
    host.calling("DEL", &loopback(), &one).netns("").run().succeeds_silently();
    let call = host.calling("DEL", &loopback(), &one);
    one.vanish();
    call.run().succeeds_silently();
}

#[test]
fn behind_another_plugin_its_result_is_passed_on() {
    let host = Host::new();
    let one = host.sandbox("one");
    let before = json!({ "cniVersion": "0.3.1", "interfaces": [{ "name": "eth9", "mac": "02:00:00:00:00:01", "sandbox": one.path() }], "ips": [], "dns": { "nameservers": ["192.0.2.53"] } });
    let result = host.add(&loopback().after(&before), &one).attached();
    assert_eq!(result.interfaces(), ["eth9"]);
    assert_eq!(result.json()["dns"], before["dns"]);
}

#[test]
fn a_foreign_address_on_lo_is_an_error() {
    let host = Host::new();
    let one = host.sandbox("one");
    one.run("ip addr add 192.0.2.1/32 dev lo");
    host.add(&loopback(), &one).fails().says(&["loopback interface found with non-loopback address", "192.0.2.1"]);
}

#[test]
fn loopback_and_eth0_in_parallel() {
    let host = Host::new();
    let web = Conf::bridge("web").to_the_world().subnet("10.1.2.0/24").subnet("fd00::/64");
    for n in 0..4 {
        let one = host.sandbox(&format!("s{n}"));
        let lo = host.calling("ADD", &loopback(), &one).ifname("lo").start();
        let eth0 = host.calling("ADD", &web, &one).start();
        lo.finish().succeeds();
        eth0.finish().succeeds();
        assert!(one.link("lo").up && one.link("eth0").up);
    }
}
