//! SIGKILL at every system call: whatever half of its work a plugin has done, one DEL or GC finds all of it.

use cnm_tests::{Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};

use crate::{V4, lan, world};

/// In how many tests, and so processes, the places to die are divided.
const SHARES: usize = 4;

/// A host with a network that is warm, an empty sandbox, and the state to come back to.
struct Scene {
    host: Host,
    conf: Conf,
    sandbox: Sandbox,
    before: Snapshot,
}

impl Scene {
    fn new(conf: Conf) -> Self {
        let host = Host::new();
        // A bridge that is not ours, so that GC leaves it.
        host.run("ip link add br-web type bridge");
        host.warm_up(&conf);
        let sandbox = host.sandbox("one");
        let before = host.snapshot();
        Self { host, conf, sandbox, before }
    }

    /// Kills ADD at each of its places, `mends`, and wants the state from before.
    fn kill_add(&self, share: usize, mend: impl Fn(&Self)) {
        let call = || self.host.calling("ADD", &self.conf, &self.sandbox);
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds();
        mend(self);
        self.host.is_again(&self.before);
        self.die_everywhere(&places, share, |place| {
            let died = place.strike(call());
            mend(self);
            died.status.code().is_none()
        });
    }

    /// Kills DEL at each of its places; the next `mends`.
    fn kill_del(&self, share: usize, mend: impl Fn(&Self)) {
        let add = || self.host.add(&self.conf, &self.sandbox).succeeds();
        let call = || self.host.calling("DEL", &self.conf, &self.sandbox);
        add();
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds_silently();
        self.die_everywhere(&places, share, |place| {
            add();
            let died = place.strike(call());
            mend(self);
            died.status.code().is_none()
        });
    }

    /// `die` at every place of this share; it says whether the process was killed there.
    fn die_everywhere(&self, places: &SystemCalls, share: usize, die: impl Fn(&Crash) -> bool) {
        let all = places.crashes();
        let mine: Vec<&Crash> = all.iter().skip(share).step_by(SHARES).collect();
        let mut survived = Vec::new();
        for place in &mine {
            let died = die(place);
            if let Err(difference) = settled(self) {
                panic!("after death at {} number {}: {difference}", place.name, place.nth);
            }
            if !died {
                survived.push(place);
            }
        }
        // Not every run makes as many system calls as the one that was counted: that one may have rebuilt a cache.
        let died = mine.len() - survived.len();
        assert!(died > 15, "only {died} of {} died; the others: {survived:?}", mine.len());
    }

    fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
    }

    fn gc(&self) {
        self.host.gc(&self.conf).succeeds_silently();
    }
}

/// The state is what it was; asked several times, since the kernel finishes some things a moment later.
fn settled(scene: &Scene) -> Result<(), String> {
    let ask = || scene.before.compare(&scene.host.snapshot());
    (0..5).find_map(|_| ask().ok()).map_or_else(ask, Ok)
}

/// All that an endpoint can own.
fn everything(backend: &str) -> Conf {
    world().version("1.1.0").with("macspoofchk", true).with("ipMasqBackend", backend).with("icc", false)
}

/// The same of one family.
fn one_family(backend: &str) -> Conf {
    let conf = lan().version("1.1.0").to_the_world().with("ipMasqBackend", backend);
    assert!(conf.to_string().contains(V4));
    conf
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use super::{Scene, everything, one_family};

            #[test]
            fn add_then_del() {
                Scene::new(everything("nftables")).kill_add($share, Scene::del);
            }

            #[test]
            fn add_then_gc() {
                Scene::new(everything("nftables")).kill_add($share, Scene::gc);
            }

            #[test]
            fn del_then_del() {
                Scene::new(everything("nftables")).kill_del($share, Scene::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                Scene::new(one_family("iptables")).kill_add($share, Scene::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                Scene::new(one_family("iptables")).kill_del($share, Scene::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
