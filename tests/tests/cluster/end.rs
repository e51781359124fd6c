//! The end of a cluster, also an untimely one, leaves nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cnm_tests::cluster::{ByHand, Cluster, Family, Plan};
use cnm_tests::eventually;

use crate::{net_link, processes_in};

/// Inodes of all network namespaces of living processes and of this process's descriptors.
fn held() -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").expect("a /proc").flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            all.push(target.to_string_lossy().into_owned());
        }
    }
    all.retain(|target| target.starts_with("net:") || target.starts_with("mnt:"));
    all
}

#[test]
fn nothing_is_left() {
    let cluster = Cluster::build(Plan::hosts(3).two_cables());
    ByHand::new(5, Family::V4).build(&cluster);
    let nets: Vec<String> = cluster.hosts().map(|host| net_link(host)).collect();
    let held_before = held();
    assert!(nets.iter().all(|net| held_before.contains(net)), "{nets:?} {held_before:?}");
    drop(cluster);
    assert_eq!(held(), Vec::<String>::new(), "descriptors of namespaces are left");
    assert!(nets.iter().all(|net| processes_in(net).is_empty()));
}

#[test]
fn nor_after_a_panic() {
    let mut nets = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let cluster = Cluster::of(3);
        let host = cluster.host(2);
        nets = cluster.hosts().map(|host| net_link(host)).collect();
        host.write_file("/run/work", "setsid sleep 600 </dev/null >/dev/null 2>&1 &");
        host.run("sh /run/work");
        eventually("something runs on h2", || match processes_in(&nets[1]).as_slice() {
            [_] => Ok(()),
            other => Err(format!("{other:?}")),
        });
        panic!("a test that fails");
    }));
    let message = outcome.expect_err("it panics");
    assert_eq!(message.downcast_ref(), Some(&"a test that fails"), "and says why");
    assert_eq!(held(), Vec::<String>::new(), "descriptors of namespaces are left");
    for net in &nets {
        eventually("processes in a cluster that is gone", || match processes_in(net) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
}
