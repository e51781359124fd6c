//! Tells the linker to lay out together what calls execute, in the order of `order.txt`. A call touches a third of the pages of
//! code then, and each costs a process that lives half a millisecond a fault. What the list does not name, or names in vain,
//! is laid out as ever.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=order.txt");
    // Others than GNU's linker may not know INSERT; it is the one for musl.
    let musl = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl");
    if !musl || env::var("PROFILE")? != "release" {
        return Ok(());
    }
    let mut script = String::from("SECTIONS\n{\n  .text.calls :\n  {\n");
    for pattern in fs::read_to_string("order.txt")?.lines() {
        writeln!(script, "    *(.text.{pattern})")?;
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    let path = Path::new(&env::var("OUT_DIR")?).join("order.ld");
    fs::write(&path, script)?;
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", path.display());
    Ok(())
}
