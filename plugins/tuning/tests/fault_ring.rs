//! The fake ring: every call of every verb fails once, the process dies at every call, and each time the interface is
//! afterwards what it was before the first change, and no note is left. The kernel is the one in memory; nothing here
//! needs root. Variables of the sandbox are left out: they stay as long as it does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use std::cell::RefCell;

use cni::json::Json;
use cni::{AddResult, Attachment, Command, Error, Request, Version};
use cnm::{Backend, Chained, Context, Kernel, LinkKind, LinkSpec, Mac, Owner, Peer, Place};
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId, Snapshot};
use tuning::Tuner;

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;
const SANDBOX: &str = "/run/netns/one";

const CASES: &[(&str, &str)] = &[
    ("nothing", r#""dns": {}"#),
    ("a variable", r#""sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}"#),
    ("mac", r#""mac": "02:11:22:33:44:55""#),
    ("mtu", r#""mtu": 1400"#),
    (
        "everything",
        r#""mac": "02:11:22:33:44:66", "mtu": 1300, "promisc": true, "allmulti": true, "txQLen": 200,
           "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "1", "net.ipv6.conf.IFNAME.accept_ra": "0"}"#,
    ),
];

#[derive(Debug, Clone)]
struct World {
    name: &'static str,
    tuner: Tuner,
    memory: Memory,
    sandbox: SandboxId,
}

fn owner() -> Owner {
    Owner::new("web", "one", "eth0")
}

fn tuner(keys: &str) -> Tuner {
    let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": "web", "type": "tuning", {keys}}}"#).into_bytes();
    let request = Request {
        // Not ADD, which asks this machine's list of allowed variables.
        command: Command::Check,
        container_id: "one".into(),
        netns: Some(SANDBOX.into()),
        ifname: "eth0".into(),
        args: String::new(),
        path: String::new(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: "web".into(),
        version: Version::NEWEST,
    };
    let mut host = Memory::new();
    let context = Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) };
    Tuner::parse(&request, &context).unwrap()
}

impl World {
    fn new(case: &(&'static str, &str)) -> Self {
        let mut memory = Memory::without_sandbox();
        let sandbox = memory.add_sandbox();
        let peer = Peer { name: "eth0".into(), in_sandbox: true, mac: Some(Mac([2, 0, 0, 0, 0, 2])) };
        let spec = LinkSpec { up: true, ..LinkSpec::new(owner().host_link(), LinkKind::Veth { peer }) };
        memory.create(Place::Host, &spec).unwrap();
        Self { name: case.0, tuner: tuner(case.1), memory, sandbox }
    }

    fn all() -> Vec<Self> {
        CASES.iter().map(Self::new).collect()
    }

    fn call<T>(
        &mut self,
        sandbox: bool,
        fault: Fault,
        verb: impl FnOnce(&Tuner, &mut Faulty<Memory>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Faults) {
        let mut memory = std::mem::take(&mut self.memory);
        memory.look_at(Some(self.sandbox).filter(|_| sandbox));
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(memory, faults.clone());
        let said = verb(&self.tuner, &mut kernel);
        self.memory = kernel.into_inner();
        self.memory.unlock();
        (said, faults)
    }

    fn add(&mut self, fault: Fault) -> (Result<AddResult, Error>, Faults) {
        let verb =
            |tuner: &Tuner, kernel: &mut _| lifecycle::adjust(tuner, kernel, &owner(), SANDBOX, AddResult::default());
        self.call(true, fault, verb)
    }

    fn del(&mut self, sandbox: bool, fault: Fault) -> Faults {
        let (said, faults) =
            self.call(sandbox, fault, |tuner, kernel| lifecycle::withdraw(tuner, kernel, &owner(), None));
        said.unwrap_or_else(|error| panic!("{}: DEL never fails: {error}", self.name));
        faults
    }

    fn check(&mut self) -> Result<(), Error> {
        let verb = |tuner: &Tuner, kernel: &mut _| {
            lifecycle::check_adjustment(tuner, kernel, &owner(), SANDBOX, AddResult::default())
        };
        self.call(true, Fault::Never, verb).0
    }

    fn gc(&mut self, network: &str, valid: &[&str]) {
        let attachment = |id: &&str| Attachment { container_id: (*id).into(), ifname: "eth0".into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        let verb = |tuner: &Tuner, kernel: &mut _| lifecycle::collect_traces(tuner, kernel, network, &valid);
        self.call(false, Fault::Never, verb).0.unwrap();
    }

    fn end(&mut self) {
        self.memory.look_at(Some(self.sandbox));
        self.memory.destroy_sandbox();
    }

    fn state(&self) -> Snapshot {
        self.memory.snapshot().without(|line| line.contains("sysctl"))
    }

    fn notes(&self) -> usize {
        self.state().lines().filter(|line| line.starts_with("note ")).count()
    }

    #[track_caller]
    fn is(&self, before: &Self, what: &str) {
        let difference = before.state().difference(&self.state());
        assert!(difference.is_empty(), "{what}: {difference:#?}");
    }
}

#[test]
fn every_call_of_add_fails_once() {
    for before in World::all() {
        let mut fine = before.clone();
        let (said, faults) = fine.add(Fault::Never);
        said.unwrap();
        fine.check().unwrap();
        for (call, what) in (1..).zip(&faults.calls()) {
            let what = format!("{}, call {call}: {what}", before.name);
            let mut world = before.clone();
            let (said, faults) = world.add(Fault::Refused { call, errno: ERRNO });
            assert!(faults.failed().is_some() && said.is_err(), "{what}: nothing failed");
            world.is(&before, &what);
            world.add(Fault::Never).0.unwrap_or_else(|error| panic!("{what}, again: {error}"));
            world.is(&fine, &format!("{what}, again"));
            world.check().unwrap_or_else(|error| panic!("{what}, CHECK: {error}"));
        }
    }
}

#[test]
fn every_call_of_del_fails_once() {
    for before in World::all() {
        let mut after = before.clone();
        after.add(Fault::Never).0.unwrap();
        let calls = after.clone().del(true, Fault::Never).calls();
        for (call, what) in (1..).zip(&calls) {
            let what = format!("{}, call {call}: {what}", before.name);
            let mut world = after.clone();
            let _ = world.del(true, Fault::Refused { call, errno: ERRNO });
            let _ = world.del(true, Fault::Never);
            world.is(&before, &format!("{what}, again"));
        }
    }
}

#[test]
fn the_process_dies_at_every_call_of_add_and_del() {
    for before in World::all() {
        let mut after = before.clone();
        let calls = after.add(Fault::Never).1.calls();
        let deaths = calls.len();
        let mut worlds: Vec<(String, World)> = Vec::new();
        for (call, what) in (1..).zip(calls) {
            let mut world = before.clone();
            assert!(world.add(Fault::DeathAfter { call }).0.is_err() || call == deaths, "{what}: it lives");
            worlds.push((format!("{}, ADD dies after call {call}: {what}", before.name), world));
        }
        for (call, what) in (1..).zip(after.clone().del(true, Fault::Never).calls()) {
            let mut world = after.clone();
            let _ = world.del(true, Fault::DeathAfter { call });
            worlds.push((format!("{}, DEL dies after call {call}: {what}", before.name), world));
        }
        for (what, world) in worlds {
            let mut detached = world.clone();
            let _ = detached.del(true, Fault::Never);
            detached.is(&before, &format!("{what}: DEL"));
            // The runtime tries again without DEL; the first values are restored all the same.
            let mut again = world.clone();
            again.add(Fault::Never).0.unwrap();
            again.check().unwrap_or_else(|error| panic!("{what}, CHECK: {error}"));
            let _ = again.del(true, Fault::Never);
            again.is(&before, &format!("{what}: ADD, DEL"));
            for gc in [true, false] {
                let mut dead = world.clone();
                dead.end();
                if gc {
                    dead.gc("web", &[]);
                } else {
                    let _ = dead.del(false, Fault::Never);
                }
                assert_eq!(dead.notes(), 0, "{what}: the sandbox dies, GC {gc}");
            }
        }
    }
}

#[test]
fn what_was_there_first_is_restored_whatever_was_changed_in_between() {
    for first in CASES {
        for second in CASES {
            let before = World::new(first);
            let mut world = before.clone();
            world.add(Fault::Never).0.unwrap();
            world.tuner = tuner(second.1);
            world.add(Fault::Never).0.unwrap();
            world.check().unwrap();
            let _ = world.del(true, Fault::Never);
            world.is(&before, &format!("{} then {}", first.0, second.0));
        }
    }
}

#[test]
fn gc_forgets_the_dead_of_its_network_only() {
    let mut world = World::new(&CASES[4]);
    world.add(Fault::Never).0.unwrap();
    world.gc("web", &["one"]);
    world.gc("other", &[]);
    assert_eq!(world.notes(), 1);
    // The reference plugin's note does not say whose it is.
    world.memory.notes().write("/run/cni/tuning", "two_eth0.json", "{\n \"mtu\": 1500\n}").unwrap();
    world.gc("web", &["three"]);
    assert_eq!(world.notes(), 1);
    assert!(world.state().lines().any(|line| line.contains("two_eth0.json")));
}
