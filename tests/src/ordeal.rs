//! SIGKILL at every system call of ADD and DEL, or at every change of the network. It must not know what the plugin does between them.

use serde_json::Value;

use crate::{Call, Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};

/// In how many tests, and so processes, the places to die are divided.
pub const SHARES: usize = 4;

/// A host that is warm, a sandbox, and the state to come back to. The sandbox is attached and detached, and the plugin is
/// killed at every system call.
#[derive(Debug)]
pub struct Ordeal {
    host: Host,
    conf: Conf,
    /// The result that the plugins before this one have told.
    previous: Option<Value>,
    sandbox: Sandbox,
    before: Snapshot,
}

impl Ordeal {
    /// Of a network on this host, which has what the configuration needs.
    #[must_use]
    #[track_caller]
    pub fn new(host: Host, conf: Conf) -> Self {
        host.warm_up(&conf);
        let sandbox = host.sandbox("one");
        Self::of(host, conf, sandbox)
    }

    /// Of a chained plugin, behind those that have told this result of the sandbox.
    #[must_use]
    #[track_caller]
    pub fn behind(host: Host, conf: Conf, sandbox: Sandbox, previous: &Value) -> Self {
        let scene = Self { previous: Some(previous.clone()), ..Self::of(host, conf, sandbox) };
        scene.add();
        scene.del();
        Self { before: scene.host.snapshot(), ..scene }
    }

    /// Of a configuration and a sandbox on this host as it is now.
    #[must_use]
    #[track_caller]
    pub fn of(host: Host, conf: Conf, sandbox: Sandbox) -> Self {
        let before = host.snapshot();
        Self { host, conf, previous: None, sandbox, before }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The sandbox.
    #[must_use]
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A call with all that a runtime may know, to be run.
    pub fn calling(&self, verb: &str) -> Call<'_> {
        let told = |previous: &Value| self.conf.clone().after(previous);
        let conf = self.previous.as_ref().map_or_else(|| self.conf.clone(), told);
        self.host.calling(verb, &conf, &self.sandbox)
    }

    /// Kills ADD at each of its places, `mends`, and wants the state from before. The places are divided in [`SHARES`].
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn kill_add(&self, share: usize, mend: impl Fn(&Self)) {
        self.kill(share, |_| {}, |scene| scene.calling("ADD"), mend, Self::is_as_before);
    }

    /// Kills DEL at each of its places; the next `mends`.
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn kill_del(&self, share: usize, mend: impl Fn(&Self)) {
        self.kill(share, Self::add, |scene| scene.calling("DEL"), mend, Self::is_as_before);
    }

    /// Kills a call at each of its places of this share: `prepare`, the call, `mend`, after which it must be `well`.
    ///
    /// # Panics
    /// With what is not well.
    #[track_caller]
    pub fn kill<'a>(
        &'a self,
        share: usize,
        prepare: impl Fn(&Self),
        call: impl Fn(&'a Self) -> Call<'a>,
        mend: impl Fn(&Self),
        well: impl Fn(&Self) -> Result<(), String>,
    ) {
        prepare(self);
        let (places, outcome) = SystemCalls::of(call(self));
        outcome.succeeds();
        mend(self);
        well(self).expect("well after what was not killed");
        let mine: Vec<Crash> = places.crashes().into_iter().skip(share).step_by(SHARES).collect();
        self.die_at(&mine, 9, prepare, call, mend, well);
    }

    /// Kills ADD where it would send a change of the network to the kernel, and nowhere else ([`Crash::before_changes`]). For
    /// machines on which everything takes long: there are so few such places that nothing is divided, and after each
    /// death only the links are compared, all of the state after the last.
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn kill_add_between_changes(&self, mend: impl Fn(&Self)) {
        let before = self.links();
        let (places, outcome) = Crash::before_changes(self.calling("ADD"));
        outcome.succeeds();
        mend(self);
        self.is_as_before().expect("well after what was not killed");
        let well = |scene: &Self| {
            let now = scene.links();
            if now == before { Ok(()) } else { Err(format!("the links are {now:?}, not {before:?}")) }
        };
        self.die_at(&places, 4, |_| {}, |scene| scene.calling("ADD"), mend, well);
        self.is_as_before().expect("well after all deaths");
    }

    /// The names of the host's links and of those in the sandbox.
    #[track_caller]
    fn links(&self) -> Vec<String> {
        self.host.links().into_iter().chain(self.sandbox.links()).map(|link| link.name).collect()
    }

    /// Kills a call at these places, of which at least so many must kill.
    #[track_caller]
    fn die_at<'a>(
        &'a self,
        mine: &[Crash],
        least: usize,
        prepare: impl Fn(&Self),
        call: impl Fn(&'a Self) -> Call<'a>,
        mend: impl Fn(&Self),
        well: impl Fn(&Self) -> Result<(), String>,
    ) {
        let mut survived = Vec::new();
        for place in mine {
            prepare(self);
            let died = place.strike(call(self));
            mend(self);
            if let Err(difference) = well(self) {
                panic!("after death at {} number {}: {difference}", place.name, place.nth);
            }
            if died.status.code().is_some() {
                survived.push(place);
            }
        }
        // Not every run makes as many system calls as the one that was counted: that one may have rebuilt a cache.
        let died = mine.len() - survived.len();
        assert!(died >= least && died * 4 >= mine.len() * 3, "{died} of {} died; the others: {survived:?}", mine.len());
    }

    /// ADD, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn add(&self) {
        self.calling("ADD").run().succeeds();
    }

    /// ADD without a DEL before it, then DEL.
    ///
    /// # Panics
    /// When either fails.
    #[track_caller]
    pub fn add_and_del(&self) {
        self.add();
        self.del();
    }

    /// DEL without the sandbox.
    ///
    /// # Panics
    /// When it does not succeed.
    #[track_caller]
    pub fn del_without_sandbox(&self) {
        self.host.calling("DEL", &self.conf, &self.sandbox).netns("").run().succeeds_silently();
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

    /// The state is what it was; asked several times, since the kernel finishes some things a moment later.
    ///
    /// # Errors
    /// What differs.
    pub fn is_as_before(&self) -> Result<(), String> {
        let ask = || self.before.compare(&self.host.snapshot());
        (0..5).find_map(|_| ask().ok()).map_or_else(ask, Ok)
    }
}
