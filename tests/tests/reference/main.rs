//! The reference ring: the same cases by the suite under test and by the reference plugins, each in a fresh host;
//! answers and kernel state must be equal, but for a list of known differences with reasons.

mod cases;
mod known;
mod macvlan;
mod portmap;
mod vm;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use cases::Case;
use cnm_tests::{Host, Names, Portrait, Sandbox, Suite};
use known::Known;

#[test]
fn results_and_kernel_state_are_those_of_the_reference() {
    compare(&cases::all(), &[], known::DIFFERENCES);
}

/// Plays the cases by both suites. Every difference must be one of the known ones, and all of `to_be_found` must be
/// found; `usual` are those that other cases show.
#[track_caller]
fn compare(cases: &[Case], usual: &[Known], to_be_found: &[Known]) {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    let found = Mutex::new(Vec::new());
    let next = Mutex::new(cases.iter());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().expect("no case panics").next() else { break };
                    let differences = play(case, &ours).differences(&play(case, &reference));
                    let named = differences.into_iter().map(|(key, values)| (format!("{}, {key}", case.name), values));
                    found.lock().expect("no case panics").extend(named);
                }
            });
        }
    });
    let found = found.into_inner().expect("no case panics");
    let mut used = BTreeSet::new();
    let mut unknown = Vec::new();
    for (key, values) in &found {
        match to_be_found.iter().position(|known| known.covers(key)) {
            Some(n) => {
                used.insert(n);
            }
            None if usual.iter().any(|known| known.covers(key)) => {}
            None => unknown.push(format!("{key}: {values}")),
        }
    }
    unknown.sort();
    assert!(unknown.is_empty(), "ours / the reference's:\n{}", unknown.join("\n"));
    // The reference compared with itself has no differences at all.
    if !ours.is_reference() {
        let unused = to_be_found.iter().enumerate().filter(|(n, _)| !used.contains(n));
        let unused: Vec<String> = unused.map(|(_, known)| format!("{} ({})", known.key, known.reason)).collect();
        assert!(unused.is_empty(), "these differences exist no more; strike them:\n{}", unused.join("\n"));
    }
}

/// Plays a case in a fresh host: ADD of every endpoint, CHECK where the version has it, DEL of every endpoint twice.
fn play(case: &Case, suite: &Suite) -> Portrait {
    let host = Host::with(suite.clone());
    for (path, content) in &case.files {
        host.write_file(path, content);
    }
    for line in &case.prepare {
        host.run(line);
    }
    let sandboxes = host.sandboxes(case.endpoints);
    let (mut portrait, mut names) = (Portrait::default(), Names::default());
    let call = |verb: &str, conf: &cnm_tests::Conf, sandbox: &Sandbox| {
        host.calling(verb, conf, sandbox).args(&case.args).ifname(&case.ifname).run()
    };
    let answers: Vec<_> = sandboxes.iter().map(|sandbox| call("ADD", &case.conf, sandbox)).collect();
    names.learn(&host, &sandboxes);
    for (sandbox, answer) in sandboxes.iter().zip(&answers) {
        portrait.answer(&format!("ADD of {}", sandbox.name()), answer, &names);
    }
    if answers.iter().all(|answer| answer.status.success()) {
        portrait.state("added", &host, &names);
    }
    for (sandbox, answer) in sandboxes.iter().zip(&answers) {
        let result = serde_json::from_str(&answer.stdout).ok().filter(|_| answer.status.success());
        let conf = result.map_or_else(|| case.conf.clone(), |result| case.conf.clone().after(&result));
        if case.check && answer.status.success() {
            portrait.answer(&format!("CHECK of {}", sandbox.name()), &call("CHECK", &conf, sandbox), &names);
        }
        for time in ["first", "second"] {
            portrait.answer(&format!("{time} DEL of {}", sandbox.name()), &call("DEL", &conf, sandbox), &names);
        }
    }
    portrait.state("deleted", &host, &names);
    portrait
}
