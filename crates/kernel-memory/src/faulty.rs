//! A kernel of which one chosen call fails, or everything from one call on. It counts what is asked and remembers
//! which call it was.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use cnm::{
    Backend, Change, Claimed, Elsewhere, Facility, FdbEntry, Firewall, Gatekeeper, Intent, Kernel, KernelError, Link,
    LinkName, LinkSpec, Mac, Neighbour, Notes, Owner, OwnerTag, Place, PortVlan, Queueing, Route, RouteLookup, Share,
};
use ipnet::IpNet;

use crate::EIO;

/// What goes wrong. Calls are counted from 1; each change of [`Kernel::apply`] is one call, and so is each of the
/// firewall's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: for counting.
    Never,
    /// The call is refused and nothing was done.
    Refused {
        /// Which.
        call: usize,
        /// With what.
        errno: i32,
    },
    /// The call is done, but its answer is an error.
    AnswerLost {
        /// Which.
        call: usize,
        /// With what.
        errno: i32,
    },
    /// The process dies before this call: it and all later ones do nothing.
    DeathBefore {
        /// Which.
        call: usize,
    },
    /// The process dies after this call: it is done, all later ones do nothing.
    DeathAfter {
        /// Which.
        call: usize,
    },
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 1.
    pub number: usize,
    /// Verb and object: `create address 10.1.2.3/24 on eth0 in the sandbox`.
    pub what: String,
}

/// Whether a call is done, and whether its answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Undone(i32),
    Unanswered(i32),
}

#[derive(Debug)]
struct Plan {
    fault: Fault,
    calls: Vec<String>,
    failed: Option<Call>,
}

/// One count of calls and one fault. Clones share them, so that other fakes (an IPAM plugin, say) fail and die with
/// the kernel.
#[derive(Debug, Clone)]
pub struct Faults(Rc<RefCell<Plan>>);

impl Faults {
    /// Starts counting.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self(Rc::new(RefCell::new(Plan { fault, calls: Vec::new(), failed: None })))
    }

    /// What was asked so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.0.borrow().calls.clone()
    }

    /// The call that failed (for a death: the last that the kernel saw, or the first that it did not).
    #[must_use]
    pub fn failed(&self) -> Option<Call> {
        self.0.borrow().failed.clone()
    }

    /// Counts a call and decides what becomes of it.
    fn ask(&self, what: &str) -> Fate {
        let mut plan = self.0.borrow_mut();
        plan.calls.push(what.to_owned());
        let number = plan.calls.len();
        let fate = match plan.fault {
            Fault::Refused { call, errno } if number == call => Fate::Undone(errno),
            Fault::AnswerLost { call, errno } if number == call => Fate::Unanswered(errno),
            Fault::DeathBefore { call } if number >= call => Fate::Undone(EIO),
            Fault::DeathAfter { call } if number == call => Fate::Unanswered(EIO),
            Fault::DeathAfter { call } if number > call => Fate::Undone(EIO),
            Fault::Never
            | Fault::Refused { .. }
            | Fault::AnswerLost { .. }
            | Fault::DeathBefore { .. }
            | Fault::DeathAfter { .. } => Fate::Fine,
        };
        if fate != Fate::Fine && plan.failed.is_none() {
            plan.failed = Some(Call { number, what: what.to_owned() });
        }
        fate
    }

    /// Counts the call `what` and lets `act` do it, unless it must fail.
    ///
    /// # Errors
    /// The fault, or what `act` says.
    pub fn pass<T>(&self, what: String, act: impl FnOnce() -> Result<T, KernelError>) -> Result<T, KernelError> {
        match self.ask(&what) {
            Fate::Fine => act(),
            Fate::Undone(errno) => Err(KernelError::new(what, errno, "injected: nothing was done")),
            Fate::Unanswered(errno) => {
                act()?;
                Err(KernelError::new(what, errno, "injected: the answer was lost"))
            }
        }
    }
}

/// What a scheduler does before a call: it may wait, and exchange the kernel.
pub type Hook<K> = Box<dyn FnMut(&str, &mut K)>;

/// A kernel that fails as told; else it is the kernel inside.
pub struct Faulty<K> {
    inner: K,
    faults: Faults,
    before: Option<Hook<K>>,
}

impl<K: Kernel> Faulty<K> {
    /// Wraps `inner`.
    pub const fn new(inner: K, faults: Faults) -> Self {
        Self { inner, faults, before: None }
    }

