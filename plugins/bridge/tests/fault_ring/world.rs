//! A host in memory with a bridge network, an IPAM plugin that counts its leases, and the verbs as a runtime calls
//! them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bridge::Bridge;
use cni::json::Json;
use cni::{AddResult, Attachment, Command, Error, Ip, Request, Route, Version};
use cnm::{Backend, Context, Driver, Kernel, KernelError, Owner};
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};
use lifecycle::Ipam;

use crate::cases::Case;

const IFNAME: &str = "eth0";

/// Everything that outlives a call.
#[derive(Debug, Clone)]
pub(crate) struct World {
    case: &'static Case,
    pub(crate) driver: Bridge,
    pub(crate) memory: Memory,
    sandboxes: BTreeMap<String, SandboxId>,
    /// Container and its number.
    leases: RefCell<BTreeMap<String, u8>>,
}

/// What a call said, and which calls of its own it made.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) said: Result<T, Error>,
    pub(crate) faults: Faults,
}

/// The IPAM plugin of one call.
struct Leases<'a> {
    world: &'a World,
    container: &'a str,
    faults: Faults,
}

pub(crate) fn owner(container: &str) -> Owner {
    Owner::new("web", container, IFNAME)
}

pub(crate) fn path(container: &str) -> String {
    format!("/run/netns/{container}")
}

impl World {
    /// A fresh host.
    pub(crate) fn new(case: &'static Case) -> Self {
        let memory = Memory::without_sandbox().with_vlan_filtering();
        let stdin = case.conf().into_bytes();
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
        let driver = Bridge::parse(&request, &context).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        Self { case, driver, memory, sandboxes: BTreeMap::new(), leases: RefCell::default() }
    }

    /// The same host with a container that is attached and must not notice anything.
    pub(crate) fn with_neighbour(mut self) -> Self {
        self.add_sandbox("neighbour");
        let said = self.add("neighbour", Fault::Never).said;
        said.unwrap_or_else(|error| panic!("{}: the neighbour's ADD: {error}", self.case.name));
        self
    }

    pub(crate) fn add_sandbox(&mut self, container: &str) -> SandboxId {
        let id = self.memory.add_sandbox();
        self.sandboxes.insert(container.to_owned(), id);
        id
    }

    /// The container will get this address.
    pub(crate) fn reserve(&mut self, container: &str, number: u8) {
        self.leases.borrow_mut().insert(container.to_owned(), number);
    }

    pub(crate) const fn case(&self) -> &'static Case {
        self.case
    }

    /// The kernel sees this container's sandbox.
    pub(crate) fn look_at(&mut self, container: &str) {
        self.memory.look_at(self.sandboxes.get(container).copied());
    }

    /// Whether there was a lease.
    pub(crate) fn forget_lease(&mut self, container: &str) -> bool {
        self.leases.borrow_mut().remove(container).is_some()
    }

    pub(crate) fn destroy_sandbox(&mut self, container: &str) {
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
        verb: impl FnOnce(&Bridge, &mut Faulty<Memory>, Option<&dyn Ipam>) -> Result<T, Error>,
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

    pub(crate) fn add(&mut self, container: &str, fault: Fault) -> Outcome<AddResult> {
        self.call(container, true, fault, |driver, kernel, ipam| {
            lifecycle::attach(driver, kernel, ipam, &owner(container), &path(container))
        })
    }

    pub(crate) fn del(&mut self, container: &str, how: How<'_>, fault: Fault) -> Outcome<()> {
        self.call(container, how.sandbox, fault, |driver, kernel, ipam| {
            lifecycle::detach(driver, kernel, ipam, &owner(container), how.previous)
        })
    }

    pub(crate) fn check(&mut self, container: &str, previous: &AddResult) -> Result<(), Error> {
        let verb = |driver: &Bridge, kernel: &mut Faulty<Memory>, ipam: Option<&dyn Ipam>| {
            lifecycle::check(driver, kernel, ipam, &owner(container), &path(container), Some(previous))
        };
        self.call(container, true, Fault::Never, verb).said
    }

    pub(crate) fn gc(&mut self, valid: &[&str], fault: Fault) -> Outcome<()> {
        let attachment = |id: &&str| Attachment { container_id: (*id).to_owned(), ifname: IFNAME.into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        self.call("", false, fault, |driver, kernel, ipam| lifecycle::collect(driver, kernel, ipam, "web", &valid))
    }

    /// Everything, leases included, a line each.
    pub(crate) fn everything(&self) -> Vec<String> {
        let leases = self.leases.borrow();
        let leases = leases.iter().map(|(container, number)| format!("lease {number} of {container}"));
        self.memory.snapshot().lines().map(str::to_owned).chain(leases).collect()
    }

    /// Everything but what the network owns and keeps.
    pub(crate) fn unshared(&self) -> Vec<String> {
        let gateway = Owner::new("cni0", "gateway", self.gateway_device()).host_link();
        let shared = |line: &String| {
            line.starts_with("host link cni0")
                || line.starts_with(&format!("host link {gateway}"))
                || (line.starts_with("host ") && (line.ends_with(" on cni0") || line.contains(" on cni0.")))
                || line.starts_with("host sysctl net/ipv6/conf/cni0")
                || (line.starts_with("host sysctl") && line.ends_with("/forwarding = 1"))
        };
        self.everything().into_iter().filter(|line| !shared(line)).collect()
    }

    /// The device that stands for the gateway in a VLAN.
    fn gateway_device(&self) -> String {
        let vlan = ["100", "5"].into_iter().find(|vlan| self.case.keys.contains(&format!("\"vlan\": {vlan}")));
        format!("cni0.{}", vlan.unwrap_or_default())
    }
}

/// How a runtime calls DEL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    pub(crate) sandbox: bool,
    pub(crate) previous: Option<&'a AddResult>,
}

impl Leases<'_> {
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

impl Ipam for Leases<'_> {
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
