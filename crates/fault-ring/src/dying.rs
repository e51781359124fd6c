//! Every call is the last once, or the last whose outcome is known.

use cni::AddResult;
use kernel_memory::Fault;

use crate::verbs::Verbs;
use crate::world::{How, World, attached, told, ways, worlds};
use crate::{ERRNO, ONE, Report, Subject};

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
        for sandbox in [true, false].into_iter().filter(|sandbox| *sandbox || !S::is_found_inside(before.case())) {
            let how = How { sandbox, previous };
            let what = format!("{what}; DEL {}", told(how));
            let mut world = world.clone();
            report.fine(&what, world.del(ONE, how, Fault::Never).said);
            report.same(&what, &before.unshared(), &world.unshared());
        }
    }
    let (mut before, mut collected) = (before.clone(), world.clone());
    before.outlive(neighbours);
    collected.outlive(neighbours);
    report.fine(&format!("{what}; GC"), collected.gc(neighbours, Fault::Never).said);
    report.same(&format!("{what}; GC"), &before.unshared(), &collected.unshared());

    let mut world = world.clone();
    before.destroy_sandbox(ONE);
    world.destroy_sandbox(ONE);
    let what = format!("{what}; the sandbox dies, DEL");
    report.fine(&what, world.del(ONE, How { sandbox: false, previous: None }, Fault::Never).said);
    report.same(&what, &before.unshared(), &world.unshared());
}

/// ADD ends with `fault` at every call, as a death or an error: whatever comes next, DEL or GC, leaves nothing.
fn every_call_of_add_ends_with<S: Subject>(fault: impl Fn(usize) -> Fault) {
    let mut report = Report::default();
    for (_, name, before) in worlds::<S>() {
        let mut fine = before.clone();
        let outcome = fine.add(ONE, Fault::Never);
        let result = outcome.said.unwrap_or_else(|error| panic!("{name}: ADD: {error}"));
        for (call, what) in (1..).zip(&outcome.faults.calls()) {
            let fault = fault(call);
            let what = format!("{name}: ADD, {fault:?}: {what}");
            let mut world = before.clone();
            let said = world.add(ONE, fault).said;
            assert!(said.is_err() || !matches!(fault, Fault::DeathAfter { .. }), "{what}: it lives");
            // What a chain has told is known from its other members, too.
            let known = (!S::Plugin::IS_FIRST).then_some(Some(&result));
            let results: Vec<_> = [None].into_iter().chain(known).collect();
            clean_up(&mut report, &what, &world, &before, &results);
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

/// ADD is killed at every call: whatever comes next, DEL or GC, leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn the_process_dies_at_every_call_of_add<S: Subject>() {
    every_call_of_add_ends_with::<S>(|call| Fault::DeathAfter { call });
}

/// The answer to every call of ADD is lost once, so that it does not know what it has: whatever comes next leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn every_answer_to_add_is_lost_once<S: Subject>() {
    every_call_of_add_ends_with::<S>(|call| Fault::AnswerLost { call, errno: ERRNO });
}

/// DEL is killed at every call: whatever comes next, DEL or GC, leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn the_process_dies_at_every_call_of_del<S: Subject>() {
    let mut report = Report::default();
    for (name, before, after, result) in attached::<S>() {
        for how in ways::<S>(before.case(), &result) {
            let calls = after.clone().del(ONE, how, Fault::Never).faults.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{name}: DEL {} dies after call {call}: {what}", told(how));
                let mut world = after.clone();
                let said = world.del(ONE, how, Fault::DeathAfter { call }).said;
                if S::SILENT {
                    report.fine(&what, said);
                }
                clean_up(&mut report, &what, &world, &before, &[None, Some(&result)]);
            }
        }
    }
    report.verdict();
}
