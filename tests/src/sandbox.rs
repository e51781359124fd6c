//! What a container runtime prepares for a container: a named network namespace.

use std::ops::Deref;
use std::sync::Arc;

use nix::mount::{MntFlags, umount2};

use crate::Namespace;

/// A network namespace below the host's own `/run/netns`. Probes come from [`Namespace`].
#[derive(Debug)]
pub struct Sandbox {
    namespace: Arc<Namespace>,
    path: String,
}

impl Sandbox {
    pub(crate) fn new(namespace: Arc<Namespace>) -> Self {
        let path = format!("/run/netns/{}", namespace.label());
        Self { namespace, path }
    }

    /// A sandbox that a real runtime made, at a path of its choice.
    pub(crate) fn at(namespace: Arc<Namespace>, path: &str) -> Self {
        Self { namespace, path: path.into() }
    }

    /// What `CNI_NETNS` says.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The sandbox's name, which is also the container id that calls use by default.
    #[must_use]
    pub fn name(&self) -> &str {
        self.namespace.label()
    }

    /// Unmounts it, so that a plain file remains at its path, as after a reboot. The namespace itself dies with this
    /// value, unless the caller keeps the value.
    ///
    /// # Panics
    /// When it is not mounted.
    #[track_caller]
    pub fn unmount(&self) {
        let done = self.namespace.enter(|| umount2(self.path.as_str(), MntFlags::MNT_DETACH));
        done.unwrap_or_else(|error| panic!("unmount {}: {error}", self.path));
    }

    /// Unmounts it, removes its path and lets go of it: the kernel destroys the namespace.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn vanish(self) {
        self.unmount();
        let done = self.namespace.enter(|| std::fs::remove_file(&self.path));
        done.unwrap_or_else(|error| panic!("remove {}: {error}", self.path));
    }
}

impl Deref for Sandbox {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}
