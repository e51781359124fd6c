//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use cni::Command;
use cnm::{Backend, Chained, Context};
use fault_ring::golden;
use firewall::Firewall;
use kernel_memory::Memory;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn every_case_is_described_as_written() {
    let mut host = Memory::without_sandbox();
    golden::every_adjustment_is_described_as_written::<Firewall>(&folder(), 15, &RefCell::new(&mut host));
}

/// What the configuration has become since must not keep DEL and GC from removing.
#[test]
fn a_configuration_that_became_wrong_keeps_nothing() {
    for case in ["error-backend", "error-policy", "error-admin-chain"] {
        for (command, fine) in [(Command::Del, true), (Command::Gc, true), (Command::Status, false)] {
            let mut host = Memory::without_sandbox();
            let context = Context { preferred_backend: &|| Backend::Nftables, host: &RefCell::new(&mut host) };
            let parsed = Firewall::parse(&golden::request(&folder().join(case), command), &context);
            assert_eq!(parsed.is_ok(), fine, "{case}: {command}");
        }
    }
}
