//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

use std::cell::RefCell;
use std::path::Path;

use kernel_memory::Memory;
use tuning::Tuner;

#[test]
fn every_case_is_described_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut host = Memory::new();
    fault_ring::golden::every_adjustment_is_described_as_written::<Tuner>(&folder, 20, &RefCell::new(&mut host));
}
