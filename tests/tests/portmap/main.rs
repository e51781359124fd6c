//! The portmap plugin from outside: ports of the host that lead to containers, with real traffic.
//!
//! What is below `own` goes beyond the reference plugin (nftables, GC, STATUS, bad input, what it gets wrong) and is not
//! for `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod detach;
mod own;
mod traffic;

use std::net::{IpAddr, SocketAddr};

use cnm_tests::{Attached, Conf, Host, Outcome, Sandbox};
use serde_json::{Value, json};

/// The host's addresses towards [`Host::outside`].
const HOST: [&str; 2] = ["198.51.100.1", "2001:db8:51::1"];

/// A network of both families that leads to the world.
fn network(name: &str, number: u8) -> Conf {
    Conf::bridge(name)
        .subnet(&format!("10.1.{number}.0/24"))
        .subnet(&format!("fd00:1:{number}::/64"))
        .to_the_world()
        .with("hairpinMode", true)
}

/// One entry of `portMappings`.
fn mapping(host: u16, container: u16, protocol: &str) -> Value {
    json!({ "hostPort": host, "containerPort": container, "protocol": protocol })
}

/// The plugin's configuration on a network; a runtime adds `prevResult`.
fn portmap(network: &Conf, mappings: &[Value]) -> Conf {
    Conf::new("portmap", network.name())
        .with("capabilities", json!({ "portMappings": true }))
        .with("runtimeConfig", json!({ "portMappings": mappings }))
}

/// A sandbox attached to a network, and what its plugin said.
fn attach(host: &Host, network: &Conf, name: &str) -> (Sandbox, Attached) {
    host.attach(network, name)
}

/// Waits until packets pass between a sandbox and the outside: a fresh host looks for nobody's IPv6 neighbours before
/// its own link-local addresses are proved to be unique.
fn settle(sandbox: &Sandbox) {
    for outside in ["198.51.100.2", "2001:db8:51::2"] {
        sandbox.reaches(outside);
    }
}

/// ADD of portmap behind the plugin that has attached the sandbox.
fn publish(host: &Host, conf: &Conf, sandbox: &Sandbox, attached: &Attached) -> Outcome {
    host.add(&conf.clone().after(attached.json()), sandbox)
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

fn address(attached: &Attached, family: usize) -> IpAddr {
    attached.addresses()[family].addr()
}
