//! A host on which daemons and containers may run: everything that is started on it ends with it.
//! It must not know which runtime runs here.

use std::fs;
use std::io::{PipeWriter, pipe};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cnm_tests::{Finished, Host, Running, Sandbox, Snapshot, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Runtimes keep their own things in `/run`; what the plugins have there counts.
const OF_RUNTIMES: &[&str] = &[
    "file /run/containerd/",
    "file /run/containers/",
    "file /run/crun/",
    "file /run/libpod/",
    "file /run/lock/",
    "file /run/runc/",
];

/// A [`Host`] with a process namespace, a folder for state and a control group of its own. What is mounted below `/run`
/// by those who run here (the namespaces of containers) is seen by the test, too.
#[derive(Debug)]
pub struct Machine {
    keeper: Mutex<Option<Running>>,
    #[expect(dead_code, reason = "held open: its end is the end of the process namespace")]
    alive: PipeWriter,
    /// The first process of the process namespace, by its number outside.
    init: Pid,
    folder: TempDir,
    host: Host,
}

impl Machine {
    /// A machine on which these programs are installed.
    ///
    /// # Panics
    /// Without the privilege or one of the programs; the message says how to get it.
    #[must_use]
    #[track_caller]
    pub fn with(programs: &[&str]) -> Self {
        let host = Host::new();
        for program in programs {
            host.requires(program);
        }
        let folder = tempfile::Builder::new().prefix("cnm-").tempdir().expect("a temporary folder");
        host.run("mount --make-shared /run");
        // The shell reaps what is left to it, and ends, all others with it, when nobody holds the other end of its input:
        // also when the test is killed. /proc is mounted where only its own mount namespace sees it.
        let script = "mount -t proc proc /proc && exec 3<&0 && { cat <&3 >/dev/null & } && wait";
        let (input, alive) = pipe().expect("a pipe");
        let unshare = ["--pid", "--fork", "--kill-child", "--mount", "--propagation", "unchanged", "sh", "-c", script];
        let keeper = host.launches_on(input, "unshare", &unshare);
        let children = format!("/proc/{0}/task/{0}/children", keeper.pid());
        let init = eventually("the first process starts", || {
            let text = fs::read_to_string(&children).map_err(|error| format!("read {children}: {error}"))?;
            text.trim().parse().map(Pid::from_raw).map_err(|error| format!("{text:?}: {error}"))
        });
        eventually("the machine's /proc is its own", || {
            let stat = fs::read_to_string(format!("/proc/{init}/root/proc/1/comm")).unwrap_or_default();
            if stat.trim() == "sh" { Ok(()) } else { Err(format!("its first process is {stat:?}")) }
        });
        Self { keeper: Mutex::new(Some(keeper)), alive, init, folder, host }
    }

    /// A path in the folder for state, which goes with this value.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The control group for all containers, so that they can be found and removed.
    #[must_use]
    pub fn control_group(&self) -> String {
        let name = self.folder.path().file_name().map(|name| name.to_string_lossy().into_owned());
        format!("/{}", name.expect("a temporary folder has a name"))
    }

    /// Starts a program in here.
    #[track_caller]
    pub fn starts(&self, environment: &[(&str, &str)], program: &str, arguments: &[&str]) -> Running {
        let target = format!("--target={}", self.init);
        let mut words: Vec<String> = ["--mount", "--pid", "--", "env", "HOME=/root"].map(String::from).into();
        words.insert(0, target);
        words.extend(environment.iter().map(|(key, value)| format!("{key}={value}")));
        words.push(program.into());
        words.extend(arguments.iter().copied().map(String::from));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.host.launches("nsenter", &words)
    }

    /// Runs a program in here to its end.
    #[track_caller]
    pub fn attempts(&self, environment: &[(&str, &str)], program: &str, arguments: &[&str]) -> Finished {
        self.starts(environment, program, arguments).finish()
    }

    /// The network namespace of a process that runs in here, by its number in here.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn namespace_of(&self, name: &str, pid: i64) -> Sandbox {
        self.host.adopt(name, &format!("/proc/{}/root/proc/{pid}/ns/net", self.init))
    }

    /// All state that plugins could have changed.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> Snapshot {
        self.host.snapshot().without(OF_RUNTIMES)
    }

    /// The state must become what `before` was.
    ///
    /// # Panics
    /// With the differences.
    #[track_caller]
    pub fn is_as(&self, before: &Snapshot) {
        eventually("something is left", || before.compare(&self.state()));
    }

    /// No process may be left in here but those whose command line has one of `expected` in it.
    ///
    /// # Panics
    /// With the list of the others.
    #[track_caller]
    pub fn is_quiet(&self, expected: &[&str]) {
        eventually("processes are left", || {
            let tasks = format!("/proc/{}/root/proc", self.init);
            let lines = fs::read_dir(&tasks).into_iter().flatten().flatten().filter_map(|entry| {
                entry.file_name().to_str()?.parse::<u32>().ok().filter(|pid| *pid != 1)?;
                let line = fs::read(entry.path().join("cmdline")).ok()?;
                Some(String::from_utf8_lossy(&line).replace('\0', " "))
            });
            let ours = |line: &String| line.trim() == "cat" || expected.iter().any(|word| line.contains(word));
            // Without a command line: a process that ends.
            let left: Vec<String> = lines.filter(|line| !line.is_empty() && !ours(line)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
}

impl Deref for Machine {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Machine {
    /// Kills the first process, and with it all others; the keeper ends when the last one is gone.
    fn drop(&mut self) {
        let _ = kill(self.init, Signal::SIGKILL);
        if let Some(keeper) = self.keeper.get_mut().ok().and_then(Option::take) {
            let _ = keeper.finish();
        }
        let group = self.control_group();
        let Ok(hierarchies) = fs::read_dir("/sys/fs/cgroup") else { return };
        remove_groups(&Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/')));
        for hierarchy in hierarchies.flatten() {
            remove_groups(&hierarchy.path().join(group.trim_start_matches('/')));
        }
    }
}

/// Removes a control group and those below it; no process is in them any more.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    // It may not exist in this hierarchy.
    let _ = fs::remove_dir(group);
}
