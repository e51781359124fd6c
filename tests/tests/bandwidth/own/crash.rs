//! SIGKILL at every system call: whatever half of its work the plugin has done, one DEL finds all of it, or GC once the
//! sandbox has gone.

use cnm_tests::{Host, Ordeal, SystemCalls};

use super::NEWEST;
use crate::{bandwidth, limits, network};

/// A sandbox behind the bridge plugin.
fn ordeal() -> Ordeal {
    let host = Host::new();
    let (sandbox, attached) = host.attach(&network().version(NEWEST), "one");
    Ordeal::behind(host, limits(8_000_000, 16_000_000).version(NEWEST), sandbox, attached.json())
}

/// DEL of a runtime that knows nothing any more.
fn blind_del(scene: &Ordeal) {
    let conf = bandwidth().version(NEWEST);
    scene.host().calling("DEL", &conf, scene.sandbox()).netns("").run().succeeds_silently();
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::{blind_del, ordeal};

            #[test]
            fn add_then_del() {
                ordeal().kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_blind_del() {
                ordeal().kill_add($share, blind_del);
            }

            #[test]
            fn del_then_del() {
                ordeal().kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_then_add_then_del() {
                ordeal().kill_add($share, Ordeal::add_and_del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);

/// The sandbox dies with a plugin that was killed: the host's end of the veth goes, and GC takes the device.
#[test]
fn gc_takes_what_a_killed_add_and_a_dead_sandbox_leave() {
    let host = Host::new();
    let conf = limits(8_000_000, 16_000_000).version(NEWEST);
    let network = network().version(NEWEST);
    host.warm_up(&network);
    let before = host.snapshot();
    let probe = host.sandbox("probe");
    let attached = host.add(&network, &probe).attached();
    let (places, outcome) = SystemCalls::of(host.calling("ADD", &conf.clone().after(attached.json()), &probe));
    outcome.succeeds();
    host.del(&conf, &probe).succeeds_silently();
    host.del(&network, &probe).succeeds_silently();
    probe.vanish();
    // Only the later half changes anything.
    for (n, place) in places.crashes().iter().filter(|place| place.name.starts_with("send")).enumerate() {
        let sandbox = host.sandbox(&format!("dead{n}"));
        let attached = host.add(&network, &sandbox).attached();
        let _ = place.strike(host.calling("ADD", &conf.clone().after(attached.json()), &sandbox));
        sandbox.vanish();
        host.gc(&conf).succeeds_silently();
        host.gc(&network).succeeds_silently();
        let differences = before.compare(&host.snapshot());
        let shaped = differences.err().unwrap_or_default();
        assert!(!shaped.contains("bwp") && !shaped.contains("discipline"), "{place:?}: {shaped}");
        assert!(!host.links().iter().any(|link| link.kind == "ifb"), "{place:?}");
    }
}
