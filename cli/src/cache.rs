//! What is attached: the results that libcni keeps in `/var/lib/cni/results`, one file per attachment.
//!
//! Same names, same content, so that cnitool, podman and other users of libcni can delete what `cnm` added,
//! and the other way round. Nothing is concluded from an entry here.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cni::{Code, Error};
use kernel::named;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Object;

/// What libcni writes into `kind`.
const KIND: &str = "cniCacheV1";

/// One attachment of a sandbox to a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Entry {
    pub(crate) network: String,
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    /// Path of the sandbox's namespace, which may be gone; empty when it is not known.
    pub(crate) netns: String,
    /// The network's configuration at the time of ADD.
    pub(crate) config: Vec<u8>,
    /// `CNI_ARGS`, pair by pair.
    pub(crate) args: Vec<(String, String)>,
    /// What was given for capabilities.
    pub(crate) capabilities: Object,
    /// The last plugin's result.
    pub(crate) result: Option<Object>,
}

/// The file's content, in the order of libcni's fields.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    kind: String,
    container_id: String,
    config: Option<String>,
    if_name: String,
    network_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    netns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cni_args: Option<Vec<(String, String)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capability_args: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Object>,
}

impl Entry {
    /// The content of the file.
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let content = Content {
            kind: KIND.into(),
            container_id: self.container_id.clone(),
            config: Some(BASE64.encode(&self.config)),
            if_name: self.ifname.clone(),
            network_name: self.network.clone(),
            netns: Some(self.netns.clone()).filter(|netns| !netns.is_empty()),
            cni_args: Some(self.args.clone()).filter(|args| !args.is_empty()),
            capability_args: Some(self.capabilities.clone()).filter(|given| !given.is_empty()),
            result: self.result.clone().filter(|result| !result.is_empty()),
        };
        let mut text = serde_json::to_string(&content)?;
        // Go writes these so; outside of strings they do not occur.
        for (plain, escaped) in
            [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
        {
            if text.contains(plain) {
                text = text.replace(plain, escaped);
            }
        }
        Ok(text.into_bytes())
    }

    /// Reads a file.
    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if content.kind != KIND {
            return Err(format!("kind is {:?}, not {KIND}", content.kind));
        }
        if content.network_name.is_empty() || content.container_id.is_empty() || content.if_name.is_empty() {
            return Err("networkName, containerId or ifName is empty".into());
        }
        let config = BASE64.decode(content.config.unwrap_or_default()).map_err(|error| format!("config: {error}"))?;
        let netns = content.netns.or_else(|| sandbox_of(content.result.as_ref()?)).unwrap_or_default();
        Ok(Self {
            network: content.network_name,
            container_id: content.container_id,
            ifname: content.if_name,
            netns,
            config,
            args: content.cni_args.unwrap_or_default(),
            capabilities: content.capability_args.unwrap_or_default(),
            result: content.result,
        })
    }

    /// Whether the sandbox still exists.
    pub(crate) fn sandbox(&self) -> State {
        if self.netns.is_empty() {
            State::Unknown
        } else if named::is_namespace(Path::new(&self.netns)) {
            State::Alive
        } else {
            State::Gone
        }
    }

    /// The result as a value, when there is one.
    pub(crate) fn result_value(&self) -> Option<Value> {
        self.result.clone().map(Value::Object)
    }

    /// The addresses in the result, as text.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let Some(result) = &self.result else { return Vec::new() };
        let several = result.get("ips").and_then(Value::as_array).into_iter().flatten().map(|ip| ip.get("address"));
        // The shape before 0.3.0.
        let two = ["ip4", "ip6"].into_iter().map(|key| result.get(key).and_then(|ip| ip.get("ip")));
        several.chain(two).flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// libcni before 1.2 (Debian 12's podman and containerd) does not keep the path; most results tell it.
fn sandbox_of(result: &Object) -> Option<String> {
    let interfaces = result.get("interfaces")?.as_array()?;
    let path =
        interfaces.iter().filter_map(|interface| interface.get("sandbox")?.as_str()).find(|path| !path.is_empty());
    path.map(str::to_owned)
}

/// What is known of an attachment's sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its namespace exists.
    Alive,
    /// There is no namespace at its path.
    Gone,
    /// Its path was not kept.
    Unknown,
}

/// Everything readable of the cache.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Sorted by file name.
    pub(crate) entries: Vec<Entry>,
    /// Files that are no entries, with the reason.
    pub(crate) broken: Vec<(PathBuf, String)>,
}

impl Entries {
    /// Those of one network.
    pub(crate) fn of<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.network == network)
    }
}

