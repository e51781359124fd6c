//! `cluster`, the command that holds the rig open for a person.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use cnm_tests::{Suite, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes_in;

/// The command with these arguments, its shell reading from a pipe.
#[expect(clippy::disallowed_methods, reason = "a program of the tests, not a plugin")]
fn cluster(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(arguments).env("CNM_TEST_BIN", Suite::under_test().folder());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the command starts")
}

/// The same with the whole script, to its end.
fn session(arguments: &[&str], script: &str) -> Output {
    let mut child = cluster(arguments);
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(script.as_bytes()).expect("the shell reads");
    drop(pipe);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_session_prints_the_map_and_has_a_command_for_every_place() {
    let script = "h1 ping -n -q -c 3 -i 0.2 198.18.3.1 && echo reached\n\
                  h2 sh -c 'h3 echo from $CLUSTER_PLACE'\nh3 sh -c 'echo at $CLUSTER_PLACE in $PWD'\n\
                  router ip -br link show h2-0\nh1 ls /etc/cni/net.d\nmap | grep -c up0\nexit 7\n";
    let output = session(&["3"], script);
    let (text, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let here = std::env::current_dir().expect("a working directory");
    let at = format!("at h3 in {}\n", here.display());
    for wanted in ["h1   up0", "198.18.3.1/24", "reached", "from h2", &at, "h2-0@", "overlay.conf", "\n3\n"] {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}\n{complaint}");
    }
    assert_eq!(output.status.code(), Some(7), "the shell's exit status is the command's: {complaint}");
}

#[test]
fn another_terminal_enters_with_the_line_that_the_map_has() {
    let mut child = cluster(&["2"]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let line = lines.find_map(|line| line.strip_prefix("from another terminal: ").map(String::from));
    let line = line.expect("the map says how to enter");
    #[expect(clippy::disallowed_methods, reason = "what a person types")]
    let output = Command::new("sh").args(["-c", &format!("{line} ip -br addr show up0")]).output().expect("it runs");
    let (text, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("198.18.1.1/24"), "{text}{complaint}");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn wrong_arguments_are_refused_with_the_usage() {
    for arguments in [&["26"][..], &["--fast"], &["--switched", "--loopback"]] {
        let output = session(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: cluster"), "{arguments:?}");
    }
}

/// Starts a session that works on a host, in the foreground and behind its back, ends it with `end`, and wants all of
/// it to be gone. What it said on standard error.
#[track_caller]
fn leaves_nothing(end: impl FnOnce(&mut Child)) -> String {
    let mut child = cluster(&["2"]);
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(b"h2 setsid sleep 600 </dev/null &\nh2 readlink /proc/self/ns/net\nh2 cat\n").expect("it reads");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let net = lines.find(|line| line.starts_with("net:[")).expect("the script runs");
    eventually("a process in the background and one in the foreground", || match processes_in(&net) {
        two if two.len() == 2 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    child.stdin = Some(pipe);
    end(&mut child);
    let mut complaint = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut complaint).expect("text");
    child.wait().expect("it ends");
    eventually("processes of a session that has ended", || match processes_in(&net) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    complaint
}

#[test]
fn nothing_is_left_when_the_shell_ends() {
    assert_eq!(leaves_nothing(|child| drop(child.stdin.take())), "");
}

#[test]
fn nothing_is_left_after_any_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL] {
        leaves_nothing(|child| {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));
            kill(pid, signal).expect("it runs");
        });
    }
}
