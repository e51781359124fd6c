//! ADD, DEL and CHECK of one attachment over the whole list of plugins: the order, the undoing, the results.

use cni::{AddResult, Code, Error, Version};
use serde_json::Value;

use crate::cache::Entry;
use crate::configuration::{Extra, Network, Plugin};
use crate::document::Object;
use crate::runtime::{Runtime, Target};
use crate::sandbox::{Sandbox, short_name};

/// What the command line says about an attachment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) network: String,
    pub(crate) sandbox: Sandbox,
    pub(crate) ifname: String,
    /// `CNI_ARGS`, pair by pair; `None` when not given.
    pub(crate) args: Option<Vec<(String, String)>>,
    /// What is given for capabilities; `None` when nothing is.
    pub(crate) capabilities: Option<Object>,
    /// A container id other than cnitool's.
    pub(crate) id: Option<String>,
}

impl Wanted {
    fn container_id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.sandbox.container_id())
    }

    /// Refuses names that would not be safe in a path.
    fn validate(&self) -> Result<(), Error> {
        cni::validate_network_name(&self.network)?;
        cni::validate_container_id(&self.container_id())?;
        cni::validate_ifname(&self.ifname)
    }
}

/// One list of plugins and what all of them get.
struct Chain<'a> {
    runtime: &'a Runtime,
    network: &'a Network,
    version: Version,
    target: Target,
    capabilities: Object,
}

impl Chain<'_> {
    fn call(&self, verb: &str, plugin: &Plugin, prev_result: Option<&Value>) -> Result<Vec<u8>, Error> {
        let extra = Extra::Attachment { prev_result, capabilities: &self.capabilities };
        self.runtime.call(verb, plugin, &plugin.stdin(self.network, extra), &self.target)
    }

    /// DEL for `plugins`, last first; goes on after failures and gives them all.
    fn del(&self, plugins: &[Plugin], prev_result: Option<&Value>) -> Vec<Error> {
        // Before 0.4.0 a DEL has no result.
        let prev_result = prev_result.filter(|_| self.version >= Version::V0_4_0);
        plugins.iter().rev().filter_map(|plugin| self.call("DEL", plugin, prev_result).err()).collect()
    }

    /// ADD for all plugins. A failure is undone.
    fn add(&self, was_there: bool) -> Result<Object, Error> {
        let mut result: Option<Value> = None;
        for (at, plugin) in self.network.plugins.iter().enumerate() {
            let answer = self.call("ADD", plugin, result.as_ref()).and_then(|stdout| self.read(plugin, &stdout));
            match answer {
                Ok(next) => result = Some(Value::Object(next)),
                // The interface was there before and is another's: DEL of plugins that do not look at the owner
                // would remove it. What failed has cleaned up after itself, as the specification demands.
                Err(error) if at == 0 && was_there => return Err(error),
                Err(error) => return Err(with_undo(error, &self.del(&self.network.plugins[..=at], result.as_ref()))),
            }
        }
        match result {
            Some(Value::Object(result)) => Ok(result),
            _ => Ok(Object::new()),
        }
    }

    /// A plugin's answer to ADD, with its version named.
    fn read(&self, plugin: &Plugin, stdout: &[u8]) -> Result<Object, Error> {
        let wrong = |what: String| Error::new(Code::Decoding, format!("{} (ADD): {what}", plugin.kind));
        let value: Value =
            serde_json::from_slice(stdout).map_err(|error| wrong(format!("the answer is no JSON: {error}")))?;
        let mut result = match value {
            Value::Object(result) => result,
            Value::Null => Object::new(),
            _ => return Err(wrong("the answer is no result".into())),
        };
        if !result.contains_key("cniVersion") {
            result.insert("cniVersion".into(), self.version.as_str().into());
        }
        parse(&result, self.version)
            .map_err(|error| error.context(format!("{} (ADD): unusable result", plugin.kind)))?;
        Ok(result)
    }
}

/// The result as a plugin gave it.
///
/// # Errors
/// When it is none.
pub(crate) fn parse(result: &Object, default: Version) -> Result<AddResult, Error> {
    let bytes = Value::Object(result.clone()).to_string();
    AddResult::parse(&cni::json::Node::root(&cni::json::Json::parse(bytes.as_bytes())?), default)
}

/// The cause, and what could not be undone.
fn with_undo(error: Error, failures: &[Error]) -> Error {
    if failures.is_empty() {
        return error;
    }
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let details = format!("and undoing it failed: {}", failures.join("; "));
    let details = if error.details.is_empty() { details } else { format!("{}; {details}", error.details) };
    error.with_details(details)
}

