//! `make test-vm` passes only when every test that it was to run says ok: scripts/vm/tally, held to that.

use cnm_tests::{Finished, Host};

/// Two executables; `keys` is in a module `vm` of one of them.
const TESTS: &str = "\
/t/bridge-0a /w/tests vm::keys
/t/bridge-0a /w/tests keys::mtu
/t/simple-0b /w/tests own::vm::keys
";

const LOG: &str = "\
program /t/bridge-0a
running 2 tests
test keys::mtu ... ok
test vm::keys ... ok
program /t/simple-0b
test own::vm::keys ... ok
";

fn tally(tests: &str, log: &str) -> Finished {
    let host = Host::new();
    host.write_file("/run/tests", tests);
    host.write_file("/run/log", log);
    host.attempt(&format!("{}/../scripts/vm/tally /run/tests /run/log", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn all_passed_is_passed_and_counted() {
    let done = tally(TESTS, LOG);
    assert!(done.status.success(), "{}", done.text());
    assert_eq!(done.text(), "virtual machine: 3 of 3 tests passed, 2 of them in modules named vm\n");
}

#[test]
fn a_test_that_failed_or_never_ran_is_named() {
    for (from, to, name) in [
        ("test vm::keys ... ok", "test vm::keys ... FAILED", "bridge vm::keys"),
        ("test vm::keys ... ok\n", "", "bridge vm::keys"),
        ("test vm::keys ... ok", "test vm::keys ... ignored", "bridge vm::keys"),
        ("test keys::mtu ... ok", "test keys::mtu ... test other ... ok", "bridge keys::mtu"),
        // Passed in another executable is not passed here.
        ("program /t/simple-0b\n", "", "simple own::vm::keys"),
    ] {
        let done = tally(TESTS, &LOG.replace(from, to));
        assert!(!done.status.success(), "{from} -> {to}");
        assert!(done.text().contains(&format!("did not pass in the virtual machine: {name}")), "{}", done.text());
    }
    assert!(!tally(TESTS, "").status.success(), "no output at all");
}

#[test]
fn nothing_to_run_is_a_failure() {
    assert!(!tally("", "").status.success());
    let unmarked = "/t/bridge-0a /w/tests keys::mtu\n";
    assert!(!tally(unmarked, LOG).status.success(), "no test in a module named vm");
}
