//! What a container runtime says to a plugin and what it must hear back: the CNI protocol, versions
//! 0.1.0 to 1.1.0.
//!
//! Bytes in, bytes out: this crate opens no file, starts no process and knows nothing of Linux. The
//! process around it (reading stdin, printing, executing delegates) is `lifecycle`'s.

#![forbid(unsafe_code)]

pub mod address;
mod args;
mod convert;
mod delegate;
mod env;
mod error;
mod gate;
pub mod json;
mod names;
mod plugin;
mod protocol;
mod quote;
mod request;
mod result;
mod version;

pub use args::CniArgs;
pub use error::{Code, Error};
pub use names::{validate_container_id, validate_ifname, validate_network_name};
pub use plugin::{Attachment, Command, Plugin, Request};
pub use protocol::{MAX_INPUT, OWN_VERSION, REFERENCE_VERSION, Reply, respond};
pub use result::{AddResult, Dns, Interface, Ip, Route};
pub use version::Version;
