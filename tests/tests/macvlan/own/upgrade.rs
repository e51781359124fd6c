//! What Debian's reference plugin attached is checked and detached by ours, and the other way round.

use cnm_tests::{Host, Lan, Suite};

use crate::world;

#[test]
fn ours_checks_and_detaches_what_the_reference_attached() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&world());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let before = host.snapshot();
    for sandbox in [&one, &two] {
        let result = host.calling("ADD", &world(), sandbox).by(&Suite::reference()).run().succeeds();
        host.check(&world().after(&result), sandbox).succeeds_silently();
    }
    host.del(&world(), &one).succeeds_silently();
    host.gc(&world().version("1.1.0").keeping(&[("two", "eth0")])).succeeds_silently();
    assert!(two.has_link("eth0"));
    host.del(&world(), &two).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn the_reference_detaches_what_ours_attached() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&world(), &one).succeeds();
    let conf = world().after(&result);
    host.calling("CHECK", &conf, &one).by(&Suite::reference()).run().succeeds_silently();
    host.calling("DEL", &conf, &one).by(&Suite::reference()).run().succeeds_silently();
    host.is_again(&before);
}
