//! Network configurations as libcni 1.3 reads them: what a file says and what a plugin gets of it.
//!
//! Nothing here is specific to a plugin; what a configuration means to one is the plugin's affair.

use std::path::{Path, PathBuf};

use cni::{Error, Version};
use serde_json::{Value, json};

use crate::document::{self, Object, flag, list, must_be, object, text};

/// A network: an ordered list of plugins under one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Network {
    /// `name`.
    pub(crate) name: String,
    /// The version that is spoken with all plugins: `cniVersion`, or the highest that we know of `cniVersions`.
    /// As written; empty means 0.1.0.
    pub(crate) version: String,
    /// CHECK succeeds without asking anyone.
    pub(crate) disable_check: bool,
    /// GC does nothing.
    pub(crate) disable_gc: bool,
    /// In the order of ADD; never empty.
    pub(crate) plugins: Vec<Plugin>,
    /// The list as it is kept with a result, for the DEL that may come after the file is gone.
    pub(crate) bytes: Vec<u8>,
    /// Where it was read; empty when it comes out of the cache.
    pub(crate) file: PathBuf,
}

/// One plugin of a network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plugin {
    /// `type`: the program's name.
    pub(crate) kind: String,
    /// The configuration as written.
    pub(crate) object: Object,
    /// The names that are `true` in `capabilities`.
    capabilities: Vec<String>,
}

impl Network {
    /// Reads a list (a `.conflist`).
    ///
    /// # Errors
    /// What is wrong, without the name of the file.
    pub(crate) fn from_list(bytes: &[u8], file: &Path) -> Result<Self, String> {
        let outer: Object = parse(bytes)?;
        let name = text(&outer, "name")?.ok_or("name is missing")?.to_owned();
        cni::validate_network_name(&name).map_err(|error| error.to_string())?;
        let mut plugins = Vec::new();
        for (at, element) in list(&outer, "plugins")?.unwrap_or_default().iter().enumerate() {
            let Value::Object(element) = element else {
                return Err(must_be(&format!("plugins[{at}]"), "an object", element));
            };
            plugins.push(Plugin::new(element.clone()).map_err(|error| format!("plugins[{at}]: {error}"))?);
        }
        let mut bytes = bytes.to_vec();
        if !flag(&outer, "loadOnlyInlinedPlugins")? {
            let more = plugins_beside(file, &name)?;
            if !more.is_empty() {
                plugins.extend(more);
                bytes = inlined(outer.clone(), &plugins);
            }
        }
        if plugins.is_empty() {
            return Err(format!("no plugins: neither in the list nor in a folder {name} beside it"));
        }
        Ok(Self {
            version: version(&outer)?,
            disable_check: flag(&outer, "disableCheck")?,
            disable_gc: flag(&outer, "disableGC")?,
            name,
            plugins,
            bytes,
            file: file.to_owned(),
        })
    }

    /// Reads the configuration of a single plugin (a `.conf` or `.json`) as a list of one.
    ///
    /// # Errors
    /// As [`Network::from_list`].
    pub(crate) fn from_single(bytes: &[u8], file: &Path) -> Result<Self, String> {
        let outer: Object = parse(bytes)?;
        if document::member(&outer, "type").is_none() && document::member(&outer, "plugins").is_some() {
            return Err("this is a list of plugins: name the file .conflist".into());
        }
        let plugin = Plugin::new(outer.clone())?;
        let name = text(&outer, "name")?.unwrap_or_default().to_owned();
        cni::validate_network_name(&name).map_err(|error| error.to_string())?;
        let version = text(&outer, "cniVersion")?.unwrap_or_default().to_owned();
        let bytes = json!({"cniVersion": version, "name": name, "plugins": [outer]}).to_string().into_bytes();
        let (disable_check, disable_gc) = (false, false);
        Ok(Self { name, version, disable_check, disable_gc, plugins: vec![plugin], bytes, file: file.to_owned() })
    }

