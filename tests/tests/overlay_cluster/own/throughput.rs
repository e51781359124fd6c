//! The overlay is as fast as what a person makes with `ip`.
//!
//! Clocks lie on a busy machine, so there are two witnesses: what decides a packet's way through the kernel (offloads,
//! segment sizes, number of packets) must be equal, and of many short runs, taken in turn, the best may differ by 5 %. The
//! runs go before whatever else the machine does.

use std::net::IpAddr;

use cnm_tests::cluster::{ByHand, Cluster, Family, Overlay};
use cnm_tests::{Namespace, Sandbox};
use serde_json::Value;

/// How many runs each has, at least and at most.
const FEWEST: usize = 10;
const ROUNDS: usize = 100;

/// Two containers on two hosts.
struct Pair {
    name: &'static str,
    client: Sandbox,
    server: Sandbox,
    target: IpAddr,
}

impl Pair {
    /// Sends for a moment, or so many bytes: bits per second, and the report.
    #[track_caller]
    fn sends(&self, how_much: &str) -> (f64, Value) {
        let server = self
            .server
            .launches("nice", &["-n", "-15", "timeout", "60", "iperf3", "--server", "--one-off", "--forceflush"]);
        self.listens();
        let report = self.client.json(&format!("nice -n -15 iperf3 --json --client {} {how_much}", self.target));
        let _ = server.finish();
        let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
        (rate.unwrap_or_else(|| panic!("{}: {report}", self.name)), report)
    }

    /// Waits until the server of iperf3 listens.
    #[track_caller]
    fn listens(&self) {
        cnm_tests::eventually("iperf3 listens", || {
            let sockets = self.server.run("ss -H -l -t -n");
            if sockets.contains(":5201 ") { Ok(()) } else { Err(sockets) }
        });
    }
}

#[test]
fn within_five_percent_of_a_network_made_by_hand() {
    for underlay in Family::ALL {
        let cluster = Cluster::of(2);
        let hand = ByHand::new(7, underlay);
        hand.build(&cluster);
        let web = Overlay::new("web", 100).subnet("10.1.2.0/24").over(underlay);
        let mut containers = web.everywhere(&cluster).into_iter();
        let (Some((client, _)), Some((server, result))) = (containers.next(), containers.next()) else {
            panic!("two hosts")
        };
        let ours = Pair { name: "the overlay", client, server, target: result.ip() };
        let [here, there] = ["10.7.0.1", "10.7.0.2"].map(|text| text.parse().expect("an address"));
        let client = hand.attach(&cluster, cluster.host(1), "hand1", here);
        let server = hand.attach(&cluster, cluster.host(2), "hand2", there);
        let theirs = Pair { name: "by hand", client, server, target: there };
        for pair in [&ours, &theirs] {
            pair.client.reaches(pair.target);
        }
        same_way_through_the_kernel(&cluster, &web, &hand, [&ours, &theirs]);
        as_fast(&ours, &theirs, underlay);
    }
}

/// Offloads, segment sizes and queues of all devices on the way, and the packets that some megabytes become.
#[track_caller]
fn same_way_through_the_kernel(cluster: &Cluster, web: &Overlay, hand: &ByHand, pairs: [&Pair; 2]) {
    for host in cluster.hosts() {
        let (ours, theirs) = (web.device(), hand.device());
        assert_eq!(features(host, &ours), features(host, &theirs), "{} of {}", ours, host.label());
        for key in ["gso_max_size", "gso_max_segs", "gro_max_size", "num_tx_queues", "num_rx_queues", "qdisc", "mtu"] {
            let of = |device: &str| host.link(device).json[key].clone();
            assert_eq!(of(&ours), of(&theirs), "{key} of {ours} and {theirs}");
        }
    }
    let [ours, theirs] = pairs.map(|pair| features(&pair.client, "eth0"));
    assert_eq!(ours, theirs, "eth0");
    let [ours, theirs] = pairs.map(|pair| {
        let before = packets(cluster);
        let _ = pair.sends("--bytes 64M");
        packets(cluster) - before
    });
    // With segmentation offload 64 MB are a thousand large packets, without it fifty thousand.
    let (few, many) = (ours.min(theirs), ours.max(theirs));
    assert!(many < 3 * few, "packets on the wire for 64 MB: {ours} of the overlay, {theirs} by hand");
}

/// What `ethtool -k` says of a device.
#[track_caller]
fn features(place: &Namespace, device: &str) -> Vec<String> {
    place.run(&format!("ethtool -k {device}")).lines().skip(1).map(String::from).collect()
}

/// Packets that h1 has sent.
#[track_caller]
fn packets(cluster: &Cluster) -> u64 {
    let list = cluster.host(1).json("ip -j -s link show up0");
    list[0]["stats64"]["tx"]["packets"].as_u64().expect("a counter")
}

/// Runs in turn, until the best of ours is close to the best of theirs, or for long: whoever else works on the machine
/// can make a run slower, never faster.
#[track_caller]
fn as_fast(ours: &Pair, theirs: &Pair, underlay: Family) {
    let mut best = [0.0_f64; 2];
    for round in 1..=ROUNDS {
        for (pair, best) in [ours, theirs].into_iter().zip(&mut best) {
            *best = best.max(pair.sends("--bytes 256M").0);
        }
        if round >= FEWEST && best[0] >= 0.95 * best[1] {
            return;
        }
    }
    let [ours, theirs] = best.map(|rate| rate / 1e9);
    panic!("over {underlay} the overlay carries {ours:.2} Gbit/s, a network made by hand {theirs:.2}");
}
