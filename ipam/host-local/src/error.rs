//! What can go wrong, as kinds; the numbers that runtimes see are chosen here and nowhere else.
//!
//! Runtimes look at texts only (contract sheet, section 5), so texts are the reference's. The codes tell our kinds
//! apart: exhaustion is transient (11, "try again later": addresses come back as containers go), the others are
//! plugin specific (100 and above).

use std::path::Path;

use cni::Code;

/// The attachment already has an address in the set.
pub const DUPLICATE: Code = Code::Other(100);
/// A requested address lies in no range, or is a gateway.
pub const OUT_OF_RANGE: Code = Code::Other(101);
/// A requested address belongs to another attachment.
pub const OCCUPIED: Code = Code::Other(102);
/// What should be the store is something else: a file where a directory belongs, a name that leaves its folder.
pub const BROKEN_STORE: Code = Code::Other(103);
/// What ADD made is not there any more.
pub const DRIFT: Code = Code::Other(104);

/// A failure of the store, the allocator, or of what they were told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{address} has been allocated to {container}, duplicate allocation is not allowed")]
    Duplicate { address: String, container: String },
    #[error("no IP addresses available in range set: {set}")]
    Exhausted { set: String },
    #[error("requested ip {0} is subnet's gateway")]
    Gateway(String),
    #[error("failed to allocate all requested IPs: {0}")]
    Unfulfilled(String),
    #[error("requested IP address {address} is not available in range set {set}")]
    Occupied { address: String, set: String },
    #[error("{what} {path}: {source}")]
    Io { what: &'static str, path: String, source: std::io::Error },
    #[error("{path}: {why}")]
    Broken { path: String, why: &'static str },
    #[error("failed to allocate for range {index}: {source}")]
    InSet { index: usize, source: Box<Error> },
}

impl Error {
    /// A failed system call on `path`.
    pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.display().to_string();
        match source.kind() {
            ErrorKind::NotADirectory => Self::Broken { path, why: "a part of the path is not a directory" },
            ErrorKind::IsADirectory => Self::Broken { path, why: "a directory where the store keeps a file" },
            _ => Self::Io { what, path, source },
        }
    }

    /// Reservations in `dir` that cannot be listed, not even after a walk.
    pub(crate) fn unusable(dir: &Path) -> Self {
        Self::Broken { path: dir.display().to_string(), why: "the reservations cannot be listed" }
    }

    /// The number for the runtime.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Duplicate { .. } => DUPLICATE,
            Self::Exhausted { .. } => Code::TryAgain,
            Self::Gateway(_) | Self::Unfulfilled(_) => OUT_OF_RANGE,
            Self::Occupied { .. } => OCCUPIED,
            Self::Io { .. } => Code::Io,
            Self::Broken { .. } => BROKEN_STORE,
            Self::InSet { source, .. } => source.code(),
        }
    }
}

impl From<Error> for cni::Error {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
