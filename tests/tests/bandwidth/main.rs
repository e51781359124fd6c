//! The bandwidth plugin from outside, behind the bridge plugin as runtimes chain them: what the kernel then has, and how
//! fast real traffic is.
//!
//! What is below `own` goes beyond the reference plugin (newer versions, GC, what it gets wrong) and is not for
//! `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod check;
mod detach;
mod limits;
mod own;
mod traffic;

use cnm_tests::{Attached, Conf, Host, Outcome, Sandbox};
use serde_json::Value;

/// A network of both families whose gateway is the host.
fn network() -> Conf {
    Conf::bridge("web").subnet("10.1.2.0/24").subnet("fd00:1:2::/64").with("isGateway", true)
}

/// The plugin's configuration on that network.
fn bandwidth() -> Conf {
    Conf::new("bandwidth", "web")
}

/// With limits in bits per second; a burst of 50 ms each. 0 is none.
fn limits(ingress: u64, egress: u64) -> Conf {
    let limit = |conf: Conf, name: &str, rate: u64| match rate {
        0 => conf,
        rate => conf.with(&format!("{name}Rate"), rate).with(&format!("{name}Burst"), rate / 20),
    };
    limit(limit(bandwidth(), "ingress", ingress), "egress", egress)
}

/// ADD behind the plugin that has attached the sandbox.
fn limit(host: &Host, conf: &Conf, sandbox: &Sandbox, attached: &Attached) -> Outcome {
    host.add(&conf.clone().after(attached.json()), sandbox)
}

/// A host with an attached sandbox.
fn stage() -> (Host, Sandbox, Attached) {
    let host = Host::new();
    let (one, attached) = host.attach(&network(), "one");
    (host, one, attached)
}

/// The host's end of an attachment.
fn port(attached: &Attached) -> String {
    attached.interfaces()[1].clone()
}

/// The device for what leaves the container `one` on the network `web`.
fn device() -> &'static str {
    // The first 12 digits of SHA-512 over "webone".
    "bwpc89aa33eba63"
}

/// A discipline of a kind, which must be there.
#[track_caller]
fn discipline(host: &Host, link: &str, kind: &str) -> Value {
    let list = host.disciplines(link);
    list.iter().find(|found| found["kind"] == kind).unwrap_or_else(|| panic!("{link} has no {kind}: {list:?}")).clone()
}
