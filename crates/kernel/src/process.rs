//! The one place where a child process is started: IPAM plugins, plugins run by `cnm`, iptables.
//!
//! It knows nothing of what the child is told or answers. A child never outlives its parent, inherits no
//! descriptor beside 0 to 2, and cannot make us hang: neither by not reading its input nor by leaving a
//! daemon behind that keeps its output open.

use std::ffi::{CStr, OsStr};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::ptr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};

/// Pauses between attempts while somebody still writes the program ("text file busy"): six attempts over five
/// seconds, as the reference plugins make, but the first ones sooner.
const BUSY: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(180),
    Duration::from_millis(800),
    Duration::from_millis(1500),
    Duration::from_millis(2500),
];

/// The path by which this process was executed (`AT_EXECFN`, getauxval(3)), from wherever it was started. Another file may
/// have come there since. Unlike a look at `/proc/self/exe` it costs no system call.
#[must_use]
pub fn own_path() -> Option<&'static Path> {
    // SAFETY: the function only reads the vector that the kernel has put on our stack.
    let text = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let text = ptr::with_exposed_provenance::<libc::c_char>(usize::try_from(text).ok()?);
    if text.is_null() {
        return None;
    }
    // SAFETY: it is the address of a text with its NUL, also on our stack, that nobody changes while the process lives.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    Some(Path::new(OsStr::from_bytes(bytes)))
}

/// What becomes of the child's stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// It is ours.
    Inherit,
    /// It is collected in [`Output::stderr`].
    Capture,
}

/// How much a child may say, and how long it may take, before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of stdout, and as many of stderr.
    pub output: usize,
    /// Wall-clock time; `None` is for ever.
    pub time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 16 << 20, time: None }
    }
}

/// A program to run and what it gets.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The file, also its `argv[0]`. Without a slash it is looked up in `PATH`.
    pub program: &'a Path,
    /// `argv[1]` and so on.
    pub arguments: &'a [&'a str],
    /// Environment variables, set over the inherited ones.
    pub variables: &'a [(&'a str, &'a str)],
    /// What it reads from stdin; a child that does not read all of it is no error.
    pub stdin: &'a [u8],
    /// What becomes of its stderr.
    pub stderr: Stderr,
    /// When it is killed.
    pub limits: Limits,
}

impl<'a> Call<'a> {
    /// Runs `program` without arguments, input and time limit; stderr is captured.
    #[must_use]
    pub fn new(program: &'a Path) -> Self {
        Self { program, arguments: &[], variables: &[], stdin: &[], stderr: Stderr::Capture, limits: Limits::default() }
    }
}

/// What a child said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status or signal.
    pub status: ExitStatus,
    /// Everything from stdout.
    pub stdout: Vec<u8>,
    /// Everything from stderr, empty with [`Stderr::Inherit`].
    pub stderr: Vec<u8>,
}

impl Output {
    /// How it ended, in the words of the reference plugins: `exit status 1`, `signal: killed`.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal: {}", signal_name(signal)),
            (None, None) => self.status.to_string(),
        }
    }
}

/// The words that Go uses for the signals that end plugins; the number for others.
fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(Signal::SIGKILL) => "killed".into(),
        Ok(Signal::SIGTERM) => "terminated".into(),
        Ok(Signal::SIGINT) => "interrupt".into(),
        Ok(Signal::SIGSEGV) => "segmentation fault".into(),
        Ok(Signal::SIGABRT) => "aborted".into(),
        Ok(Signal::SIGPIPE) => "broken pipe".into(),
        Ok(other) => other.as_str().into(),
        Err(_) => number.to_string(),
    }
}

/// Runs a program to its end. It runs in the namespaces of the calling thread, which must stay alive meanwhile:
/// the kernel ties the child's life to the thread, not to the process.
///
/// # Errors
/// When the program cannot be started (not found, no permission, busy for five seconds), exceeds a limit
/// (`TimedOut`, `FileTooLarge`; it is then dead), or a pipe fails. A failure of the program itself is in
/// [`Output::status`].
pub fn run(call: &Call<'_>) -> io::Result<Output> {
    reap_children();
    let mut child = start(call)?;
    let conversation = Conversation::new(&mut child, call);
    let said = conversation.and_then(Conversation::hold);
    if said.is_err() {
        // It may have ended by itself meanwhile; wait() tells.
        let _ = child.kill();
    }
    let status = child.wait()?;
    said.map(|(stdout, stderr)| Output { status, stdout, stderr })
}

/// From now on the signals that ask this process to end (interrupt, hang-up, quit, terminate) wait until it ends by
/// itself. Children are not protected: an interrupt from the terminal ends the child, whose failure can then be
/// undone in peace.
///
/// # Errors
/// Never, on Linux.
pub fn end_in_order() -> io::Result<()> {
    let signals = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTERM];
    Ok(SigSet::from_iter(signals).thread_block()?)
}

/// Starts the program, patiently while its file is being written.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs; sleeping is all one can do about a file that is being written"
)]
fn start(call: &Call<'_>) -> io::Result<Child> {
    let mut command = Command::new(call.program);
    command.args(call.arguments).envs(call.variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(match call.stderr {
        Stderr::Inherit => Stdio::inherit(),
        Stderr::Capture => Stdio::piped(),
    });
    let parent = std::process::id();
    // SAFETY: the closure runs in the forked child before exec and makes four system calls: it neither allocates
    // nor takes a lock. std itself restores SIGPIPE's default there.
    unsafe { command.pre_exec(move || become_dependent(parent)) };
    let mut pauses = BUSY.iter();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => match pauses.next() {
                Some(pause) => std::thread::sleep(*pause),
                None => return Err(error),
            },
            other => return other,
        }
    }
}

