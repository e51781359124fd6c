//! `make test-vm` as a whole: whatever is missing, breaks or never comes is a failure that says so at its end. scripts/test-vm,
//! held to that with programs that play cargo, a test executable, apt and QEMU.

use cnm_tests::{Finished, Host};

/// Folders of the machine in which a host of these tests may write; `/run` is the virtual machine's own.
const FOLDER: &str = "/var/lib/cni";

/// The log of a machine in which both tests of the executable passed.
const PASSED: &str =
    "printf 'program %s\\ntest vm::a ... ok\\ntest own::vm::b ... ok\\n' /var/lib/cni/exe-0a >\"$JOB/log\"
echo 0 >\"$JOB/verdict\"";

/// What plays a part: by default all is well.
struct Play {
    cargo_ends: u8,
    list_ends: u8,
    kernel: bool,
    /// The script that stands for QEMU; none: it is not installed.
    qemu: Option<&'static str>,
}

const GOOD: Play = Play { cargo_ends: 0, list_ends: 0, kernel: true, qemu: Some(PASSED) };

fn play(play: &Play) -> Finished {
    let host = Host::new();
    let stub = |name: &str, text: &str| {
        let path = format!("{FOLDER}/{name}");
        host.write_file(&path, format!("#!/bin/sh\n{text}\n"));
        host.run(&format!("chmod 755 {path}"));
    };
    let artifact = format!(
        r#"{{"reason":"compiler-artifact","profile":{{"test":true}},"executable":"{FOLDER}/exe-0a","manifest_path":"{FOLDER}/Cargo.toml"}}"#
    );
    stub("stub/cargo", &format!("echo '{artifact}'\nexit {}", play.cargo_ends));
    stub("exe-0a", &format!("echo 'vm::a: test'\necho 'own::vm::b: test'\nexit {}", play.list_ends));
    for program in ["modprobe", "cpio", "busybox", "apt-cache"] {
        stub(&format!("stub/{program}"), "");
    }
    stub("stub/apt-get", "exit 100");
    if play.kernel {
        host.write_file(&format!("{FOLDER}/vm/kernel/release"), "6.1.0");
    }
    host.write_file(&format!("{FOLDER}/vm/job/log"), "of another run");
    host.write_file(&format!("{FOLDER}/vm/job/verdict"), "0");
    // A folder with nothing but what the scripts use, so that a program can be missing.
    for program in
        "sh env jq sed awk basename realpath mkdir mktemp rm cat cp ls find gzip dirname timeout tail wc head sleep"
            .split(' ')
    {
        let found = host.run(&format!("which {program}"));
        host.run(&format!("ln -s {} {FOLDER}/stub/{program}", found.trim()));
    }
    if let Some(qemu) = play.qemu {
        stub("stub/qemu-system-x86_64", qemu);
    }
    let script = format!("{}/../scripts/test-vm", env!("CARGO_MANIFEST_DIR"));
    host.attempt(&format!(
        "env -i PATH={FOLDER}/stub CARGO=cargo JOB={FOLDER}/vm/job CARGO_TARGET_DIR={FOLDER} CNM_TEST_BIN={FOLDER} {script}"
    ))
}

#[test]
fn all_passed_is_passed() {
    let done = play(&GOOD);
    assert!(done.status.success(), "{}", done.complaint());
    assert!(done.text().contains("virtual machine: 2 of 2 tests passed"), "{}", done.text());
}

#[test]
fn whatever_goes_wrong_is_a_failure_that_says_what() {
    for (what, words) in [
        (Play { cargo_ends: 101, ..GOOD }, &[][..]),
        (Play { list_ends: 1, ..GOOD }, &[]),
        (Play { kernel: false, ..GOOD }, &["no kernel for the virtual machine", "apt-get update failed"]),
        (Play { qemu: None, ..GOOD }, &["qemu-system-x86_64 is missing", "scripts/need test-vm"]),
        (Play { qemu: Some("exit 1"), ..GOOD }, &["ended without a verdict (qemu: 1)"]),
        (
            // Dies half-way.
            Play { qemu: Some("printf 'program /var/lib/cni/exe-0a\\ntest vm::a ... ok\\n' >\"$JOB/log\""), ..GOOD },
            &["ended without a verdict", "did not pass in the virtual machine: exe own::vm::b", "1 of 2", "did not finish"],
        ),
        (
            Play {
                qemu: Some(
                    "printf 'program /var/lib/cni/exe-0a\\ntest vm::a ... ok\\ntest own::vm::b ... FAILED\\nwhy it failed\\n' >\"$JOB/log\"
                    echo 1 >\"$JOB/verdict\"",
                ),
                ..GOOD
            },
            &["why it failed", "did not pass in the virtual machine: exe own::vm::b", "1 of 2", "run one of them alone"],
        ),
        (
            // All say ok, the machine does not.
            Play {
                qemu: Some(
                    "printf 'program /var/lib/cni/exe-0a\\ntest vm::a ... ok\\ntest own::vm::b ... ok\\n' >\"$JOB/log\"
                    echo 1 >\"$JOB/verdict\"",
                ),
                ..GOOD
            },
            &["2 of 2"],
        ),
    ] {
        let done = play(&what);
        let said = done.complaint();
        assert!(!done.status.success(), "{words:?}: {said}");
        assert!(!said.contains("of another run"), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}
