//! A host in memory with one network, and the verbs as a runtime calls them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use cni::{AddResult, Attachment, Command, Error};
use cnm::{Backend, Context, Kernel, Owner};
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};
use lifecycle::Ipam;

use crate::leases::{Leases, Lessor};
use crate::request::{IFNAME, NETWORK, request};
use crate::verbs::{Call, Verbs};
use crate::{Case, ONE, Subject};

/// Everything that outlives a call.
#[derive(Debug, Clone)]
pub struct World<S: Subject> {
    case: &'static Case,
    /// The kernel.
    pub memory: Memory,
    has_neighbour: bool,
    containers: BTreeMap<String, Container>,
    leases: Leases,
    subject: PhantomData<S>,
}

/// What a runtime knows of a container.
#[derive(Debug, Clone)]
struct Container {
    number: u8,
    /// `None` once it has ended.
    sandbox: Option<SandboxId>,
    /// What the plugins before this one have told.
    previous: AddResult,
}

/// What a call said, and which calls of its own it made.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What it said.
    pub said: Result<T, Error>,
    /// Its calls, and which failed.
    pub faults: Faults,
}

/// Whose attachment the container's is.
pub fn owner(container: &str) -> Owner {
    Owner::new(NETWORK, container, IFNAME)
}

impl<S: Subject> World<S> {
    /// A fresh host.
    pub fn new(case: &'static Case) -> Self {
        let mut memory = Memory::without_sandbox().with_vlan_filtering();
        S::furnish(&mut memory);
        Self {
            case,
            memory,
            has_neighbour: false,
            containers: BTreeMap::new(),
            leases: Leases::default(),
            subject: PhantomData,
        }
    }

    /// The same host with a container that is attached and must not notice anything.
    pub fn with_neighbour(mut self) -> Self {
        self.add_sandbox("neighbour");
        let said = self.add("neighbour", Fault::Never).said;
        said.unwrap_or_else(|error| panic!("{}: the neighbour's ADD: {error}", self.case.name));
        self.has_neighbour = true;
        self
    }

    /// Whether [`World::with_neighbour`] has made it.
    pub const fn has_neighbour(&self) -> bool {
        self.has_neighbour
    }

