//! Many endpoints on one parent, and many calls at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cnm_tests::{Conf, Host, Lan};
use serde_json::json;

use super::{accessible, links};
use crate::V4;

/// Attaches, or detaches, sandboxes in four threads.
pub(super) fn all_at_once(host: &Host, verb: &str, conf: &Conf, sandboxes: &[cnm_tests::Sandbox]) {
    thread::scope(|scope| {
        for share in sandboxes.chunks(sandboxes.len().div_ceil(4)) {
            scope.spawn(move || {
                for sandbox in share {
                    let outcome = host.calling(verb, conf, sandbox).run();
                    assert!(outcome.status.success(), "{verb} of {}: {}", sandbox.name(), outcome.stdout);
                }
            });
        }
    });
}

#[test]
fn two_hundred_endpoints_on_one_parent() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let range = json!([{ "subnet": V4, "rangeStart": "10.1.2.30", "rangeEnd": "10.1.2.240" }]);
    let conf = Conf::macvlan("wire").range_set(range);
    let sandboxes = host.sandboxes(200);
    all_at_once(&host, "ADD", &conf, &sandboxes);
    let last = sandboxes[199].address_texts("eth0").pop().expect("an address");
    let (last, _) = last.split_once('/').expect("with prefix length");
    lan.station.reaches(last);
    sandboxes[0].reaches(last);
    all_at_once(&host, "DEL", &conf, &sandboxes);
    assert!(sandboxes.iter().all(|sandbox| !sandbox.has_link("eth0")));
    let left = host.list_folder("/var/lib/cni/networks/wire");
    assert!(!left.iter().any(|name| name.starts_with("10.")), "{left:?}");
}

/// The host's interface goes with the last and comes with the first: whoever is attached must have it.
#[test]
fn coming_and_going_at_once_keeps_the_host_s_access() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&accessible());
    let (come, go) = (host.sandboxes(4), (0..4).map(|n| host.sandbox(&format!("g{n}"))).collect::<Vec<_>>());
    let before = host.snapshot();
    for _ in 0..3 {
        all_at_once(&host, "ADD", &accessible(), &go);
        thread::scope(|scope| {
            scope.spawn(|| all_at_once(&host, "ADD", &accessible(), &come));
            scope.spawn(|| all_at_once(&host, "DEL", &accessible(), &go));
        });
        for sandbox in &come {
            let address = sandbox.address_texts("eth0")[0].split_once('/').expect("with prefix length").0.to_owned();
            host.reaches(address);
        }
        all_at_once(&host, "DEL", &accessible(), &come);
        assert_eq!(links(&host, "mv-"), Vec::<String>::new());
    }
    host.is_again(&before);
}

/// Fifty calls of ADD, of which every second is killed some time after its start, while the garbage is collected all the time:
/// then fifty DELs, all of which succeed, and nothing is left.
#[test]
fn what_is_killed_while_others_come_and_garbage_is_collected_leaves_nothing() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let wide = json!([{ "subnet": V4, "rangeStart": "10.1.2.140", "rangeEnd": "10.1.2.250" }]);
    let v6 = json!([{ "subnet": crate::V6, "rangeStart": "fd00:1:2::140", "rangeEnd": "fd00:1:2::250" }]);
    let conf = accessible().without("ipam").range_set(wide).range_set(v6);
    host.warm_up(&conf);
    let sandboxes = host.sandboxes(50);
    let before = host.snapshot();
    let killed = AtomicUsize::new(0);
    let (share, done) = (sandboxes.len().div_ceil(4), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (n, some) in sandboxes.chunks(share).enumerate() {
            let (host, conf, killed, done) = (&host, &conf, &killed, &done);
            scope.spawn(move || {
                for (m, sandbox) in some.iter().enumerate() {
                    let call = host.calling("ADD", conf, sandbox);
                    // At once, and up to four milliseconds later.
                    let dies = format!("timeout -s KILL 0.{:06}", 30 * m * m + 40 * n);
                    let outcome = if m % 2 == 0 { call.run() } else { call.under(&dies).run() };
                    if m % 2 == 1 && !outcome.status.success() {
                        killed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) < 4 {
                host.gc(&conf).succeeds_silently();
            }
        });
    });
    assert!(killed.load(Ordering::Relaxed) > 0, "nobody was killed");
    all_at_once(&host, "DEL", &conf, &sandboxes);
    host.is_again(&before);
    // As good as new.
    let result = host.add(&conf, &sandboxes[0]).attached();
    host.reaches(result.ip());
    lan.station.reaches(result.ip());
}

#[test]
fn the_host_reaches_each_of_many_endpoints() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let wide = json!([{ "subnet": V4, "rangeStart": "10.1.2.140", "rangeEnd": "10.1.2.250" }]);
    let conf = accessible().without("ipam").range_set(wide).with("hostAddress", "10.1.2.130");
    host.warm_up(&conf);
    let sandboxes = host.sandboxes(60);
    let before = host.snapshot();
    all_at_once(&host, "ADD", &conf, &sandboxes);
    let address = |sandbox: &cnm_tests::Sandbox| {
        sandbox.address_texts("eth0")[0].split_once('/').expect("with prefix length").0.to_owned()
    };
    for sandbox in sandboxes.iter().step_by(7) {
        host.reaches(address(sandbox));
        sandbox.reaches("10.1.2.130");
    }
    let (gone, left) = sandboxes.split_at(30);
    all_at_once(&host, "DEL", &conf, gone);
    host.reaches(address(&left[0]));
    host.reaches(address(&left[29]));
    all_at_once(&host, "DEL", &conf, left);
    host.is_again(&before);
}
