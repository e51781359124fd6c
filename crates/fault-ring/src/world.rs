//! A host in memory with one network, an IPAM plugin that counts its leases, and the verbs as a runtime calls them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cni::json::Json;
use cni::{AddResult, Attachment, Command, Error, Ip, Request, Route, Version};
use cnm::{Backend, Context, Driver, Kernel, KernelError, Owner};
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};
use lifecycle::Ipam;

use crate::{Case, ONE, Subject};

const IFNAME: &str = "eth0";

/// Everything that outlives a call.
#[derive(Debug, Clone)]
pub struct World<S: Subject> {
    case: &'static Case,
    /// The driver, with its configuration.
    pub driver: S::Driver,
    /// The kernel.
    pub memory: Memory,
    has_neighbour: bool,
    sandboxes: BTreeMap<String, SandboxId>,
    /// Container and its number.
    leases: RefCell<BTreeMap<String, u8>>,
}

/// What a call said, and which calls of its own it made.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What it said.
    pub said: Result<T, Error>,
    /// Its calls, and which failed.
    pub faults: Faults,
}

/// The IPAM plugin of one call.
struct Leases<'a, S: Subject> {
    world: &'a World<S>,
    container: &'a str,
    faults: Faults,
}

/// Whose attachment the container's is.
pub fn owner(container: &str) -> Owner {
    Owner::new("web", container, IFNAME)
}

pub(crate) fn path(container: &str) -> String {
    format!("/run/netns/{container}")
}

impl<S: Subject> World<S> {
    /// A fresh host.
    pub fn new(case: &'static Case) -> Self {
        let mut memory = Memory::without_sandbox().with_vlan_filtering();
        S::furnish(&mut memory);
        let stdin = case.conf(S::Driver::TYPE).into_bytes();
        let request = Request {
            command: Command::Add,
            container_id: "any".into(),
            netns: Some(path("any")),
            ifname: IFNAME.into(),
            args: String::new(),
            path: "/opt/cni/bin".into(),
            netns_override: false,
            conf: Json::parse(&stdin).unwrap(),
            stdin,
            network: "web".into(),
            version: Version::NEWEST,
        };
        let mut host = memory.clone();
        let context = Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) };
        let driver = S::Driver::parse(&request, &context).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        Self { case, driver, memory, has_neighbour: false, sandboxes: BTreeMap::new(), leases: RefCell::default() }
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

    /// A sandbox for the container.
    pub fn add_sandbox(&mut self, container: &str) -> SandboxId {
        let id = self.memory.add_sandbox();
        self.sandboxes.insert(container.to_owned(), id);
        id
    }

    /// The container will get this address.
    pub fn reserve(&mut self, container: &str, number: u8) {
        self.leases.borrow_mut().insert(container.to_owned(), number);
    }

    /// The configuration that this is about.
    pub const fn case(&self) -> &'static Case {
        self.case
    }

    /// The kernel sees this container's sandbox.
    pub fn look_at(&mut self, container: &str) {
        self.memory.look_at(self.sandboxes.get(container).copied());
    }

    /// Whether there was a lease.
    pub fn forget_lease(&mut self, container: &str) -> bool {
        self.leases.borrow_mut().remove(container).is_some()
    }

    /// The container's last process ends.
    pub fn destroy_sandbox(&mut self, container: &str) {
        self.look_at(container);
        self.sandboxes.remove(container);
        self.memory.destroy_sandbox();
    }

    /// Runs a verb on the kernel and the IPAM plugin with one fault between them.
    fn call<T>(
        &mut self,
        container: &str,
        sandbox: bool,
        fault: Fault,
        verb: impl FnOnce(&S::Driver, &mut Faulty<Memory>, Option<&dyn Ipam>) -> Result<T, Error>,
    ) -> Outcome<T> {
        let mut memory = std::mem::take(&mut self.memory);
        memory.look_at(self.sandboxes.get(container).copied().filter(|_| sandbox));
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(memory, faults.clone());
        let ipam = Leases { world: self, container, faults: faults.clone() };
        let ipam = self.driver.ipam().map(|_| &ipam as &dyn Ipam);
        let said = verb(&self.driver, &mut kernel, ipam);
        self.memory = kernel.into_inner();
        // The end of the process.
        self.memory.unlock();
        Outcome { said, faults }
    }

    /// ADD.
    pub fn add(&mut self, container: &str, fault: Fault) -> Outcome<AddResult> {
        self.call(container, true, fault, |driver, kernel, ipam| {
            lifecycle::attach(driver, kernel, ipam, &owner(container), &path(container))
        })
    }

    /// DEL.
    pub fn del(&mut self, container: &str, how: How<'_>, fault: Fault) -> Outcome<()> {
        self.call(container, how.sandbox, fault, |driver, kernel, ipam| {
            lifecycle::detach(driver, kernel, ipam, &owner(container), how.previous)
        })
    }

    /// CHECK.
    ///
    /// # Errors
    /// What it says.
    pub fn check(&mut self, container: &str, previous: &AddResult) -> Result<(), Error> {
        let verb = |driver: &S::Driver, kernel: &mut Faulty<Memory>, ipam: Option<&dyn Ipam>| {
            lifecycle::check(driver, kernel, ipam, &owner(container), &path(container), Some(previous))
        };
        self.call(container, true, Fault::Never, verb).said
    }

    /// GC.
    pub fn gc(&mut self, valid: &[&str], fault: Fault) -> Outcome<()> {
        let attachment = |id: &&str| Attachment { container_id: (*id).to_owned(), ifname: IFNAME.into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        self.call("", false, fault, |driver, kernel, ipam| lifecycle::collect(driver, kernel, ipam, "web", &valid))
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
    /// It has kept the result.
    pub previous: Option<&'a AddResult>,
}

impl<S: Subject> Leases<'_, S> {
    fn asked<T>(&self, what: &str, act: impl FnOnce() -> T) -> Result<T, Error> {
        let refuse = |error: KernelError| Error::internal(error.to_string());
        self.faults.pass(format!("IPAM {what}"), || Ok(act())).map_err(refuse)
    }
}

