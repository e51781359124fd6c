//! The ports that the runtime asks for: `runtimeConfig.portMappings`.

use std::net::IpAddr;

use cni::json::Node;
use cni::{Error, Request};
use cnm::{Protocol, PublishedPort};
use ipnet::IpNet;

/// One of them, and where it is in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    at: usize,
    pub(crate) port: PublishedPort,
}

/// Reads and checks them. What is asked for twice is listed once.
pub(crate) fn read(request: &Request) -> Result<Vec<Mapping>, Error> {
    let Some(runtime) = request.runtime_config()? else { return Ok(Vec::new()) };
    let mut mappings: Vec<Mapping> = Vec::new();
    for (at, node) in runtime.list("portMappings")?.into_iter().enumerate() {
        let port = read_one(&node)?;
        let families = [false, true].into_iter().filter(|&v6| port.is_of(v6));
        let meets = |other: &&PublishedPort| {
            (other.protocol, other.port, other.address()) == (port.protocol, port.port, port.address())
                && families.clone().any(|v6| other.is_of(v6))
        };
        match mappings.iter().map(|mapping| &mapping.port).find(meets) {
            Some(other) if other.target_port != port.target_port => {
                let what = format!(
                    "port {port} of the host cannot lead to two ports of the container, {} and {}",
                    other.target_port, port.target_port
                );
                return Err(node.reject("hostPort", what));
            }
            Some(other) if *other == port => {}
            Some(_) | None => mappings.push(Mapping { at, port }),
        }
    }
    // Rules of iptables are asked one after the other: an exact address comes before every address.
    mappings.sort_by_key(|mapping| mapping.port.address().is_none());
    Ok(mappings)
}

fn read_one(node: &Node<'_>) -> Result<PublishedPort, Error> {
    let protocol = node.text("protocol")?.unwrap_or("tcp").to_ascii_lowercase();
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|known| known.as_str() == protocol);
    let host = match node.text("hostIP")? {
        None => None,
        Some(_) => node.ip("hostIP")?,
    };
    if host.is_some_and(|host| matches!(host, IpAddr::V6(host) if host.is_loopback())) {
        return Err(node
            .refuse("hostIP", "the loopback address of IPv6 cannot lead to a container")
            .with_details("no packet leaves the host from it; use 127.0.0.1"));
    }
    Ok(PublishedPort {
        protocol: protocol.ok_or_else(|| node.refuse("protocol", "expected tcp, udp or sctp"))?,
        host,
        port: port(node, "hostPort", "host")?,
        target_port: port(node, "containerPort", "container")?,
    })
}

fn port(node: &Node<'_>, key: &str, whose: &str) -> Result<u16, Error> {
    let number = node.integer(key)?.unwrap_or(0);
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(node
            .reject(key, format!("Invalid {whose} port number: {number}"))
            .with_details("a port is a number from 1 to 65535")),
    }
}

/// A port at an address of the host needs an address of the container in the same family.
pub(crate) fn expect_families(mappings: &[Mapping], targets: &[IpNet]) -> Result<(), Error> {
    for Mapping { at, port } in mappings {
        let served = targets.iter().any(|target| port.is_of(target.addr().is_ipv6()));
        if let (Some(host), false) = (port.host, served) {
            let (wrong, right) = if host.is_ipv6() { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
            return Err(Error::config(format!(
                "runtimeConfig.portMappings[{at}].hostIP: {host} is an {wrong} address, and the container has {right} \
                 addresses only"
            ))
            .with_details(format!("use an {right} address of the host, or give the network an {wrong} subnet")));
        }
    }
    Ok(())
}
