//! podman with the CNI backend. It must not know what its networks look like in the kernel.

use std::fs;
use std::ops::Deref;

use cnm_tests::{Finished, Running, Sandbox, Suite};
use serde_json::Value;

use crate::{Machine, image};

/// podman 4 on a machine of its own, with an image `local/busybox`.
#[derive(Debug)]
pub struct Podman {
    machine: Machine,
    settings: String,
}

impl Podman {
    /// A podman without containers; its networks are the default one alone.
    ///
    /// # Panics
    /// When a program is missing or podman cannot import an image.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let machine = Machine::with(&["podman", "conmon", "runc"]);
        let settings = machine.file("containers.conf");
        settle(&machine, machine.suite());
        machine.write_file("/etc/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
        let archive = image::root_archive(&machine);
        let podman = Self { machine, settings };
        podman.does(&format!("import {} local/busybox", archive.display()));
        podman
    }

    /// From now on its plugins are those of `suite`, as after an upgrade in place.
    pub fn changes_to(&self, suite: &Suite) {
        settle(&self.machine, suite);
    }

    /// Runs a podman command, split at white space, without caring whether it succeeds.
    #[track_caller]
    pub fn attempts(&self, line: &str) -> Finished {
        self.starts(line).finish()
    }

    /// Starts a podman command, split at white space.
    #[track_caller]
    pub fn starts(&self, line: &str) -> Running {
        let (root, run, scratch) = (self.file("root"), self.file("run"), self.file("scratch"));
        let mut words = vec!["--root", &root, "--runroot", &run, "--tmpdir", &scratch];
        words.extend(["--storage-driver", "vfs", "--runtime", "runc"]);
        words.extend(line.split_whitespace());
        self.machine.starts(&[("CONTAINERS_CONF", &self.settings)], "podman", &words)
    }

    /// Runs a podman command that must succeed; what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn does(&self, line: &str) -> String {
        self.attempts(line).expect_success()
    }

    /// Runs a container in the background that sleeps, with these options of `podman run`; its network namespace.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn runs(&self, name: &str, options: &str) -> Sandbox {
        let group = self.control_group();
        self.does(&format!("run --detach --cgroup-parent={group} --name {name} {options} local/busybox sleep 100000"));
        self.container(name)
    }

    /// What `podman inspect` says of a container.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn inspect(&self, name: &str) -> Value {
        let text = self.does(&format!("inspect --type container {name}"));
        let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("podman inspect: {error}: {text}"));
        all[0].clone()
    }

    /// The network namespace of a running container. While this value lives, so does the namespace.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn container(&self, name: &str) -> Sandbox {
        let document = self.inspect(name);
        let path = document["NetworkSettings"]["SandboxKey"].as_str().unwrap_or_default();
        self.adopt(name, path)
    }

    /// Removes a container, running or not.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn removes(&self, name: &str) {
        let output = self.attempts(&format!("rm --force --time 0 {name}"));
        let _ = output.expect_success();
        // podman tells of plugins that fail to detach, and goes on.
        assert!(!output.complaint().contains("rror"), "podman rm {name}: {}", output.complaint());
    }
}

/// Writes `containers.conf`.
fn settle(machine: &Machine, suite: &Suite) {
    let content = format!(
        "[network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"{}\"]\nnetwork_config_dir = \"{}\"\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n\
         [containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=1024:1024\"]\n",
        suite.folder(),
        machine.file("net.d"),
    );
    fs::write(machine.path("containers.conf"), content).expect("write containers.conf");
}

impl Default for Podman {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Podman {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}
