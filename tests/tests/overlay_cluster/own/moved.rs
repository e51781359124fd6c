//! An address that moves to another host is found there.

use cnm_tests::cluster::{Cluster, Family, Overlay};
use cnm_tests::eventually;

use super::world;

/// The container with the first address of h1 moves to h2 and never sends anything; one on h3 has talked to it.
#[track_caller]
fn moves(web: &Overlay, family: usize) {
    let cluster = Cluster::of(3);
    let (one, two, three) = (cluster.host(1), cluster.host(2), cluster.host(3));
    let (first, result) = web.attach(&cluster, one);
    let address = result.addresses()[family].addr();
    let (peer, _) = web.attach(&cluster, three);
    peer.reaches(address);
    let old = peer.neighbour(&address.to_string());
    assert_eq!(old, result.mac("eth0"));
    // The peer itself would not ask again for a day.
    let protocol = ["ipv4", "ipv6"][family];
    peer.set_sysctl(&format!("net/{protocol}/neigh/eth0/base_reachable_time_ms"), "86400000");
    peer.run(&format!("ip neigh replace {address} lladdr {} dev eth0 nud reachable", old.expect("an address")));

    one.del(&web.on(&cluster, one).after(result.json()), &first).succeeds_silently();
    drop(first);
    let (_second, moved) = two.attach(&web.with_address(&cluster, two, address), "moved");
    let mac = moved.mac("eth0").expect("a MAC");
    assert_eq!(moved.ip(), address);
    // Without any packet of the peer or of the container: its host has told everybody.
    eventually("the peer knows the new owner", || match peer.neighbour(&address.to_string()) {
        Some(known) if known == mac => Ok(()),
        other => Err(format!("it knows {other:?}, not {mac}")),
    });
    let vtep = two.vtep(Family::V4).to_string();
    eventually("the peer's host knows where it is", || {
        let entries = three.run(&format!("bridge fdb show dev {}", web.device()));
        let place = entries.lines().any(|line| line.starts_with(&mac) && line.contains(&format!("dst {vtep} ")));
        if place { Ok(()) } else { Err(format!("{mac} should be behind {vtep}:\n{entries}")) }
    });
    assert!(peer.ping(address), "reachable at once");
}

#[test]
fn a_silent_container_is_reachable_on_its_new_host() {
    moves(&super::web(), 0);
}

#[test]
fn also_by_ipv6() {
    moves(&world(), 1);
}
