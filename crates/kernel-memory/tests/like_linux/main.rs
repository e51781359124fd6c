//! The kernel in memory against the real one: random requests go to both, and after each of them answers and
//! observable state must be equal. Needs root: each case makes its own network namespaces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod macvlans;
mod requests;
mod shaping;
mod state;
mod tunnels;
mod vm;
mod worlds;

use cnm::{Kernel, Place};
use kernel_memory::Memory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use requests::Request;
use worlds::Worlds;

/// Sends one request to both and compares.
fn step(worlds: &Worlds, memory: &mut Memory, request: &Request) -> Result<(), String> {
    let (theirs, ours) = (request.send(&mut worlds.linux()), request.send(memory));
    let alike = match (&theirs, &ours) {
        (Ok(()), Ok(())) => true,
        (Err(theirs), Err(ours)) => theirs.errno == ours.errno,
        (Ok(()), Err(_)) | (Err(_), Ok(())) => false,
    };
    if !alike {
        return Err(format!("{request:?}\n  Linux  {theirs:?}\n  memory {ours:?}"));
    }
    state::compare(&mut worlds.linux(), memory)
        .map_err(|difference| format!("after {request:?} ({ours:?})\n{difference}"))
}

/// Runs a sequence in fresh namespaces.
fn run(requests: &[Request]) -> Result<(), String> {
    Worlds::with(|worlds| {
        // As the real one, with VLAN filtering or without.
        let filters = worlds.linux().vlans(Place::Host, 0).is_ok();
        let mut memory = if filters { Memory::new().with_vlan_filtering() } else { Memory::new() };
        state::compare(&mut worlds.linux(), &mut memory)
            .map_err(|difference| format!("at the beginning\n{difference}"))?;
        requests.iter().try_for_each(|request| step(worlds, &mut memory, request))
    })
}

#[test]
fn any_sequence_of_requests_has_the_same_effects() {
    any_sequence_of(requests::request());
}

fn any_sequence_of(request: impl Strategy<Value = Request>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let requests = prop::collection::vec(request, 1..40);
    TestRunner::new(config)
        .run(&requests, |requests| {
            // Waiting two seconds for each address that is looked for twice would be all that this test does.
            let undetected = [Place::Host, Place::Sandbox]
                .map(|place| Request::Sysctl(place, "net/ipv6/conf/default/accept_dad".into(), "0".into()));
            let requests: Vec<Request> = undetected.into_iter().chain(requests).collect();
            run(&requests).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The life of an attachment, so that the usual path is met even when chance does not find it.
#[test]
fn the_life_of_an_attachment_has_the_same_effects() {
    run(&requests::attachment()).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn any_sequence_of_requests_about_tunnels_has_the_same_effects() {
    any_sequence_of(tunnels::request());
}

/// The life of an overlay.
#[test]
fn the_life_of_a_tunnel_has_the_same_effects() {
    run(&tunnels::life()).unwrap_or_else(|difference| panic!("{difference}"));
}

/// Sends requests about limits of traffic to both kernels, and compares after each.
fn shape(requests: &[shaping::Request]) -> Result<(), String> {
    Worlds::with(|worlds| {
        let mut memory = Memory::new();
        requests.iter().try_for_each(|request| {
            let (theirs, ours) = (request.send(&mut worlds.linux()), request.send(&mut memory));
            let errno = |answer: &Result<(), cnm::KernelError>| {
                let errno = answer.as_ref().err().map(|error| error.errno);
                // What is not there Linux calls absent or invalid, by what was there before.
                errno.map(|errno| if request.deletes() && errno == 22 { 2 } else { errno })
            };
            let (linux, own) = (shaping::observe(&mut worlds.linux()), shaping::observe(&mut memory));
            if errno(&theirs) == errno(&ours) && linux == own {
                return Ok(());
            }
            Err(format!("{request:?}\n  Linux  {theirs:?} {linux:?}\n  memory {ours:?} {own:?}"))
        })
    })
}

#[test]
fn limits_of_traffic_have_the_same_effects() {
    shape(&shaping::usual()).unwrap_or_else(|difference| panic!("{difference}"));
    let config = Config { cases: 60, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(shaping::request(), 1..25), |requests| {
            shape(&requests).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_sequence_of_requests_about_macvlans_has_the_same_effects() {
    any_sequence_of(macvlans::request());
}

#[test]
fn both_find_and_delete_the_same_links_elsewhere() {
    Worlds::with(|worlds| {
        let ours = macvlans::look_elsewhere(&mut Memory::new());
        assert_eq!(macvlans::look_elsewhere(&mut worlds.linux()), ours);
        assert!(ours.iter().any(|line| line.contains("m0")) && ours.len() > 10, "{ours:?}");
    });
}

/// ADD tries again when the bridge vanished between its two calls: the same `Linux` must say `ENODEV`, and see the new
/// one afterwards.
#[test]
fn a_master_that_vanished_is_missed_and_found_again() {
    Worlds::with(|worlds| {
        let (mut linux, mut other) = (worlds.linux(), worlds.linux());
        let steps = requests::attachment();
        let (bridge, veth) = (&steps[0], &steps[2]);
        let gone = Request::Apply(Place::Host, cnm::Change::DeleteLink(cnm::LinkName::Name("br0".into())));
        bridge.send(&mut linux).unwrap();
        gone.send(&mut other).unwrap();
        assert_eq!(veth.send(&mut linux).unwrap_err().errno, kernel_memory::ENODEV);
        bridge.send(&mut other).unwrap();
        veth.send(&mut linux).unwrap();
    });
}

/// Another process may have taken the link along since this one saw it.
#[test]
fn lists_of_a_link_that_has_vanished_are_refused_alike() {
    fn answers(kernel: &mut impl Kernel) -> Vec<Option<i32>> {
        let errno = |error: cnm::KernelError| error.errno;
        vec![
            kernel.routes(Place::Host, 4711).err().map(errno),
            kernel.addresses(Place::Host, 4711).err().map(errno),
            kernel.routes(Place::Host, 0).err().map(errno),
        ]
    }
    Worlds::with(|worlds| {
        let gone = Some(kernel_memory::ENODEV);
        assert_eq!(answers(&mut worlds.linux()), [gone; 3]);
        assert_eq!(answers(&mut Memory::new()), [gone; 3]);
    });
}
