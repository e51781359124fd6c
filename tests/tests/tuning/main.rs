//! The tuning plugin from outside, behind the bridge plugin as runtimes chain them: variables of the sandbox, attributes
//! of its interface, and what DEL restores.
//!
//! What is below `own` goes beyond the reference plugin (newer versions and keys, GC, what it gets wrong) and is not for
//! `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod attributes;
mod check;
mod own;
mod sysctls;

use cnm_tests::{Attached, Conf, Host, Outcome, Sandbox};

/// Where the notes are.
const FOLDER: &str = "/run/cni/tuning";

/// A network of both families.
fn network() -> Conf {
    Conf::bridge("web").subnet("10.1.2.0/24").subnet("fd00:1:2::/64").with("isGateway", true)
}

/// The plugin's configuration on that network.
fn tuning() -> Conf {
    Conf::new("tuning", "web")
}

/// ADD behind the plugin that has attached the sandbox.
fn tune(host: &Host, conf: &Conf, sandbox: &Sandbox, attached: &Attached) -> Outcome {
    host.add(&conf.clone().after(attached.json()), sandbox)
}

/// A host with an attached sandbox.
fn stage() -> (Host, Sandbox, Attached) {
    let host = Host::new();
    let (one, attached) = host.attach(&network(), "one");
    (host, one, attached)
}
