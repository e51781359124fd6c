//! Configuration in, description out: the pure ring. Each folder of `tests/golden` is a case: `conf.json` with its
//! `prevResult`, an optional `args` (`CNI_ARGS`), and what must come of it: `description.txt`, or `error.txt`. With `UPDATE_GOLDEN=1` the expectations are
//! written instead of compared; read the difference before committing it.

#![expect(clippy::unwrap_used, reason = "a test says by failing that a case is broken")]

use std::cell::RefCell;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use cni::json::Json;
use cni::{Command, Request, Version};
use cnm::{Backend, Chained, Context, Owner};
use kernel_memory::Memory;
use tuning::Tuner;

#[test]
fn every_case_is_described_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} cases in {}", cases.len(), folder.display());
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
    let request = request(case);
    let fail = |error: cni::Error| format!("code {}\n{}\n{}\n", error.code.number(), error.msg, error.details);
    let mut host = Memory::new();
    let context = Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) };
    let plugin = Tuner::parse(&request, &context).map_err(fail)?;
    let owner = Owner::new("web", "c0ffee", "eth0");
    let previous = request.prev_result().map_err(fail)?.unwrap_or_default();
    let adjustment = plugin.adjust(&owner, "/run/netns/web1", previous).map_err(fail)?;
    let mut text = String::new();
    for (title, resources) in [("network", &adjustment.network), ("endpoint", &adjustment.endpoint)] {
        writeln!(text, "{title}").unwrap();
        for resource in resources {
            writeln!(text, "  {resource:?}").unwrap();
        }
    }
    writeln!(text, "traces {:?}", plugin.traces(&owner)).unwrap();
    writeln!(text, "needs {:?}", plugin.needs()).unwrap();
    writeln!(text, "{}", adjustment.result.print(Version::NEWEST).unwrap()).unwrap();
    Ok(text)
}

fn request(case: &Path) -> Request {
    let stdin = fs::read(case.join("conf.json")).unwrap();
    Request {
        command: Command::Add,
        container_id: "c0ffee".into(),
        netns: Some("/run/netns/web1".into()),
        ifname: "eth0".into(),
        args: fs::read_to_string(case.join("args")).unwrap_or_default().trim_end().to_owned(),
        path: "/opt/cni/bin".into(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: "web".into(),
        version: Version::NEWEST,
    }
}
