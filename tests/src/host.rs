//! A test's own host.

use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::namespace::SEARCH_PATH;
use crate::process::remedy;
use crate::{Attached, Call, Conf, Namespace, Outcome, Sandbox, Snapshot, Suite, eventually};

/// The address of the host on its uplink, and of the world beyond it, for either family.
const UPLINK: [(&str, &str, &str); 2] =
    [("-4", "198.51.100.1/24", "198.51.100.2/24"), ("-6", "2001:db8:51::1/64", "2001:db8:51::2/64")];

/// A fresh network and mount namespace: no links but `lo`, no rules, forwarding off, `/run`, `/var/lib/cni`, `/etc/cni`
/// and the folders of the container runtimes empty. Probes come from [`Namespace`]. Its end is verified: a process left in it is a failure.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    suite: Suite,
    sandboxes: Mutex<Vec<Weak<Namespace>>>,
}

impl Host {
    /// A host for the suite under test.
    ///
    /// # Panics
    /// Without the privilege or the binaries.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with(Suite::under_test())
    }

    /// A host for a given suite.
    ///
    /// # Panics
    /// Without the privilege.
    #[must_use]
    #[track_caller]
    pub fn with(suite: Suite) -> Self {
        Self::named("host", suite)
    }

    /// One of several hosts, which messages call `name`.
    #[track_caller]
    pub(crate) fn named(name: &str, suite: Suite) -> Self {
        let namespace = Namespace::host(name);
        let host = Self { namespace, suite, sandboxes: Mutex::default() };
        // A new namespace inherits IPv4 forwarding from the machine's.
        host.set_sysctl("net/ipv4/ip_forward", "0");
        host.set_sysctl("net/ipv6/conf/all/forwarding", "0");
        host.run("ip link set lo up");
        host
    }

    /// The binaries that calls run.
    #[must_use]
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// A new, empty sandbox; its name is also the container id that calls use.
    ///
    /// # Panics
    /// When the name is taken.
    #[must_use]
    #[track_caller]
    pub fn sandbox(&self, name: &str) -> Sandbox {
        let namespace = Arc::new(self.namespace.sandbox(name));
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&namespace));
        Sandbox::new(namespace)
    }

    /// The sandbox that a real runtime made at `path`, under a name for messages and snapshots. Processes in it are the
    /// runtime's: the end of this host does not ask for them.
    ///
    /// # Panics
    /// When there is no namespace.
    #[must_use]
    #[track_caller]
    pub fn adopt(&self, name: &str, path: &str) -> Sandbox {
        Sandbox::at(Arc::new(self.namespace.adopt(name, path)), path)
    }

    /// A program must be installed.
    ///
    /// # Panics
    /// With the command that installs it.
    #[track_caller]
    pub fn requires(&self, program: &str) {
        let found = SEARCH_PATH.split(':').any(|folder| Path::new(folder).join(program).is_file());
        assert!(found, "{program} is missing; {}", remedy(program));
    }

    /// `count` sandboxes named `s0`, `s1`, …
    #[must_use]
    #[track_caller]
    pub fn sandboxes(&self, count: usize) -> Vec<Sandbox> {
        (0..count).map(|n| self.sandbox(&format!("s{n}"))).collect()
    }

    /// The world beyond the host: a namespace `outside` that the host's default routes lead to and that knows nothing
    /// of the host's networks. The host has 198.51.100.1 and 2001:db8:51::1 on its interface `uplink`, the outside .2
    /// and ::2 on `eth0`.
    #[must_use]
    #[track_caller]
    pub fn outside(&self) -> Sandbox {
        let outside = self.sandbox("outside");
        outside.run("ip link set lo up");
        self.run("ip link add uplink type veth peer name eth0 netns outside");
        self.run("ip link set uplink up");
        outside.run("ip link set eth0 up");
        for (family, here, there) in UPLINK {
            let nodad = if family == "-6" { "nodad" } else { "" };
            self.run(&format!("ip {family} addr add {here} dev uplink {nodad}"));
            outside.run(&format!("ip {family} addr add {there} dev eth0 {nodad}"));
            let (gateway, _) = there.split_once('/').expect("an address with prefix length");
            self.run(&format!("ip {family} route add default via {gateway} dev uplink"));
        }
        outside
    }

    /// A new sandbox with an attached `eth0`.
    ///
    /// # Panics
    /// When the attachment fails.
    #[must_use]
    #[track_caller]
    pub fn attach(&self, conf: &Conf, name: &str) -> (Sandbox, Attached) {
        let sandbox = self.sandbox(name);
        let result = self.add(conf, &sandbox).attached();
        (sandbox, result)
    }

    /// A call of the plugin `kind`, to be completed.
    pub fn call(&self, kind: &str, command: &str) -> Call<'_> {
        Call::new(self, kind, command)
    }

    /// A call of a configuration's plugin for a sandbox, to be completed or run.
    pub fn calling(&self, command: &str, conf: &Conf, sandbox: &Sandbox) -> Call<'_> {
        self.call(conf.kind(), command).conf(conf).sandbox(sandbox)
    }

    /// ADD of a sandbox's `eth0`.
    #[track_caller]
    pub fn add(&self, conf: &Conf, sandbox: &Sandbox) -> Outcome {
        self.calling("ADD", conf, sandbox).run()
    }

    /// DEL of a sandbox's `eth0`.
    #[track_caller]
    pub fn del(&self, conf: &Conf, sandbox: &Sandbox) -> Outcome {
        self.calling("DEL", conf, sandbox).run()
    }

    /// CHECK of a sandbox's `eth0`; the configuration should have the `prevResult`.
    #[track_caller]
    pub fn check(&self, conf: &Conf, sandbox: &Sandbox) -> Outcome {
        self.calling("CHECK", conf, sandbox).run()
    }

    /// GC of a network.
    #[track_caller]
    pub fn gc(&self, conf: &Conf) -> Outcome {
        self.call(conf.kind(), "GC").conf(conf).run()
    }

    /// STATUS of a network.
    #[track_caller]
    pub fn status(&self, conf: &Conf) -> Outcome {
        self.call(conf.kind(), "STATUS").conf(conf).run()
    }

    /// Attaches a throw-away sandbox and detaches it, so that what a network shares (bridge, gateway address,
    /// forwarding, firewall tables, the folder of the address store) is there and later snapshots are strict.
    ///
    /// # Panics
    /// When either fails.
    #[track_caller]
    pub fn warm_up(&self, conf: &Conf) {
        let first = self.sandbox("warm-up");
        let result = self.add(conf, &first).succeeds();
        self.del(&conf.clone().after(&result), &first).succeeds_silently();
        first.vanish();
    }

    /// All state that a plugin could change, of the host and of the sandboxes that are alive.
    #[must_use]
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let sandboxes = self.living_sandboxes();
        let all: Vec<&Namespace> = std::iter::once(&self.namespace).chain(sandboxes.iter().map(|s| &**s)).collect();
        Snapshot::take(&all)
    }

    /// The state must become what `before` was; the kernel finishes some things (carrier, operational state) a moment
    /// after the plugin has ended.
    ///
    /// # Panics
    /// With the differences.
    #[track_caller]
    pub fn is_again(&self, before: &Snapshot) {
        eventually("the state is not what it was", || before.compare(&self.snapshot()));
    }

    fn living_sandboxes(&self) -> Vec<Arc<Namespace>> {
        let list = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().filter_map(Weak::upgrade).collect()
    }

    /// Processes of other programs that are in one of this host's namespaces: (id, command line).
    #[must_use]
    pub fn processes(&self) -> Vec<(i32, String)> {
        // Only identities of what this process holds open: the kernel gives those of vanished namespaces to others.
        let sandboxes = self.living_sandboxes();
        let mut ours = vec![self.namespace.mount_id(), self.namespace.id()];
        ours.extend(sandboxes.iter().map(|sandbox| sandbox.id()));
        let own = std::process::id().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(pid) = name.parse() else { continue };
            let is_in = |kind: &str| {
                fs::metadata(format!("/proc/{pid}/ns/{kind}"))
                    .is_ok_and(|data| ours.contains(&(data.dev(), data.ino())))
            };
            if name != own && (is_in("net") || is_in("mnt")) {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Drop for Host {
    /// The namespaces go with their descriptors, unless a process keeps them alive: that would be a leak.
    fn drop(&mut self) {
        let left = self.processes();
        for (pid, _) in &left {
            // In a namespace that only this test made: it was started by this test.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if !left.is_empty() && !thread::panicking() {
            panic!("processes are left in the test's namespaces: {left:?}");
        }
    }
}
