//! Prints the kernel options that tests in modules named `vm` may need and that this kernel lacks, one a line.

use std::io::Write;

use cnm_tests::Feature;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for feature in Feature::ALL {
        if !feature.is_here() {
            writeln!(out, "{}", feature.option())?;
        }
    }
    Ok(())
}
