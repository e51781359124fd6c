//! Configuration and prevResult in, description out: the pure ring. Each folder of `tests/golden` is a case:
//! `conf.json`, which has the prevResult, and what must come of it: `description.txt`, or `error.txt`. With
//! `UPDATE_GOLDEN=1` the expectations are written instead of compared; read the difference before committing it.

#![expect(clippy::unwrap_used, reason = "a test says by failing that a case is broken")]

use std::cell::RefCell;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use cni::json::Json;
use cni::{Command, Request, Version};
use cnm::{Backend, Chained, Context, Owner};
use kernel_memory::Memory;
use portmap::Portmap;

#[test]
fn every_case_is_described_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 45, "only {} cases in {}", cases.len(), folder.display());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for case in cases {
        let (file, actual) = match describe(&case) {
            Ok(text) => ("description.txt", text),
            Err(text) => ("error.txt", text),
        };
        if update {
            for stale in ["description.txt", "error.txt"] {
                let _ = fs::remove_file(case.join(stale));
            }
            fs::write(case.join(file), &actual).unwrap();
            continue;
        }
        let expected = fs::read_to_string(case.join(file)).unwrap_or_else(|error| format!("{file}: {error}"));
        if expected != actual {
            writeln!(wrong, "--- {} expected\n{expected}+++ actual\n{actual}", case.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The whole description of one case, a resource per line.
fn describe(case: &Path) -> Result<String, String> {
    let request = request(case, Command::Add);
    let fail = |error: cni::Error| format!("code {}\n{}\n{}\n", error.code.number(), error.msg, error.details);
    let plugin = parse(&request).map_err(fail)?;
    let owner = Owner::new("web", "c0ffee", "eth0");
    let previous = request.prev_result().map_err(fail)?.unwrap();
    let adjustment = plugin.adjust(&owner, "/run/netns/web1", previous.clone()).map_err(fail)?;
    assert_eq!(adjustment.result, previous, "the result is the previous one");
    let mut text = String::new();
    for (whose, resources) in [("the endpoint's", &adjustment.endpoint), ("shared", &adjustment.network)] {
        for resource in resources {
            writeln!(text, "{whose} {resource:?}").unwrap();
        }
    }
    writeln!(text, "traces {:?}\nneeds {:?}", plugin.traces(&owner), plugin.needs()).unwrap();
    Ok(text)
}

fn parse(request: &Request) -> Result<Portmap, cni::Error> {
    let mut host = Memory::without_sandbox();
    Portmap::parse(request, &Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) })
}

/// What the configuration has become since must not keep DEL and GC from removing.
#[test]
fn a_configuration_that_became_wrong_keeps_nothing() {
    for case in ["error-backend", "error-host-port-70000", "error-conditions-mixed"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case);
        for (command, fine) in [(Command::Del, true), (Command::Gc, true), (Command::Status, false)] {
            assert_eq!(parse(&request(&folder, command)).is_ok(), fine, "{case}");
        }
    }
}

fn request(case: &Path, command: Command) -> Request {
    let stdin = fs::read(case.join("conf.json")).unwrap();
    Request {
        command,
        container_id: "c0ffee".into(),
        netns: Some("/run/netns/web1".into()),
        ifname: "eth0".into(),
        args: String::new(),
        path: "/opt/cni/bin".into(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: "web".into(),
        version: Version::NEWEST,
    }
}
