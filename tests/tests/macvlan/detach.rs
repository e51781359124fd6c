//! DEL: everything goes, again and again, whatever the runtime has forgotten.

use cnm_tests::{Host, Lan};

use crate::{lan, world};

#[test]
fn del_undoes_add() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&world(), &one).attached();
    host.del(&world().after(result.json()), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_twice_and_of_what_never_was() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&lan());
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.del(&lan(), &one).succeeds_silently();
    host.add(&lan(), &one).succeeds();
    host.del(&lan(), &one).succeeds_silently();
    host.del(&lan(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_after_the_namespace_has_vanished() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&lan());
    let before = host.snapshot();
    let (one, _) = host.attach(&lan(), "one");
    let call = host.calling("DEL", &lan(), &one);
    one.vanish();
    call.run().succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_without_namespace_frees_the_address() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, result) = host.attach(&lan(), "one");
    host.calling("DEL", &lan(), &one).netns("").run().succeeds_silently();
    let files = host.list_folder("/var/lib/cni/networks/wire");
    assert!(!files.contains(&result.ip().to_string()), "{files:?}");
}

#[test]
fn del_of_one_leaves_the_others_alone() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let all: Vec<_> = (0..3).map(|n| host.attach(&world(), &format!("s{n}"))).collect();
    host.del(&world(), &all[1].0).succeeds_silently();
    for n in [0, 2] {
        lan.station.reaches(all[n].1.ip());
        all[n].0.reaches("198.51.100.2");
    }
    lan.station.cannot_reach(all[1].1.ip());
}
