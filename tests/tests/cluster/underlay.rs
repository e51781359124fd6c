//! Cables, addresses, routes.

use cnm_tests::cluster::{ByHand, Cluster, Family, MOST_HOSTS, Plan};

/// Every host reaches every other and the world, both families.
#[track_caller]
fn all_reach_all(cluster: &Cluster) {
    for one in cluster.hosts() {
        for family in Family::ALL {
            one.reaches(cluster.world_address(family));
            for other in cluster.hosts() {
                one.reaches(other.vtep(family));
            }
        }
    }
}

#[test]
fn hosts_reach_each_other_and_the_world() {
    for plan in [
        Plan::hosts(3),
        Plan::hosts(3).two_cables(),
        Plan::hosts(3).two_cables().loopback(),
        Plan::hosts(3).switched(),
        Plan::hosts(3).switched().two_cables(),
    ] {
        all_reach_all(&Cluster::build(plan));
    }
}

#[test]
fn hosts_are_hosts_of_their_own() {
    let cluster = Cluster::of(2);
    let (one, two) = (cluster.host(1), cluster.host(2));
    one.write_file("/var/lib/cni/networks/web/10.1.2.3", "x");
    one.write_file("/run/mark", "x");
    for path in ["/var/lib/cni/networks/web/10.1.2.3", "/run/mark"] {
        assert_eq!(two.read_file(path), None, "h2 sees {path} of h1");
        assert_eq!(cluster.router().read_file(path), None, "the router sees {path} of h1");
    }
    assert_eq!(one.list_folder("/run/netns"), Vec::<String>::new());
    assert_eq!(one.links().len(), 2, "lo and one cable");
    assert_eq!(one.sysctl("net/ipv4/ip_forward"), "0");
    assert!(one.ruleset().objects.is_empty());
}

#[test]
fn as_many_hosts_as_the_plan_has_room_for() {
    let cluster = Cluster::build(Plan::hosts(MOST_HOSTS).two_cables().loopback());
    assert_eq!(cluster.hosts().count(), MOST_HOSTS);
    let last = cluster.host(MOST_HOSTS);
    for family in Family::ALL {
        for other in cluster.hosts() {
            last.reaches(other.vtep(family));
        }
    }
}

#[test]
fn the_mtu_of_the_cables_is_the_plans() {
    let cluster = Cluster::build(Plan::hosts(2).mtu(1400));
    let (one, two) = (cluster.host(1), cluster.host(2));
    assert_eq!((one.link("up0").mtu, cluster.router().link("h1-0").mtu), (1400, 1400));
    for (family, header) in [(Family::V4, 28), (Family::V6, 48)] {
        let there = two.vtep(family);
        one.reaches(there);
        let ping = |size: u32| one.attempt(&format!("ping -n -c 1 -W 2 -M do -s {size} {there}"));
        assert!(ping(1400 - header).status.success(), "{family}: what fits passes");
        assert!(!ping(1400 - header + 1).status.success(), "{family}: one byte more does not");
    }
}

#[test]
fn flows_use_both_cables() {
    let cluster = Cluster::build(Plan::hosts(2).two_cables().loopback());
    let (one, two) = (cluster.host(1), cluster.host(2));
    let echo = two.echo();
    let mut capture = cluster.router().capture();
    for family in Family::ALL {
        let there = two.vtep(family);
        one.reaches(there);
        for cable in 0..2 {
            let index = usize::try_from(cluster.router().link(&one.port(cable)).index).expect("an index fits");
            // Each question is a flow with a port of its own.
            for _ in 0..20 {
                assert_eq!(one.asks_udp(there, &echo), Some(one.vtep(family)), "{family}");
            }
            capture.wait_for(&format!("a packet on cable {cable}"), |frame| frame.interface == index);
        }
    }
}

#[test]
fn the_map_names_all_places() {
    let cluster = Cluster::build(Plan::hosts(3).two_cables().loopback());
    let map = cluster.map();
    for host in cluster.hosts() {
        assert!(map.contains(host.label()), "{map}");
        for family in Family::ALL {
            for address in [host.vtep(family), host.address(family, 0), host.address(family, 1)] {
                assert!(map.contains(&address.to_string()), "{address}: {map}");
            }
        }
    }
}

#[test]
fn a_vxlan_made_by_hand_joins_the_hosts() {
    for underlay in Family::ALL {
        let cluster = Cluster::of(3);
        let network = ByHand::new(7, underlay);
        network.build(&cluster);
        let addresses = ["10.7.0.1", "10.7.0.2", "10.7.0.3"].map(|text| text.parse().expect("an address"));
        let sandboxes: Vec<_> = cluster
            .hosts()
            .zip(addresses)
            .map(|(host, address)| network.attach(&cluster, host, &format!("c{}", host.number()), address))
            .collect();
        for sandbox in &sandboxes {
            for address in addresses {
                sandbox.reaches(address);
            }
        }
    }
}

#[test]
fn multicast_crosses_the_switch() {
    let cluster = Cluster::build(Plan::hosts(3).switched());
    for host in cluster.hosts() {
        let number = host.number();
        host.ip_batch(&[
            "link add mc type vxlan id 9 group 239.1.1.9 dev up0 dstport 4789".into(),
            format!("addr add 10.9.0.{number}/24 dev mc"),
            "link set mc up".into(),
        ]);
    }
    for one in cluster.hosts() {
        for number in 1..=3 {
            one.reaches(format!("10.9.0.{number}"));
        }
    }
}