/// What an IPAM plugin gives to the container with this number.
pub(crate) fn lease(case: &Case, number: u8) -> AddResult {
    let ip = |address: String, gateway: &str| Ip {
        address: address.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        interface: None,
    };
    let mut result = AddResult::default();
    if case.v4 {
        result.ips.push(ip(format!("10.1.0.{number}/24"), "10.1.0.1"));
        result.routes.push(Route::new("10.2.0.0/16".parse().unwrap(), None));
    }
    if case.v6 {
        result.ips.push(ip(format!("fd00:1::{number}/64"), "fd00:1::1"));
    }
    result
}

impl<S: Subject> Ipam for Leases<'_, S> {
    fn add(&self) -> Result<AddResult, Error> {
        self.asked("ADD", || {
            let mut leases = self.world.leases.borrow_mut();
            let free = (2..=254).find(|number| !leases.values().any(|taken| taken == number)).unwrap();
            lease(self.world.case, *leases.entry(self.container.to_owned()).or_insert(free))
        })
    }

    fn del(&self) -> Result<(), Error> {
        self.asked("DEL", || {
            self.world.leases.borrow_mut().remove(self.container);
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.asked("CHECK", || self.world.leases.borrow().contains_key(self.container))? {
            return Ok(());
        }
        Err(Error::internal(format!("no lease for {}", self.container)))
    }

    fn gc(&self, valid: &[Attachment]) -> Result<(), Error> {
        let is_valid = |container: &String| valid.iter().any(|one| one.container_id == *container);
        self.asked("GC", || self.world.leases.borrow_mut().retain(|container, _| is_valid(container)))
    }

    fn status(&self) -> Result<(), Error> {
        Ok(())
    }
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
pub(crate) fn ways(result: &AddResult) -> [How<'_>; 4] {
    [(true, true), (true, false), (false, true), (false, false)]
        .map(|(sandbox, known)| How { sandbox, previous: known.then_some(result) })
}

pub(crate) fn told(how: How<'_>) -> String {
    let with = |yes: bool| if yes { "with" } else { "without" };
    format!("{} sandbox, {} result", with(how.sandbox), with(how.previous.is_some()))
}
