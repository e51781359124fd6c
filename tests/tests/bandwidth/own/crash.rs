//! SIGKILL at every system call: whatever half of its work the plugin has done, one DEL finds all of it, or GC once the
//! sandbox has gone.

use cnm_tests::{Attached, Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};

use super::NEWEST;
use crate::{limits, network};

/// In how many tests, and so processes, the places to die are divided.
const SHARES: usize = 2;

struct Scene {
    host: Host,
    conf: Conf,
    sandbox: Sandbox,
    attached: Attached,
    before: Snapshot,
}

impl Scene {
    fn new() -> Self {
        let host = Host::new();
        let (sandbox, attached) = host.attach(&network().version(NEWEST), "one");
        let conf = limits(8_000_000, 16_000_000).version(NEWEST);
        Self { before: host.snapshot(), host, conf, sandbox, attached }
    }

    fn add(&self) {
        self.host.add(&self.conf.clone().after(self.attached.json()), &self.sandbox).succeeds();
    }

    fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
    }

    /// DEL of a runtime that knows nothing any more.
    fn blind_del(&self) {
        let conf = crate::bandwidth().version(NEWEST);
        self.host.calling("DEL", &conf, &self.sandbox).netns("").run().succeeds_silently();
    }

    /// Kills the verb at each of its places of this share; the next call `mends`.
    fn kill(&self, verb: &str, share: usize, mend: impl Fn(&Self)) {
        let conf = self.conf.clone().after(self.attached.json());
        let call = || self.host.calling(verb, &conf, &self.sandbox);
        let prepare = || {
            if verb == "DEL" {
                self.add()
            }
        };
        prepare();
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds();
        mend(self);
        let all = places.crashes();
        let mine: Vec<&Crash> = all.iter().skip(share).step_by(SHARES).collect();
        let mut died = 0;
        for place in &mine {
            prepare();
            died += usize::from(place.strike(call()).status.code().is_none());
            mend(self);
            self.host.is_again(&self.before);
        }
        assert!(died > 10, "only {died} of {} died", mine.len());
    }
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use super::Scene;

            #[test]
            fn add_then_del() {
                Scene::new().kill("ADD", $share, Scene::del);
            }

            #[test]
            fn add_then_blind_del() {
                Scene::new().kill("ADD", $share, Scene::blind_del);
            }

            #[test]
            fn del_then_del() {
                Scene::new().kill("DEL", $share, Scene::del);
            }

            #[test]
            fn add_then_add_then_del() {
                Scene::new().kill("ADD", $share, |scene| {
                    scene.add();
                    scene.del();
                });
            }
        }
    )*};
}

shares!(first: 0, second: 1);

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
