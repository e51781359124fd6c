//! GC: which bridges go and which stay.

use cni::AddResult;
use cnm::{Change, Kernel, LinkKind, LinkName, LinkSpec, Peer, Place};
use fault_ring::{Case, Report};
use kernel_memory::Fault;

use crate::World;
use crate::cases::CASES;

const ALL: [&str; 3] = ["one", "two", "three"];

/// A host with some containers attached.
fn with(case: &'static Case, containers: &[&str]) -> (World, Vec<AddResult>) {
    let mut world = World::new(case);
    for container in ALL {
        world.add_sandbox(container);
    }
    let mut add = |container: &&str| world.add(container, Fault::Never).said.unwrap();
    let results = containers.iter().map(&mut add).collect();
    (world, results)
}

#[test]
fn the_last_gc_takes_the_network_s_own_devices() {
    let mut report = Report::default();
    for case in CASES {
        let (mut world, _) = with(case, &ALL);
        report.fine(case.name, world.gc(&[], Fault::Never).said);
        let left: Vec<String> = world.everything().into_iter().filter(|line| line.contains("cni0")).collect();
        report.same(&format!("{}: GC keeping nothing", case.name), &[], &left);
    }
    report.verdict();
}

#[test]
fn gc_leaves_a_bridge_that_others_use() {
    let mut report = Report::default();
    for case in CASES {
        let (mut world, _) = with(case, &ALL);
        let peer = Peer { name: "vm0".into(), in_sandbox: false, mac: None };
        let foreign = LinkSpec {
            master: Some("cni0".into()),
            up: true,
            ..LinkSpec::new("vethofsomebodyx", LinkKind::Veth { peer })
        };
        world.memory.create(Place::Host, &foreign).unwrap();
        report.fine(case.name, world.gc(&[], Fault::Never).said);
        let mut is_there = |name: &str| world.memory.link(Place::Host, &LinkName::Name(name.into())).unwrap().is_some();
        assert!(is_there("cni0") && is_there("vethofsomebodyx"), "{}", case.name);
    }
    report.verdict();
}

#[test]
fn gc_leaves_a_bridge_that_was_there_before() {
    let mut report = Report::default();
    for case in CASES {
        let vlan_filtering = case.keys.contains("vlan");
        let bridge = LinkSpec { up: true, ..LinkSpec::new("cni0", LinkKind::Bridge { vlan_filtering }) };
        let mut world = World::new(case);
        world.memory.create(Place::Host, &bridge).unwrap();
        let alias = Change::Alias(LinkName::Name("cni0".into()), "the administrator's".into());
        world.memory.apply(Place::Host, &[alias]).remove(0).unwrap();
        world.add_sandbox("one");
        report.fine(case.name, world.add("one", Fault::Never).said);
        report.fine(case.name, world.gc(&[], Fault::Never).said);
        let left = world.memory.link(Place::Host, &LinkName::Name("cni0".into())).unwrap();
        assert_eq!(left.map(|link| link.alias).as_deref(), Some("the administrator's"), "{}", case.name);
    }
    report.verdict();
}