/// In the child: die with the parent, which may be dead already, and keep nothing open across exec.
fn become_dependent(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw().cast_unsigned() != parent {
        return Err(Errno::ESRCH.into());
    }
    // What we block (see `end_in_order`) or were started with is no business of the child's.
    SigSet::empty().thread_set_mask()?;
    // Everything of ours has the flag anyway; this is for what our own caller left open. Kernels before 5.11 do not
    // know it, then its absence does no harm.
    // SAFETY: the call only sets a flag on descriptors; no memory is involved.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}

/// A caller that ignores SIGCHLD hands this down to us, and the kernel then throws away the children's exit
/// statuses. Back to the default, unless somebody has installed a handler.
fn reap_children() {
    let mut current = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the first call only writes the current action into `current`, which has its type and size; zeroes are
    // a valid value of it. The second installs the kernel's default action, so that no code of ours runs.
    unsafe {
        if libc::sigaction(libc::SIGCHLD, std::ptr::null(), current.as_mut_ptr()) == 0
            && current.assume_init_ref().sa_sigaction == libc::SIG_IGN
        {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        }
    }
}

/// Our ends of a child's pipes while it runs.
struct Conversation<'a> {
    input: &'a [u8],
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Readable once the child has ended; `None` on kernels before 5.3.
    end: Option<OwnedFd>,
    said: (Vec<u8>, Vec<u8>),
    most: usize,
    deadline: Option<Instant>,
}

/// Which of the polled descriptors are ready.
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    end: bool,
}

impl<'a> Conversation<'a> {
    fn new(child: &mut Child, call: &Call<'a>) -> io::Result<Self> {
        let conversation = Self {
            input: call.stdin,
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            end: pidfd(child.id()),
            said: (Vec::new(), Vec::new()),
            most: call.limits.output,
            deadline: call.limits.time.map(|time| Instant::now() + time),
        };
        let descriptors = [
            conversation.stdin.as_ref().map(AsFd::as_fd),
            conversation.stdout.as_ref().map(AsFd::as_fd),
            conversation.stderr.as_ref().map(AsFd::as_fd),
        ];
        for descriptor in descriptors.into_iter().flatten() {
            fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(conversation)
    }

    /// Writes and reads until the child has ended, or, where that cannot be seen, until it has closed its output.
    fn hold(mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        self.write()?;
        loop {
            let ready = self.wait()?;
            if ready.stdin {
                self.write()?;
            }
            if ready.stdout || ready.end {
                read(&mut self.stdout, &mut self.said.0, self.most)?;
            }
            if ready.stderr || ready.end {
                read(&mut self.stderr, &mut self.said.1, self.most)?;
            }
            let silent = self.stdout.is_none() && self.stderr.is_none();
            if ready.end || (self.end.is_none() && silent) {
                return Ok(self.said);
            }
        }
    }

    /// Waits for the next event.
    fn wait(&self) -> io::Result<Ready> {
        let slots: [(Option<BorrowedFd<'_>>, PollFlags); 4] = [
            (self.stdin.as_ref().map(AsFd::as_fd), PollFlags::POLLOUT),
            (self.stdout.as_ref().map(AsFd::as_fd), PollFlags::POLLIN),
            (self.stderr.as_ref().map(AsFd::as_fd), PollFlags::POLLIN),
            (self.end.as_ref().map(AsFd::as_fd), PollFlags::POLLIN),
        ];
        let mut polled: Vec<PollFd<'_>> =
            slots.iter().filter_map(|&(descriptor, flags)| descriptor.map(|fd| PollFd::new(fd, flags))).collect();
        loop {
            match poll(&mut polled, self.time_left()?) {
                Err(Errno::EINTR) | Ok(0) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => break,
            }
        }
        // In order of `slots`; whatever happened on a descriptor (hang-up too), the next call on it tells.
        let mut events = polled.iter().map(|polled| polled.any().unwrap_or(true));
        let mut ready = slots.iter().map(|(descriptor, _)| descriptor.is_some() && events.next().unwrap_or(false));
        let mut next = || ready.next().unwrap_or(false);
        Ok(Ready { stdin: next(), stdout: next(), stderr: next(), end: next() })
    }

    fn time_left(&self) -> io::Result<PollTimeout> {
        let Some(deadline) = self.deadline else { return Ok(PollTimeout::NONE) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the program took too long and was killed"));
        }
        // Rounded up, so that the last round does not spin.
        Ok(PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX))
    }

    /// Writes what the pipe takes; closes it at the end, or when the child does not want to read on.
    fn write(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.stdin {
            if self.input.is_empty() {
                self.stdin = None;
                break;
            }
            match pipe.write(self.input) {
                Ok(written) => self.input = &self.input[written..],
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::BrokenPipe => self.stdin = None,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// Reads what there is; closes the pipe at its end.
fn read(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    while let Some(open) = pipe {
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) if into.len() + length > most => {
                let text = format!("the program printed more than {most} bytes and was killed");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            Ok(length) => into.extend_from_slice(&buffer[..length]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => break,
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// A descriptor that becomes readable when the child `id`, not yet waited for, has ended.
fn pidfd(id: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes two integers; a result that is not negative is a new descriptor that nobody else owns
    // (close-on-exec is set on it by the kernel).
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, id, 0);
        i32::try_from(descriptor).ok().filter(|&descriptor| descriptor >= 0).map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

#[cfg(test)]
mod tests;
