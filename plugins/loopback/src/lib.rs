//! lo up, as containerd asks for it.
