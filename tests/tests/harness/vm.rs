//! What the virtual machine must have, each proved by its work and not by its name.

use cnm_tests::{Feature, Host, needs};

#[test]
fn the_kernel_has_every_feature_that_a_test_may_need() {
    needs(&Feature::ALL);
}

#[test]
fn a_sub_interface_and_a_bridge_that_knows_vlans_speak_the_same_tags() {
    needs(&[Feature::VlanFiltering, Feature::VlanDevices]);
    let host = Host::new();
    let one = host.sandbox("one");
    host.run("ip link add name sw type bridge vlan_filtering 1");
    host.run("ip link add port type veth peer name eth0 netns one");
    host.run("ip link set port master sw");
    host.run("bridge vlan add vid 7 dev port");
    host.run("bridge vlan add vid 7 dev sw self");
    host.run("ip link add link sw name sw.7 type vlan id 7");
    one.run("ip link add link eth0 name eth0.7 type vlan id 7");
    one.run("ip link add link eth0 name eth0.8 type vlan id 8");
    for link in ["sw", "port", "sw.7"] {
        host.run(&format!("ip link set {link} up"));
    }
    for link in ["eth0", "eth0.7", "eth0.8"] {
        one.run(&format!("ip link set {link} up"));
    }
    host.run("ip addr add 192.0.2.1/24 dev sw.7");
    one.run("ip addr add 192.0.2.2/24 dev eth0.7");
    one.reaches("192.0.2.1");
    one.run("ip addr flush dev eth0.7");
    one.run("ip addr add 192.0.2.2/24 dev eth0.8");
    one.cannot_reach("192.0.2.1");
}

#[test]
fn netem_loses_and_delays_as_it_is_told() {
    needs(&[Feature::Netem]);
    let host = Host::new();
    let _outside = host.outside();
    host.reaches("198.51.100.2");
    host.run("tc qdisc add dev uplink root netem loss 100%");
    host.cannot_reach("198.51.100.2");
    host.run("tc qdisc change dev uplink root netem delay 20ms");
    host.reaches("198.51.100.2");
    // It waits as it is told, on whatever machine: longer is always possible, shorter is not.
    let times = host.run("ping -n -q -c 3 -i 0.2 198.51.100.2");
    let fastest = times.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = ")?.split('/').next());
    let fastest: f64 = fastest.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{times}"));
    assert!(fastest >= 20.0, "{times}");
}