    /// Reads what was kept with a result. `directory` is where the network's own folder of plugins may be, which
    /// libcni does not keep.
    ///
    /// # Errors
    /// As [`Network::from_list`].
    pub(crate) fn from_cache(bytes: &[u8], directory: &Path) -> Result<Self, String> {
        let outer: Object = parse(bytes)?;
        let read = if document::member(&outer, "plugins").is_some() { Self::from_list } else { Self::from_single };
        let network = read(bytes, &directory.join("from the cache"))?;
        Ok(Self { file: PathBuf::new(), ..network })
    }

    /// The version that is spoken, if we know it.
    ///
    /// # Errors
    /// Code 1 for a version that no plugin of ours speaks.
    pub(crate) fn known_version(&self) -> Result<Version, Error> {
        if self.version.is_empty() {
            return Ok(Version::V0_1_0);
        }
        Version::from_text(&self.version).ok_or_else(|| {
            let known: Vec<&str> = Version::ALL.iter().map(|version| version.as_str()).collect();
            Error::new(
                cni::Code::IncompatibleVersion,
                format!("network {}: cniVersion {:?} is unknown", self.name, self.version),
            )
            .with_details(format!("known versions: {}", known.join(", ")))
        })
    }
}

impl Plugin {
    fn new(object: Object) -> Result<Self, String> {
        let kind = text(&object, "type")?.filter(|kind| !kind.is_empty()).ok_or("type is missing")?.to_owned();
        // libcni decodes these, too, and refuses the file when they do not fit.
        if let Some(ipam) = document::object(&object, "ipam")? {
            text(ipam, "type").map_err(|error| format!("ipam.{error}"))?;
        }
        document::object(&object, "dns")?;
        let mut capabilities = Vec::new();
        for (name, wanted) in document::object(&object, "capabilities")?.into_iter().flatten() {
            match wanted {
                Value::Bool(true) => capabilities.push(name.clone()),
                Value::Bool(false) | Value::Null => {}
                other => return Err(must_be(&format!("capabilities.{name}"), "true or false", other)),
            }
        }
        Ok(Self { kind, object, capabilities })
    }

    /// What the plugin reads from stdin: its configuration with the network's name and version, the previous
    /// result, and of `capabilities` what it declares.
    pub(crate) fn stdin(&self, network: &Network, extra: Extra<'_>) -> Vec<u8> {
        let mut object = self.object.clone();
        object.insert("name".into(), network.name.clone().into());
        object.insert("cniVersion".into(), network.version.clone().into());
        match extra {
            Extra::Attachment { prev_result, capabilities } => {
                if let Some(result) = prev_result {
                    object.insert("prevResult".into(), result.clone());
                }
                let supplied: Object = capabilities
                    .iter()
                    .filter(|(name, _)| self.capabilities.contains(name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                if !supplied.is_empty() {
                    object.insert("runtimeConfig".into(), Value::Object(supplied));
                }
            }
            Extra::Valid(attachments) => {
                // The tagged specification has the second name, libcni sends both since 1.2.3.
                object.insert("cni.dev/valid-attachments".into(), attachments.clone());
                object.insert("cni.dev/attachments".into(), attachments.clone());
            }
            Extra::Nothing => {}
        }
        Value::Object(object).to_string().into_bytes()
    }
}

/// What a verb adds to a plugin's configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extra<'a> {
    /// ADD, CHECK, DEL.
    Attachment {
        /// The result before it, if any.
        prev_result: Option<&'a Value>,
        /// What was given for capabilities, declared or not.
        capabilities: &'a Object,
    },
    /// GC.
    Valid(&'a Value),
    /// STATUS.
    Nothing,
}

/// Every network of a directory, in the order in which names are looked up: lists before single plugins, each
/// by file name. Files that cannot be used stand beside them.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) networks: Vec<Network>,
    /// File and what is wrong with it.
    pub(crate) broken: Vec<(PathBuf, String)>,
}

impl Directory {
    /// Reads the directory; one that does not exist is empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(directory: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        let failed = |error| {
            Error::new(cni::Code::Io, format!("cannot read network configurations in {}: {error}", directory.display()))
        };
        for file in files(directory, &["conflist"]).map_err(failed)? {
            found.add(file, Network::from_list);
        }
        for file in files(directory, &["conf", "json"]).map_err(failed)? {
            found.add(file, Network::from_single);
        }
        Ok(found)
    }

    fn add(&mut self, file: PathBuf, read: fn(&[u8], &Path) -> Result<Network, String>) {
        match std::fs::read(&file).map_err(|error| error.to_string()).and_then(|bytes| read(&bytes, &file)) {
            // Of two networks with one name, the first is the network.
            Ok(network) if self.networks.iter().any(|other| other.name == network.name) => {
                self.broken.push((file, format!("network {} is defined by an earlier file", network.name)));
            }
            Ok(network) => self.networks.push(network),
            Err(error) => self.broken.push((file, error)),
        }
    }

    /// The network called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.name == name)
    }
}

