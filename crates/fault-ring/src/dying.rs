//! Every call is the last once.

use cni::AddResult;
use kernel_memory::Fault;

use crate::world::{How, World, attached, told, ways, worlds};
use crate::{ONE, Report, Subject};

/// What may come after a death, each on its own: a DEL, with the sandbox or without, after the sandbox is gone, or GC.
fn clean_up<S: Subject>(
    report: &mut Report,
    what: &str,
    world: &World<S>,
    before: &World<S>,
    results: &[Option<&AddResult>],
) {
    let neighbours: &[&str] = if before.has_neighbour() { &["neighbour"] } else { &[] };
    for &previous in results {
        for sandbox in [true, false] {
            let how = How { sandbox, previous };
            let what = format!("{what}; DEL {}", told(how));
            let mut world = world.clone();
            report.fine(&what, world.del(ONE, how, Fault::Never).said);
            report.same(&what, &before.unshared(), &world.unshared());
        }
    }
    let mut world = world.clone();
    let mut collected = world.clone();
    report.fine(&format!("{what}; GC"), collected.gc(neighbours, Fault::Never).said);
    report.same(&format!("{what}; GC"), &before.unshared(), &collected.unshared());

    let mut before = before.clone();
    before.destroy_sandbox(ONE);
    world.destroy_sandbox(ONE);
    let what = format!("{what}; the sandbox dies, DEL");
    report.fine(&what, world.del(ONE, How { sandbox: false, previous: None }, Fault::Never).said);
    report.same(&what, &before.unshared(), &world.unshared());
}

/// ADD is killed at every call: whatever comes next, DEL or GC, leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn the_process_dies_at_every_call_of_add<S: Subject>() {
    let mut report = Report::default();
    for (_, name, before) in worlds::<S>() {
        let mut fine = before.clone();
        let calls = fine.add(ONE, Fault::Never).faults.calls();
        for (call, what) in (1..).zip(&calls) {
            let what = format!("{name}: ADD dies after call {call}: {what}");
            let mut world = before.clone();
            let said = world.add(ONE, Fault::DeathAfter { call }).said;
            assert!(said.is_err(), "{what}: it lives");
            clean_up(&mut report, &what, &world, &before, &[None]);
            report.fine(&what, world.del(ONE, How { sandbox: true, previous: None }, Fault::Never).said);
            let what = format!("{what}; DEL, ADD again");
            if let Some(result) = report.fine(&what, world.add(ONE, Fault::Never).said) {
                report.same(&what, &fine.everything(), &world.everything());
                report.fine(&format!("{what}, CHECK"), world.check(ONE, &result));
            }
        }
    }
    report.verdict();
}

/// DEL is killed at every call: whatever comes next, DEL or GC, leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn the_process_dies_at_every_call_of_del<S: Subject>() {
    let mut report = Report::default();
    for (name, before, after, result) in attached::<S>() {
        for how in ways(&result) {
            let calls = after.clone().del(ONE, how, Fault::Never).faults.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{name}: DEL {} dies after call {call}: {what}", told(how));
                let mut world = after.clone();
                let _ = world.del(ONE, how, Fault::DeathAfter { call });
                clean_up(&mut report, &what, &world, &before, &[None, Some(&result)]);
            }
        }
    }
    report.verdict();
}
