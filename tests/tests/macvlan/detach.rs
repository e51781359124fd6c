//! DEL: everything goes, again and again, whatever the runtime has forgotten.

use cnm_tests::{Host, Lan, detaching};

use crate::{lan, world};

/// A host on the wire.
fn wired() -> (Host, Lan) {
    let host = Host::new();
    let lan = Lan::new(&host);
    (host, lan)
}

#[test]
fn del_undoes_add() {
    detaching::undoes_add(&wired().0, &world());
}

#[test]
fn del_twice_and_of_what_never_was() {
    detaching::comes_twice_and_to_what_never_was(&wired().0, &lan());
}

#[test]
fn del_after_the_namespace_has_vanished() {
    detaching::finds_a_vanished_namespace(&wired().0, &lan());
}

#[test]
fn del_without_namespace_frees_the_address() {
    detaching::frees_the_address_without_namespace(&wired().0, &lan());
}

#[test]
fn del_of_one_leaves_the_others_alone() {
    let (host, lan) = wired();
    let all: Vec<_> = (0..3).map(|n| host.attach(&world(), &format!("s{n}"))).collect();
    host.del(&world(), &all[1].0).succeeds_silently();
    for n in [0, 2] {
        lan.station.reaches(all[n].1.ip());
        all[n].0.reaches("198.51.100.2");
    }
    lan.station.cannot_reach(all[1].1.ip());
}
