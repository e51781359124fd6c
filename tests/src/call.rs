//! Running a plugin as a runtime does: environment, standard input, one process. It must not know the verbs' meaning.

use std::collections::BTreeMap;
use std::process::Stdio;

use crate::{Conf, Finished, Host, Outcome, Running, Sandbox, Suite};

/// A call of a plugin, still to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `run` or `start`"]
pub struct Call<'h> {
    host: &'h Host,
    suite: Suite,
    kind: String,
    environment: BTreeMap<String, String>,
    input: Vec<u8>,
    /// What a shell appends to the command: redirections of descriptors that a pipe cannot imitate.
    redirect: &'static str,
    /// stdout is a pipe that nobody reads.
    deaf: bool,
    /// Program and arguments in front of the plugin, e.g. strace.
    wrapper: Vec<String>,
}

impl<'h> Call<'h> {
    pub(crate) fn new(host: &'h Host, kind: &str, command: &str) -> Self {
        let suite = host.suite().clone();
        let mut environment = BTreeMap::new();
        for (key, value) in [
            ("CNI_COMMAND", command),
            ("CNI_PATH", suite.folder()),
            ("CNI_CONTAINERID", ""),
            ("CNI_NETNS", ""),
            ("CNI_IFNAME", ""),
            ("CNI_ARGS", ""),
        ] {
            environment.insert(key.into(), value.into());
        }
        Self {
            host,
            suite,
            kind: kind.into(),
            environment,
            input: Vec::new(),
            redirect: "",
            deaf: false,
            wrapper: Vec::new(),
        }
    }

    /// The host where it will run.
    #[must_use]
    pub fn host(&self) -> &'h Host {
        self.host
    }

    /// With another suite's binary; `CNI_PATH` follows.
    pub fn by(mut self, suite: &Suite) -> Self {
        self.suite = suite.clone();
        self.env("CNI_PATH", suite.folder())
    }

    /// With this configuration on standard input.
    pub fn conf(self, conf: &Conf) -> Self {
        self.stdin(conf.bytes())
    }

    /// With these bytes on standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// With descriptor 0 closed.
    pub fn closed_stdin(mut self) -> Self {
        self.redirect = "<&-";
        self
    }

    /// With standard output a pipe that nobody reads: a write raises SIGPIPE.
    pub fn deaf_stdout(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// For this sandbox: its path and, as container id, its name; interface `eth0`.
    pub fn sandbox(self, sandbox: &Sandbox) -> Self {
        self.netns(sandbox.path()).container(sandbox.name()).ifname("eth0")
    }

    /// With `CNI_CONTAINERID`.
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// With `CNI_NETNS`.
    pub fn netns(self, path: &str) -> Self {
        self.env("CNI_NETNS", path)
    }

    /// With `CNI_IFNAME`.
    pub fn ifname(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// With `CNI_ARGS`.
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// With a variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Without a variable.
    pub fn without_env(mut self, key: &str) -> Self {
        self.environment.remove(key);
        self
    }

    /// Run by another program, e.g. `strace -f`; split at white space.
    pub fn under(mut self, wrapper: &str) -> Self {
        self.wrapper = wrapper.split_whitespace().map(String::from).collect();
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it; for calls in parallel.
    #[track_caller]
    pub fn start(self) -> Pending {
        let program = self.suite.program(&self.kind).to_str().expect("a printable path").to_owned();
        let mut words = self.wrapper.clone();
        if !self.redirect.is_empty() {
            words.extend(["/bin/sh".into(), "-c".into(), format!("exec \"$0\" {}", self.redirect)]);
        }
        words.push(program);
        let first = words.remove(0);
        let title = format!(
            "{} {} of {} in {}",
            self.kind,
            self.environment.get("CNI_COMMAND").map_or("", String::as_str),
            self.environment.get("CNI_CONTAINERID").map_or("", String::as_str),
            self.suite.folder()
        );
        let running = self.host.start(&first, Some(self.input), |command| {
            command.args(words).envs(&self.environment);
            if self.deaf {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                command.stdout(Stdio::from(writer));
            }
        });
        Pending { title, running }
    }
}

/// A call that runs.
#[derive(Debug)]
pub struct Pending {
    title: String,
    running: Running,
}

impl Pending {
    /// The running process, e.g. to send it a signal.
    #[must_use]
    pub fn process(&self) -> &Running {
        &self.running
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(self) -> Outcome {
        let Finished { status, stdout, stderr, .. } = self.running.finish();
        Outcome::new(self.title, status, stdout, stderr)
    }
}
