//! The keys, one by one: result and kernel state.

use cnm_tests::{Conf, Host, Lan, Link};
use serde_json::json;

use crate::{V4, lan, world};

fn mode(link: &Link) -> &str {
    link.json["linkinfo"]["info_data"]["mode"].as_str().unwrap_or_default()
}

#[test]
fn the_result_has_one_interface_and_the_leases_in_it() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, result) = host.attach(&world(), "one");
    let json = result.json();
    assert_eq!(result.interfaces(), ["eth0"]);
    assert_eq!(json["interfaces"][0]["sandbox"], one.path());
    assert_eq!(result.mac("eth0"), Some(one.link("eth0").mac));
    assert_eq!((&json["ips"][0]["interface"], &json["ips"][1]["interface"]), (&json!(0), &json!(0)));
    let addresses: Vec<String> = result.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.100/24", "fd00:1:2::100/64"]);
    assert_eq!(one.address_texts("eth0"), addresses);
    assert!(one.has_route("default", "10.1.2.1") && one.has_route("default", "fd00:1:2::1"), "{:?}", one.routes());
    let link = one.link("eth0");
    assert_eq!((link.kind.as_str(), mode(&link), link.up), ("macvlan", "bridge", true));
}

#[test]
fn ipv6_that_is_off_in_the_sandbox_is_switched_on() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let one = host.sandbox("one");
    one.switch_ipv6_off();
    let result = host.add(&world(), &one).attached();
    assert_eq!(result.addresses().len(), 2);
    assert_eq!(one.address_texts("eth0"), ["10.1.2.100/24", "fd00:1:2::100/64"]);
    one.has_ipv6(&["lo", "eth0"]);
}

#[test]
fn an_interface_of_the_same_name_on_the_host_is_no_obstacle() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let before = host.link("eth0");
    let (one, _) = host.attach(&lan(), "one");
    assert_eq!(one.link("eth0").kind, "macvlan");
    assert_eq!(host.link("eth0").mac, before.mac);
    host.del(&lan(), &one).succeeds_silently();
    assert_eq!(host.link("eth0").index, before.index);
}

#[test]
fn without_a_name_the_master_is_the_interface_of_the_default_route() {
    for conf in [lan().without("master"), lan().with("master", "")] {
        let host = Host::new();
        let lan = Lan::new(&host);
        host.run("ip link add other type veth peer name end");
        host.run("ip link set other up");
        let (one, result) = host.attach(&conf, "one");
        lan.station.reaches(result.ip());
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    }
}

#[test]
fn a_default_route_of_ipv6_will_do() {
    let host = Host::new();
    let lan = Lan::new(&host);
    host.run("ip -4 route del default");
    let (_one, result) = host.attach(&crate::lan().without("master"), "one");
    lan.station.reaches(result.ip());
}

#[test]
fn the_modes_are_the_kernel_s() {
    for (key, wanted) in [
        (json!(null), "bridge"),
        (json!(""), "bridge"),
        (json!("bridge"), "bridge"),
        (json!("private"), "private"),
        (json!("vepa"), "vepa"),
        (json!("passthru"), "passthru"),
    ] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        let (one, _) = host.attach(&lan().with("mode", key.clone()), "one");
        assert_eq!(mode(&one.link("eth0")), wanted, "{key}");
    }
}

#[test]
fn unknown_modes_and_missing_masters_are_refused() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let one = host.sandbox("one");
    let before = host.snapshot();
    for mode in ["source", "Bridge", "macvlan"] {
        host.add(&lan().with("mode", mode), &one).fails().says(&["unknown macvlan mode", mode]);
        host.is_again(&before);
    }
    host.add(&lan().with("master", "nothing"), &one).fails().says(&["Link not found"]);
    host.is_again(&before);
}

#[test]
fn the_mtu_is_the_master_s_or_less() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.run("ip link set eth0 mtu 1450");
    for (key, wanted) in [(json!(null), 1450), (json!(0), 1450), (json!(1300), 1300), (json!(1450), 1450)] {
        let conf = lan().with("mtu", key);
        let (one, _) = host.attach(&conf, &format!("s{wanted}"));
        assert_eq!(one.link("eth0").mtu, wanted);
        host.del(&conf, &one).succeeds_silently();
        one.vanish();
    }
    let one = host.sandbox("one");
    for mtu in [1451, -1] {
        let _ = host.add(&lan().with("mtu", mtu), &one).fails();
    }
    host.add(&lan().with("mtu", 1451), &one).fails().says(&["invalid MTU 1451, must be [0, master MTU(1450)]"]);
    assert!(!one.has_link("eth0"));
}

