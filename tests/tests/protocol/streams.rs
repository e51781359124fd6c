//! Standard input and output: what comes in broken must not come out broken.

use cnm_tests::Host;

use crate::{call, lan};

#[test]
fn garbage_is_a_decoding_error() {
    let host = Host::new();
    let before = host.snapshot();
    let cut = lan().bytes();
    for input in [
        &b""[..],
        b"   ",
        b"{",
        b"not json",
        b"\x00\xff\xfe",
        b"[]",
        b"\"text\"",
        b"{\"name\": 7}",
        b"{\"cniVersion\": [], \"name\": \"web\"}",
        &cut[..cut.len() - 1],
    ] {
        for verb in ["ADD", "DEL", "CHECK"] {
            let failure = call(&host, verb).stdin(input).run().fails();
            assert_eq!(failure.code, Some(6), "{failure:?} for {:?}", String::from_utf8_lossy(input));
        }
    }
    host.is_again(&before);
}

#[test]
fn version_leaves_standard_input_alone() {
    let host = Host::new();
    call(&host, "VERSION").stdin(&b"garbage"[..]).run().succeeds();
    call(&host, "VERSION").closed_stdin().run().succeeds();
}

#[test]
fn closed_standard_input_is_an_error() {
    let host = Host::new();
    let before = host.snapshot();
    for verb in ["ADD", "DEL"] {
        let failure = call(&host, verb).closed_stdin().run().fails();
        assert!(matches!(failure.code, Some(5 | 6)), "{failure:?}");
    }
    host.is_again(&before);
}

#[test]
fn a_large_configuration_is_read_to_its_end() {
    let host = Host::new();
    let one = host.sandbox("one");
    let large = lan().with("Documentation", "x".repeat(1 << 20));
    let result = host.add(&large, &one).attached();
    assert_eq!(result.ip().to_string(), "10.1.2.2");
    host.del(&large, &one).succeeds_silently();
}

#[test]
fn a_result_is_the_only_thing_on_standard_output() {
    let host = Host::new();
    let one = host.sandbox("one");
    // `attached` and `succeeds_silently` insist on it.
    let result = host.add(&lan(), &one).attached();
    host.check(&lan().after(result.json()), &one).succeeds_silently();
    host.del(&lan(), &one).succeeds_silently();
    let _ = call(&host, "ADD").netns("/run/netns/none").run().fails();
}
