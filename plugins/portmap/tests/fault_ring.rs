//! The fake ring: every call of every verb fails once, the process dies at every call, and each time what the attachment
//! owns afterwards is what it owned before. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use std::cell::RefCell;

use cni::json::Json;
use cni::{AddResult, Attachment, Command, Error, Request, Version};
use cnm::{Backend, Chained, Context, Kernel, LinkKind, LinkSpec, Owner, Place};
use kernel_memory::{Fault, Faults, Faulty, Memory};
use lifecycle::{adjust, check_adjustment, collect_traces, withdraw};
use portmap::Portmap;

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;

/// Every backend.
const CASES: [&str; 3] = ["\"backend\":\"nftables\"", "\"backend\":\"iptables\"", "\"snat\":false"];

fn owner(container: &str) -> Owner {
    Owner::new("web", container, "eth0")
}

fn previous(last: u8) -> AddResult {
    let text = format!(
        "{{\"cniVersion\":\"1.0.0\",\"interfaces\":[{{\"name\":\"cni0\"}},{{\"name\":\"veth{last}\"}},{{\"name\":\"eth0\",\
         \"sandbox\":\"/run/netns/x\"}}],\"ips\":[{{\"address\":\"10.1.2.{last}/24\",\"interface\":2}},\
         {{\"address\":\"fd00::{last}/64\",\"interface\":2}}]}}"
    );
    let json = Json::parse(text.as_bytes()).unwrap();
    AddResult::parse(&cni::json::Node::root(&json), Version::NEWEST).unwrap()
}

/// Publishes two ports, whose numbers end with `last`.
fn plugin(keys: &str, last: u8) -> Portmap {
    let stdin = format!(
        "{{\"cniVersion\":\"1.0.0\",\"name\":\"web\",\"type\":\"portmap\",{keys},\"runtimeConfig\":{{\"portMappings\":[\
         {{\"hostPort\":800{last},\"containerPort\":80,\"protocol\":\"tcp\"}},\
         {{\"hostPort\":900{last},\"containerPort\":53,\"protocol\":\"udp\",\"hostIP\":\"192.0.2.1\"}}]}}}}"
    )
    .into_bytes();
    let request = Request {
        command: Command::Add,
        container_id: "any".into(),
        netns: Some("/run/netns/x".into()),
        ifname: "eth0".into(),
        args: String::new(),
        path: "/opt/cni/bin".into(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: "web".into(),
        version: Version::NEWEST,
    };
    let mut host = Memory::without_sandbox();
    Portmap::parse(&request, &Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) })
        .unwrap()
}

/// A host with a bridge, and the keys of one configuration.
#[derive(Clone)]
struct World {
    keys: &'static str,
    memory: Memory,
}

impl World {
    fn call<T>(
        &mut self,
        last: u8,
        fault: Fault,
        verb: impl FnOnce(&Portmap, &mut Faulty<Memory>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Faults) {
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(std::mem::take(&mut self.memory), faults.clone());
        let said = verb(&plugin(self.keys, last), &mut kernel);
        self.memory = kernel.into_inner();
        // The end of the process.
        self.memory.unlock();
        (said, faults)
    }

    fn add(&mut self, container: &str, last: u8, fault: Fault) -> (Result<AddResult, Error>, Faults) {
        self.call(last, fault, |plugin, kernel| {
            adjust(plugin, kernel, &owner(container), "/run/netns/x", previous(last))
        })
    }

    fn del(&mut self, container: &str, told: Option<u8>, fault: Fault) -> (Result<(), Error>, Faults) {
        self.call(1, fault, |plugin, kernel| withdraw(plugin, kernel, &owner(container), told.map(previous)))
    }

    fn check(&mut self, container: &str, last: u8) -> Result<(), Error> {
        let check = |plugin: &Portmap, kernel: &mut Faulty<Memory>| {
            check_adjustment(plugin, kernel, &owner(container), "/run/netns/x", previous(last))
        };
        self.call(last, Fault::Never, check).0
    }

    fn gc(&mut self, valid: &[&str], fault: Fault) -> (Result<(), Error>, Faults) {
        let attachment = |id: &&str| Attachment { container_id: (*id).to_owned(), ifname: "eth0".into() };
        let valid: Vec<Attachment> = valid.iter().map(attachment).collect();
        self.call(1, fault, |plugin, kernel| collect_traces(plugin, kernel, "web", &valid))
    }

    /// All but what the endpoints of a network share.
    fn owned(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| !line.contains("route_localnet")).collect()
    }

    fn lines(&self) -> Vec<String> {
        self.memory.snapshot().lines().map(str::to_owned).collect()
    }
}