/// The files of a directory with one of these extensions, sorted.
fn files(directory: &Path, extensions: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let fits = path.extension().is_some_and(|have| extensions.iter().any(|want| have == *want));
        if fits && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The plugins that a folder with the network's name, beside the list's file, adds to it.
fn plugins_beside(file: &Path, name: &str) -> Result<Vec<Plugin>, String> {
    let Some(directory) = file.parent() else { return Ok(Vec::new()) };
    let folder = directory.join(name);
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Plugin::new(parse(&bytes)?)
    };
    files(&folder, &["conf"])
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .iter()
        .map(|path| read(path).map_err(|error| format!("{}: {error}", path.display())))
        .collect()
}

/// The list with all its plugins in it, so that a later DEL finds them without the folder.
fn inlined(mut outer: Object, plugins: &[Plugin]) -> Vec<u8> {
    outer.retain(|key, _| !key.eq_ignore_ascii_case("plugins") && !key.eq_ignore_ascii_case("loadOnlyInlinedPlugins"));
    outer.insert("loadOnlyInlinedPlugins".into(), true.into());
    outer.insert("plugins".into(), plugins.iter().map(|plugin| Value::Object(plugin.object.clone())).collect());
    Value::Object(outer).to_string().into_bytes()
}

fn parse(bytes: &[u8]) -> Result<Object, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("no JSON object: {error}"))
}

/// `cniVersion`, unless `cniVersions` lists a higher one that we know.
fn version(outer: &Object) -> Result<String, String> {
    let single = text(outer, "cniVersion")?.unwrap_or_default();
    let Some(several) = list(outer, "cniVersions")? else { return Ok(single.to_owned()) };
    let mut candidates = vec![single];
    for (at, element) in several.iter().enumerate() {
        candidates.push(element.as_str().ok_or_else(|| must_be(&format!("cniVersions[{at}]"), "a string", element))?);
    }
    let highest = candidates.iter().filter_map(|text| Version::from_text(text)).max();
    Ok(highest.map_or_else(|| single.to_owned(), |version| version.as_str().to_owned()))
}

/// The subnets that a network's IPAM configuration names, each once, in order.
pub(crate) fn subnets(network: &Network) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut note = |range: &Object| {
        if let Ok(Some(subnet)) = text(range, "subnet")
            && !found.iter().any(|have| have == subnet)
        {
            found.push(subnet.to_owned());
        }
    };
    for plugin in &network.plugins {
        let Ok(Some(ipam)) = object(&plugin.object, "ipam") else { continue };
        note(ipam);
        let sets = list(ipam, "ranges").ok().flatten().unwrap_or_default();
        for range in sets.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_object) {
            note(range);
        }
    }
    found
}

#[cfg(test)]
mod tests;
