//! Real container runtimes on a test's own host: containerd with a CRI client, `ctr`, podman; and what runtimes that
//! Debian does not have (nerdctl, CRI-O) ask of plugins, call for call.
//!
//! It knows the runtimes' command lines, configuration files and protocols. It must not know what the plugins do: the
//! tests look at the kernel and at traffic with the harness [`cnm_tests`].
//!
//! Each runtime has its own process namespace, state folder and sockets, so nothing outlives the test and nothing of
//! the machine's own runtimes is touched.

#![forbid(unsafe_code)]

mod chain;
mod containerd;
mod cri;
mod image;
mod machine;
mod podman;

pub use chain::{Attachment, Chain};
pub use containerd::{Containerd, Pod};
pub use cri::{Cri, PodConfig, Protocol, messages};
pub use machine::Machine;
pub use podman::Podman;