/// The directory of the results.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Where libcni keeps them: `root` is `/var/lib/cni`.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// The entry's file. The three names were validated: none has a slash.
    pub(crate) fn file(&self, network: &str, container_id: &str, ifname: &str) -> PathBuf {
        self.results().join(format!("{network}-{container_id}-{ifname}"))
    }

    /// Reads all entries; a missing directory has none.
    ///
    /// # Errors
    /// Code 5 when the directory cannot be read.
    pub(crate) fn read(&self) -> Result<Entries, Error> {
        let mut found = Entries::default();
        let directory = self.results();
        let failed = |error: io::Error| io_error(&format!("cannot read {}", directory.display()), &error);
        let listing = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            other => other.map_err(failed)?,
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in listing {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
        for file in files {
            match fs::read(&file) {
                // Deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.broken.push((file, error.to_string())),
                Ok(bytes) => match Entry::from_bytes(&bytes) {
                    Ok(entry) => found.entries.push(entry),
                    Err(error) => found.broken.push((file, error)),
                },
            }
        }
        Ok(found)
    }

    /// Writes an entry, whole or not at all.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn write(&self, entry: &Entry) -> Result<(), Error> {
        let file = self.file(&entry.network, &entry.container_id, &entry.ifname);
        let bytes = entry.to_bytes().map_err(|error| Error::internal(format!("cannot encode a result: {error}")))?;
        // Not in the directory itself, whose files libcni takes for entries whatever they are called.
        let draft = self.root.join(format!(".result-{}", std::process::id()));
        let attempt = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(self.results())?;
            replace(&draft, &file, &bytes)
        };
        attempt().map_err(|error| {
            let _ = fs::remove_file(&draft);
            io_error(&format!("cannot keep the result in {}", file.display()), &error)
        })
    }

    /// Removes an entry; absent is success.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn remove(&self, network: &str, container_id: &str, ifname: &str) -> Result<(), Error> {
        let file = self.file(network, container_id, ifname);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(&format!("cannot remove {}", file.display()), &error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes `draft` and gives it the name `file`, durably.
fn replace(draft: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    fs::rename(draft, file)
}

/// Code 5, with the remedy for the commonest cause.
fn io_error(what: &str, error: &io::Error) -> Error {
    let plain = Error::new(Code::Io, format!("{what}: {error}"));
    if error.kind() == io::ErrorKind::PermissionDenied { plain.with_details("run cnm as root") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            network: "net1".into(),
            container_id: "cnitool-77383ca0a0715733ca6f".into(),
            ifname: "eth0".into(),
            netns: "/run/netns/a".into(),
            config: br#"{"name":"net1"}"#.to_vec(),
            args: vec![("IP".into(), "10.0.0.9".into())],
            capabilities: serde_json::from_str(r#"{"mac":"a<b"}"#).unwrap(),
            result: serde_json::from_str(r#"{"ips":[{"address":"10.0.0.9/24"}],"dns":{},"cniVersion":"1.0.0"}"#)
                .unwrap(),
        }
    }

    /// The bytes that libcni 1.1.2 writes for the same attachment.
    const AS_LIBCNI: &str = concat!(
        r#"{"kind":"cniCacheV1","containerId":"cnitool-77383ca0a0715733ca6f","config":"eyJuYW1lIjoibmV0MSJ9","#,
        r#""ifName":"eth0","networkName":"net1","netns":"/run/netns/a","cniArgs":[["IP","10.0.0.9"]],"#,
        r#""capabilityArgs":{"mac":"a\u003cb"},"#,
        r#""result":{"cniVersion":"1.0.0","dns":{},"ips":[{"address":"10.0.0.9/24"}]}}"#
    );

    #[test]
    fn an_entry_is_libcnis_byte_for_byte() {
        assert_eq!(String::from_utf8(entry().to_bytes().unwrap()).unwrap(), AS_LIBCNI);
        assert_eq!(Entry::from_bytes(AS_LIBCNI.as_bytes()).unwrap(), entry());
        assert_eq!(entry().addresses(), ["10.0.0.9/24"]);
    }

    #[test]
    fn what_is_empty_is_not_written() {
        let bare = Entry { netns: String::new(), args: vec![], capabilities: Object::new(), result: None, ..entry() };
        let text = String::from_utf8(bare.to_bytes().unwrap()).unwrap();
        assert!(text.ends_with(r#""ifName":"eth0","networkName":"net1"}"#), "{text}");
        assert_eq!(Entry::from_bytes(text.as_bytes()).unwrap(), bare);
    }

    #[test]
    fn without_a_path_the_result_tells_the_sandbox() {
        let bare = AS_LIBCNI.replace(r#""netns":"/run/netns/a","#, "");
        assert_eq!(Entry::from_bytes(bare.as_bytes()).unwrap().sandbox(), State::Unknown);
        let told = bare.replace(r#""dns":{}"#, r#""interfaces":[{"name":"b"},{"name":"eth0","sandbox":"/x/y"}]"#);
        let entry = Entry::from_bytes(told.as_bytes()).unwrap();
        assert_eq!((entry.netns.as_str(), entry.sandbox()), ("/x/y", State::Gone));
    }

    #[test]
    fn corrupt_files_are_listed_apart() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        assert!(cache.read().unwrap().entries.is_empty());
        cache.write(&entry()).unwrap();
        let corrupt = [("half", &AS_LIBCNI[..99]), ("empty", ""), ("old", r#"{"cniVersion":"0.4.0"}"#), ("list", "[]")];
        for (name, text) in corrupt {
            fs::write(cache.results().join(name), text).unwrap();
        }
        fs::create_dir(cache.results().join("folder")).unwrap();
        let found = cache.read().unwrap();
        assert_eq!(found.entries, [entry()]);
        assert_eq!(found.broken.len(), 5);
        assert_eq!(found.of("net1").count(), 1);
        assert_eq!(found.of("net").count(), 0);
    }

    #[test]
    fn writing_replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        cache.write(&entry()).unwrap();
        cache.write(&Entry { netns: "/run/netns/b".into(), ..entry() }).unwrap();
        let found = cache.read().unwrap();
        assert_eq!((found.entries.len(), found.entries[0].netns.as_str()), (1, "/run/netns/b"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        cache.remove("net1", "cnitool-77383ca0a0715733ca6f", "eth0").unwrap();
        cache.remove("net1", "cnitool-77383ca0a0715733ca6f", "eth0").unwrap();
        assert!(cache.read().unwrap().entries.is_empty());
    }

    #[test]
    fn an_entry_that_cannot_be_kept_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("results"), "a file, not a directory").unwrap();
        let error = Cache::new(folder.path()).write(&entry()).unwrap_err();
        assert_eq!(error.code, Code::Io);
        assert!(error.msg.contains("results/net1-cnitool-77383ca0a0715733ca6f-eth0"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
