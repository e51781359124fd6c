//! The shape of every plugin, and the request that it serves.

use std::fmt;

use crate::json::Json;
use crate::{AddResult, Error, Version};

/// The verb of a call: `CNI_COMMAND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Attach.
    Add,
    /// Detach.
    Del,
    /// Compare (since 0.4.0).
    Check,
    /// Remove what is not listed (since 1.1.0).
    Gc,
    /// Tell whether ADD can be served (since 1.1.0).
    Status,
    /// Tell the supported versions (since 0.2.0).
    Version,
}

impl Command {
    /// Every verb.
    pub const ALL: &'static [Self] = &[Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    /// The verb with exactly this text; case matters.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.as_str() == text)
    }

    /// The value of `CNI_COMMAND`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One (container, interface) pair: `cni.dev/valid-attachments`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// `containerID`.
    pub container_id: String,
    /// `ifname`.
    pub ifname: String,
}

/// A checked call: environment valid for the verb, stdin decoded, network name and version known.
#[derive(Debug, Clone)]
pub struct Request {
    /// The verb.
    pub command: Command,
    /// `CNI_CONTAINERID`; empty for GC and STATUS.
    pub container_id: String,
    /// `CNI_NETNS`; `None` when absent or empty.
    pub netns: Option<String>,
    /// `CNI_IFNAME`; empty for GC and STATUS.
    pub ifname: String,
    /// `CNI_ARGS` as given; empty when absent.
    pub args: String,
    /// `CNI_PATH` as given: `:`-separated directories.
    pub path: String,
    /// `CNI_NETNS_OVERRIDE` asked us to accept our own namespace.
    pub netns_override: bool,
    /// The configuration exactly as it came: what a delegate gets on its stdin.
    pub stdin: Vec<u8>,
    /// The configuration, decoded.
    pub conf: Json,
    /// `name` of the network.
    pub network: String,
    /// `cniVersion`, 0.1.0 when absent.
    pub version: Version,
}

/// A CNI plugin: what `respond` needs to serve every verb. IPAM plugins and interface plugins alike.
pub trait Plugin {
    /// The type's name as configurations write it, e.g. `bridge`.
    fn name(&self) -> &'static str;

    /// A few lines for a person: what it does and its main keys. Shown by `--help`.
    fn help(&self) -> &'static str;

    /// The versions this plugin speaks.
    fn versions(&self) -> &'static [Version] {
        Version::ALL
    }

    /// ADD: attach and tell the result.
    ///
    /// # Errors
    /// Nothing may be left behind when it fails.
    fn add(&self, request: &Request) -> Result<AddResult, Error>;

    /// DEL: detach; absent is success.
    ///
    /// # Errors
    /// Whatever could not be removed, after everything else was tried.
    fn del(&self, request: &Request) -> Result<(), Error>;

    /// CHECK: compare with what ADD made.
    ///
    /// # Errors
    /// The first object that is missing or different, by name.
    fn check(&self, request: &Request) -> Result<(), Error>;

    /// GC: remove what belongs to this network and not to `valid`.
    ///
    /// # Errors
    /// Every failure, joined, after everything was tried.
    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error>;

    /// STATUS: whether ADD can be served.
    ///
    /// # Errors
    /// Code 50 or 51 with what is missing and how to mend it.
    fn status(&self, request: &Request) -> Result<(), Error>;
}
