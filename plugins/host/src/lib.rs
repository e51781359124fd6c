//! The host network: the host's own namespace.
