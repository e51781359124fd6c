//! One network across hosts.

mod check;
mod faults;
mod gateway;
mod isolation;
mod moved;
mod mtu;
mod outer;
mod publish;
mod reach;
mod throughput;
mod vm;

use std::net::IpAddr;

use cnm_tests::cluster::Overlay;
use cnm_tests::{Attached, Echo, Sandbox};

/// A network of one family without gateway.
fn web() -> Overlay {
    Overlay::new("web", 100).subnet("10.1.2.0/24")
}

/// A network of both families that leads to the world, a gateway on every host.
fn world() -> Overlay {
    web().subnet("fd00:1:2::/64").to_the_world()
}

/// Every container reaches every other by echo, TCP and UDP, and is seen there as itself.
#[track_caller]
fn all_reach_all(containers: &[(Sandbox, Attached)]) {
    for (there, target) in containers {
        let echo = there.echo();
        for (here, source) in containers.iter().filter(|(here, _)| here.id() != there.id()) {
            for (family, address) in target.addresses().iter().enumerate() {
                let own = source.addresses()[family].addr();
                assert_eq!(here.is_seen_as(address.addr(), &echo), own, "{} to {}", here.name(), there.name());
            }
            // In packets of all sizes, up to the largest.
            here.streams_to(there, target.ip(), 100_000);
        }
    }
}

/// No container of `from` reaches one of these addresses, by whatever means, though its owner serves there.
#[track_caller]
fn nobody_reaches(from: &[(Sandbox, Attached)], targets: &[(IpAddr, &Echo)]) {
    // All at once: what is not answered takes its time.
    std::thread::scope(|scope| {
        for (sandbox, _) in from {
            for (address, echo) in targets.iter().copied() {
                scope.spawn(move || {
                    sandbox.cannot_reach(address);
                    assert_eq!(sandbox.asks_tcp(address, echo), None, "{} reaches {address} by TCP", sandbox.name());
                    assert_eq!(sandbox.asks_udp(address, echo), None, "{} reaches {address} by UDP", sandbox.name());
                });
            }
        }
    });
}

/// A server in each container.
fn servers(containers: &[(Sandbox, Attached)]) -> Vec<Echo> {
    containers.iter().map(|(sandbox, _)| sandbox.echo()).collect()
}

/// Every address of the containers, with the server there.
fn served<'e>(containers: &[(Sandbox, Attached)], servers: &'e [Echo]) -> Vec<(IpAddr, &'e Echo)> {
    let each = containers.iter().zip(servers);
    each.flat_map(|((_, result), echo)| result.addresses().into_iter().map(move |ip| (ip.addr(), echo))).collect()
}
