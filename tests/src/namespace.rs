//! A pair of mount and network namespace, and how to be in it. It must not know CNI.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;

use crate::mounts;
use crate::process::{Finished, Running};

/// What tools and plugins see of the environment besides what a caller adds.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A network namespace seen through a mount namespace: the host's or a sandbox's. All probes are its methods.
/// It lives as long as its descriptors, which only this process has.
#[derive(Debug)]
pub struct Namespace {
    label: String,
    mount: Arc<File>,
    net: File,
    id: (u64, u64),
}

impl Namespace {
    /// A new network namespace in a new mount namespace, everything writable covered; `label` is what messages call it.
    ///
    /// # Panics
    /// Without the privilege.
    #[track_caller]
    pub(crate) fn host(label: &str) -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
                .map_err(|error| format!("new namespaces: {error}; these tests need root: run them with sudo"))?;
            mounts::cover()?;
            Ok::<_, String>((own("mnt")?, own("net")?))
        });
        match made.join().unwrap_or_else(|panic| resume_unwind(panic)) {
            Ok((mount, net)) => Self::with(label, Arc::new(mount), net),
            Err(why) => panic!("cannot make a host of its own for this test: {why}"),
        }
    }

    /// A new network namespace, mounted on `/run/netns/<name>` of this one's mount namespace.
    ///
    /// # Panics
    /// When the name is taken.
    #[track_caller]
    pub(crate) fn sandbox(&self, name: &str) -> Self {
        let path = format!("/run/netns/{name}");
        let net = self.enter(|| {
            File::create_new(&path).map_err(|error| format!("create {path}: {error}"))?;
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("new network namespace: {error}"))?;
            let none = None::<&str>;
            mount(Some("/proc/thread-self/ns/net"), path.as_str(), none, MsFlags::MS_BIND, none)
                .map_err(|error| format!("mount {path}: {error}"))?;
            own("net")
        });
        Self::with(name, Arc::clone(&self.mount), net.unwrap_or_else(|why| panic!("sandbox {name}: {why}")))
    }

    /// The network namespace that somebody else mounted on `path` of this one's mount namespace.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub(crate) fn adopt(&self, name: &str, path: &str) -> Self {
        let net = self.enter(|| File::open(path)).unwrap_or_else(|error| panic!("open {path}: {error}"));
        Self::with(name, Arc::clone(&self.mount), net)
    }

    #[track_caller]
    fn with(label: &str, mount: Arc<File>, net: File) -> Self {
        let data = net.metadata().expect("an open namespace can be looked at");
        Self { label: label.into(), mount, net, id: (data.dev(), data.ino()) }
    }

    /// What messages call it: `host` or the sandbox's name.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Device and inode of the network namespace.
    #[must_use]
    pub fn id(&self) -> (u64, u64) {
        self.id
    }

    /// A path to the network namespace that every process with this `/proc` can open, as long as this value lives.
    #[must_use]
    pub fn net_path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd())
    }

    /// The same for the mount namespace.
    #[must_use]
    pub fn mount_path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.mount.as_raw_fd())
    }

    /// Device and inode of the mount namespace.
    pub(crate) fn mount_id(&self) -> (u64, u64) {
        let data = self.mount.metadata().expect("an open namespace can be looked at");
        (data.dev(), data.ino())
    }

    /// Does `work` in a thread that is in this namespace. Children and sockets made there belong to it for good.
    ///
    /// # Panics
    /// When `work` does.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own changes namespace and ends")]
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                unshare(CloneFlags::CLONE_FS).expect("a thread may have a working directory of its own");
                setns(self.mount.as_ref(), CloneFlags::CLONE_NEWNS).expect("enter the mount namespace");
                setns(&self.net, CloneFlags::CLONE_NEWNET).expect("enter the network namespace");
                work()
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Starts a child in here, stdout and stderr collected unless `prepare` redirects them.
    #[track_caller]
    pub(crate) fn start(
        &self,
        program: &str,
        input: Option<Vec<u8>>,
        prepare: impl FnOnce(&mut Command) + Send,
    ) -> Running {
        self.enter(move || {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place of the tests that starts programs in a namespace"
            )]
            let mut command = Command::new(program);
            command.env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            prepare(&mut command);
            Running::start(&mut command, input)
        })
    }

    /// Starts a program with these arguments, which may hold white space; its output is collected.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn launches(&self, program: &str, arguments: &[&str]) -> Running {
        self.start(program, None, |command| {
            command.args(arguments);
        })
    }

    /// Runs a program in here with this process's own streams, environment and working directory, until it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::disallowed_methods, reason = "what a person works with, not a plugin")]
    pub fn in_front(&self, program: &str, arguments: &[&str]) -> ExitStatus {
        let here = std::env::current_dir().expect("a working directory");
        self.enter(|| Command::new(program).args(arguments).current_dir(here).status())
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"))
    }

    /// The same, with `input` as its standard input.
    #[track_caller]
    pub fn launches_on(&self, input: impl Into<Stdio>, program: &str, arguments: &[&str]) -> Running {
        let input = input.into();
        self.start(program, None, |command| {
            command.stdin(input).args(arguments);
        })
    }

    /// Runs a command line, split at white space, without caring whether it succeeds.
    #[track_caller]
    pub fn attempt(&self, line: &str) -> Finished {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command line has a program");
        self.start(program, None, |command| {
            command.args(words);
        })
        .finish()
    }

    /// Runs a command line, split at white space, which must succeed; its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        self.attempt(line).expect_success()
    }

    /// Gives many commands to one `ip`, which stops at the first that fails.
    ///
    /// # Panics
    /// When one fails.
    #[track_caller]
    pub fn ip_batch(&self, lines: &[String]) {
        let input = lines.join("\n") + "\n";
        let batch = |command: &mut Command| {
            command.args(["-batch", "-"]);
        };
        let done = self.start("ip", Some(input.clone().into()), batch).finish();
        assert!(done.status.success(), "{}: ip -batch: {}\n{input}", self.label, done.complaint());
    }

    /// Runs a command line that prints JSON, which must succeed.
    ///
    /// # Panics
    /// When it fails or prints something else.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        let text = self.run(line);
        // `ip -j` prints nothing at all for an empty list.
        if text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{line}` prints no JSON: {error}: {text}"))
    }

    /// Reads a file as this namespace sees it; `None` when it does not exist.
    ///
    /// # Panics
    /// When it exists and cannot be read.
    #[must_use]
    #[track_caller]
    pub fn read_file(&self, path: &str) -> Option<String> {
        match self.enter(|| std::fs::read(path)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => panic!("read {path}: {error}"),
        }
    }

    /// Writes a file, its folder included, as this namespace sees it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]> + Send) {
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        self.enter(|| std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content)))
            .unwrap_or_else(|error| panic!("write {path}: {error}"));
    }

    /// The names in a folder, sorted; empty when it does not exist.
    #[must_use]
    pub fn list_folder(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = self.enter(|| {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        });
        names.sort();
        names
    }
}

/// The calling thread's own namespace of a kind.
fn own(kind: &str) -> Result<File, String> {
    let path = format!("/proc/thread-self/ns/{kind}");
    File::open(&path).map_err(|error| format!("open {path}: {error}"))
}
