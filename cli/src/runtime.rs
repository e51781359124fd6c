//! The surroundings of a verb (where configurations, plugins and results are) and one call of one plugin.

use std::path::PathBuf;

use cni::{Code, Error};
use lifecycle::delegate;

use crate::cache::{Cache, Entries};
use crate::configuration::{Directory, Network, Plugin};

/// Where libcni keeps its results.
const STATE: &str = "/var/lib/cni";
/// Where configurations are without `NETCONFPATH`.
const CONFIGURATIONS: &str = "/etc/cni/net.d";
/// Where plugins are without `CNI_PATH`, after the directory of `cnm` itself.
const PLUGINS: &str = "/opt/cni/bin";
/// The networks that are there by default; their names are reserved for them.
pub(crate) const DEFAULT_NETWORKS: [&str; 3] = ["none", "host", "bridge"];

/// The directories that a verb works with.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    /// `NETCONFPATH`.
    pub(crate) configurations: PathBuf,
    /// `CNI_PATH`.
    pub(crate) path: String,
    /// The results.
    pub(crate) cache: Cache,
}

/// The variables of a call beside verb and path; all empty for GC and STATUS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) container_id: String,
    pub(crate) netns: String,
    pub(crate) ifname: String,
    pub(crate) args: String,
}

impl Runtime {
    /// As the environment says.
    pub(crate) fn from_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let beside = || {
            let program = std::env::current_exe().ok();
            match program.as_deref().and_then(|file| file.parent()).and_then(|directory| directory.to_str()) {
                Some(directory) => format!("{directory}:{PLUGINS}"),
                None => PLUGINS.to_owned(),
            }
        };
        Self {
            configurations: set("NETCONFPATH").unwrap_or_else(|| CONFIGURATIONS.to_owned()).into(),
            path: set("CNI_PATH").unwrap_or_else(beside),
            cache: Cache::new(STATE),
        }
    }

    /// The program of a plugin.
    ///
    /// # Errors
    /// When there is none on `CNI_PATH`.
    pub(crate) fn find(&self, plugin: &Plugin) -> Result<PathBuf, Error> {
        delegate::find(&self.path, &plugin.kind)
    }

    /// Finds and executes a plugin. Returns what it printed.
    ///
    /// # Errors
    /// The plugin's own, with its name and the verb in front.
    pub(crate) fn call(&self, verb: &str, plugin: &Plugin, stdin: &[u8], target: &Target) -> Result<Vec<u8>, Error> {
        let variables = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", &target.container_id),
            ("CNI_NETNS", &target.netns),
            ("CNI_IFNAME", &target.ifname),
            ("CNI_ARGS", &target.args),
            ("CNI_PATH", &self.path),
        ];
        self.find(plugin)
            .and_then(|program| delegate::execute(&program, &variables, stdin))
            .map_err(|error| error.context(format!("{} ({verb})", plugin.kind)))
    }

    /// All networks of the directory; files that cannot be used are told on stderr, once.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn networks(&self) -> Result<Directory, Error> {
        let found = Directory::read(&self.configurations)?;
        for (file, reason) in &found.broken {
            eprintln!("warning: {} is ignored: {reason}", file.display());
        }
        Ok(found)
    }

    /// The network of this name.
    ///
    /// # Errors
    /// Code 7 with what there is instead.
    pub(crate) fn network(&self, name: &str) -> Result<Network, Error> {
        let found = self.networks()?;
        found.find(name).cloned().ok_or_else(|| {
            let directory = self.configurations.display();
            let names: Vec<&str> = found.networks.iter().map(|network| network.name.as_str()).collect();
            let error = Error::new(Code::InvalidConfig, format!("there is no network {name} in {directory}"));
            error.with_details(if DEFAULT_NETWORKS.contains(&name) {
                format!("{name} is one of the default networks: copy its file from conf-examples to {directory}")
            } else if names.is_empty() {
                format!("{directory} has no usable configuration; NETCONFPATH names another directory")
            } else {
                format!("there are: {}", names.join(", "))
            })
        })
    }

    /// What is attached; files that are no entries are told on stderr.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn entries(&self) -> Result<Entries, Error> {
        let found = self.cache.read()?;
        for (file, reason) in &found.broken {
            eprintln!("warning: {} is ignored: {reason}", file.display());
        }
        Ok(found)
    }
}
