//! What needs more than every kernel has: bad lines, and an underlay in a VLAN.

use std::net::IpAddr;

use cnm_tests::cluster::{Cluster, Family, Node, Overlay, Plan};
use cnm_tests::{Echo, Feature, Sandbox, eventually, needs};

use super::{all_reach_all, world};

/// What the test's lines do to packets, in each direction.
const BAD_LINE: &str = "loss 1% delay 50ms";

/// Like `is_seen_as`, but a lost packet is no failure: the question is asked again.
#[track_caller]
fn is_seen_in_the_end(from: &Sandbox, server: IpAddr, echo: &Echo, own: IpAddr) {
    let want = |seen: Option<IpAddr>| if seen == Some(own) { Ok(()) } else { Err(format!("{seen:?}, not {own}")) };
    from.reaches(server);
    eventually(&format!("{} asks {server} by TCP", from.name()), || want(from.asks_tcp(server, echo)));
    eventually(&format!("{} asks {server} by UDP", from.name()), || want(from.asks_udp(server, echo)));
}

/// Packets that a host's bad line has dropped so far.
#[track_caller]
fn lost(host: &Node) -> u64 {
    let list = host.json("tc -j -s qdisc show dev up0");
    list[0]["drops"].as_u64().unwrap_or_else(|| panic!("no counter: {list}"))
}

#[test]
fn one_percent_of_loss_and_a_delay_of_50_ms() {
    needs(&[Feature::Netem]);
    let cluster = Cluster::of(3);
    for host in cluster.hosts() {
        cluster.impair(host.number(), BAD_LINE);
    }
    let web = world();
    let containers = web.everywhere(&cluster);
    for (there, target) in &containers {
        let echo = there.echo();
        for (here, source) in containers.iter().filter(|(here, _)| here.id() != there.id()) {
            for (family, address) in target.addresses().iter().enumerate() {
                is_seen_in_the_end(here, address.addr(), &echo, source.addresses()[family].addr());
            }
        }
    }
    // The lines are as bad as they should be: there and back takes at least twice the delay, and packets are lost.
    let (client, server) = (&containers[0].0, &containers[1]);
    let address = server.1.ip();
    let times = client.run(&format!("ping -n -q -c 5 -i 0.2 {address}"));
    let fastest = times.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = ")?.split('/').next());
    let fastest: f64 = fastest.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{times}"));
    assert!(fastest >= 100.0, "{times}");
    // TCP carries all of it nevertheless, also in packets that fill the cable.
    client.streams_to(&server.0, address, 3 << 20);
    let total: u64 = cluster.hosts().map(lost).sum();
    assert!(total > 0, "not one packet was lost");
    // Good again, all is as if nothing had been.
    for host in cluster.hosts() {
        cluster.impair(host.number(), "");
    }
    all_reach_all(&containers);
}

#[test]
fn an_underlay_in_a_vlan() {
    needs(&[Feature::VlanDevices]);
    let cluster = Cluster::build(Plan::hosts(2).vlan(7));
    let web = Overlay::new("web", 100).subnet("10.1.2.0/24").subnet("fd00:1:2::/64");
    let containers: Vec<_> = cluster
        .hosts()
        .map(|host| {
            // The device instead of its address.
            let conf = web.on(&cluster, host).without("local").with("underlay", host.uplink(0));
            host.attach(&conf, &format!("web{}", host.number()))
        })
        .collect();
    all_reach_all(&containers);
    for (host, (container, _)) in cluster.hosts().zip(&containers) {
        assert_eq!((container.link("eth0").mtu, host.link(&web.device()).mtu), (1450, 1450));
    }
    // A packet that fills the cable passes, one byte more does not.
    let (one, target) = (&containers[0].0, containers[1].1.ip());
    let ping = |size: u32| one.attempt(&format!("ping -n -q -c 1 -W 3 -M do -s {size} {target}"));
    assert!(ping(1450 - 28).status.success());
    assert!(!ping(1450 - 27).status.success());
    // On the cable itself its tunnels are tagged.
    let router = cluster.router();
    let filter = ["-n", "-c", "3", "-i", "h1-0", "vlan 7 and udp port 4789"];
    let wire = router.launches("tcpdump", &filter);
    eventually("tcpdump listens", || {
        let sockets = router.run("cat /proc/net/packet");
        if sockets.lines().count() > 1 { Ok(()) } else { Err(sockets) }
    });
    one.run(&format!("ping -n -q -c 5 -i 0.2 -W 3 {target}"));
    let seen = wire.finish().expect_success();
    let (from, to) = (cluster.host(1).vtep(Family::V4), cluster.host(2).vtep(Family::V4));
    assert!(seen.contains(&format!("IP {from}.")) && seen.contains(&format!("{to}.4789: VXLAN")), "{seen}");
}
