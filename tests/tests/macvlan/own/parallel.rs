//! Many endpoints on one parent, and many calls at once.

use std::thread;

use cnm_tests::{Conf, Host, Lan};
use serde_json::json;

use super::{accessible, links};
use crate::V4;

/// Attaches, or detaches, sandboxes in four threads.
fn all_at_once(host: &Host, verb: &str, conf: &Conf, sandboxes: &[cnm_tests::Sandbox]) {
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
