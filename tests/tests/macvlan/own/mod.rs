//! Beyond the reference: spec 1.1.0, newer keys, extensions, and what the reference gets wrong.

mod bad_input;
mod changed;
mod check;
mod collect;
mod crash;
mod detach;
mod host_access;
mod in_container;
mod keys;
mod parallel;
mod passthru;
mod status;
mod upgrade;
mod vm;

use cnm_tests::{Conf, Namespace};

/// A network that speaks the newest version.
fn current() -> Conf {
    crate::world().version("1.1.0")
}

/// A network on which the host has addresses.
fn accessible() -> Conf {
    current().with("hostAccess", true).with("hostAddress", serde_json::json!(["10.1.2.130", "fd00:1:2::130"]))
}

/// Names of the links of a namespace that begin with `prefix`.
fn links(place: &Namespace, prefix: &str) -> Vec<String> {
    place.links().into_iter().map(|link| link.name).filter(|name| name.starts_with(prefix)).collect()
}
