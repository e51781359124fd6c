//! SIGKILL at every system call: the next DEL restores what was there first and leaves no note; when the sandbox has died,
//! DEL or GC removes the note.

use cnm_tests::{Attached, Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};

use super::NEWEST;
use crate::{FOLDER, network, tuning};

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
        let conf = tuning().version(NEWEST).with("mac", "02:00:00:00:00:77").with("mtu", 1400);
        let conf = conf.with("promisc", true).with("allmulti", true).with("txQLen", 200);
        let scene = Self { before: host.snapshot(), host, conf, sandbox, attached };
        scene.add();
        scene.del();
        Self { before: scene.host.snapshot(), ..scene }
    }

    fn add(&self) {
        self.host.add(&self.conf.clone().after(self.attached.json()), &self.sandbox).succeeds();
    }

    fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
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

    /// After a death the sandbox is not seen any more: only the note can be left.
    fn forgets(&self, verb: &str, forget: impl Fn(&Self)) {
        let conf = self.conf.clone().after(self.attached.json());
        let call = || self.host.calling(verb, &conf, &self.sandbox);
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds();
        self.del();
        for place in places.crashes() {
            let _ = place.strike(call());
            forget(self);
            // Hidden files, too: those that are written beside.
            let left = self.host.run(&format!("ls -A {FOLDER}"));
            assert_eq!(left, "", "{place:?}");
        }
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

#[test]
fn gc_forgets_what_a_killed_add_noted() {
    Scene::new().forgets("ADD", |scene| scene.host.gc(&scene.conf).succeeds_silently());
}

#[test]
fn del_without_the_sandbox_forgets_what_a_killed_add_noted() {
    Scene::new().forgets("ADD", |scene| {
        scene.host.calling("DEL", &scene.conf, &scene.sandbox).netns("").run().succeeds_silently();
    });
}
