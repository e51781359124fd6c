//! GC: whatever no valid attachment owns goes, the rest stays, at whichever call it is interrupted.

use cni::AddResult;
use cnm::{Change, Kernel, LinkKind, LinkName, LinkSpec, Peer, Place};
use kernel_memory::Fault;

use crate::cases::{CASES, Case};
use crate::world::World;
use crate::{ERRNO, Report};

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
fn gc_keeps_the_valid_and_nothing_else() {
    let mut report = Report::default();
    for case in CASES {
        let (full, results) = with(case, &ALL);
        for valid in [&ALL[..], &ALL[..2], &ALL[..1], &[]] {
            let what = format!("{}: GC keeping {valid:?}", case.name);
            let (wanted, _) = with(case, valid);
            let mut world = full.clone();
            report.fine(&what, world.gc(valid, Fault::Never).said);
            report.same(&what, &wanted.unshared(), &world.unshared());
            for (container, result) in valid.iter().zip(&results) {
                report.fine(&format!("{what}: CHECK of {container}"), world.check(container, result));
            }
            let after = world.everything();
            report.fine(&format!("{what}, again"), world.gc(valid, Fault::Never).said);
            report.same(&format!("{what}, again"), &after, &world.everything());
        }
    }
    report.verdict();
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

#[test]
fn every_call_of_gc_fails_once_or_is_the_last() {
    let mut report = Report::default();
    for case in CASES {
        let (full, _) = with(case, &ALL);
        for valid in [&ALL[..1], &[]] {
            let mut fine = full.clone();
            let calls = fine.gc(valid, Fault::Never).faults.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{}: GC keeping {valid:?}, call {call}: {what}", case.name);
                for fault in
                    [Fault::Refused { call, errno: ERRNO }, Fault::DeathBefore { call }, Fault::DeathAfter { call }]
                {
                    let mut world = full.clone();
                    let said = world.gc(valid, fault).said;
                    let what = format!("{what} {fault:?}");
                    if said.is_ok() {
                        report.same(&format!("{what}, said to be fine"), &fine.everything(), &world.everything());
                    }
                    report.fine(&format!("{what}; GC again"), world.gc(valid, Fault::Never).said);
                    report.same(&format!("{what}; GC again"), &fine.everything(), &world.everything());
                }
            }
        }
    }
    report.verdict();
}
