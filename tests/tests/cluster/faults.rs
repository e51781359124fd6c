//! Partitions, cables, power.

use std::net::IpAddr;
use std::thread;

use cnm_tests::cluster::{Cluster, Family, Node, Plan};
use cnm_tests::eventually;

/// Pairs that the partitions of [`cuts_and_heals`] part, and pairs that they leave.
const PARTED: [(usize, usize); 5] = [(1, 3), (3, 1), (2, 3), (2, 4), (4, 2)];
const JOINED: [(usize, usize); 5] = [(1, 2), (2, 1), (1, 4), (4, 3), (3, 4)];

#[track_caller]
fn cuts_and_heals(plan: Plan) {
    let cluster = Cluster::build(plan);
    // All at once: what is not answered takes its time.
    let each = |pairs: &[(usize, usize)], check: fn(&Node, IpAddr)| {
        thread::scope(|scope| {
            for (from, to) in pairs.iter().copied() {
                let (from, to) = (cluster.host(from), cluster.host(to));
                scope.spawn(move || Family::ALL.into_iter().for_each(|family| check(from, to.vtep(family))));
            }
        });
    };
    let reach = |from: &Node, to: IpAddr| from.reaches(to);
    let cannot = |from: &Node, to: IpAddr| from.cannot_reach(to);
    each(&PARTED, reach);
    each(&JOINED, reach);
    cluster.partition(&[1], &[3]);
    // They add up.
    cluster.partition(&[2], &[3, 4]);
    each(&PARTED, cannot);
    each(&JOINED, reach);
    cluster.host(1).reaches(cluster.world_address(Family::V4));
    cluster.heal();
    each(&PARTED, reach);
}

#[test]
fn a_partition_cuts_exactly_the_named_hosts_and_heals() {
    cuts_and_heals(Plan::hosts(4));
}

#[test]
fn also_with_two_cables() {
    cuts_and_heals(Plan::hosts(4).two_cables().loopback());
}

#[test]
fn also_across_a_switch() {
    cuts_and_heals(Plan::hosts(4).switched());
}

#[test]
fn a_cut_is_of_one_direction() {
    let cluster = Cluster::of(2);
    let (one, two) = (cluster.host(1), cluster.host(2));
    one.reaches(two.vtep(Family::V4));
    cluster.cut(&[1], &[2]);
    let mut capture = one.capture();
    // The question arrives, the answer does not.
    two.cannot_reach(one.vtep(Family::V4));
    let questions = [8, 0];
    capture.wait_for("an echo request of h2", |frame| frame.bytes.get(34..36) == Some(&questions));
    assert!(!two.ping(one.vtep(Family::V4)));
}

#[test]
fn a_pulled_cable_leaves_the_other() {
    let cluster = Cluster::build(Plan::hosts(2).two_cables().loopback());
    let (one, two) = (cluster.host(1), cluster.host(2));
    for cable in [0, 1] {
        cluster.unplug(1, cable);
        eventually("the carrier goes", || match one.link(&format!("up{cable}")) {
            link if link.up && link.state != "UP" => Ok(()),
            link => Err(format!("{link:?}")),
        });
        for family in Family::ALL {
            one.reaches(two.vtep(family));
            two.reaches(one.vtep(family));
        }
        cluster.plug(1, cable);
    }
    cluster.unplug(1, 0);
    cluster.unplug(1, 1);
    for family in Family::ALL {
        two.cannot_reach(one.vtep(family));
    }
    cluster.plug(1, 0);
    cluster.plug(1, 1);
    for family in Family::ALL {
        two.reaches(one.vtep(family));
        one.reaches(two.vtep(family));
    }
}

#[test]
fn a_stopped_host_is_gone_and_a_new_one_takes_its_place() {
    let mut cluster = Cluster::of(3);
    let vtep = cluster.host(2).vtep(Family::V4);
    cluster.host(1).reaches(vtep);
    cluster.host(2).write_file("/var/lib/cni/mark", "x");
    cluster.host(2).write_file("/run/work", "setsid sleep 600 </dev/null >/dev/null 2>&1 &");
    cluster.host(2).run("sh /run/work");
    let sandbox = cluster.host(2).sandbox("web");
    let net = super::net_link(cluster.host(2));
    eventually("something runs on h2", || match super::processes_in(&net).as_slice() {
        [_] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cluster.stop(2);
    assert_eq!(super::processes_in(&net), Vec::<String>::new());
    cluster.host(1).cannot_reach(vtep);
    cluster.host(1).reaches(cluster.host(3).vtep(Family::V4));
    assert_eq!(cluster.hosts().map(|host| host.number()).collect::<Vec<_>>(), [1, 3]);
    cluster.replace(2);
    cluster.host(1).reaches(vtep);
    assert_eq!(cluster.host(2).read_file("/var/lib/cni/mark"), None, "its disk is empty");
    assert_eq!(cluster.host(2).list_folder("/run/netns"), Vec::<String>::new());
    drop(sandbox);
}
