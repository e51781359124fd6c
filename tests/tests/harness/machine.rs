//! A virtual machine that dies, hangs or never starts is a failure: scripts/vm/run, held to that with programs that play
//! QEMU.

use cnm_tests::{Finished, Host};

/// Folders of the machine in which a host of these tests may write; `/run` is the virtual machine's own.
const FOLDER: &str = "/var/lib/cni";

/// Runs a job for at most two seconds, with the script `qemu` in place of QEMU; it finds the job's folder in `$JOB`.
fn boot(qemu: &str) -> Finished {
    let host = Host::new();
    host.write_file(&format!("{FOLDER}/vm/kernel/release"), "6.1.0");
    host.write_file(&format!("{FOLDER}/job/log"), "of another run");
    host.write_file(&format!("{FOLDER}/job/verdict"), "0");
    host.write_file(&format!("{FOLDER}/stub/qemu-system-x86_64"), format!("#!/bin/sh\n{qemu}\n"));
    for program in ["modprobe", "cpio", "busybox"] {
        host.write_file(&format!("{FOLDER}/stub/{program}"), "#!/bin/sh\n");
    }
    host.run(&format!("chmod -R 755 {FOLDER}/stub"));
    let run = format!("{}/../scripts/vm/run", env!("CARGO_MANIFEST_DIR"));
    let path = format!("{FOLDER}/stub:/usr/sbin:/usr/bin:/sbin:/bin");
    host.attempt(&format!("env PATH={path} JOB={FOLDER}/job CARGO_TARGET_DIR={FOLDER} {run} {FOLDER}/job 2"))
}

#[test]
fn its_verdict_is_the_exit_status() {
    for (verdict, code) in [("0", 0), ("1", 1), ("7", 7)] {
        // QEMU's own status says nothing.
        let done = boot(&format!("echo {verdict} >\"$JOB/verdict\"; exit 0"));
        assert_eq!(done.status.code(), Some(code), "{}", done.complaint());
    }
}

#[test]
fn without_a_verdict_it_has_failed_and_shows_its_console() {
    for (qemu, words) in [
        ("echo 'Kernel panic' >\"$JOB/console\"; exit 0", ["ended without a verdict", "Kernel panic"]),
        ("exit 1", ["ended without a verdict", "qemu: 1"]),
        ("echo 'half way' >\"$JOB/console\"; exec sleep 60", ["no verdict within 2 seconds", "half way"]),
    ] {
        let done = boot(qemu);
        assert!(!done.status.success(), "{qemu}");
        for word in words {
            assert!(done.complaint().contains(word), "{qemu}: {}", done.complaint());
        }
    }
}
