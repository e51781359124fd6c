//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use fault_ring::golden;
use kernel_memory::Memory;
use portmap::Portmap;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn every_case_is_described_as_written() {
    let mut host = Memory::without_sandbox();
    golden::every_adjustment_is_described_as_written::<Portmap>(&folder(), 45, &RefCell::new(&mut host));
}

#[test]
fn a_configuration_that_became_wrong_keeps_nothing() {
    let cases = ["error-backend", "error-host-port-70000", "error-conditions-mixed"];
    let mut host = Memory::without_sandbox();
    golden::a_configuration_that_became_wrong_keeps_nothing::<Portmap>(&folder(), &cases, &RefCell::new(&mut host));
}
