//! GC: what is not listed goes, and nothing else.

use cnm_tests::{Conf, Host};
use serde_json::{Value, json};

use super::firewall_is_clean;
use crate::world;

fn current(backend: &str) -> Conf {
    world().version("1.1.0").with("ipMasqBackend", backend).with("macspoofchk", true)
}

#[test]
fn a_partial_list_keeps_the_listed() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let conf = current(backend);
        let all: Vec<_> = (0..4).map(|n| host.attach(&conf, &format!("s{n}"))).collect();
        host.gc(&conf.clone().keeping(&[("s1", "eth0"), ("s3", "eth0")])).succeeds_silently();
        for (n, (sandbox, result)) in all.iter().enumerate() {
            let kept = n % 2 == 1;
            assert_eq!(sandbox.has_link("eth0"), kept, "{backend} s{n}");
            let lease = host.list_folder("/var/lib/cni/networks/web").contains(&result.ip().to_string());
            assert_eq!(lease, kept, "{backend} lease of s{n}");
            let rules = host.ruleset();
            assert_eq!(!rules.mentions(&format!("if: eth0, id: s{n}")).is_empty(), kept, "{backend} rules of s{n}");
            let chain = rules.mentions(&format!("-s {}/32", result.ip()));
            assert_eq!(!chain.is_empty(), kept && backend == "iptables", "{backend} masquerading of s{n}");
            if kept {
                sandbox.reaches("198.51.100.2");
                host.check(&conf.clone().after(result.json()), sandbox).succeeds_silently();
            }
        }
        drop(outside);
    }
}

#[test]
fn empty_null_and_absent_lists_mean_nothing_is_valid() {
    for list in [json!([]), Value::Null, json!("absent")] {
        let host = Host::new();
        let conf = current("nftables");
        let attached: Vec<_> = (0..3).map(|n| host.attach(&conf, &format!("s{n}"))).collect();
        let call = if list == "absent" { conf.clone() } else { conf.clone().with("cni.dev/valid-attachments", list) };
        host.gc(&call).succeeds_silently();
        for (sandbox, _) in &attached {
            assert!(!sandbox.has_link("eth0"));
        }
        firewall_is_clean(&host);
        let left = host.list_folder("/var/lib/cni/networks/web");
        assert!(!left.iter().any(|name| name.starts_with("10.") || name.starts_with("fd00")), "{left:?}");
    }
}

#[test]
fn the_old_name_of_the_list_is_understood() {
    let host = Host::new();
    let conf = current("nftables");
    let (one, _) = host.attach(&conf, "one");
    let (two, _) = host.attach(&conf, "two");
    let list = json!([{ "containerID": "one", "ifname": "eth0" }]);
    host.gc(&conf.with("cni.dev/attachments", list)).succeeds_silently();
    assert!(one.has_link("eth0") && !two.has_link("eth0"));
}

#[test]
fn the_interface_name_is_part_of_the_attachment() {
    let host = Host::new();
    let conf = current("nftables");
    let (one, _) = host.attach(&conf, "one");
    let plain = conf.clone().without("isDefaultGateway").with("isGateway", true);
    host.calling("ADD", &plain, &one).ifname("net1").run().succeeds();
    host.gc(&conf.keeping(&[("one", "net1")])).succeeds_silently();
    assert!(!one.has_link("eth0") && one.has_link("net1"));
}

#[test]
fn other_networks_and_foreign_links_stay() {
    let host = Host::new();
    let conf = current("nftables");
    let (_one, _) = host.attach(&conf, "one");
    let other = Conf::bridge("web").version("1.1.0").with("name", "other").subnet("10.9.9.0/24");
    let (two, _) = host.attach(&other, "two");
    host.run("ip link add mine type veth peer name yours");
    host.run("ip link set mine master br-web up");
    host.run("ip link add vethabcdefghijk type veth peer name peer0");
    host.gc(&conf).succeeds_silently();
    assert!(two.has_link("eth0"));
    assert!(host.has_link("mine") && host.has_link("vethabcdefghijk"));
    assert!(host.has_link("br-web"), "it has ports of others");
}

#[test]
fn an_unused_bridge_of_ours_goes_and_a_foreign_one_stays() {
    let host = Host::new();
    let conf = current("nftables");
    host.warm_up(&conf);
    assert!(host.has_link("br-web"));
    host.gc(&conf).succeeds_silently();
    assert!(!host.has_link("br-web"), "made by us, and nobody uses it");
    host.run("ip link add br-web type bridge");
    host.warm_up(&conf);
    host.gc(&conf).succeeds_silently();
    assert!(host.has_link("br-web"), "made by somebody else");
}

#[test]
fn vanished_sandboxes_leave_leases_and_rules_that_gc_finds() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let conf = current(backend);
        for n in 0..3 {
            let (sandbox, _) = host.attach(&conf, &format!("s{n}"));
            sandbox.vanish();
        }
        let (kept, _) = host.attach(&conf, "kept");
        host.gc(&conf.clone().keeping(&[("kept", "eth0")])).succeeds_silently();
        let leases = host.list_folder("/var/lib/cni/networks/web");
        assert_eq!(leases.iter().filter(|name| name.starts_with("10.")).count(), 1, "{leases:?}");
        for n in 0..3 {
            assert_eq!(host.ruleset().mentions(&format!("id: s{n}")), Vec::<String>::new());
        }
        host.del(&conf, &kept).succeeds_silently();
        firewall_is_clean(&host);
    }
}

#[test]
fn gc_twice_and_of_nothing() {
    let host = Host::new();
    let conf = current("nftables");
    host.gc(&conf).succeeds_silently();
    let before = host.snapshot();
    host.gc(&conf).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn gc_is_refused_below_its_first_version() {
    let host = Host::new();
    host.gc(&world()).fails_with(1, &["config version does not allow GC"]);
}
