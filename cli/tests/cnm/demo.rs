//! The demonstrations of `demo/` come to a good end. They make their namespaces themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use cnm_tests::Suite;

/// Runs a demonstration on the suite under test; what it shows.
#[track_caller]
fn runs(name: &str) -> String {
    let bin = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Suite::under_test().folder()).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), bin.path().join(entry.file_name())).unwrap();
    }
    let cnm = bin.path().join("cnm");
    let _ = fs::remove_file(&cnm);
    symlink(env!("CARGO_BIN_EXE_cnm"), cnm).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo").join(name);
    #[expect(clippy::disallowed_methods, reason = "what `make` runs, not a plugin")]
    let output = Command::new(script).env("BIN", bin.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.ends_with("all as it should be\n"), "{text}{complaint}");
    assert_eq!(complaint, "", "{text}");
    text
}

#[test]
fn two_sandboxes_on_a_bridge() {
    let text = runs("run");
    assert!(text.contains("alice to bob: 3 of 3 answered"), "{text}");
}

#[test]
fn three_hosts_on_one_network() {
    let text = runs("overlay");
    for wanted in ["│ carol     10.94.3.1  │", "alice on host1 to bob on host2: 3 of 3 answered"] {
        assert!(text.contains(wanted), "{text}");
    }
}
