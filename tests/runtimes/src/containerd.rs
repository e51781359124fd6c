//! containerd and its CRI plugin, as kubelet uses them, and `ctr`. It must not know what networks look like in the kernel.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Mutex;

use cnm_tests::{Finished, Running, Sandbox, Suite, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tonic::Status;

use crate::cri::messages::{
    Condition, Empty, Linux, Metadata, PodConfig, PodList, PodStatusRequest, PodStatusResponse, RunRequest, SandboxId,
    StatusResponse,
};
use crate::{Cri, Machine, image};

/// The image of sandboxes and of `ctr`'s containers.
pub(crate) const IMAGE: &str = "docker.io/local/pause:1";

/// A containerd on a machine of its own.
#[derive(Debug)]
pub struct Containerd {
    // Goes first, and the daemon and its children with it.
    machine: Machine,
    daemon: Mutex<Option<Running>>,
}

impl Containerd {
    /// Starts containerd with one network, given as a `.conflist` document.
    ///
    /// # Panics
    /// When a program is missing or containerd does not come up.
    #[must_use]
    #[track_caller]
    pub fn with(network: &Value) -> Self {
        let containerd = Self::without_network();
        containerd.configures(network);
        eventually("NetworkReady", || {
            let condition = containerd.condition("NetworkReady");
            if condition.holds { Ok(()) } else { Err(format!("{condition:?}")) }
        });
        containerd
    }

    /// Starts containerd without a network.
    ///
    /// # Panics
    /// When a program is missing or containerd does not come up.
    #[must_use]
    #[track_caller]
    pub fn without_network() -> Self {
        let machine = Machine::with(&["containerd", "ctr", "runc"]);
        fs::create_dir(machine.path("net.d")).expect("a folder for networks");
        settle(&machine, machine.suite());
        let containerd = Self { machine, daemon: Mutex::default() };
        containerd.starts_daemon();
        let archive = image::docker_archive(&containerd.machine, IMAGE);
        for namespace in ["k8s.io", "default"] {
            let import = ["images", "import", "--snapshotter", "native", &archive.display().to_string()].join(" ");
            let _ = containerd.ctr(&format!("--namespace {namespace} {import}")).expect_success();
        }
        containerd
    }

    /// Writes the network's file, complete when it appears. containerd watches the folder, but does not look when a
    /// file is moved into it: the rename is within.
    ///
    /// # Panics
    /// When that fails.
    pub fn configures(&self, network: &Value) {
        let (fresh, file) = (self.path("net.d/.new"), self.path("net.d/10-pods.conflist"));
        fs::write(&fresh, network.to_string()).expect("write a network");
        fs::rename(&fresh, &file).expect("rename a network");
    }

    /// From now on its plugins are those of `suite`, as after an upgrade in place; restarts it.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn changes_to(&self, suite: &Suite) {
        settle(&self.machine, suite);
        self.restarts();
    }

    /// Kills containerd, as a crash does, and starts it again: pods go on, and it knows them.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn restarts(&self) {
        let daemon = self.daemon.lock().expect("no test panics here").take().expect("containerd runs");
        // It is the child of the `nsenter` that was started.
        let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
        let text = fs::read_to_string(&children).unwrap_or_else(|error| panic!("read {children}: {error}"));
        let pid = text.trim().parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill containerd");
        let _ = daemon.finish();
        self.starts_daemon();
    }

    #[track_caller]
    fn starts_daemon(&self) {
        // Not into a pipe: those who watch containers inherit it and outlive the daemon.
        let (config, log) = (self.file("config.toml"), self.file("log"));
        let script = format!("exec containerd --config {config} >>{log} 2>&1");
        let daemon = self.machine.starts(&[], "sh", &["-c", &script]);
        *self.daemon.lock().expect("no test panics here") = Some(daemon);
        // The socket is there before what serves pods is.
        eventually("containerd answers", || {
            let answer: Result<StatusResponse, Status> = self.cri().call("Status", Empty {});
            answer
                .map(drop)
                .map_err(|status| format!("{}; {}", status.message(), fs::read_to_string(&log).unwrap_or_default()))
        });
    }

    /// Runs `ctr`, split at white space.
    #[track_caller]
    pub fn ctr(&self, line: &str) -> Finished {
        let socket = self.file("containerd.sock");
        let mut words = vec!["--address", &socket];
        words.extend(line.split_whitespace());
        self.machine.attempts(&[], "ctr", &words)
    }

    /// A connection of one's own.
    #[must_use]
    pub fn cri(&self) -> Cri {
        Cri::new(&self.path("containerd.sock"))
    }

    /// A condition of the runtime's status, `NetworkReady` or `RuntimeReady`.
    ///
    /// # Panics
    /// When containerd does not tell.
    #[must_use]
    #[track_caller]
    pub fn condition(&self, kind: &str) -> Condition {
        let answer: StatusResponse = self.cri().call("Status", Empty {}).expect("Status");
        let mut list = answer.status.unwrap_or_default().conditions.into_iter();
        list.find(|condition| condition.kind == kind).unwrap_or_else(|| panic!("no condition {kind}"))
    }

    /// The configuration of a pod, as kubelet makes it.
    #[must_use]
    pub fn pod(&self, name: &str) -> PodConfig {
        PodConfig {
            metadata: Some(Metadata { name: name.into(), uid: format!("uid-{name}"), namespace: "default".into() }),
            hostname: name.into(),
            port_mappings: Vec::new(),
            annotations: HashMap::new(),
            linux: Some(Linux { cgroup_parent: self.control_group() }),
        }
    }

    /// `RunPodSandbox`.
    ///
    /// # Errors
    /// What containerd says, the plugin's words in it.
    pub fn attempts_pod(&self, config: &PodConfig) -> Result<Pod<'_>, Status> {
        let cri = self.cri();
        let answer: SandboxId = cri.call("RunPodSandbox", RunRequest { config: Some(config.clone()) })?;
        let name = config.metadata.clone().unwrap_or_default().name;
        Ok(Pod { containerd: self, cri, id: answer.id, name })
    }

    /// A pod that containerd knows, by its id.
    #[must_use]
    pub fn known(&self, id: &str) -> Pod<'_> {
        Pod { containerd: self, cri: self.cri(), id: id.into(), name: id.into() }
    }

    /// All pods that containerd knows.
    ///
    /// # Panics
    /// When it does not tell.
    #[must_use]
    #[track_caller]
    pub fn pods(&self) -> Vec<Pod<'_>> {
        let list: PodList = self.cri().call("ListPodSandbox", Empty {}).expect("ListPodSandbox");
        list.items.iter().map(|item| self.known(&item.id)).collect()
    }

    /// A pod that must start.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    #[track_caller]
    pub fn runs(&self, config: &PodConfig) -> Pod<'_> {
        match self.attempts_pod(config) {
            Ok(pod) => pod,
            Err(status) => panic!("RunPodSandbox: {}", status.message()),
        }
    }
}

