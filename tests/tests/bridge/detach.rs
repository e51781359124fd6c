//! DEL: everything goes, again and again, whatever the runtime has forgotten.

use cnm_tests::{Host, eventually};

use crate::{lan, world};

#[test]
fn del_undoes_add_but_keeps_the_bridge() {
    let host = Host::new();
    let conf = world().with("macspoofchk", true);
    host.warm_up(&conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&conf, &one).attached();
    host.del(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.is_again(&before);
    assert!(host.has_link("br-web"));
    assert_eq!(host.address_texts("br-web"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
}

#[test]
fn del_without_the_previous_result() {
    let host = Host::new();
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.add(&world(), &one).succeeds();
    host.del(&world(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_twice_and_of_what_never_was() {
    let host = Host::new();
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.del(&world(), &one).succeeds_silently();
    host.add(&world(), &one).succeeds();
    host.del(&world(), &one).succeeds_silently();
    host.del(&world(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn del_without_namespace_frees_the_address() {
    let host = Host::new();
    let (one, result) = host.attach(&lan(), "one");
    host.calling("DEL", &lan(), &one).netns("").run().succeeds_silently();
    let files = host.list_folder("/var/lib/cni/networks/web");
    assert!(!files.contains(&result.ip().to_string()), "{files:?}");
}

#[test]
fn del_after_the_namespace_has_vanished() {
    let host = Host::new();
    host.warm_up(&lan());
    let before = host.snapshot();
    let (one, _) = host.attach(&lan(), "one");
    let call = host.calling("DEL", &lan(), &one);
    one.vanish();
    call.run().succeeds_silently();
    host.is_again(&before);
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