    /// The configuration that this is about.
    pub const fn case(&self) -> &'static Case {
        self.case
    }

    /// The runtime has another configuration now. What was attached stays.
    #[must_use]
    pub fn with_case(self, case: &'static Case) -> Self {
        Self { case, ..self }
    }

    /// A sandbox for the container, behind the plugins that come before this one.
    pub fn add_sandbox(&mut self, container: &str) -> SandboxId {
        let sandbox = self.memory.add_sandbox();
        let number = u8::try_from(self.containers.len()).unwrap() + 2;
        let previous = S::Plugin::precede(self.case, &mut self.memory, &owner(container), number);
        self.containers.insert(container.to_owned(), Container { number, sandbox: Some(sandbox), previous });
        sandbox
    }

    /// What the plugins before this one have told of the container.
    pub fn previous(&self, container: &str) -> AddResult {
        self.containers[container].previous.clone()
    }

    /// The container will get this address.
    pub fn reserve(&mut self, container: &str, number: u8) {
        self.leases.borrow_mut().insert(container.to_owned(), number);
    }

    /// Whether there was a lease.
    pub fn forget_lease(&mut self, container: &str) -> bool {
        self.leases.borrow_mut().remove(container).is_some()
    }

    /// The kernel sees this container's sandbox.
    pub fn look_at(&mut self, container: &str) {
        self.memory.look_at(self.containers.get(container).and_then(|one| one.sandbox));
    }

    /// The container's last process ends.
    pub fn destroy_sandbox(&mut self, container: &str) {
        self.look_at(container);
        self.memory.destroy_sandbox();
        if let Some(one) = self.containers.get_mut(container) {
            one.sandbox = None;
        }
    }

    /// Those that are not `valid` end before GC comes, where it has nothing to say about the living.
    pub(crate) fn outlive(&mut self, valid: &[&str]) {
        let over =
            self.containers.keys().filter(|name| S::goes_with_the_sandbox(self.case) && !valid.contains(&&***name));
        for name in over.cloned().collect::<Vec<_>>() {
            self.destroy_sandbox(&name);
        }
    }

    /// The plugin, called with `command` for the container; `told` what the runtime asks for it.
    pub fn plugin(&mut self, command: Command, container: &str, told: bool) -> S::Plugin {
        let asked = self.containers.get(container).filter(|_| told).map(|one| S::asked(one.number));
        let stdin = self.case.conf::<S::Plugin>(&asked.unwrap_or_default()).into_bytes();
        let host = RefCell::new(&mut self.memory);
        let context = Context { preferred_backend: &|| Backend::Nftables, host: &host };
        let plugin = S::Plugin::read(request(command, container, stdin), &context);
        plugin.unwrap_or_else(|error| panic!("{}: {error}", self.case.name))
    }

    /// Runs a verb on the kernel and the IPAM plugin with one fault between them.
    fn call<T>(
        &mut self,
        plugin: &S::Plugin,
        container: &str,
        sandbox: bool,
        fault: Fault,
        verb: impl FnOnce(&S::Plugin, Call<'_>) -> Result<T, Error>,
    ) -> Outcome<T> {
        self.memory.look_at(self.containers.get(container).and_then(|one| one.sandbox).filter(|_| sandbox));
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(std::mem::take(&mut self.memory), faults.clone());
        let lessor = Lessor { case: self.case, leases: &self.leases, container, faults: faults.clone() };
        let ipam = plugin.has_ipam().then_some(&lessor as &dyn Ipam);
        let said = verb(plugin, Call { kernel: &mut kernel, ipam, owner: &owner(container) });
        self.memory = kernel.into_inner();
        // The end of the process.
        self.memory.unlock();
        Outcome { said, faults }
    }

    /// ADD.
    pub fn add(&mut self, container: &str, fault: Fault) -> Outcome<AddResult> {
        let plugin = self.plugin(Command::Add, container, true);
        let previous = self.previous(container);
        self.call(&plugin, container, true, fault, |plugin, call| plugin.add(call, previous))
    }

    /// DEL.
    pub fn del(&mut self, container: &str, how: How<'_>, fault: Fault) -> Outcome<()> {
        let plugin = self.plugin(Command::Del, container, how.previous.is_some());
        self.call(&plugin, container, how.sandbox, fault, |plugin, call| plugin.del(call, how.previous))
    }

    /// CHECK.
    ///
    /// # Errors
    /// What it says.
    pub fn check(&mut self, container: &str, previous: &AddResult) -> Result<(), Error> {
        let plugin = self.plugin(Command::Check, container, true);
        self.call(&plugin, container, true, Fault::Never, |plugin, call| plugin.check(call, previous)).said
    }

    /// GC.
    pub fn gc(&mut self, valid: &[&str], fault: Fault) -> Outcome<()> {
        let attachment = |id: &&str| Attachment { container_id: (*id).to_owned(), ifname: IFNAME.into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        let plugin = self.plugin(Command::Gc, "", false);
        self.call(&plugin, "", false, fault, |plugin, call| plugin.gc(call, &valid))
    }

    /// Everything, leases included, a line each.
    pub fn everything(&self) -> Vec<String> {
        let leases = self.leases.borrow();
        let leases = leases.iter().map(|(container, number)| format!("lease {number} of {container}"));
        self.memory.snapshot().lines().map(str::to_owned).chain(leases).collect()
    }

    /// Everything but what the network keeps when its endpoints have gone.
    pub fn unshared(&self) -> Vec<String> {
        self.everything().into_iter().filter(|line| !S::stays(self.case, line)).collect()
    }
}

/// How a runtime calls DEL.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// It names the sandbox.
    pub sandbox: bool,
    /// It has kept the result, and what it asked for with it.
    pub previous: Option<&'a AddResult>,
}

/// Each case on a fresh host, and beside a neighbour.
pub fn worlds<S: Subject>() -> impl Iterator<Item = (&'static Case, String, World<S>)> {
    S::CASES.iter().flat_map(|case| {
        let mut alone = World::new(case);
        alone.add_sandbox(ONE);
        let mut beside = World::new(case).with_neighbour();
        beside.add_sandbox(ONE);
        [(case, case.name.to_owned(), alone), (case, format!("{} beside a neighbour", case.name), beside)]
    })
}

/// The same with the container attached.
pub(crate) fn attached<S: Subject>() -> impl Iterator<Item = (String, World<S>, World<S>, AddResult)> {
    worlds::<S>().map(|(_, name, before)| {
        let mut after = before.clone();
        let result = after.add(ONE, Fault::Never).said.unwrap_or_else(|error| panic!("{name}: ADD: {error}"));
        (name, before, after, result)
    })
}

/// With and without the sandbox, with and without the result.
pub(crate) fn ways<'a, S: Subject>(case: &Case, result: &'a AddResult) -> Vec<How<'a>> {
    let all = [(true, true), (true, false), (false, true), (false, false)];
    let possible = all.into_iter().filter(|(sandbox, _)| *sandbox || !S::is_found_inside(case));
    possible.map(|(sandbox, known)| How { sandbox, previous: known.then_some(result) }).collect()
}

pub(crate) fn told(how: How<'_>) -> String {
    let with = |yes: bool| if yes { "with" } else { "without" };
    format!("{} sandbox, {} result", with(how.sandbox), with(how.previous.is_some()))
}
