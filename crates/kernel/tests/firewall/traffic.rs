//! What happens to packets.

use cnm::{Backend, Firewall, Owner};
use kernel::HostFirewall;

use crate::world::{alone, guard, masquerade, owner, pings, run, spoof, topology};

#[test]
fn masqueraded_packets_come_back_and_others_do_not() {
    for backend in [Backend::Nftables, Backend::Iptables] {
        alone(move || {
            let name = topology();
            let (left, right) = (format!("{name}left"), format!("{name}right"));
            let mut firewall = HostFirewall::default();
            assert!(!pings(&left, "192.0.2.2"), "the world knows no way back");
            let intents = [masquerade("10.1.2.3/24", backend), masquerade("fd00:1::3/64", backend)];
            firewall.install(&owner("a"), &intents).unwrap();
            assert!(pings(&left, "192.0.2.2"), "{}", run("nft list ruleset"));
            assert!(pings(&left, "2001:db8::2"), "{}", run("nft list ruleset"));
            assert!(pings(&left, "10.1.2.4") && pings(&left, "10.1.2.1") && pings(&left, "fd00:1::4"));
            // nftables masquerades the subnet, iptables the address.
            let neighbour = backend == Backend::Nftables;
            assert_eq!(pings(&right, "192.0.2.2"), neighbour);
            assert_eq!(pings(&right, "2001:db8::2"), neighbour);
            // Another subnet behind the same bridge did not ask for it.
            run(&format!("ip addr add 10.9.0.1/24 dev cni0 && ip -n {right} addr add 10.9.0.4/24 dev eth0"));
            assert!(!pings(&right, "-I 10.9.0.4 192.0.2.2"));
            firewall.remove(&owner("a"), Some(&intents)).unwrap();
            assert_eq!(pings(&left, "192.0.2.2"), neighbour, "what is shared is there until it is released");
            firewall.release("web").unwrap();
            assert!(!pings(&left, "192.0.2.2") && !pings(&left, "2001:db8::2") && !pings(&right, "192.0.2.2"));
        });
    }
}

/// Two networks on one bridge and subnet: packets are masqueraded until both are gone.
#[test]
fn another_network_keeps_what_it_shares() {
    alone(|| {
        let name = topology();
        let (left, right) = (format!("{name}left"), format!("{name}right"));
        let mut firewall = HostFirewall::default();
        let both = |last: u8| {
            [format!("10.1.2.{last}/24"), format!("fd00:1::{last}/64")].map(|net| masquerade(&net, Backend::Nftables))
        };
        firewall.install(&owner("a"), &both(3)).unwrap();
        firewall.install(&Owner::new("db", "b", "eth0"), &both(4)).unwrap();
        for network in ["web", "db"] {
            for (side, to) in
                [(&left, "192.0.2.2"), (&right, "192.0.2.2"), (&left, "2001:db8::2"), (&right, "2001:db8::2")]
            {
                assert!(pings(side, to), "{network} is there: {side} to {to}");
            }
            firewall.release(network).unwrap();
        }
        assert!(!pings(&left, "192.0.2.2") && !pings(&right, "2001:db8::2"));
    });
}

/// The reference compares with the subnet, not with the interface: another subnet behind the same bridge is outside.
#[test]
fn inside_is_the_subnet_and_outside_everything_else() {
    alone(|| {
        let name = topology();
        let (left, right) = (format!("{name}left"), format!("{name}right"));
        shortcuts_off();
        run(&format!("ip addr add 10.9.0.1/16 dev cni0 && ip -n {right} addr add 10.9.0.4/16 dev eth0"));
        // `right` answers to 10.1.2.0/24 by itself and to nobody else.
        run(&format!("ip -n {right} route del default via 10.1.2.1 && ip -n {right} route del 10.1.2.0/24"));
        let mut firewall = HostFirewall::default();
        assert!(!pings(&left, "10.9.0.4"));
        firewall.install(&owner("a"), &[masquerade("10.1.2.3/24", Backend::Nftables)]).unwrap();
        assert!(pings(&left, "10.9.0.4"), "comes from 10.9.0.1 now");
        firewall.release("web").unwrap();
        firewall.install(&owner("a"), &[masquerade("10.1.2.3/8", Backend::Nftables)]).unwrap();
        assert!(!pings(&left, "10.9.0.4"), "inside 10.0.0.0/8");
    });
}

