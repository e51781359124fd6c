//! A world: a thread with network and mount namespaces of its own, tmpfs over the places that plugins write to, and
//! sandboxes. Whatever it starts lives there; the machine's own interfaces, rules and files are never touched.
//!
//! It knows nothing of plugins. Everything goes with the thread: the kernel destroys both namespaces.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

type Job = Box<dyn FnOnce() + Send>;

/// Namespaces with a thread in them that runs what it is given.
pub struct World {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    sandboxes: Vec<PathBuf>,
}

impl World {
    /// A new world with `sandboxes` empty network namespaces.
    ///
    /// # Errors
    /// Without the privilege to make namespaces (root), or when a mount fails.
    pub fn new(sandboxes: usize) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "namespaces need root: run it again with sudo");
        let (jobs, queue) = channel::<Job>();
        let thread = std::thread::Builder::new().name(String::from("world")).spawn(move || {
            for job in queue {
                job();
            }
        })?;
        let mut world = Self { jobs: Some(jobs), thread: Some(thread), sandboxes: Vec::new() };
        world.run(separate)??;
        world.sandboxes = world.run(move || (0..sandboxes).map(make_sandbox).collect::<Result<Vec<_>>>())??;
        Ok(world)
    }

    /// The sandboxes, as paths that are valid inside.
    #[must_use]
    pub fn sandboxes(&self) -> &[PathBuf] {
        &self.sandboxes
    }

    /// Runs `work` inside and waits for it. Threads and processes that it starts are inside, too.
    ///
    /// # Errors
    /// When the world's thread has died, by a panic of `work`.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (answer, result) = channel();
        let job: Job = Box::new(move || {
            // The receiver waits below; it can be gone only when this process is going down.
            let _ = answer.send(work());
        });
        self.jobs.as_ref().context("the world has ended")?.send(job).ok().context("the thread of the world is dead")?;
        result.recv().context("the world's thread panicked")
    }

    /// Runs `work` in a sandbox and waits for it. Sockets that it makes belong to the sandbox for good.
    ///
    /// # Errors
    /// When there is no such sandbox, or by a panic of `work`.
    pub fn inside<T: Send + 'static>(&self, sandbox: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let path = self.sandboxes.get(sandbox).context("no such sandbox")?.clone();
        // A thread of its own: it does not come back.
        self.run(move || std::thread::spawn(move || enter(&path).map(|()| work())).join().ok())?
            .context("a thread in a sandbox panicked")?
    }

    /// Runs a command line inside, split at blanks, for setting things up.
    ///
    /// # Errors
    /// When it cannot be started or fails; with its standard error.
    pub fn command(&self, line: &str) -> Result<String> {
        let line = line.to_owned();
        self.run(move || command(&line))?
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("a world's thread panicked");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "setting up is done by ip")]
fn command(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command")?;
    let output = Command::new(program).args(words).output().with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        bail!("{line}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Moves the calling thread into new namespaces.
fn separate() -> Result<()> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).context("unshare")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("make the mounts private")?;
    // Where there is no /var/lib/cni yet it is made on a tmpfs over /var/lib, never on the machine's own disk.
    let state = if Path::new("/var/lib/cni").is_dir() { "/var/lib/cni" } else { "/var/lib" };
    for place in ["/run", state] {
        mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), none)
            .with_context(|| format!("mount a tmpfs over {place}"))?;
    }
    std::fs::create_dir_all("/var/lib/cni")?;
    std::fs::create_dir_all("/run/netns")?;
    command("ip link set lo up")?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the thread ends in there")]
fn enter(sandbox: &Path) -> Result<()> {
    let namespace = File::open(sandbox).with_context(|| format!("open {}", sandbox.display()))?;
    setns(&namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", sandbox.display()))
}

/// Pins a new network namespace under `/run/netns` and comes back.
fn make_sandbox(number: usize) -> Result<PathBuf> {
    let own = File::open("/proc/thread-self/ns/net").context("open the own namespace")?;
    let path = PathBuf::from(format!("/run/netns/sandbox{number}"));
    File::create(&path)?;
    unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
    let none: Option<&str> = None;
    let pinned = mount(Some("/proc/thread-self/ns/net"), &path, none, MsFlags::MS_BIND, none);
    #[expect(clippy::disallowed_methods, reason = "the bench has nothing of the project linked in")]
    setns(&own, CloneFlags::CLONE_NEWNET).context("come back")?;
    pinned.with_context(|| format!("pin a namespace at {}", path.display()))?;
    Ok(path)
}