/// Each configuration alone, and beside a neighbour that must not notice anything.
fn worlds() -> impl Iterator<Item = (String, World)> {
    CASES.iter().flat_map(|keys| {
        let mut memory = Memory::new();
        let bridge = LinkSpec::new("cni0", LinkKind::Bridge { vlan_filtering: false });
        memory.create(Place::Host, &bridge).unwrap();
        let alone = World { keys, memory };
        let mut beside = alone.clone();
        beside.add("neighbour", 9, Fault::Never).0.unwrap();
        [((*keys).to_owned(), alone), (format!("{keys}, beside a neighbour"), beside)]
    })
}

/// The faults that can happen to a verb, with a name for each.
fn faults(calls: &Faults) -> Vec<(String, Fault)> {
    let each = |(call, what): (usize, String)| {
        [
            (format!("call {call} refused: {what}"), Fault::Refused { call, errno: ERRNO }),
            (format!("call {call} done, its answer lost: {what}"), Fault::AnswerLost { call, errno: ERRNO }),
            (format!("death before call {call}: {what}"), Fault::DeathBefore { call }),
            (format!("death after call {call}: {what}"), Fault::DeathAfter { call }),
        ]
    };
    (1..).zip(calls.calls()).flat_map(each).collect()
}

#[test]
fn whatever_happens_to_add_del_removes_it_and_the_neighbour_keeps_its_own() {
    for (name, before) in worlds() {
        let mut fine = before.clone();
        let (said, calls) = fine.add("one", 3, Fault::Never);
        assert_eq!(said.unwrap(), previous(3), "{name}: the result is the previous one");
        fine.check("one", 3).unwrap();
        assert!(calls.calls().len() >= 2, "{name}: {:?}", calls.calls());
        for (what, fault) in faults(&calls) {
            let mut world = before.clone();
            let (said, _) = world.add("one", 3, fault);
            if said.is_err() && matches!(fault, Fault::Refused { .. }) {
                assert_eq!(world.owned(), before.owned(), "{name}: ADD, {what}: undone");
            }
            for told in [None, Some(3)] {
                let mut world = world.clone();
                world.del("one", told, Fault::Never).0.unwrap();
                assert_eq!(world.owned(), before.owned(), "{name}: ADD, {what}; DEL");
                world.add("one", 3, Fault::Never).0.unwrap();
                assert_eq!(world.lines(), fine.lines(), "{name}: ADD, {what}; DEL; ADD");
            }
        }
    }
}

#[test]
fn del_and_gc_that_fail_or_die_are_repeated() {
    for (name, before) in worlds() {
        let mut attached = before.clone();
        attached.add("one", 3, Fault::Never).0.unwrap();
        for told in [None, Some(3)] {
            for (what, fault) in faults(&attached.clone().del("one", told, Fault::Never).1) {
                let mut world = attached.clone();
                let (said, _) = world.del("one", told, fault);
                if said.is_ok() {
                    assert_eq!(world.owned(), before.owned(), "{name}: DEL, {what}, said to be fine");
                }
                world.del("one", None, Fault::Never).0.unwrap();
                assert_eq!(world.owned(), before.owned(), "{name}: DEL, {what}; DEL again");
            }
        }
        for (what, fault) in faults(&attached.clone().gc(&["neighbour"], Fault::Never).1) {
            let mut world = attached.clone();
            let (said, _) = world.gc(&["neighbour"], fault);
            if said.is_ok() {
                assert_eq!(world.owned(), before.owned(), "{name}: GC, {what}, said to be fine");
            }
            world.gc(&["neighbour"], Fault::Never).0.unwrap();
            assert_eq!(world.owned(), before.owned(), "{name}: GC, {what}; GC again");
        }
        let whole = attached.lines();
        attached.gc(&["one", "neighbour"], Fault::Never).0.unwrap();
        assert_eq!(attached.lines(), whole, "{name}: GC keeps the valid");
    }
}

/// CHECK says so, and changes nothing.
#[test]
fn what_is_missing_is_drift() {
    for (name, before) in worlds() {
        let mut world = before.clone();
        assert!(world.check("one", 3).is_err(), "{name}");
        assert_eq!(world.lines(), before.lines(), "{name}");
    }
}

/// Another container with the same ports is refused, and the first keeps them.
#[test]
fn a_taken_port_stays_whose_it_is() {
    for (name, before) in worlds() {
        let mut world = before.clone();
        world.add("one", 3, Fault::Never).0.unwrap();
        let whole = world.lines();
        let refused = world.add("two", 3, Fault::Never).0.unwrap_err();
        assert!(refused.msg.contains("container one"), "{name}: {refused}");
        assert_eq!(world.lines(), whole, "{name}");
    }
}