    /// Calls `before` with the words of each call, [`Kernel::unlock`] included, before it is done.
    #[must_use]
    pub fn scheduled(self, before: Hook<K>) -> Self {
        Self { before: Some(before), ..self }
    }

    /// The kernel inside.
    pub const fn inner(&self) -> &K {
        &self.inner
    }

    /// The kernel inside, past all faults.
    pub const fn inner_mut(&mut self) -> &mut K {
        &mut self.inner
    }

    /// The kernel inside, for good.
    pub fn into_inner(self) -> K {
        self.inner
    }

    fn pass<T>(&mut self, what: String, act: impl FnOnce(&mut K) -> Result<T, KernelError>) -> Result<T, KernelError> {
        let inner = &mut self.inner;
        if let Some(before) = &mut self.before {
            before(&what, inner);
        }
        self.faults.pass(what, || act(inner))
    }
}

impl<K: Kernel> Kernel for Faulty<K> {
    fn has_sandbox(&self) -> bool {
        self.inner.has_sandbox()
    }

    fn random_mac(&mut self) -> Mac {
        self.inner.random_mac()
    }

    fn create(&mut self, place: Place, spec: &LinkSpec) -> Result<Claimed, KernelError> {
        let born_in = spec.born_when_asked_in(place);
        let what = format!("create {} {} {born_in}", spec.kind.as_str(), spec.name);
        self.pass(what, |inner| inner.create(place, spec))
    }

    fn apply(&mut self, place: Place, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        let one = |change: &Change| {
            let what = format!("{change} {place}");
            self.pass(what, |inner| inner.apply(place, std::slice::from_ref(change)).into_iter().collect())
        };
        changes.iter().map(one).collect()
    }

    fn link(&mut self, place: Place, name: &LinkName) -> Result<Option<Link>, KernelError> {
        self.pass(format!("look up {name} {place}"), |inner| inner.link(place, name))
    }

    fn links(&mut self, place: Place, master: u32) -> Result<Vec<Link>, KernelError> {
        self.pass(format!("list links {place}"), |inner| inner.links(place, master))
    }

    fn has_port(&mut self, master: u32, group: u32) -> Result<bool, KernelError> {
        self.pass("list bridge ports on the host".into(), |inner| inner.has_port(master, group))
    }

    fn find_elsewhere(
        &mut self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Elsewhere) -> bool,
    ) -> Result<Option<Elsewhere>, KernelError> {
        self.pass(format!("look for links elsewhere, {}", kind.unwrap_or("of all kinds")), |inner| {
            inner.find_elsewhere(kind, wanted)
        })
    }

    fn default_link(&mut self, place: Place) -> Result<Option<Link>, KernelError> {
        self.pass(format!("look up the default route {place}"), |inner| inner.default_link(place))
    }

    fn addresses(&mut self, place: Place, link: u32) -> Result<Vec<IpNet>, KernelError> {
        self.pass(format!("list addresses {place}"), |inner| inner.addresses(place, link))
    }

    fn routes(&mut self, place: Place, link: u32) -> Result<Vec<Route>, KernelError> {
        self.pass(format!("list routes {place}"), |inner| inner.routes(place, link))
    }

    fn fdb(&mut self, place: Place, link: u32) -> Result<Vec<FdbEntry>, KernelError> {
        self.pass(format!("list forwarding entries {place}"), |inner| inner.fdb(place, link))
    }

    fn neighbours(&mut self, place: Place, link: u32) -> Result<Vec<Neighbour>, KernelError> {
        self.pass(format!("list neighbours {place}"), |inner| inner.neighbours(place, link))
    }

    fn vlans(&mut self, place: Place, link: u32) -> Result<Vec<PortVlan>, KernelError> {
        self.pass(format!("list the VLANs of a bridge port {place}"), |inner| inner.vlans(place, link))
    }

    fn route_to(&mut self, place: Place, to: IpAddr) -> Result<Option<RouteLookup>, KernelError> {
        self.pass(format!("look up the route to {to} {place}"), |inner| inner.route_to(place, to))
    }

    fn wait_up(&mut self, name: &LinkName) -> Result<Link, KernelError> {
        self.pass(format!("wait for {name} to come up"), |inner| inner.wait_up(name))
    }

    fn queueing(&mut self, link: u32) -> Result<Queueing, KernelError> {
        self.pass(format!("look up the queueing discipline of link {link}"), |inner| inner.queueing(link))
    }

    fn has(&mut self, facility: Facility) -> Result<bool, KernelError> {
        self.pass(format!("ask for {facility}"), |inner| inner.has(facility))
    }

    fn sysctl(&mut self, place: Place, key: &str) -> Result<Option<String>, KernelError> {
        self.pass(format!("read the sysctl {key} {place}"), |inner| inner.sysctl(place, key))
    }

    fn set_sysctl(&mut self, place: Place, key: &str, value: &str) -> Result<(), KernelError> {
        self.pass(format!("set the sysctl {key} to {value} {place}"), |inner| inner.set_sysctl(place, key, value))
    }

    fn lock(&mut self, exclusive: bool) -> Result<(), KernelError> {
        let kind = if exclusive { "exclusive" } else { "shared" };
        self.pass(format!("take the host's lock, {kind}"), |inner| inner.lock(exclusive))
    }

    fn unlock(&mut self) {
        if let Some(before) = &mut self.before {
            before("give the host's lock back", &mut self.inner);
        }
        self.inner.unlock();
    }

    fn notes(&mut self) -> &mut dyn Notes {
        self
    }

    fn firewall(&mut self) -> &mut dyn Firewall {
        self
    }
}

