//! The fake ring: every call of every verb fails once, the process dies at every call, and each time the state
//! afterwards is the state before. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod cases;
mod collecting;
mod interleaving;
mod tampering;
mod world;

use cni::AddResult;
use kernel_memory::Fault;

use cases::{CASES, Case};
use world::{How, World};

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;
/// The container that it is about.
const ONE: &str = "one";

/// What was found wrong, so that one run shows all of it.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn same(&mut self, what: &str, before: &[String], after: &[String]) {
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("\n    - {line}"));
        let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("\n    + {line}"));
        let difference: String = gone.chain(new).collect();
        if !difference.is_empty() {
            self.0.push(format!("{what}: the state differs{difference}"));
        }
    }

    fn wrong(&mut self, what: String) {
        self.0.push(what);
    }

    fn fine<T>(&mut self, what: &str, said: Result<T, cni::Error>) -> Option<T> {
        said.map_err(|error| self.0.push(format!("{what}: {error}"))).ok()
    }

    fn verdict(self) {
        let first: Vec<String> = self.0.iter().take(40).cloned().collect();
        assert!(self.0.is_empty(), "{} things are wrong, of which:\n{}", self.0.len(), first.join("\n"));
    }
}

/// Each case on a fresh host, and beside a neighbour.
fn worlds() -> impl Iterator<Item = (&'static Case, String, World)> {
    CASES.iter().flat_map(|case| {
        let mut alone = World::new(case);
        alone.add_sandbox(ONE);
        let mut beside = World::new(case).with_neighbour();
        beside.add_sandbox(ONE);
        [(case, case.name.to_owned(), alone), (case, format!("{} beside a neighbour", case.name), beside)]
    })
}

/// The same with the container attached.
fn attached() -> impl Iterator<Item = (String, World, World, AddResult)> {
    worlds().map(|(_, name, before)| {
        let mut after = before.clone();
        let result = after.add(ONE, Fault::Never).said.unwrap_or_else(|error| panic!("{name}: ADD: {error}"));
        (name, before, after, result)
    })
}

#[test]
fn every_call_of_add_fails_once() {
    let mut report = Report::default();
    for (_, name, world) in worlds() {
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

#[test]
fn every_call_of_del_fails_once() {
    let mut report = Report::default();
    for (name, before, after, result) in attached() {
        for how in ways(&result) {
            let calls = after.clone().del(ONE, how, Fault::Never).faults.calls();
            for (call, what) in (1..).zip(&calls) {
                let what = format!("{name}: DEL {}, call {call}: {what}", told(how));
                let mut world = after.clone();
                let first = world.del(ONE, how, Fault::Refused { call, errno: ERRNO });
                if first.said.is_ok() {
                    report.same(&format!("{what}, said to be fine"), &before.unshared(), &world.unshared());
                }
                report.fine(&format!("{what}; DEL again"), world.del(ONE, how, Fault::Never).said);
                report.same(&format!("{what}; DEL again"), &before.unshared(), &world.unshared());
            }
        }
    }
    report.verdict();
}

/// With and without the sandbox, with and without the result.
fn ways(result: &AddResult) -> [How<'_>; 4] {
    [(true, true), (true, false), (false, true), (false, false)]
        .map(|(sandbox, known)| How { sandbox, previous: known.then_some(result) })
}

fn told(how: How<'_>) -> String {
    let with = |yes: bool| if yes { "with" } else { "without" };
    format!("{} sandbox, {} result", with(how.sandbox), with(how.previous.is_some()))
}

/// What may come after a death, each on its own: a DEL, with the sandbox or without, after the sandbox is gone, or GC.
fn clean_up(report: &mut Report, what: &str, world: &World, before: &World, results: &[Option<&AddResult>]) {
    let neighbours: &[&str] =
        if before.everything().iter().any(|line| line.contains("neighbour")) { &["neighbour"] } else { &[] };
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

#[test]
fn the_process_dies_at_every_call_of_add() {
    let mut report = Report::default();
    for (_, name, before) in worlds() {
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

#[test]
fn the_process_dies_at_every_call_of_del() {
    let mut report = Report::default();
    for (name, before, after, result) in attached() {
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
