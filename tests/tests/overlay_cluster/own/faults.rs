//! Hosts that vanish, partitions that heal: the others do not notice.

use cnm_tests::cluster::Cluster;

use super::{all_reach_all, web, world};

#[test]
fn a_host_that_vanishes_does_not_disturb_the_others() {
    let mut cluster = Cluster::of(5);
    let web = world();
    let mut containers = web.everywhere(&cluster);
    all_reach_all(&containers);
    cluster.stop(3);
    let gone = containers.remove(2);
    all_reach_all(&containers);
    containers[0].0.cannot_reach(gone.1.ip());
    // Attaching and detaching go on, with the dead host still among the peers.
    let host = cluster.host(1);
    let conf = web.on(&cluster, host);
    let (late, result) = host.attach(&conf, "late");
    for (container, _) in &containers {
        container.reaches(result.ip());
    }
    let conf = conf.after(result.json());
    host.check(&conf, &late).succeeds_silently();
    host.del(&conf, &late).succeeds_silently();
    // A new host in its place is one of them at once.
    cluster.replace(3);
    containers.push(web.attach(&cluster, cluster.host(3)));
    all_reach_all(&containers);
}

#[test]
fn after_a_partition_all_is_as_before() {
    let cluster = Cluster::of(4);
    let containers = web().everywhere(&cluster);
    all_reach_all(&containers);
    cluster.partition(&[1, 2], &[3, 4]);
    containers[0].0.reaches(containers[1].1.ip());
    containers[2].0.reaches(containers[3].1.ip());
    containers[0].0.cannot_reach(containers[2].1.ip());
    cluster.heal();
    all_reach_all(&containers);
}