impl<K: Kernel> Notes for Faulty<K> {
    fn read(&mut self, folder: &str, name: &str) -> Result<Option<String>, KernelError> {
        self.pass(format!("read {folder}/{name}"), |inner| inner.notes().read(folder, name))
    }

    fn write(&mut self, folder: &str, name: &str, text: &str) -> Result<(), KernelError> {
        self.pass(format!("write {folder}/{name}"), |inner| inner.notes().write(folder, name, text))
    }

    fn remove(&mut self, folder: &str, name: &str) -> Result<(), KernelError> {
        self.pass(format!("remove {folder}/{name}"), |inner| inner.notes().remove(folder, name))
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, KernelError> {
        self.pass(format!("list {folder}"), |inner| inner.notes().list(folder))
    }
}

impl<K: Kernel> Firewall for Faulty<K> {
    fn preferred(&mut self) -> Backend {
        self.inner.firewall().preferred()
    }

    fn usable(&mut self, backend: Backend) -> Result<(), KernelError> {
        self.pass(format!("see whether {backend:?} can be used"), |inner| inner.firewall().usable(backend))
    }

    fn forwards(&mut self, gatekeeper: Gatekeeper) -> Result<(), KernelError> {
        self.pass(format!("see whether {gatekeeper:?} can forward"), |inner| inner.firewall().forwards(gatekeeper))
    }

    fn wants_alone(&mut self, intents: &[Intent]) -> bool {
        self.inner.firewall().wants_alone(intents)
    }

    fn install(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let what = format!("install {} firewall elements of {}", intents.len(), owner.container);
        self.pass(what, |inner| inner.firewall().install(owner, intents))
    }

    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError> {
        let what = format!("remove the firewall elements of {}", owner.container);
        self.pass(what, |inner| inner.firewall().remove(owner, known))
    }

    fn withdraw(&mut self, owner: &Owner, share: Share, known: &[Intent]) -> Result<(), KernelError> {
        let what = format!("withdraw {share:?} of {}", owner.container);
        self.pass(what, |inner| inner.firewall().withdraw(owner, share, known))
    }

    fn collect_share(
        &mut self,
        network: &str,
        share: Share,
        keep: &dyn Fn(&OwnerTag) -> bool,
        keep_container: &dyn Fn(&str) -> bool,
    ) -> Result<(), KernelError> {
        self.pass(format!("collect {share:?} of {network}"), |inner| {
            inner.firewall().collect_share(network, share, keep, keep_container)
        })
    }

    fn release(&mut self, network: &str) -> Result<(), KernelError> {
        self.pass(format!("release the firewall of {network}"), |inner| inner.firewall().release(network))
    }

    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let what = format!("compare the firewall elements of {}", owner.container);
        self.pass(what, |inner| inner.firewall().drift(owner, intents))
    }

    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        self.pass(format!("collect the firewall elements of {network}"), |inner| {
            inner.firewall().collect(network, keep)
        })
    }

    fn collect_containers(&mut self, network: &str, keep: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
        self.pass(format!("collect the firewall rules of {network}'s containers"), |inner| {
            inner.firewall().collect_containers(network, keep)
        })
    }
}
