//! DEL: what the runtime still knows, and what it does not.

use crate::{device, limit, limits, stage};

#[test]
fn the_device_goes_whatever_is_left() {
    let (host, one, attached) = stage();
    let conf = limits(8_000_000, 16_000_000);
    let without_wishes = crate::bandwidth();
    for call in [
        host.calling("DEL", &conf.clone().after(attached.json()), &one),
        host.calling("DEL", &conf, &one),
        host.calling("DEL", &without_wishes, &one),
        host.calling("DEL", &conf, &one).netns(""),
        host.calling("DEL", &conf, &one).netns("/run/netns/gone"),
    ] {
        // The reference leaves its disciplines at the veth and cannot add them again.
        host.attempt(&format!("tc qdisc del dev {} root", crate::port(&attached)));
        host.attempt(&format!("tc qdisc del dev {} ingress", crate::port(&attached)));
        limit(&host, &conf, &one, &attached).succeeds();
        assert!(host.has_link(device()));
        call.clone().run().succeeds_silently();
        assert!(!host.has_link(device()));
        call.run().succeeds_silently();
    }
}

#[test]
fn the_whole_chain_leaves_nothing() {
    let (host, one, attached) = stage();
    host.del(&crate::network().after(attached.json()), &one).succeeds_silently();
    let before = host.snapshot();
    for gone in [false, true] {
        let attached = host.add(&crate::network(), &one).attached();
        let conf = limits(8_000_000, 16_000_000);
        let result = limit(&host, &conf, &one, &attached).attached();
        for conf in [conf, crate::network()] {
            let call = host.calling("DEL", &conf.after(result.json()), &one);
            if gone { call.netns("") } else { call }.run().succeeds_silently();
        }
        if gone && one.has_link("eth0") {
            // The reference's bridge does nothing without the sandbox.
            one.run("ip link del eth0");
        }
        host.is_again(&before);
    }
}
