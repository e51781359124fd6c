//! A kernel in memory with Linux's semantics, and one that fails on demand.
//!
//! [`Memory`] is what tests put under the lifecycle instead of `kernel::Linux`: namespaces, links, addresses,
//! routes, sysctls and a firewall as plain values that follow the rules of Linux 6.18, side effects included (what
//! dies with a link, what a link that goes down takes along). A property test holds it against the real kernel.
//! [`Faulty`] wraps any kernel and lets one chosen call fail, or everything from one call on.
//!
//! It knows nothing of CNI, configurations or verbs, and does no I/O.

#![forbid(unsafe_code)]

mod addresses;
mod device;
mod errno;
mod faulty;
mod firewall;
mod links;
mod memory;
mod namespace;
mod notes;
mod port;
mod ports;
mod routing;
mod settle;
mod snapshot;
mod stacked;
mod sysctls;
mod traffic;
mod vxlan;

pub use errno::*;
pub use faulty::{Call, Fault, Faults, Faulty, Hook};
pub use firewall::MemoryFirewall;
pub use memory::{Memory, SandboxId};
pub use notes::MemoryNotes;
pub use snapshot::Snapshot;
