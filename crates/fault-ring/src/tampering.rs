//! CHECK after somebody has meddled: it names what is missing or different, and finds nothing before.

use cni::AddResult;
use kernel_memory::Fault;

use crate::{ONE, Report, Subject, World, worlds};

/// Somebody's deed, and a part of what CHECK must say of it.
pub struct Deed<S: Subject> {
    /// For a person.
    pub what: &'static str,
    /// Does it, to an attachment with this result; `false` when there is nothing of the kind in this case.
    pub act: fn(&mut World<S>, &AddResult) -> bool,
    /// A part of CHECK's error.
    pub said: &'static str,
}

/// CHECK is content after ADD, changes nothing, and names each of the `deeds`, every one of which some case has.
///
/// # Panics
/// With what was found wrong.
pub fn check_names_every_deed<S: Subject>(deeds: &[Deed<S>]) {
    let mut report = Report::default();
    let mut met = vec![0; deeds.len()];
    for (_, name, mut world) in worlds::<S>() {
        let Some(result) = report.fine(&name, world.add(ONE, Fault::Never).said) else { continue };
        let before = world.everything();
        report.fine(&format!("{name}: CHECK after ADD"), world.check(ONE, &result));
        report.same(&format!("{name}: CHECK"), &before, &world.everything());
        for (deed, met) in deeds.iter().zip(&mut met) {
            let mut world = world.clone();
            if !(deed.act)(&mut world, &result) {
                continue;
            }
            *met += 1;
            let meddled = world.everything();
            match world.check(ONE, &result) {
                Ok(()) => report.wrong(format!("{name}: {}, and CHECK finds nothing", deed.what)),
                Err(error) if error.to_string().contains(deed.said) => {
                    report.same(&format!("{name}: {}, and CHECK", deed.what), &meddled, &world.everything());
                }
                Err(error) => report.wrong(format!("{name}: {}, and CHECK says: {error}", deed.what)),
            }
        }
    }
    for (deed, met) in deeds.iter().zip(met) {
        assert!(met > 0, "{}: no case has it", deed.what);
    }
    report.verdict();
}
