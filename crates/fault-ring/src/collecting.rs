//! GC: whatever no valid attachment owns goes, the rest stays, at whichever call it is interrupted.

use cni::AddResult;
use kernel_memory::Fault;

use crate::world::World;
use crate::{Case, ERRNO, Report, Subject};

const ALL: [&str; 3] = ["one", "two", "three"];

/// A host with some containers attached.
fn attached<S: Subject>(case: &'static Case, containers: &[&str]) -> (World<S>, Vec<AddResult>) {
    let mut world = World::<S>::new(case);
    for container in ALL {
        world.add_sandbox(container);
    }
    let mut add = |container: &&str| world.add(container, Fault::Never).said.unwrap();
    let results = containers.iter().map(&mut add).collect();
    (world, results)
}

/// GC keeps the valid and nothing else, and does nothing when it comes again.
///
/// # Panics
/// With what is wrong.
pub fn gc_keeps_the_valid_and_nothing_else<S: Subject>() {
    let mut report = Report::default();
    for case in S::CASES {
        let (full, results) = attached::<S>(case, &ALL);
        for valid in [&ALL[..], &ALL[..2], &ALL[..1], &[]] {
            let what = format!("{}: GC keeping {valid:?}", case.name);
            let (mut wanted, _) = attached::<S>(case, valid);
            let mut world = full.clone();
            wanted.outlive(valid);
            world.outlive(valid);
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

/// Every call of GC is refused once or is the last: the next GC does the rest.
///
/// # Panics
/// With what is wrong.
pub fn every_call_of_gc_fails_once_or_is_the_last<S: Subject>() {
    let mut report = Report::default();
    for case in S::CASES {
        let (full, _) = attached::<S>(case, &ALL);
        for valid in [&ALL[..1], &[]] {
            let mut full = full.clone();
            full.outlive(valid);
            let mut fine = full.clone();
            let calls = fine.gc(valid, Fault::Never).faults.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{}: GC keeping {valid:?}, call {call}: {what}", case.name);
                for fault in [
                    Fault::Refused { call, errno: ERRNO },
                    Fault::AnswerLost { call, errno: ERRNO },
                    Fault::DeathBefore { call },
                    Fault::DeathAfter { call },
                ] {
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
