//! CHECK names what was tampered with.

use cnm_tests::{Conf, Host};

use crate::{lan, world};

/// Attaches `one` and `two`, checks, does the damage, and wants CHECK of `one` to fail with all of `words`.
#[track_caller]
fn finds(conf: &Conf, damage: &str, words: &[&str]) {
    let host = Host::new();
    host.run("ip link add other type bridge");
    let (one, result) = host.attach(conf, "one");
    let (_two, _) = host.attach(conf, "two");
    let conf = conf.clone().after(result.json());
    host.check(&conf, &one).succeeds_silently();
    host.write_file("/run/damage", damage.replace("HOSTLINK", &result.host_link()));
    host.run("sh -e /run/damage");
    let outcome = host.check(&conf, &one);
    assert!(!outcome.status.success(), "CHECK does not see: {damage}");
    outcome.fails().says(words);
}

#[test]
fn a_deleted_address() {
    finds(&world(), "ip -n one addr del 10.1.2.2/24 dev eth0", &["10.1.2.2/24", "eth0"]);
    finds(&world(), "ip -n one addr del fd00:1:2::2/64 dev eth0", &["fd00:1:2::2/64", "eth0"]);
}

#[test]
fn a_deleted_route() {
    finds(&world(), "ip -n one route del default via 10.1.2.1", &["route", "0.0.0.0/0", "10.1.2.1"]);
    finds(&world(), "ip -n one -6 route del default via fd00:1:2::1", &["route", "::/0", "fd00:1:2::1"]);
}

#[test]
fn a_link_that_is_down() {
    finds(&lan(), "ip -n one link set eth0 down", &["eth0", "down"]);
    finds(&lan(), "ip link set HOSTLINK down", &["veth", "down"]);
    finds(&lan(), "ip link set br-web down", &["br-web", "down"]);
}

#[test]
fn a_link_that_is_gone() {
    finds(&lan(), "ip -n one link del eth0", &["veth"]);
    finds(&lan(), "ip link del br-web", &["br-web"]);
}

#[test]
fn a_port_that_was_moved() {
    finds(&lan(), "ip link set HOSTLINK nomaster", &["veth", "br-web"]);
    finds(&lan(), "ip link set HOSTLINK master other", &["veth", "br-web"]);
}

#[test]
fn another_hardware_address() {
    finds(&lan(), "ip -n one link set eth0 address 02:00:00:00:00:99", &["eth0", "02:00:00:00:00:99"]);
}

#[test]
fn a_port_flag() {
    finds(&lan().with("hairpinMode", true), "bridge link set dev HOSTLINK hairpin off", &["veth", "hairpin"]);
    finds(&lan().with("portIsolation", true), "bridge link set dev HOSTLINK isolated off", &["veth", "isolated"]);
    finds(&lan().with("promiscMode", true), "ip link set br-web promisc off", &["br-web", "promisc"]);
}

#[test]
fn the_gateway_address_and_forwarding() {
    finds(&world(), "ip addr del 10.1.2.1/24 dev br-web", &["10.1.2.1/24", "br-web"]);
    finds(&world(), "sysctl -q -w net.ipv4.ip_forward=0", &["ip_forward"]);
}

#[test]
fn a_lost_firewall() {
    let nft = world().with("ipMasqBackend", "nftables");
    finds(&nft, "nft flush map inet cnm masq4", &["masq4", "10.1.2."]);
    finds(&nft, "nft delete table inet cnm", &["inet cnm"]);
    let iptables = world().with("ipMasqBackend", "iptables");
    finds(&iptables, "iptables -t nat -F POSTROUTING", &["POSTROUTING", "10.1.2.2"]);
    finds(&lan().with("macspoofchk", true), "nft delete table bridge cnm", &["bridge cnm"]);
    finds(&lan().with("internal", true), "nft delete table inet cnm", &["inet cnm"]);
}

#[test]
fn a_lost_lease() {
    finds(&world(), "rm /var/lib/cni/networks/web/10.1.2.2 /var/lib/cni/networks/web/fd00:1:2::2", &["one"]);
}

#[test]
fn layer_two_is_checked_too() {
    let wire = Conf::bridge("web");
    finds(&wire, "ip -n one link set eth0 down", &["eth0", "down"]);
    finds(&wire, "ip link set HOSTLINK nomaster", &["br-web"]);
}

#[test]
fn a_result_of_another_sandbox() {
    let host = Host::new();
    let (one, result) = host.attach(&lan(), "one");
    let two = host.sandbox("two");
    let elsewhere = host.calling("CHECK", &lan().after(result.json()), &one).netns(two.path());
    let _ = elsewhere.run().fails();
}

#[test]
fn more_endpoints_do_not_disturb_check() {
    for conf in [lan(), world(), world().with("icc", false), world().with("internal", true)] {
        let host = Host::new();
        let (one, result) = host.attach(&conf, "one");
        let others: Vec<_> = (0..3).map(|n| host.attach(&conf, &format!("s{n}"))).collect();
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        host.del(&conf, &others[0].0).succeeds_silently();
        host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    }
}
