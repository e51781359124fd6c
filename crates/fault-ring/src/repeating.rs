//! A verb comes again, or comes where nothing is. DEL may come to every plugin as often as the runtime likes; ADD may come
//! again to a chained plugin, since what it adds to is there already, and there may be another configuration by then.

use kernel_memory::Fault;

use crate::world::{World, attached, told, ways};
use crate::{ERRNO, How, ONE, Report, Subject, worlds};

/// DEL of what is not there succeeds and changes nothing, be it that it never was or that it is gone.
///
/// # Panics
/// With what is wrong.
pub fn del_of_nothing_succeeds<S: Subject>() {
    let mut report = Report::default();
    for (name, before, after, result) in attached::<S>() {
        for how in ways::<S>(before.case(), &result) {
            let what = format!("{name}: DEL {}", told(how));
            let mut world = before.clone();
            report.fine(&format!("{what}, never attached"), world.del(ONE, how, Fault::Never).said);
            report.same(&format!("{what}, never attached"), &before.everything(), &world.everything());

            let mut world = after.clone();
            report.fine(&what, world.del(ONE, how, Fault::Never).said);
            report.same(&what, &before.unshared(), &world.unshared());
            let gone = world.everything();
            report.fine(&format!("{what}, again"), world.del(ONE, how, Fault::Never).said);
            report.same(&format!("{what}, again"), &gone, &world.everything());
        }
    }
    report.verdict();
}

/// The runtime may have forgotten everything, and the sandbox is there.
const SIMPLY: How<'static> = How { sandbox: true, previous: None };

/// DEL, after which nothing is left.
fn goes<S: Subject>(report: &mut Report, what: &str, world: &World<S>, before: &World<S>) {
    let mut world = world.clone();
    report.fine(&format!("{what}; DEL"), world.del(ONE, SIMPLY, Fault::Never).said);
    report.same(&format!("{what}; DEL"), &before.unshared(), &world.unshared());
}

/// A second ADD changes nothing, and does the rest after the death of the first. DEL takes all of it, also when a
/// call of the second was refused.
///
/// # Panics
/// With what is wrong.
pub fn add_comes_again<S: Subject>() {
    let mut report = Report::default();
    for (name, before, fine, _) in attached::<S>() {
        let calls = before.clone().add(ONE, Fault::Never).faults.calls();
        let deaths = (1..).zip(&calls).map(|(call, what)| {
            let mut world = before.clone();
            let _ = world.add(ONE, Fault::DeathAfter { call });
            (format!("{name}: ADD dies after call {call}: {what}; ADD"), world)
        });
        for (what, mut world) in deaths.chain([(format!("{name}: ADD, ADD"), fine.clone())]) {
            if let Some(result) = report.fine(&what, world.add(ONE, Fault::Never).said) {
                report.same(&what, &fine.everything(), &world.everything());
                report.fine(&format!("{what}, CHECK"), world.check(ONE, &result));
            }
            goes(&mut report, &what, &world, &before);
        }
        let calls = fine.clone().add(ONE, Fault::Never).faults.calls();
        for (call, what) in (1..).zip(&calls) {
            let mut world = fine.clone();
            let _ = world.add(ONE, Fault::Refused { call, errno: ERRNO });
            goes(&mut report, &format!("{name}: ADD, ADD, call {call} refused: {what}"), &world, &before);
        }
    }
    report.verdict();
}

/// ADD comes again with each of the other configurations: CHECK is content with what is configured then, and DEL
/// takes all of it.
///
/// # Panics
/// With what is wrong.
pub fn add_comes_again_with_another_configuration<S: Subject>() {
    let mut report = Report::default();
    for (_, name, before) in worlds::<S>() {
        let first = before.case();
        for second in S::CASES.iter().filter(|second| second.foreign == first.foreign) {
            let what = format!("{name}, then {}", second.name);
            let mut world = before.clone();
            report.fine(&what, world.add(ONE, Fault::Never).said);
            let mut world = world.with_case(second);
            if let Some(result) = report.fine(&what, world.add(ONE, Fault::Never).said) {
                report.fine(&format!("{what}, CHECK"), world.check(ONE, &result));
            }
            goes(&mut report, &what, &world, &before.clone().with_case(second));
        }
    }
    report.verdict();
}
