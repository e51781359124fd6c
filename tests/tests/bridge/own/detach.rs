//! DEL where the reference leaks or fails.

use cnm_tests::{Conf, Host, Sandbox};

use super::firewall_is_clean;
use crate::{dual, world};

/// Everything an endpoint can own.
fn everything(backend: &str) -> Conf {
    world().with("ipMasqBackend", backend).with("macspoofchk", true)
}

/// Attaches under `conf`, lets `happen` something, detaches as it says, and wants the state before the attachment.
#[track_caller]
fn comes_to_nothing(conf: &Conf, detach: impl FnOnce(&Host, Sandbox)) {
    let host = Host::new();
    host.warm_up(conf);
    let before = host.snapshot();
    let (one, _) = host.attach(conf, "one");
    detach(&host, one);
    firewall_is_clean(&host);
    host.is_again(&before);
}

#[test]
fn without_a_namespace_the_host_is_cleaned() {
    for backend in ["nftables", "iptables"] {
        let conf = everything(backend);
        comes_to_nothing(&conf, |host, one| {
            host.calling("DEL", &conf, &one).netns("").run().succeeds_silently();
            assert!(!one.has_link("eth0"), "the pair goes with its host end");
        });
    }
}

#[test]
fn after_the_namespace_has_vanished_the_firewall_is_cleaned() {
    for backend in ["nftables", "iptables"] {
        let conf = everything(backend);
        comes_to_nothing(&conf, |host, one| {
            let call = host.calling("DEL", &conf, &one);
            one.vanish();
            call.run().succeeds_silently();
        });
    }
}

#[test]
fn a_plain_file_where_the_namespace_was_means_gone() {
    let conf = everything("nftables");
    comes_to_nothing(&conf, |host, one| {
        one.unmount();
        host.del(&conf, &one).succeeds_silently();
        host.run("rm /run/netns/one");
    });
}

#[test]
fn after_the_interface_was_deleted_by_hand() {
    for backend in ["nftables", "iptables"] {
        let conf = everything(backend);
        comes_to_nothing(&conf, |host, one| {
            one.run("ip link del eth0");
            host.del(&conf, &one).succeeds_silently();
        });
    }
}

#[test]
fn after_the_interface_was_renamed_or_the_bridge_deleted() {
    let conf = everything("nftables");
    let host = Host::new();
    host.warm_up(&conf);
    let (one, _) = host.attach(&conf, "one");
    one.run("ip link set eth0 down");
    one.run("ip link set eth0 name other");
    host.run("ip link del br-web");
    host.del(&conf, &one).succeeds_silently();
    assert_eq!(one.links().len(), 1, "only lo");
    firewall_is_clean(&host);
}

#[test]
fn a_useless_previous_result_does_no_harm() {
    let conf = everything("nftables");
    for previous in [
        serde_json::json!({}),
        serde_json::json!({ "cniVersion": "1.0.0", "interfaces": [], "ips": [] }),
        serde_json::json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.7.7.7/24" }] }),
        serde_json::json!({ "cniVersion": "0.2.0", "ip4": { "ip": "10.7.7.7/24" } }),
    ] {
        comes_to_nothing(&conf, |host, one| {
            host.del(&conf.clone().after(&previous), &one).succeeds_silently();
        });
    }
}

#[test]
fn when_ipam_fails_the_rest_goes_all_the_same() {
    let host = Host::new();
    let conf = everything("nftables");
    let (one, _) = host.attach(&conf, "one");
    host.calling("DEL", &conf, &one).env("CNI_PATH", "/nonexistent").run().fails().says(&["host-local"]);
    assert!(!one.has_link("eth0"));
    firewall_is_clean(&host);
    host.del(&conf, &one).succeeds_silently();
    let left = host.list_folder("/var/lib/cni/networks/web");
    assert!(!left.iter().any(|name| name.starts_with("10.") || name.starts_with("fd00")), "{left:?}");
}

#[test]
fn the_configuration_may_have_changed_since_add() {
    let host = Host::new();
    let conf = everything("iptables");
    host.warm_up(&conf);
    let before = host.snapshot();
    let (one, _) = host.attach(&conf, "one");
    // Somebody has edited the file: another backend, no masquerading, no spoof check.
    host.del(&dual(), &one).succeeds_silently();
    one.vanish();
    firewall_is_clean(&host);
    host.is_again(&before);
}

#[test]
fn in_our_own_namespace_only_the_host_side_is_touched() {
    let host = Host::new();
    host.warm_up(&world());
    let before = host.snapshot();
    // The host has an eth0 of its own, which is nobody's endpoint.
    let one = host.sandbox("one");
    host.run("ip link add eth0 type veth peer name far netns one");
    let eth0 = host.link("eth0");
    let call = host.call("bridge", "DEL").conf(&world()).container("one").ifname("eth0");
    call.netns("/proc/self/ns/net")
        .run()
        .fails_with(8, &["plugin's netns and netns from CNI_NETNS should not be the same"]);
    assert_eq!(host.link("eth0").index, eth0.index);
    one.vanish();
    host.is_again(&before);
}
