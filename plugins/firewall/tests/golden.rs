//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

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

#[test]
fn a_configuration_that_became_wrong_keeps_nothing() {
    let cases = ["error-backend", "error-policy", "error-admin-chain"];
    let mut host = Memory::without_sandbox();
    golden::a_configuration_that_became_wrong_keeps_nothing::<Firewall>(&folder(), &cases, &RefCell::new(&mut host));
}
