//! In-place upgrade and downgrade: CHECK of either accepts what the other made, DEL of either deletes it.

use cnm_tests::Suite;

use crate::{device, limits, port, stage};

#[test]
fn either_suite_checks_and_deletes_what_the_other_made() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for (maker, other) in [(&ours, &reference), (&reference, &ours)] {
        for conf in [limits(8_000_000, 0), limits(0, 8_000_000), limits(8_000_000, 16_000_000)] {
            let (host, one, attached) = stage();
            let before = host.snapshot();
            let result = host.calling("ADD", &conf.clone().after(attached.json()), &one).by(maker).run().attached();
            let known = conf.clone().after(result.json());
            host.calling("CHECK", &known, &one).by(other).run().succeeds_silently();
            host.calling("DEL", &known, &one).by(other).run().succeeds_silently();
            assert!(!host.has_link(device()));
            if *other == ours {
                host.is_again(&before);
            } else {
                host.attempt(&format!("tc qdisc del dev {} root", port(&attached)));
            }
        }
    }
}

/// The reference's device has the container's name on the network, not the interface's: a second interface that we
/// limit beside it gets another, and neither DEL takes the wrong one.
#[test]
fn a_second_interface_beside_one_of_the_reference() {
    let (host, one, attached) = stage();
    let conf = limits(0, 8_000_000);
    host.calling("ADD", &conf.clone().after(attached.json()), &one).by(&Suite::reference()).run().succeeds();
    let second = host.calling("ADD", &crate::network(), &one).ifname("eth1").run().attached();
    let result = host.calling("ADD", &conf.clone().after(second.json()), &one).ifname("eth1").run().attached();
    let other = result.interfaces().last().expect("its device").clone();
    assert_ne!(other, device());
    host.calling("DEL", &conf, &one).ifname("eth1").run().succeeds_silently();
    assert!(host.has_link(device()) && !host.has_link(&other));
    host.del(&conf, &one).succeeds_silently();
    assert!(!host.has_link(device()));
}
