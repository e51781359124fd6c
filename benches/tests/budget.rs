//! The promises about cost that repeat exactly, as tests. Times are measured, never asserted.
//!
//! Under test are the programs of `CNM_TEST_BIN`, else those that `make` has put into `bin/`: sizes of anything but a
//! release build would mean nothing.

use std::path::{Path, PathBuf};

use cnm_benches::chain::Chain;
use cnm_benches::contender::{Contender, Shape, Who};
use cnm_benches::counts::{self, Look};

/// All our programs together, and the memory of any of them at work: less than this many bytes.
const LIMIT: u64 = 4_000_000;
/// Windows of 64 KiB in which a call may execute code.
const WINDOWS: usize = 13;

fn contender() -> Contender {
    contender_for(Shape::plain())
}

fn contender_for(shape: Shape) -> Contender {
    let place = match std::env::var_os("CNM_TEST_BIN") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("../bin"),
    };
    let program = place.join("bridge");
    assert!(program.is_file(), "{} is not there; mend it with: make", program.display());
    // Children may have another working directory.
    let place = place.canonicalize().expect("a folder that has files has a path");
    let who = if place == Path::new("/usr/lib/cni") { Who::Reference } else { Who::Ours };
    Contender { who, place, shape }
}

#[test]
fn no_verb_starts_a_process_when_nftables_masquerades() {
    let counts = counts::of(&contender(), &[Look::Calls]).expect("every verb succeeds");
    let offenders: Vec<String> = counts
        .iter()
        .filter(|counts| counts.children > 0)
        .map(|counts| format!("{} starts {}", counts.verb.as_str(), counts.children))
        .collect();
    assert!(offenders.is_empty(), "{}", offenders.join(", "));
    assert!(counts.iter().any(|counts| counts.netlink_sends > 0), "strace saw no netlink: is it still understood?");
}

#[test]
fn no_verb_of_a_whole_chain_starts_a_process_when_nftables_filters() {
    for chain in [Chain::Podman, Chain::Nerdctl] {
        let counts = counts::of(&contender_for(Shape { chain, ..Shape::plain() }), &[Look::Calls]);
        for counts in counts.expect("every verb succeeds") {
            let (chain, verb) = (chain.name(), counts.verb.as_str());
            assert_eq!(counts.children, 0, "{chain}: {verb} starts processes");
        }
    }
}

/// As long as the plain name of iptables is its nf_tables variant's, as Debian installs it.
#[test]
fn no_verb_of_a_whole_chain_starts_a_process_when_iptables_filters() {
    for chain in [Chain::Podman, Chain::Nerdctl] {
        let shape = Shape { chain, backend: "iptables", ..Shape::plain() };
        for counts in counts::of(&contender_for(shape), &[Look::Calls]).expect("every verb succeeds") {
            let (chain, verb) = (chain.name(), counts.verb.as_str());
            assert_eq!(counts.children, 0, "{chain}: {verb} starts processes");
        }
    }
}

#[test]
fn no_verb_needs_four_megabytes_of_memory() {
    let counts = counts::of(&contender(), &[Look::Memory]).expect("every verb succeeds");
    for counts in counts {
        let peak = counts.peak_kib * 1024;
        assert!(peak > 0, "{}: its memory was not seen", counts.verb.as_str());
        assert!(peak < LIMIT, "{} has a peak of {peak} bytes, the limit is {LIMIT}", counts.verb.as_str());
    }
}

#[test]
fn all_programs_together_are_smaller_than_four_megabytes() {
    let size = counts::size("under test", &contender().place).expect("the folder can be read");
    assert!(size.bytes < LIMIT, "{} are {} bytes, the limit is {LIMIT}", size.names, size.bytes);
}

/// How the linker lays out what calls execute (`plugins/multicall/order.txt`). The text has some 40 windows; without an order
/// a call executes code in 30 of them.
#[test]
fn what_an_attachment_executes_lies_together() {
    for chain in [Chain::Bridge, Chain::Macvlan, Chain::Nerdctl] {
        for (call, footprint) in
            counts::footprints(&contender_for(Shape { chain, ..Shape::plain() })).expect("every verb succeeds")
        {
            let windows = footprint.windows.len();
            assert!(
                windows <= WINDOWS,
                "{call} executes code in {windows} windows of 64 KiB; renew the order: make order (only a build for musl has one)"
            );
        }
    }
}