/// Writes `config.toml`.
fn settle(machine: &Machine, suite: &Suite) {
    let config = format!(
        "version = 2\nroot = \"{root}\"\nstate = \"{state}\"\n\
         [grpc]\n  address = \"{socket}\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{opt}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{IMAGE}\"\n  disable_apparmor = true\n  \
         restrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"native\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\n  bin_dir = \"{bin}\"\n  conf_dir = \"{conf}\"\n",
        root = machine.file("root"),
        state = machine.file("state"),
        socket = machine.file("containerd.sock"),
        opt = machine.file("opt"),
        bin = suite.folder(),
        conf = machine.file("net.d"),
    );
    fs::write(machine.path("config.toml"), config).expect("write config.toml");
}

impl Deref for Containerd {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// A pod's sandbox.
#[derive(Debug)]
pub struct Pod<'c> {
    containerd: &'c Containerd,
    cri: Cri,
    /// What containerd calls it; the plugins' container id.
    pub id: String,
    name: String,
}

impl<'c> Pod<'c> {
    fn status(&self) -> PodStatusResponse {
        let request = PodStatusRequest { id: self.id.clone(), verbose: true };
        self.cri.call("PodSandboxStatus", request).expect("PodSandboxStatus")
    }

    /// Its addresses as kubelet learns them, the primary one first.
    ///
    /// # Panics
    /// When containerd has none.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let network = self.status().status.and_then(|status| status.network).unwrap_or_default();
        let list = std::iter::once(network.ip).chain(network.additional.into_iter().map(|ip| ip.ip));
        list.map(|ip| ip.parse().unwrap_or_else(|error| panic!("address {ip:?} of {}: {error}", self.name))).collect()
    }

    /// Whether its sandbox runs, as far as containerd has noticed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status().status.is_some_and(|status| status.state == 0)
    }

    /// The path of its network namespace.
    ///
    /// # Panics
    /// When containerd does not tell.
    #[must_use]
    #[track_caller]
    pub fn netns(&self) -> String {
        let info = self.status().info.remove("info").unwrap_or_default();
        let info: Value = serde_json::from_str(&info).unwrap_or_else(|error| panic!("{error}: {info}"));
        let list = info["runtimeSpec"]["linux"]["namespaces"].as_array().cloned().unwrap_or_default();
        let network = list.iter().find(|namespace| namespace["type"] == "network");
        network.and_then(|namespace| namespace["path"].as_str()).expect("the sandbox has a network namespace").into()
    }

    /// Where it runs.
    #[must_use]
    pub const fn containerd(&self) -> &'c Containerd {
        self.containerd
    }

    /// Its network namespace. While this value lives, so does the namespace.
    #[must_use]
    #[track_caller]
    pub fn sandbox(&self) -> Sandbox {
        self.containerd.adopt(&self.name, &self.netns())
    }

    /// `StopPodSandbox`.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn stops(&self) {
        let done: Result<Empty, Status> = self.cri.call("StopPodSandbox", SandboxId { id: self.id.clone() });
        done.unwrap_or_else(|status| panic!("StopPodSandbox {}: {}", self.name, status.message()));
    }

    /// `StopPodSandbox` and `RemovePodSandbox`, as kubelet does when a pod is deleted.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn goes(self) {
        self.stops();
        let done: Result<Empty, Status> = self.cri.call("RemovePodSandbox", SandboxId { id: self.id.clone() });
        done.unwrap_or_else(|status| panic!("RemovePodSandbox {}: {}", self.name, status.message()));
    }
}