/// Attaches a sandbox to a network and keeps the result.
///
/// # Errors
/// Whatever failed; the plugins that were called are undone then.
pub(crate) fn add(runtime: &Runtime, wanted: &Wanted) -> Result<(Network, Object), Error> {
    wanted.validate()?;
    let network = runtime.network(&wanted.network)?;
    let version = network.known_version()?;
    // A list that cannot be run to its end is not begun.
    network.plugins.iter().try_for_each(|plugin| runtime.find(plugin).map(drop))?;
    wanted.sandbox.must_exist()?;
    let container_id = wanted.container_id();
    let _lock = wanted.sandbox.lock();
    let was_there = wanted.sandbox.has_link(&wanted.ifname)?;
    refuse_second(runtime, wanted, &container_id, was_there)?;
    let args = wanted.args.clone().unwrap_or_default();
    let chain = Chain {
        runtime,
        network: &network,
        version,
        target: Target {
            container_id: container_id.clone(),
            netns: wanted.sandbox.path.clone(),
            ifname: wanted.ifname.clone(),
            args: join(&args),
        },
        capabilities: wanted.capabilities.clone().unwrap_or_default(),
    };
    let result = chain.add(was_there)?;
    let entry = Entry {
        network: network.name.clone(),
        container_id,
        ifname: wanted.ifname.clone(),
        netns: wanted.sandbox.path.clone(),
        config: network.bytes.clone(),
        args,
        capabilities: chain.capabilities.clone(),
        result: Some(result.clone()),
    };
    // Without the entry nobody would know of the attachment.
    if let Err(error) = runtime.cache.write(&entry) {
        return Err(with_undo(error, &chain.del(&network.plugins, Some(&Value::Object(result)))));
    }
    Ok((network, result))
}

/// A second ADD must not reach the plugins: those that do not look at owners would, in the undoing, remove the
/// first one's interface. What is known but no longer there (after a reboot, say) is detached first.
fn refuse_second(runtime: &Runtime, wanted: &Wanted, container_id: &str, was_there: bool) -> Result<(), Error> {
    let entries = runtime.entries()?.entries;
    let here = |entry: &&Entry| {
        entry.ifname == wanted.ifname && (entry.container_id == container_id || wanted.sandbox.is_at(&entry.netns))
    };
    if was_there {
        let Some(entry) = entries.iter().find(here) else { return Ok(()) };
        let (network, sandbox, ifname) = (&entry.network, &wanted.sandbox.name, &wanted.ifname);
        let msg = format!("{ifname} of {sandbox} is attached to network {network} already");
        return Err(Error::new(Code::InvalidEnvironment, msg).with_details(format!(
            "detach it with `cnm del {network} {sandbox} --ifname {ifname}`, or choose another name with --ifname"
        )));
    }
    for entry in entries.iter().filter(here).filter(|entry| entry.network == wanted.network) {
        del_entry(runtime, entry)?;
        eprintln!("note: an earlier attachment to {}, which had no {}, is replaced", entry.network, entry.ifname);
    }
    Ok(())
}

/// What a DEL did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detached {
    pub(crate) entry: Entry,
    /// Whether the attachment was known.
    pub(crate) known: bool,
}

/// Detaches a sandbox from a network, by the configuration that it was attached with if that is known.
///
/// # Errors
/// Everything that failed, after every plugin was asked; the result is kept then, so that the next DEL finds it.
pub(crate) fn del(runtime: &Runtime, wanted: &Wanted) -> Result<Detached, Error> {
    wanted.validate()?;
    let _lock = wanted.sandbox.lock();
    let known = find(runtime, wanted)?;
    let is_known = known.is_some();
    let mut entry = known.unwrap_or_else(|| Entry {
        network: wanted.network.clone(),
        container_id: wanted.container_id(),
        ifname: wanted.ifname.clone(),
        netns: wanted.sandbox.path.clone(),
        ..Entry::default()
    });
    override_by(&mut entry, wanted);
    del_entry(runtime, &entry)?;
    Ok(Detached { entry, known: is_known })
}

/// DEL for an entry of the cache, which goes with it.
///
/// # Errors
/// As [`del`].
pub(crate) fn del_entry(runtime: &Runtime, entry: &Entry) -> Result<(), Error> {
    let network = network_of(runtime, entry)?;
    let chain = chain_of(runtime, &network, entry)?;
    let result = previous(entry, chain.version);
    let failures = chain.del(&network.plugins, result.as_ref());
    if failures.is_empty() {
        return runtime.cache.remove(&entry.network, &entry.container_id, &entry.ifname);
    }
    let place = format!("{} of {}", entry.ifname, short_name(&entry.netns));
    Err(joined(failures).context(format!("{place} is not wholly detached from {}", entry.network)))
}