#[test]
fn the_hardware_address_comes_from_runtime_config_over_cni_args_over_the_configuration() {
    const CONF: &str = "02:00:00:00:00:0a";
    const ARGS: &str = "02:00:00:00:00:0b";
    const RUNTIME: &str = "02:00:00:00:00:0c";
    let host = Host::new();
    let _lan = Lan::new(&host);
    let own = lan().with("mac", CONF);
    let both = own.clone().with("runtimeConfig", json!({ "mac": RUNTIME }));
    for (name, conf, args, wins) in [
        ("conf", &own, "", CONF),
        ("args", &own, "IgnoreUnknown=1;MAC=02:00:00:00:00:0b", ARGS),
        ("runtime", &both, "IgnoreUnknown=1;K8S_POD_NAME=x;MAC=02:00:00:00:00:0b", RUNTIME),
    ] {
        let sandbox = host.sandbox(name);
        let result = host.calling("ADD", conf, &sandbox).args(args).run().attached();
        assert_eq!(result.mac("eth0").as_deref(), Some(wins), "{name}");
        assert_eq!(sandbox.link("eth0").mac, wins, "{name}");
        host.calling("DEL", conf, &sandbox).args(args).run().succeeds_silently();
    }
}

#[test]
fn without_ipam_it_is_a_wire_and_nothing_more() {
    for ipam in [json!(null), json!({}), json!({ "type": "" })] {
        let host = Host::new();
        let lan = Lan::new(&host);
        let conf = Conf::macvlan("wire").with("ipam", ipam);
        let (one, result) = host.attach(&conf, "one");
        assert_eq!(result.interfaces(), ["eth0"]);
        assert!(result.json()["ips"].is_null() && result.json()["routes"].is_null(), "{}", result.json());
        assert!(one.link("eth0").up);
        assert_eq!(one.address_texts("eth0"), Vec::<String>::new());
        assert_eq!(host.list_folder("/var/lib/cni"), Vec::<String>::new());
        one.run("ip addr add 10.1.2.77/24 dev eth0");
        one.reaches("10.1.2.20");
        lan.station.reaches("10.1.2.77");
        host.del(&conf, &one).succeeds_silently();
        assert!(!one.has_link("eth0"));
    }
}

#[test]
fn dns_is_the_configuration_s_alone() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.write_file("/etc/cni/resolv", "nameserver 192.0.2.53\n");
    let conf = lan().ipam("resolvConf", "/etc/cni/resolv");
    let (_one, result) = host.attach(&conf, "one");
    assert!(result.json()["dns"]["nameservers"].is_null(), "{}", result.json());
    let (_two, result) = host.attach(&conf.with("dns", json!({ "nameservers": ["192.0.2.54"] })), "two");
    assert_eq!(result.json()["dns"]["nameservers"], json!(["192.0.2.54"]));
}

/// What podman and nerdctl write.
#[test]
fn the_runtimes_own_configurations_work() {
    let routes = json!([{ "dst": "0.0.0.0/0" }]);
    let ranges = json!([[{ "subnet": V4, "rangeStart": "10.1.2.100", "gateway": "10.1.2.1" }]]);
    let ipam = json!({ "type": "host-local", "routes": routes, "ranges": ranges });
    for (mode, mtu) in [("bridge", 1400), ("", 0), ("vepa", 0)] {
        let host = Host::new();
        let lan = Lan::new(&host);
        let conf = Conf::new("macvlan", "mv").version("0.4.0").with("master", "").with("mode", mode).with("mtu", mtu);
        let conf = conf.with("ipam", ipam.clone()).with("capabilities", json!({ "ips": true }));
        let (one, result) = host.attach(&conf, "one");
        one.reaches("198.51.100.2");
        lan.station.reaches(result.ip());
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        host.del(&conf.clone().after(result.json()), &one).succeeds_silently();
    }
}