#[test]
fn an_internal_network_has_no_way_out_or_in() {
    alone(|| {
        let name = topology();
        let (left, world) = (format!("{name}left"), format!("{name}world"));
        run(&format!("ip -n {world} route add 10.1.2.0/24 via 192.0.2.1"));
        run(&format!("ip -n {world} route add fd00:1::/64 via 2001:db8::1"));
        assert!(pings(&left, "192.0.2.2") && pings(&world, "10.1.2.3") && pings(&world, "fd00:1::3"));
        let mut firewall = HostFirewall::default();
        let intents = [guard("cni0", true, false), masquerade("10.1.2.3/24", Backend::Nftables)];
        firewall.install(&owner("a"), &intents).unwrap();
        firewall.install(&owner("b"), &[guard("cni0", true, false)]).unwrap();
        for bridged in ["0", "1"] {
            bridge_netfilter(bridged);
            assert!(!pings(&left, "192.0.2.2") && !pings(&left, "2001:db8::2"), "bridged {bridged}");
            assert!(!pings(&world, "10.1.2.3") && !pings(&world, "fd00:1::3"), "bridged {bridged}");
            assert!(pings(&left, "10.1.2.1") && pings(&left, "10.1.2.4") && pings(&left, "fd00:1::4"));
        }
        firewall.remove(&owner("a"), Some(&intents)).unwrap();
        firewall.remove(&owner("b"), None).unwrap();
        assert!(!pings(&left, "192.0.2.2") && !pings(&world, "fd00:1::3"), "guarded until it is released");
        firewall.release("web").unwrap();
        assert!(pings(&left, "192.0.2.2") && pings(&world, "10.1.2.3"));
    });
}

#[test]
fn isolated_endpoints_do_not_reach_each_other_through_the_host() {
    alone(|| {
        let name = topology();
        let left = format!("{name}left");
        let mut firewall = HostFirewall::default();
        let intents = [guard("cni0", false, true), masquerade("10.1.2.3/24", Backend::Nftables)];
        firewall.install(&owner("a"), &intents).unwrap();
        bridge_netfilter("1");
        assert!(!pings(&left, "10.1.2.4") && !pings(&left, "fd00:1::4"));
        assert!(pings(&left, "10.1.2.1") && pings(&left, "192.0.2.2"));
        bridge_netfilter("0");
        assert!(
            pings(&left, "10.1.2.4"),
            "frames that the host only bridges are held back by port isolation, not here"
        );
        // Routed through the host instead of bridged.
        run(&format!("ip -n {left} route add 10.1.2.4/32 via 10.1.2.1"));
        shortcuts_off();
        assert!(!pings(&left, "10.1.2.4"));
        firewall.release("web").unwrap();
        assert!(pings(&left, "10.1.2.4"));
    });
}

#[test]
fn frames_with_a_foreign_source_are_dropped() {
    alone(|| {
        let name = topology();
        let (left, right) = (format!("{name}left"), format!("{name}right"));
        let mac = run(&format!("ip netns exec {left} cat /sys/class/net/eth0/address")).trim().to_owned();
        let intents = [spoof("left", &mac)];
        let mut firewall = HostFirewall::default();
        firewall.install(&owner("a"), &intents).unwrap();
        assert!(pings(&left, "10.1.2.4"));
        let forge = |mac: &str| {
            run(&format!("ip -n {left} link set eth0 address {mac} && ip -n {right} neigh flush dev eth0"));
        };
        forge("02:00:00:00:00:99");
        assert!(!pings(&left, "10.1.2.4") && !pings(&left, "10.1.2.1"));
        assert!(pings(&right, "10.1.2.1"), "other ports are free");
        firewall.remove(&owner("a"), Some(&intents)).unwrap();
        assert!(pings(&left, "10.1.2.1"));
        firewall.install(&owner("a"), &intents).unwrap();
        forge(&mac);
        assert!(pings(&left, "10.1.2.1"));
    });
}

/// Whether bridged frames visit the rules of IPv4 and IPv6 (`br_netfilter`), as hosts with Docker or Kubernetes have it.
fn bridge_netfilter(on: &str) {
    run(&format!("sysctl -qw net.bridge.bridge-nf-call-iptables={on} net.bridge.bridge-nf-call-ip6tables={on}"));
}

/// Else the host tells endpoints that packets which it sends back by the same bridge need not come by it (ICMP redirect).
fn shortcuts_off() {
    run("sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.cni0.send_redirects=0");
}