/// Compares an attachment with what its ADD made. `false` when the network has CHECK switched off.
///
/// # Errors
/// The first difference, or that nothing is attached.
pub(crate) fn check(runtime: &Runtime, wanted: &Wanted) -> Result<bool, Error> {
    wanted.validate()?;
    let Some(mut entry) = find(runtime, wanted)? else {
        let (network, sandbox, ifname) = (&wanted.network, &wanted.sandbox.name, &wanted.ifname);
        return Err(Error::new(
            Code::UnknownContainer,
            format!("{ifname} of {sandbox} is not attached to network {network}"),
        )
        .with_details(format!("attach it with `cnm add {network} {sandbox} --ifname {ifname}`")));
    };
    override_by(&mut entry, wanted);
    let network = network_of(runtime, &entry)?;
    let chain = chain_of(runtime, &network, &entry)?;
    if chain.version < Version::V0_4_0 {
        return Err(Error::new(
            Code::IncompatibleVersion,
            format!("network {}: CHECK needs cniVersion 0.4.0, it has {}", network.name, chain.version),
        ));
    }
    if network.disable_check {
        return Ok(false);
    }
    let result = previous(&entry, chain.version);
    for plugin in &network.plugins {
        chain.call("CHECK", plugin, result.as_ref())?;
    }
    Ok(true)
}

/// What the command line says goes over what was kept; the sandbox's path only where none was kept.
fn override_by(entry: &mut Entry, wanted: &Wanted) {
    if let Some(args) = &wanted.args {
        entry.args.clone_from(args);
    }
    if let Some(capabilities) = &wanted.capabilities {
        entry.capabilities.clone_from(capabilities);
    }
    if entry.netns.is_empty() {
        entry.netns.clone_from(&wanted.sandbox.path);
    }
}

/// The attachment in the cache: by our container id, else by sandbox, whoever attached it.
fn find(runtime: &Runtime, wanted: &Wanted) -> Result<Option<Entry>, Error> {
    let id = wanted.container_id();
    let entries = runtime.entries()?.entries;
    let here = |entry: &&Entry| entry.network == wanted.network && entry.ifname == wanted.ifname;
    let by_id = entries.iter().filter(here).find(|entry| entry.container_id == id);
    let by_place = || {
        let named = wanted.id.is_none();
        entries.iter().filter(here).find(|entry| named && wanted.sandbox.is_at(&entry.netns))
    };
    Ok(by_id.or_else(by_place).cloned())
}

/// The configuration that the attachment was made with; without it, the one of today.
fn network_of(runtime: &Runtime, entry: &Entry) -> Result<Network, Error> {
    match Network::from_cache(&entry.config, &runtime.configurations) {
        Ok(network) if network.name == entry.network => Ok(network),
        _ => runtime.network(&entry.network),
    }
}

fn chain_of<'a>(runtime: &'a Runtime, network: &'a Network, entry: &Entry) -> Result<Chain<'a>, Error> {
    // A path where no namespace is any more, only the file of one, confuses plugins; a missing one does not.
    let file_only = std::path::Path::new(&entry.netns).exists() && !kernel::named::is_namespace(entry.netns.as_ref());
    Ok(Chain {
        runtime,
        network,
        version: network.known_version()?,
        target: Target {
            container_id: entry.container_id.clone(),
            netns: if file_only { String::new() } else { entry.netns.clone() },
            ifname: entry.ifname.clone(),
            args: join(&entry.args),
        },
        capabilities: entry.capabilities.clone(),
    })
}

/// The kept result in the shape of the configuration's version, which may have changed since; a result that cannot
/// be read is none.
fn previous(entry: &Entry, version: Version) -> Option<Value> {
    let result = entry.result.as_ref()?;
    if result.get("cniVersion").and_then(Value::as_str) == Some(version.as_str()) {
        return entry.result_value();
    }
    let text = parse(result, version).ok()?.print(version).ok()?;
    serde_json::from_str(&text).ok()
}

/// Several failures as one: the first one's code, all their words.
pub(crate) fn joined(failures: Vec<Error>) -> Error {
    let code = failures.first().map_or(Code::Internal, |error| error.code);
    let words: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Error::new(code, words.join("\n"))
}

/// `CNI_ARGS` as one text.
fn join(args: &[(String, String)]) -> String {
    let pairs: Vec<String> = args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(";")
}
