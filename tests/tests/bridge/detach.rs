//! DEL: everything goes, again and again, whatever the runtime has forgotten.

use cnm_tests::{Host, detaching, eventually};

use crate::{lan, world};

#[test]
fn del_undoes_add_but_keeps_the_bridge() {
    let host = Host::new();
    detaching::undoes_add(&host, &world().with("macspoofchk", true));
    assert!(host.has_link("br-web"));
    assert_eq!(host.address_texts("br-web"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
}

#[test]
fn del_twice_and_of_what_never_was() {
    detaching::comes_twice_and_to_what_never_was(&Host::new(), &world());
}

#[test]
fn del_without_namespace_frees_the_address() {
    detaching::frees_the_address_without_namespace(&Host::new(), &lan());
}

#[test]
fn del_after_the_namespace_has_vanished() {
    detaching::finds_a_vanished_namespace(&Host::new(), &lan());
}

#[test]
fn del_of_one_leaves_the_others_alone() {
    let host = Host::new();
    let outside = host.outside();
    let all: Vec<_> = (0..4).map(|n| host.attach(&world(), &format!("s{n}"))).collect();
    host.del(&world(), &all[1].0).succeeds_silently();
    host.del(&world(), &all[2].0).succeeds_silently();
    assert_eq!(host.ports("br-web"), {
        let mut left = vec![all[0].1.host_link(), all[3].1.host_link()];
        left.sort();
        left
    });
    all[0].0.reaches(all[3].1.ip());
    all[0].0.reaches("198.51.100.2");
    all[3].0.reaches("2001:db8:51::2");
    drop(outside);
}

#[test]
fn an_address_is_free_again_after_del() {
    let host = Host::new();
    let one = host.sandbox("one");
    for _ in 0..3 {
        let result = host.calling("ADD", &lan(), &one).args("IgnoreUnknown=1;IP=10.1.2.50").run().attached();
        assert_eq!(result.ip().to_string(), "10.1.2.50");
        host.del(&lan(), &one).succeeds_silently();
    }
}

#[test]
fn the_host_end_goes_with_the_sandbox() {
    let host = Host::new();
    let (one, result) = host.attach(&lan(), "one");
    one.vanish();
    eventually("the kernel removes the pair", || match host.ports("br-web") {
        ports if ports.is_empty() => Ok(()),
        ports => Err(format!("{ports:?}")),
    });
    assert!(!host.has_link(&result.host_link()));
}
