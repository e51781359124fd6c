//! The fake ring: every call of every verb fails once, the process dies at every call, and each time the state
//! afterwards is the state before. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use std::cell::RefCell;

use bandwidth::Limiter;
use cni::json::Json;
use cni::{AddResult, Attachment, Command, Error, Interface, Request, Version};
use cnm::{Backend, Chained, Context, Facility, Kernel, LinkKind, LinkSpec, Mac, Owner, Peer, Place};
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;
const SANDBOX: &str = "/run/netns/one";

const CASES: &[(&str, &str)] = &[
    ("ingress", r#""ingressRate": 8000000, "ingressBurst": 800000"#),
    ("egress", r#""egressRate": 8000000, "egressBurst": 800000"#),
    ("both", r#""ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 1600000"#),
    (
        "except",
        r#""ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 1600000,
           "unshapedSubnets": ["10.0.0.0/8", "fd00::/64"]"#,
    ),
    ("only", r#""egressRate": 8000000, "egressBurst": 800000, "shapedSubnets": ["10.0.0.0/8"]"#),
];

/// A host with one veth to a sandbox, as the plugin before this one in the chain has made it.
#[derive(Debug, Clone)]
struct World {
    name: String,
    limiter: Limiter,
    memory: Memory,
    sandbox: SandboxId,
    owner: Owner,
    previous: AddResult,
}

fn limiter(keys: &str) -> Limiter {
    let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": "web", "type": "bandwidth", {keys}}}"#).into_bytes();
    let request = Request {
        command: Command::Add,
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
    Limiter::parse(&request, &context).unwrap()
}

/// Attaches an interface; the result of the chain.
fn attach(memory: &mut Memory, owner: &Owner, port: &str) -> AddResult {
    let peer = Peer { name: owner.ifname.clone(), in_sandbox: true, mac: Some(Mac([2, 0, 0, 0, 0, 2])) };
    let spec =
        LinkSpec { up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])), ..LinkSpec::new(port, LinkKind::Veth { peer }) };
    memory.create(Place::Host, &spec).unwrap();
    let link =
        |name: &str, sandbox: &str| Interface { name: name.into(), sandbox: sandbox.into(), ..Interface::default() };
    AddResult { interfaces: vec![link(port, ""), link(&owner.ifname, SANDBOX)], ..AddResult::default() }
}

impl World {
    fn new(case: &(&str, &str), port: &str) -> Self {
        let owner = Owner::new("web", "one", "eth0");
        let mut memory = Memory::without_sandbox();
        let sandbox = memory.add_sandbox();
        let previous = attach(&mut memory, &owner, port);
        let name = format!("{} at {port}", case.0);
        Self { name, limiter: limiter(case.1), memory, sandbox, owner, previous }
    }

    /// Each case at a link with our name, and at one with the reference plugins'.
    fn all() -> Vec<Self> {
        let ours = Owner::new("web", "one", "eth0").host_link();
        CASES.iter().flat_map(|case| [Self::new(case, &ours), Self::new(case, "veth0a1b2c3d")]).collect()
    }

    fn call<T>(
        &mut self,
        sandbox: bool,
        fault: Fault,
        verb: impl FnOnce(&Limiter, &mut Faulty<Memory>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Faults) {
        let mut memory = std::mem::take(&mut self.memory);
        memory.look_at(Some(self.sandbox).filter(|_| sandbox));
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(memory, faults.clone());
        let said = verb(&self.limiter, &mut kernel);
        self.memory = kernel.into_inner();
        self.memory.unlock();
        (said, faults)
    }

    fn add(&mut self, fault: Fault) -> (Result<AddResult, Error>, Faults) {
        let (owner, previous) = (self.owner.clone(), self.previous.clone());
        self.call(true, fault, |limiter, kernel| lifecycle::adjust(limiter, kernel, &owner, SANDBOX, previous))
    }

    fn del(&mut self, sandbox: bool, fault: Fault) -> (Result<(), Error>, Faults) {
        let owner = self.owner.clone();
        self.call(sandbox, fault, |limiter, kernel| lifecycle::withdraw(limiter, kernel, &owner, None))
    }

    fn check(&mut self) -> Result<(), Error> {
        let (owner, previous) = (self.owner.clone(), self.previous.clone());
        let verb =
            |limiter: &Limiter, kernel: &mut _| lifecycle::check_adjustment(limiter, kernel, &owner, SANDBOX, previous);
        self.call(true, Fault::Never, verb).0
    }

    fn gc(&mut self, valid: &[(&str, &str)]) -> Result<(), Error> {
        let attachment =
            |(id, ifname): &(&str, &str)| Attachment { container_id: (*id).into(), ifname: (*ifname).into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        self.call(false, Fault::Never, |limiter, kernel| lifecycle::collect_traces(limiter, kernel, "web", &valid)).0
    }

    fn end(&mut self) {
        self.memory.look_at(Some(self.sandbox));
        self.memory.destroy_sandbox();
    }

    /// The host's end has our name, so that DEL finds it without the sandbox.
    fn is_known(&self) -> bool {
        self.previous.interfaces[0].name == self.owner.host_link()
    }

    #[track_caller]
    fn is(&self, before: &Self, what: &str) {
        let difference = before.memory.snapshot().difference(&self.memory.snapshot());
        assert!(difference.is_empty(), "{what}: {difference:#?}");
    }
}

/// What may come after a death: DEL, with the sandbox or without, GC after the sandbox has died.
fn clean_up(world: &World, before: &World, what: &str) {
    let mut with = world.clone();
    with.del(true, Fault::Never).0.unwrap_or_else(|error| panic!("{what}: DEL: {error}"));
    with.is(before, &format!("{what}: DEL"));
    if world.is_known() {
        let mut without = world.clone();
        without.del(false, Fault::Never).0.unwrap_or_else(|error| panic!("{what}: DEL without sandbox: {error}"));
        without.is(before, &format!("{what}: DEL without sandbox"));
    }
    let mut before = before.clone();
    before.end();
    for gc in [true, false] {
        let mut dead = world.clone();
        dead.end();
        if gc { dead.gc(&[]) } else { dead.del(false, Fault::Never).0 }.unwrap();
        dead.is(&before, &format!("{what}: the sandbox dies, GC {gc}"));
    }
}

#[test]
fn every_call_of_add_fails_once() {
    for before in World::all() {
        let mut fine = before.clone();
        let (said, faults) = fine.add(Fault::Never);
        said.unwrap_or_else(|error| panic!("{}: {error}", before.name));
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
        for sandbox in if before.is_known() { &[true, false][..] } else { &[true] } {
            let calls = after.clone().del(*sandbox, Fault::Never).1.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{}, call {call}: {what}", before.name);
                let mut world = after.clone();
                if world.del(*sandbox, Fault::Refused { call, errno: ERRNO }).0.is_ok() {
                    world.is(&before, &format!("{what}, said to be fine"));
                }
                world.del(*sandbox, Fault::Never).0.unwrap_or_else(|error| panic!("{what}, again: {error}"));
                world.is(&before, &format!("{what}, again"));
            }
        }
    }
}

#[test]
fn the_process_dies_at_every_call_of_add_and_del() {
    for before in World::all() {
        let mut after = before.clone();
        let calls = after.add(Fault::Never).1.calls();
        for (call, what) in (1..).zip(&calls) {
            let what = format!("{}, ADD dies after call {call}: {what}", before.name);
            let mut world = before.clone();
            assert!(world.add(Fault::DeathAfter { call }).0.is_err(), "{what}: it lives");
            clean_up(&world, &before, &what);
            // The runtime tries again without DEL.
            world.add(Fault::Never).0.unwrap_or_else(|error| panic!("{what}, ADD: {error}"));
            world.is(&after, &format!("{what}, ADD"));
        }
        let calls = after.clone().del(true, Fault::Never).1.calls();
        for (call, what) in (1..).zip(&calls) {
            let what = format!("{}, DEL dies after call {call}: {what}", before.name);
            let mut world = after.clone();
            let _ = world.del(true, Fault::DeathAfter { call });
            clean_up(&world, &before, &what);
        }
    }
}

#[test]
fn add_again_makes_what_is_configured_now() {
    for first in CASES {
        for second in CASES {
            let port = Owner::new("web", "one", "eth0").host_link();
            let mut expected = World::new(second, &port);
            expected.add(Fault::Never).0.unwrap();
            let mut world = World::new(first, &port);
            let before = world.clone();
            world.add(Fault::Never).0.unwrap();
            world.limiter = limiter(second.1);
            world.add(Fault::Never).0.unwrap_or_else(|error| panic!("{} then {}: {error}", first.0, second.0));
            world.check().unwrap_or_else(|error| panic!("{} then {}: {error}", first.0, second.0));
            world.del(true, Fault::Never).0.unwrap();
            world.is(&before, &format!("{} then {}", first.0, second.0));
        }
    }
}

#[test]
fn two_interfaces_of_a_container_have_a_device_each() {
    let both = ("both", CASES[2].1);
    let mut first = World::new(&both, "veth00000001");
    let before = first.clone();
    let one = first.add(Fault::Never).0.unwrap();
    let mut second = first.clone();
    second.owner = Owner::new("web", "one", "eth1");
    second.memory.look_at(Some(second.sandbox));
    second.previous = attach(&mut second.memory, &second.owner.clone(), "veth00000002");
    let two = second.add(Fault::Never).0.unwrap();
    let name = |result: &AddResult| result.interfaces.last().unwrap().name.clone();
    assert_eq!(name(&one), first.owner.shaper());
    assert_eq!(name(&two), second.owner.second_shaper());
    second.check().unwrap();
    // GC keeps the valid one of the two.
    let mut collected = second.clone();
    collected.gc(&[("one", "eth1")]).unwrap();
    assert!(collected.check().is_ok());
    collected.owner = first.owner.clone();
    collected.previous = first.previous.clone();
    assert!(collected.check().unwrap_err().msg.contains("is missing"));
    // Each DEL takes its own.
    let mut left = second.clone();
    left.del(true, Fault::Never).0.unwrap();
    left.owner = first.owner.clone();
    left.previous = first.previous.clone();
    left.check().unwrap();
    left.del(true, Fault::Never).0.unwrap();
    let lines = |world: &World| world.memory.snapshot().lines().filter(|line| line.contains("bwp")).count();
    assert_eq!((lines(&left), lines(&before)), (0, 0));
}

/// STATUS names what ADD would miss, all of it, and nothing that this configuration does not need.
#[test]
fn status_names_what_the_kernel_lacks_and_how_to_mend_it() {
    use Facility::{Htb, Ifb, Ingress, Mirred, Tbf, U32};
    let all = [Ifb, Tbf, Htb, Ingress, U32, Mirred];
    let with = |root: Facility| [&[root][..], &[Ifb, Ingress, U32, Mirred]].concat();
    // As CASES: ingress, egress, both, except, only.
    let needed = [vec![Tbf], with(Tbf), with(Tbf), with(Htb), with(Htb)];
    let by_runtime = [("by the runtime", r#""capabilities": {"bandwidth": true}"#, with(Tbf))];
    let cases = CASES.iter().zip(needed).map(|((name, keys), needed)| (*name, *keys, needed)).chain(by_runtime);
    for (name, keys, needed) in cases {
        let limiter = limiter(keys);
        lifecycle::serve_needs(&mut Memory::new(), limiter.needs()).unwrap();
        for facility in all {
            let mut memory = Memory::new().without(facility);
            let before = memory.snapshot();
            match lifecycle::serve_needs(&mut memory, limiter.needs()) {
                Ok(()) => assert!(!needed.contains(&facility), "{name}: {facility} is needed"),
                Err(error) => {
                    assert!(needed.contains(&facility), "{name}: {facility} is not needed: {error}");
                    assert_eq!(error.code.number(), 50, "{name}: {error}");
                    let said = format!("{error} {}", error.details);
                    for word in [facility.option(), &format!("modprobe -a {};", facility.module())] {
                        assert!(said.contains(word), "{name}: {word}: {said}");
                    }
                }
            }
            assert_eq!(memory.snapshot(), before, "{name}: it only looks");
        }
        let none = all.into_iter().fold(Memory::new(), Memory::without);
        let error = lifecycle::serve_needs(&mut none.clone(), limiter.needs()).unwrap_err().to_string();
        assert!(needed.iter().all(|facility| error.contains(facility.option())), "{name}: all at once: {error}");
    }
}

/// What STATUS says is true: without it ADD fails, and with it it does not.
#[test]
fn add_fails_where_status_says_so_and_leaves_nothing() {
    for world in World::all() {
        for facility in
            [Facility::Ifb, Facility::Tbf, Facility::Htb, Facility::Ingress, Facility::U32, Facility::Mirred]
        {
            let mut world = World { memory: world.memory.clone().without(facility), ..world.clone() };
            let before = world.clone();
            let status = lifecycle::serve_needs(&mut world.memory.clone(), world.limiter.needs());
            let (added, _) = world.add(Fault::Never);
            assert_eq!(status.is_ok(), added.is_ok(), "{}, {facility}: {status:?}, {added:?}", world.name);
            if added.is_err() {
                world.is(&before, "a failed ADD");
            }
        }
    }
}
