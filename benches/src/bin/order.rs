//! Prints which functions the plugins execute, those together that the same calls execute: the order in which the linker is
//! to lay them out (`plugins/multicall/order.txt`). Needs root, valgrind, and plugins with their symbols; `make order`
//! builds them and calls this.
//!
//! Symbols are printed without what changes from build to build: as patterns for a linker script.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cnm_benches::chain::Chain;
use cnm_benches::contender::{Contender, Shape, Who};
use cnm_benches::counts;

/// Calls of endpoints, chains and address families that hosts see all day.
fn shapes() -> Vec<Shape> {
    let plain = Shape::plain();
    vec![
        plain,
        Shape { dual_stack: true, ..plain },
        Shape { chain: Chain::Macvlan, ..plain },
        Shape { chain: Chain::Macvlan, dual_stack: true, ..plain },
        Shape { chain: Chain::Podman, ..plain },
        Shape { chain: Chain::Nerdctl, ..plain },
    ]
}

/// A symbol as a pattern: without the hash behind a name (legacy mangling), without a crate's number (`Cs…_`, RFC 2603),
/// and without characters that mean something in a linker script.
fn pattern(symbol: &str) -> String {
    let mut pattern = String::new();
    let mut rest = symbol;
    if let Some((name, hash)) = symbol.split_once("17h")
        && hash.len() > 16
        && hash.bytes().take(16).all(|byte| byte.is_ascii_hexdigit())
    {
        return format!("{}17h*", plain(name));
    }
    while let Some((before, behind)) = rest.split_once("Cs") {
        let Some((number, after)) = behind.split_once('_') else { break };
        let is_number =
            !number.is_empty() && number.len() <= 13 && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        pattern.push_str(before);
        pattern.push_str(if is_number { "Cs*_" } else { "Cs" });
        rest = if is_number { after } else { behind };
    }
    pattern.push_str(rest);
    plain(&pattern)
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*') { c } else { '?' }).collect()
}

#[expect(clippy::print_stdout, reason = "the list is the output")]
fn main() -> Result<()> {
    let folder: PathBuf =
        std::env::args_os().nth(1).context("usage: order FOLDER, with plugins that have symbols")?.into();
    let place = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
    let (mut calls, mut users): (Vec<String>, BTreeMap<String, BTreeSet<String>>) = Default::default();
    for shape in shapes() {
        let contender = Contender { who: Who::Ours, place: place.clone(), shape };
        for (call, footprint) in counts::footprints(&contender)? {
            for function in &footprint.functions {
                users.entry(pattern(function)).or_default().insert(call.clone());
            }
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
    }
    ensure!(users.len() > 100, "only {} functions have names: are these plugins stripped?", users.len());
    // What the first call executes comes first; of that, what the second one executes, too; and so on. So each call finds
    // its own in few places, the first ones in one.
    calls.sort_by_key(|call| ["ADD", "DEL"].iter().position(|verb| call.ends_with(verb)).unwrap_or(usize::MAX));
    let mut order: Vec<(Vec<bool>, String)> = users
        .into_iter()
        .map(|(name, users)| (calls.iter().map(|call| !users.contains(call)).collect(), name))
        .collect();
    order.sort();
    for (_, name) in order {
        println!("{name}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_build_to_build_is_left_out() {
        assert_eq!(pattern("_ZN3cni4gate5admit17h0123456789abcdefE"), "_ZN3cni4gate5admit17h*");
        assert_eq!(
            pattern("_ZN58_$LT$cnm..link..LinkSpec$GT$5clone17hf96df73b720895b6E.llvm.12"),
            "_ZN58_?LT?cnm..link..LinkSpec?GT?5clone17h*"
        );
        assert_eq!(
            pattern("_RNvMsa_NtCs7BliBxkEZsN_4core3fmtNtB5_9Formatter3pad"),
            "_RNvMsa_NtCs*_4core3fmtNtB5_9Formatter3pad"
        );
        assert_eq!(pattern("memcpy"), "memcpy");
    }
}
