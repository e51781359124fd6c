//! podman 4 with its CNI backend: `podman run`, `podman network`, published ports.

mod networks;
mod own;
mod ports;

use cnm_runtime_tests::Podman;
use cnm_tests::{Sandbox, Snapshot};

/// Options that publish port 80 as 8080.
const PUBLISHED: &str = "-p 8080:80 -p 8080:80/udp";

/// A podman, the world outside, and the state after a first container has come and gone on the default network: what a
/// network shares is there.
fn warm() -> (Podman, Sandbox, Snapshot) {
    let podman = Podman::new();
    let outside = podman.outside();
    warm_up(&podman, "podman");
    let before = podman.state();
    (podman, outside, before)
}

/// A podman with these networks and subnets beside the default one.
fn with_networks(networks: &[(&str, &str)]) -> (Podman, Sandbox, Snapshot) {
    let podman = Podman::new();
    let outside = podman.outside();
    for (name, subnet) in networks {
        podman.does(&format!("network create --subnet {subnet} {name}"));
        warm_up(&podman, name);
    }
    let before = podman.state();
    (podman, outside, before)
}

/// A container comes and goes on a network.
#[track_caller]
fn warm_up(podman: &Podman, network: &str) {
    podman.runs("warm-up", &format!("--network {network} {PUBLISHED}"));
    podman.removes("warm-up");
}
