//! Killed at any moment, in parallel: nothing is given twice, nothing is lost for ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::{Dice, OURS, addresses, call, conf, reservations, start};

#[expect(clippy::disallowed_methods, reason = "the moment to kill is a time")]
#[test]
fn killed_at_random_moments_nothing_stays_blocked() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = &conf(data.path(), r#""ranges":[[{"subnet":"10.7.0.0/25"}],[{"subnet":"fd00:7::/121"}]]"#);
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            scope.spawn(move || {
                let mut dice = Dice(worker + 100);
                for round in 0..120 {
                    let verb = if dice.roll(3) == 0 { "DEL" } else { "ADD" };
                    let id = format!("w{worker}c{}", round % 30);
                    let mut child = start(&[OURS], verb, &id, conf, "", true);
                    // A call takes one to three milliseconds here.
                    thread::sleep(Duration::from_micros(dice.roll(3_000)));
                    child.kill().expect("ours, killed or gone");
                    child.wait().expect("waited for");
                }
            });
        }
    });
    for (name, content) in reservations(data.path()) {
        let owner = content.strip_suffix("\r\neth0");
        assert!(owner.is_some_and(|id| id.starts_with('w') && id.contains('c')), "{name} holds {content:?}");
    }
    for worker in 0..4 {
        for number in 0..30 {
            call(OURS, "DEL", &format!("w{worker}c{number}"), conf, "").expect("absent or ours");
        }
    }
    assert_eq!(reservations(data.path()).len(), 0);
    // Every address of the pool can be had.
    let given: BTreeSet<String> = (0..125)
        .map(|number| addresses(&call(OURS, "ADD", &format!("x{number}"), conf, "").expect("free")).remove(0))
        .collect();
    assert_eq!(given.len(), 125);
    call(OURS, "ADD", "surplus", conf, "").expect_err("full");
}

/// What the store does, and the rest of the process with it.
const CALLS: [&str; 14] = [
    "openat",
    "flock",
    "statx",
    "pread64",
    "read",
    "write",
    "linkat",
    "unlink",
    "pwrite64",
    "rename",
    "utimensat",
    "close",
    "mkdir",
    "getdents64",
];

#[test]
fn killed_at_every_system_call_nothing_stays_blocked() {
    assert!(Path::new("/usr/bin/strace").exists(), "strace is missing; mend it with: apt-get install strace");
    let data = tempfile::tempdir().expect("a directory");
    let conf = &conf(data.path(), r#""ranges":[[{"subnet":"10.7.0.0/29"}],[{"subnet":"fd00:7::/125"}]]"#);
    for (verb, prepared) in [("ADD", false), ("ADD", true), ("DEL", true)] {
        let mut killed = 0;
        // strace counts each kind of call by itself.
        let points = CALLS.iter().flat_map(|call| (1..100).map(move |at| (*call, at)));
        let mut done = "";
        for (name, at) in points {
            if done == name {
                continue;
            }
            if !prepared {
                fs::remove_dir_all(data.path().join("net")).or_else(absent).expect("removed");
                fs::remove_file(data.path().join(".net.idx")).or_else(absent).expect("removed");
            }
            if verb == "DEL" {
                call(OURS, "ADD", "victim", conf, "").expect("room");
            }
            let inject = format!("inject={name}:signal=SIGKILL:when={at}");
            let program = ["/usr/bin/strace", "-qq", "-o", "/dev/null", "-e", &inject, OURS];
            let status = start(&program, verb, "victim", conf, "", true).wait().expect("waited for");
            call(OURS, "DEL", "victim", conf, "")
                .unwrap_or_else(|error| panic!("{verb}, killed at {name} {at}: DEL: {error}"));
            assert_eq!(reservations(data.path()).len(), 0, "{verb}, killed at {name} {at}");
            let left = fs::read_dir(data.path().join("net")).into_iter().flatten().count();
            assert!(left <= 3, "{verb}, killed at {name} {at}: {left} names where lock and two hints should be");
            if status.success() {
                done = name;
            } else {
                killed += 1;
            }
        }
        assert!((30..500).contains(&killed), "{verb}: killed {killed} times");
        for number in 0..5 {
            call(OURS, "ADD", &format!("x{number}"), conf, "").expect("free");
        }
        for number in 0..5 {
            call(OURS, "DEL", &format!("x{number}"), conf, "").expect("ours");
        }
    }
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[test]
fn processes_and_threads_in_parallel_get_different_addresses() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = &conf(data.path(), r#""subnet":"10.7.0.0/24""#);
    let add = |worker: usize| -> Vec<String> {
        (0..15)
            .map(|round| {
                let id = format!("w{worker}r{round}");
                addresses(&call(OURS, "ADD", &id, conf, "").expect("room")).remove(0)
            })
            .collect()
    };
    let given: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..16).map(|worker| scope.spawn(move || add(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert_eq!(given.len(), 240);
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 240);
    assert_eq!(reservations(data.path()).len(), 240);
}
