//! SIGKILL at every system call of ADD and DEL. It must not know what the plugin does between them.

use crate::{Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};

/// In how many tests, and so processes, the places to die are divided.
pub const SHARES: usize = 4;

/// A host with a network that is warm, an empty sandbox, and the state to come back to. One endpoint is attached and
/// detached, and the plugin is killed at every system call.
#[derive(Debug)]
pub struct Ordeal {
    host: Host,
    conf: Conf,
    sandbox: Sandbox,
    before: Snapshot,
}

impl Ordeal {
    /// On this host, which has what the configuration needs.
    #[must_use]
    #[track_caller]
    pub fn new(host: Host, conf: Conf) -> Self {
        host.warm_up(&conf);
        let sandbox = host.sandbox("one");
        let before = host.snapshot();
        Self { host, conf, sandbox, before }
    }

    /// Kills ADD at each of its places, `mends`, and wants the state from before. The places are divided in [`SHARES`].
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn kill_add(&self, share: usize, mend: impl Fn(&Self)) {
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
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn kill_del(&self, share: usize, mend: impl Fn(&Self)) {
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
    #[track_caller]
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

    /// DEL, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
    }

    /// GC with nothing valid, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn gc(&self) {
        self.host.gc(&self.conf).succeeds_silently();
    }
}

/// The state is what it was; asked several times, since the kernel finishes some things a moment later.
fn settled(scene: &Ordeal) -> Result<(), String> {
    let ask = || scene.before.compare(&scene.host.snapshot());
    (0..5).find_map(|_| ask().ok()).map_or_else(ask, Ok)
}
