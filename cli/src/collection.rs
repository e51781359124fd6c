//! GC of a network: what is attached to sandboxes that are gone is detached, then every plugin is asked to
//! remove what belongs to no valid attachment.

use cni::{Error, Version};
use serde_json::{Value, json};

use crate::attachment::{del_entry, joined};
use crate::cache::{Entry, State};
use crate::configuration::Extra;
use crate::runtime::{Runtime, Target};
use crate::sandbox::lock;

/// Which attachments are valid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Valid {
    /// None but those in `keep`, even if their sandbox lives.
    pub(crate) all: bool,
    /// Valid in any case.
    pub(crate) keep: Vec<Keep>,
    /// Only tell.
    pub(crate) dry_run: bool,
}

/// An attachment that the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) container_id: String,
    /// `None` is every interface.
    pub(crate) ifname: Option<String>,
}

impl Keep {
    fn names(&self, entry: &Entry) -> bool {
        self.container_id == entry.container_id && self.ifname.as_ref().is_none_or(|ifname| *ifname == entry.ifname)
    }
}

impl Valid {
    /// Valid is what is asked to be kept and, unless everything is to go, what is not known to be gone.
    fn accepts(&self, entry: &Entry) -> bool {
        self.keep.iter().any(|keep| keep.names(entry)) || (!self.all && entry.sandbox() != State::Gone)
    }
}

/// What GC did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Collected {
    pub(crate) removed: Vec<Entry>,
    pub(crate) kept: Vec<Entry>,
    /// The plugins that were sent GC.
    pub(crate) asked: Vec<String>,
    /// Why nothing was done or no plugin was asked.
    pub(crate) note: Option<String>,
}

/// Collects what a network has left behind. Goes on after failures.
///
/// # Errors
/// Everything that failed.
pub(crate) fn gc(runtime: &Runtime, name: &str, valid: &Valid) -> Result<Collected, Error> {
    cni::validate_network_name(name)?;
    let network = runtime.network(name)?;
    let version = network.known_version()?;
    let entries = runtime.entries()?;
    let mut collected = Collected { removed: Vec::new(), kept: Vec::new(), asked: Vec::new(), note: None };
    if network.disable_gc {
        collected.kept = entries.of(name).cloned().collect();
        collected.note = Some("nothing was done: the configuration says disableGC".into());
        return Ok(collected);
    }
    let mut failures = Vec::new();
    for entry in entries.of(name) {
        if valid.accepts(entry) {
            collected.kept.push(entry.clone());
        } else if valid.dry_run {
            collected.removed.push(entry.clone());
        } else {
            let _lock = lock(&entry.netns);
            match del_entry(runtime, entry) {
                Ok(()) => collected.removed.push(entry.clone()),
                Err(error) => failures.push(error),
            }
        }
    }
    if version < Version::V1_1_0 {
        collected.note = Some(format!("the plugins were not asked: GC needs cniVersion 1.1.0, {name} has {version}"));
    } else if !valid.dry_run {
        let attachments = attachments(&collected.kept, &valid.keep);
        for plugin in &network.plugins {
            let stdin = plugin.stdin(&network, Extra::Valid(&attachments));
            match runtime.call("GC", plugin, &stdin, &Target::default()) {
                Ok(_) => collected.asked.push(plugin.kind.clone()),
                Err(error) => failures.push(error),
            }
        }
    }
    if failures.is_empty() { Ok(collected) } else { Err(joined(failures).context(format!("network {name}"))) }
}

/// `cni.dev/valid-attachments`. What is to be kept but has no entry was attached by somebody who keeps results
/// elsewhere; where its interface is not named, the usual name is assumed.
fn attachments(kept: &[Entry], keep: &[Keep]) -> Value {
    let known = kept.iter().map(|entry| (entry.container_id.as_str(), entry.ifname.as_str()));
    let unknown = keep
        .iter()
        .filter(|keep| !kept.iter().any(|entry| keep.names(entry)))
        .map(|keep| (keep.container_id.as_str(), keep.ifname.as_deref().unwrap_or("eth0")));
    known.chain(unknown).map(|(id, ifname)| json!({"containerID": id, "ifname": ifname})).collect()
}
