//! Every call fails once: it is refused, or done and its answer lost.

use kernel_memory::Fault;

use crate::world::{attached, told, ways, worlds};
use crate::{ERRNO, ONE, Report, Subject};

/// Every call of ADD is refused once: nothing is left then, and the next ADD succeeds.
///
/// # Panics
/// With what is wrong.
pub fn every_call_of_add_fails_once<S: Subject>() {
    let mut report = Report::default();
    for (_, name, world) in worlds::<S>() {
        let before = world.unshared();
        let mut fine = world.clone();
        let calls = fine.add(ONE, Fault::Never).faults.calls();
        for (call, what) in (1..).zip(&calls) {
            let what = format!("{name}: ADD, call {call}: {what}");
            let mut world = world.clone();
            let outcome = world.add(ONE, Fault::Refused { call, errno: ERRNO });
            assert!(outcome.faults.failed().is_some(), "{what}: it was not reached");
            match outcome.said {
                // Whoever does without must still have done all of it.
                Ok(_) => report.same(&what, &fine.everything(), &world.everything()),
                Err(_) => {
                    report.same(&what, &before, &world.unshared());
                    let what = format!("{what}; ADD again");
                    if let Some(result) = report.fine(&what, world.add(ONE, Fault::Never).said) {
                        report.same(&what, &fine.everything(), &world.everything());
                        report.fine(&format!("{what}, CHECK"), world.check(ONE, &result));
                    }
                }
            }
        }
    }
    report.verdict();
}

/// Every call of DEL fails once: the next DEL leaves nothing.
///
/// # Panics
/// With what is wrong.
pub fn every_call_of_del_fails_once<S: Subject>() {
    let mut report = Report::default();
    for (name, before, after, result) in attached::<S>() {
        for how in ways::<S>(before.case(), &result) {
            let calls = after.clone().del(ONE, how, Fault::Never).faults.calls();
            let faults = |call| [Fault::Refused { call, errno: ERRNO }, Fault::AnswerLost { call, errno: ERRNO }];
            for (fault, what) in (1..).zip(&calls).flat_map(|(call, what)| faults(call).map(|fault| (fault, what))) {
                let what = format!("{name}: DEL {}, {fault:?}: {what}", told(how));
                let mut world = after.clone();
                let first = world.del(ONE, how, fault);
                if S::SILENT {
                    report.fine(&what, first.said);
                } else if first.said.is_ok() {
                    report.same(&format!("{what}, said to be fine"), &before.unshared(), &world.unshared());
                }
                report.fine(&format!("{what}; DEL again"), world.del(ONE, how, Fault::Never).said);
                report.same(&format!("{what}; DEL again"), &before.unshared(), &world.unshared());
            }
        }
    }
    report.verdict();
}
