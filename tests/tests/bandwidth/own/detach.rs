//! DEL takes the limits from the veth as well, which the reference leaves to the veth's end.

use crate::{limit, limits, stage};

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
        for name in ["fork", "vfork", "clone", "clone3", "execve"] {
            assert_eq!(calls.0.get(name), None, "{verb}");
        }
    }
}
