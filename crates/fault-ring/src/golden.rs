//! Configuration in, description out: the pure ring. Each folder below `tests/golden` of a plugin is a case: `conf.json`
//! (for a chained plugin with its `prevResult`), an optional `lease.json` (the IPAM plugin's result), an optional `args`
//! (`CNI_ARGS`), and what must come of it: `description.txt`, or `error.txt`. With `UPDATE_GOLDEN=1` the expectations are
//! written instead of compared; read the difference before committing it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use cni::json::{Json, Node};
use cni::{AddResult, Command, Request, Version};
use cnm::{Backend, Chained, Context, Driver, Host, Mac, Resource};

use crate::world::owner;

/// Whose attachment every case is about.
const CONTAINER: &str = "c0ffee";
/// The name of its sandbox.
const SANDBOX: &str = "/run/netns/web1";

/// Compares every case of a driver in `folder`, of which there are `at_least` so many; `host` is what the driver finds.
///
/// # Panics
/// With the differences.
pub fn every_case_is_described_as_written<D: Driver>(folder: &Path, at_least: usize, host: &dyn Host) {
    compare(folder, at_least, &|case| describe::<D>(case, host));
}

/// The same for a chained plugin.
///
/// # Panics
/// With the differences.
pub fn every_adjustment_is_described_as_written<C: Chained>(folder: &Path, at_least: usize, host: &dyn Host) {
    compare(folder, at_least, &|case| describe_adjustment::<C>(case, host));
}

/// What these configurations, which ADD refuses, have become since they were good keeps neither DEL nor GC from removing
/// what there is; STATUS minds.
///
/// # Panics
/// With the case and the verb.
pub fn a_configuration_that_became_wrong_keeps_nothing<C: Chained>(folder: &Path, cases: &[&str], host: &dyn Host) {
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    for case in cases {
        for (command, fine) in
            [(Command::Add, false), (Command::Del, true), (Command::Gc, true), (Command::Status, false)]
        {
            let context = Context { preferred_backend: &|| Backend::Nftables, host };
            let parsed = C::parse(&request(&folder.join(case), command), &context);
            assert_eq!(parsed.is_ok(), fine, "{case}: {command}");
        }
    }
}

fn compare(folder: &Path, at_least: usize, describe: &dyn Fn(&Path) -> Result<String, cni::Error>) {
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= at_least, "only {} cases in {}", cases.len(), folder.display());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for case in cases {
        let (file, actual) = match describe(&case) {
            Ok(text) => ("description.txt", text),
            Err(error) => ("error.txt", format!("code {}\n{}\n{}\n", error.code.number(), error.msg, error.details)),
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
fn describe<D: Driver>(case: &Path, host: &dyn Host) -> Result<String, cni::Error> {
    let context = Context { preferred_backend: &|| Backend::Nftables, host };
    let driver = D::parse(&request(case, Command::Add), &context)?;
    let endpoint = driver.endpoint(&owner(CONTAINER), Mac([2, 0, 0, 0, 0, 1]));
    let lease = fs::read(case.join("lease.json"))
        .map(|bytes| {
            let json = Json::parse(&bytes).unwrap();
            AddResult::parse(&Node::root(&json), Version::NEWEST).unwrap()
        })
        .unwrap_or_default();
    let wiring = driver.wire(&owner(CONTAINER), SANDBOX, lease)?;
    let mut text = String::new();
    section(&mut text, "network", &driver.network().resources);
    writeln!(text, "endpoint's claim\n  {:?}", endpoint.claim).unwrap();
    section(&mut text, "endpoint", &endpoint.resources);
    section(&mut text, "network, with the lease", &wiring.network);
    section(&mut text, "endpoint, with the lease", &wiring.endpoint);
    writeln!(text, "port {:?}, announce {:?}, ipam {:?}", wiring.port, wiring.announce, driver.ipam()).unwrap();
    writeln!(text, "needs {:?}", driver.needs()).unwrap();
    writeln!(text, "{}", wiring.result.print(Version::NEWEST).unwrap()).unwrap();
    Ok(text)
}

/// The same of a chained plugin.
fn describe_adjustment<C: Chained>(case: &Path, host: &dyn Host) -> Result<String, cni::Error> {
    let request = request(case, Command::Add);
    let plugin = C::parse(&request, &Context { preferred_backend: &|| Backend::Nftables, host })?;
    let previous = request.prev_result()?.unwrap_or_default();
    let adjustment = plugin.adjust(&owner(CONTAINER), SANDBOX, previous.clone())?;
    let mut text = String::new();
    section(&mut text, "network", &adjustment.network);
    section(&mut text, "endpoint", &adjustment.endpoint);
    writeln!(text, "traces {:?}", plugin.traces(&owner(CONTAINER))).unwrap();
    writeln!(text, "needs {:?}", plugin.needs()).unwrap();
    if adjustment.result == previous {
        writeln!(text, "the result is the previous one").unwrap();
    } else {
        writeln!(text, "{}", adjustment.result.print(Version::NEWEST).unwrap()).unwrap();
    }
    Ok(text)
}

fn section(text: &mut String, title: &str, resources: &[Resource]) {
    writeln!(text, "{title}").unwrap();
    for resource in resources {
        writeln!(text, "  {resource:?}").unwrap();
    }
}

/// What a runtime sends with the configuration of `case`.
fn request(case: &Path, command: Command) -> Request {
    let stdin = fs::read(case.join("conf.json")).unwrap();
    let args = fs::read_to_string(case.join("args")).unwrap_or_default().trim_end().to_owned();
    Request { args, netns: Some(SANDBOX.into()), ..crate::request::request(command, CONTAINER, stdin) }
}
