//! Child processes and bounded waits. It must not know namespaces: the caller decides in which thread, and so in
//! which namespaces, a child is started.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take before the test gives up. Far more than anything needs: no test asserts a time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long [`eventually`] waits for a condition.
const CONDITION: Duration = Duration::from_secs(10);

/// Waits, bounded, until `ask` answers with `Ok`.
///
/// # Panics
/// With the last `Err` when the time is over.
#[expect(clippy::disallowed_methods, reason = "what is waited for may have no event; the wait is bounded")]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if start.elapsed() > CONDITION => panic!("{what}: {why}"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// What a finished child leaves.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Program and arguments, for messages.
    pub command: String,
    /// Exit status or signal.
    pub status: ExitStatus,
    /// All of standard output; empty when it was not collected.
    pub stdout: Vec<u8>,
    /// All of standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The text on standard output of a child that must have succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn expect_success(&self) -> String {
        assert!(self.status.success(), "`{}` failed ({}): {}", self.command, self.status, self.complaint());
        self.text()
    }
}

/// A child that runs. Dropped without [`Running::finish`], it is killed and reaped.
#[derive(Debug)]
pub struct Running {
    command: String,
    pid: Pid,
    done: Option<Receiver<std::io::Result<Finished>>>,
}

impl Running {
    /// Starts `command` from the calling thread, whose namespaces it inherits, and feeds it `input`. Whatever of
    /// stdout and stderr the caller has not redirected is collected.
    ///
    /// # Panics
    /// When the program cannot be started; a missing tool is named with the command that installs it.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, input: Option<Vec<u8>>) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let arguments: Vec<String> = command.get_args().map(|text| text.to_string_lossy().into_owned()).collect();
        let line = format!("{program} {}", arguments.join(" "));
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start `{line}`: {error}; {}", remedy(&program)),
        };
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));
        let (tell, done) = channel();
        let name = line.clone();
        thread::spawn(move || {
            // The receiver is gone only when the test has given up.
            let _ = tell.send(collect(name, child, input));
        });
        Self { command: line, pid, done: Some(done) }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself meanwhile.
        let _ = kill(self.pid, signal);
    }

    /// Waits for its end, bounded.
    ///
    /// # Panics
    /// When it does not end; it is killed first.
    #[must_use]
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let done = self.done.take().expect("finished only once");
        match done.recv_timeout(PATIENCE) {
            Ok(result) => result.unwrap_or_else(|error| panic!("`{}`: {error}", self.command)),
            Err(_) => {
                self.signal(Signal::SIGKILL);
                let _ = done.recv_timeout(PATIENCE);
                panic!("`{}` does not end", self.command)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            self.signal(Signal::SIGKILL);
            let _ = done.recv_timeout(PATIENCE);
        }
    }
}

/// Feeds, reads to the end of both pipes, reaps.
fn collect(command: String, mut child: Child, input: Option<Vec<u8>>) -> std::io::Result<Finished> {
    let feeder = child.stdin.take().zip(input).map(|(mut pipe, bytes)| {
        thread::spawn(move || {
            // A child that does not read everything is no error of ours.
            let _ = pipe.write_all(&bytes);
        })
    });
    let output = child.wait_with_output()?;
    if let Some(feeder) = feeder {
        let _ = feeder.join();
    }
    Ok(Finished { command, status: output.status, stdout: output.stdout, stderr: output.stderr })
}

/// The command that installs a tool, on Debian.
pub(crate) fn remedy(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or(program);
    let package = match name {
        "ip" | "bridge" | "ss" | "tc" => "iproute2",
        "nft" => "nftables",
        "iptables" | "ip6tables" | "iptables-save" | "ip6tables-save" => "iptables",
        "ping" => "iputils-ping",
        "strace" => "strace",
        "tcpdump" => "tcpdump",
        "containerd" | "ctr" => "containerd",
        "runc" => "runc",
        "podman" => "podman",
        "conntrack" => "conntrack",
        "ethtool" => "ethtool",
        "iperf3" => "iperf3",
        "busybox" => "busybox-static",
        _ => return format!("is {program} there and executable?"),
    };
    format!("mend it with: apt-get install --no-install-recommends {package}")
}
