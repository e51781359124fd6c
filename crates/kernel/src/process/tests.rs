use super::*;

fn shell<'a>(arguments: &'a [&'a str]) -> Call<'a> {
    Call { arguments, ..Call::new(Path::new("/bin/sh")) }
}

#[test]
fn input_output_variables_and_status_pass() {
    let mut call = shell(&["-c", "cat; echo \"$GREETING\" >&2; exit 7"]);
    call.variables = &[("GREETING", "hello")];
    call.stdin = b"over there";
    let output = run(&call).unwrap();
    assert_eq!(output.stdout, b"over there");
    assert_eq!(output.stderr, b"hello\n");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.ending(), "exit status 7");
}

#[test]
fn megabytes_go_both_ways_at_once() {
    let input: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let output = run(&Call { stdin: &input, ..Call::new(Path::new("/bin/cat")) }).unwrap();
    assert!(output.stdout == input);
}

#[test]
fn a_child_that_does_not_read_is_no_error() {
    let input = vec![b'x'; 1 << 20];
    let output = run(&Call { stdin: &input, ..shell(&["-c", "exec <&-; sleep 0.05; echo done"]) }).unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(output.status.success());
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_hold_us() {
    let begin = Instant::now();
    let output = run(&shell(&["-c", "echo first; sleep 5 & echo $!"])).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let daemon = text.strip_prefix("first\n").unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), Signal::SIGKILL).unwrap();
}

#[test]
fn limits_kill() {
    let time = Limits { time: Some(Duration::from_millis(80)), ..Limits::default() };
    let slow = run(&Call { limits: time, ..shell(&["-c", "exec sleep 20"]) }).unwrap_err();
    assert_eq!(slow.kind(), io::ErrorKind::TimedOut);
    let size = Limits { output: 1000, ..Limits::default() };
    let loud = run(&Call { limits: size, ..shell(&["-c", "exec cat /dev/zero"]) }).unwrap_err();
    assert_eq!(loud.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn endings_read_as_the_references() {
    let killed = run(&shell(&["-c", "kill -9 $$"])).unwrap();
    assert_eq!(killed.ending(), "signal: killed");
}

#[test]
fn a_missing_program_is_an_error() {
    let error = run(&Call::new(Path::new("/nonexistent/program"))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// Bit 12 of SigIgn is SIGPIPE (13): Rust programs ignore it, their children must not.
#[test]
fn sigpipe_is_restored_in_the_child() {
    let output = run(&shell(&["-c", "grep SigIgn /proc/self/status"])).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mask = u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(mask & (1 << 12), 0, "{text}");
}

#[test]
fn blocked_signals_are_not_inherited() {
    end_in_order().unwrap();
    let output = run(&shell(&["-c", "grep SigBlk /proc/self/status"])).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "SigBlk:\t0000000000000000\n");
}

#[test]
fn nothing_but_the_three_descriptors_is_inherited() {
    let leak = std::fs::File::open("/dev/null").unwrap();
    let leak = nix::unistd::dup(&leak).unwrap();
    let output = run(&shell(&["-c", "exec ls /proc/self/fd"])).unwrap();
    drop(leak);
    // 3 is ls's own, for the directory.
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0\n1\n2\n3\n");
}

#[expect(clippy::disallowed_methods, reason = "the writer takes its time")]
#[test]
fn a_program_that_is_being_written_is_tried_again() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("process-busy-{}", std::process::id()));
    std::fs::copy("/bin/true", &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(writer);
    });
    let output = run(&Call::new(&path));
    closing.join().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(output.unwrap().status.success());
}

/// Inherited from a parent that ignores SIGCHLD: without a remedy every wait() would fail. In a process of its own,
/// because the disposition belongs to all threads.
#[test]
fn an_ignored_sigchld_loses_no_status() {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};
    // SAFETY: the child only runs the function under test, which takes no lock of this program.
    let status = match unsafe { fork() }.unwrap() {
        // SAFETY: no handler is installed, and the child leaves without running destructors.
        ForkResult::Child => unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            let code = run(&shell(&["-c", "exit 3"])).ok().and_then(|output| output.status.code());
            libc::_exit(if code == Some(3) { 0 } else { 1 })
        },
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    };
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

/// The thread that ran the child dies: so must the child. (A thread's end is what the kernel watches, so that no
/// second process is needed here.)
#[test]
fn a_child_dies_with_its_parent() {
    let child = std::thread::spawn(|| start(&shell(&["-c", "exec sleep 30"])).unwrap()).join();
    let mut child = child.unwrap();
    let end = pidfd(child.id()).unwrap();
    let mut polled = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut polled, PollTimeout::from(5000_u16)).unwrap(), 1);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn the_own_path_leads_to_the_program_that_runs() {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).unwrap();
    assert_eq!(identity(own_path().unwrap()), identity(Path::new("/proc/self/exe")));
}
