//! DEL takes the limits from the veth as well, which the reference leaves to the veth's end.

use crate::{device, limit, limits, port, stage};

#[test]
fn the_state_is_what_it_was_before() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    for conf in [limits(8_000_000, 0), limits(0, 8_000_000), limits(8_000_000, 8_000_000)] {
        for call in [
            host.calling("DEL", &conf.clone().after(attached.json()), &one),
            host.calling("DEL", &crate::bandwidth(), &one),
            host.calling("DEL", &conf, &one).netns(""),
        ] {
            limit(&host, &conf, &one, &attached).succeeds();
            call.run().succeeds_silently();
            host.is_again(&before);
        }
    }
}

#[test]
fn no_child_process_is_started() {
    let (host, one, attached) = stage();
    let conf = limits(8_000_000, 8_000_000).after(attached.json());
    for verb in ["ADD", "CHECK", "DEL"] {
        let (calls, outcome) = cnm_tests::SystemCalls::of(host.calling(verb, &conf, &one));
        outcome.succeeds();
        calls.start_no_program();
    }
}

/// The reference's CHECK passes over a missing discipline, and does not look at the redirection.
#[test]
fn check_misses_every_part() {
    for (sabotage, words) in [
        ("tc qdisc del dev PORT root", "PORT on the host is missing"),
        ("tc qdisc del dev DEVICE root", "DEVICE on the host is missing"),
        ("tc qdisc del dev PORT ingress", "PORT on the host does not redirect"),
        ("ip link set DEVICE down", "DEVICE on the host is down"),
        ("ip link del DEVICE", "DEVICE on the host is missing"),
    ] {
        let (host, one, attached) = stage();
        let named = |text: &str| text.replace("PORT", &port(&attached)).replace("DEVICE", device());
        let conf = limits(8_000_000, 16_000_000);
        let result = limit(&host, &conf, &one, &attached).attached();
        let conf = conf.after(result.json());
        host.check(&conf, &one).succeeds_silently();
        host.run(&named(sabotage));
        host.check(&conf, &one).fails_with(100, &[&named(words)]);
    }
}
