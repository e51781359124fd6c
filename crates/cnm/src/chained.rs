//! The chained plugin: what one member of a chain adds to an attachment that the members before it have made.

use cni::{AddResult, Error, Request};

use crate::{Context, Need, Owner, Resource};

/// What a chained plugin adds to an attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Shared with other attachments: ensured, never rolled back.
    pub network: Vec<Resource>,
    /// Owned by this attachment: undone by DEL, and when ADD fails.
    pub endpoint: Vec<Resource>,
    /// What the next member of the chain and the runtime are told.
    pub result: AddResult,
}

/// Something that an attachment may have left, found by its owner's name and tag alone: DEL comes without prevResult,
/// without runtimeConfig and without the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// One plugin's share in what the firewall does for the attachment.
    Firewall(Share),
    /// A link of the sandbox was tuned; what it had is noted in this folder.
    Tuning(String),
    /// What passes between the sandbox and the host has limits.
    Shaping,
}

/// All plugins of a chain have the same owner. What the firewall keeps for one of them must not go with another's DEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Published ports.
    Ports,
    /// What may be forwarded.
    Forwarding,
}

/// A chained plugin. As a [`Driver`](crate::Driver) it describes and never acts.
pub trait Chained: Sized {
    /// The CNI type, e.g. `portmap`.
    const TYPE: &'static str;
    /// A few lines for a person.
    const HELP: &'static str;
    /// What ADD and CHECK say when there is no prevResult: the reference's text.
    const UNCHAINED: &'static str;

    /// Reads and checks a configuration, defaults decided.
    ///
    /// # Errors
    /// Code 7 (or 2) with path and value.
    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error>;

    /// What it adds to the attachment of `owner` that `previous` describes; its sandbox is called `sandbox`.
    ///
    /// # Errors
    /// When `previous` lacks what it needs, with the JSON path.
    fn adjust(&self, owner: &Owner, sandbox: &str, previous: AddResult) -> Result<Adjustment, Error>;

    /// What the attachment of `owner` may have left: erased by DEL, collected by GC.
    fn traces(&self, owner: &Owner) -> Vec<Trace>;

    /// What ADD will need.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }
}
