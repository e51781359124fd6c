//! Connections that were there before a port was published, or are there after it is no more: the kernel sends their
//! packets where it sent the first one. TCP begins anew by itself; for UDP and SCTP the kernel must be made to forget
//! them. Only those that used our port, at an address of the host, are touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cnm::{KernelError, Protocol, Publication};

use super::registry::Entry;
use crate::conntrack::{Conntrack, Flow};
use crate::netlink::{self, Netlink};
use crate::rtnl;

/// A port of the host and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirection {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// The only address of the host at which it answers.
    pub(super) host: Option<IpAddr>,
    pub(super) target: (IpAddr, u16),
}

impl Redirection {
    /// Those of a publication.
    pub(super) fn of(publication: &Publication) -> impl Iterator<Item = Self> {
        let target = publication.target.addr();
        publication.ports.iter().filter(move |port| port.is_of(target.is_ipv6())).map(move |port| Self {
            protocol: port.protocol,
            port: port.port,
            host: port.address(),
            target: (target, port.target_port),
        })
    }

    /// Whether connections outlive what is published: those of TCP end and begin in order.
    const fn lingers(&self) -> bool {
        match self.protocol {
            Protocol::Udp | Protocol::Sctp => true,
            Protocol::Tcp => false,
        }
    }

    fn port_of(&self) -> (bool, Protocol, u16) {
        (self.target.0.is_ipv6(), self.protocol, self.port)
    }
}

impl From<&Entry> for Redirection {
    fn from(entry: &Entry) -> Self {
        let (protocol, port) = (entry.number.protocol, entry.number.port);
        Self { protocol, port, host: entry.host, target: (entry.target, entry.target_port) }
    }
}

/// After publishing: forgets connections to the ports that lead elsewhere, into nothing most often. `all` are the
/// attachment's own and whatever else may have the same ports.
pub(super) fn arrived(own: &[Redirection], all: &[Redirection]) -> Result<(), KernelError> {
    let mut local = Local::default();
    forget(own, &mut |redirection, flow| {
        let meant = redirection.host.is_none_or(|host| host == flow.to);
        let right = all.iter().any(|one| one.port_of() == redirection.port_of() && one.target == flow.answers_from);
        Ok(meant && !right && (redirection.host.is_some() || local.has(flow.to)?))
    })
}

/// After taking away: forgets connections that were redirected to what is gone.
pub(super) fn left(gone: &[Redirection]) -> Result<(), KernelError> {
    forget(gone, &mut |redirection, flow| Ok(redirection.target == flow.answers_from && flow.to != flow.answers_from.0))
}

/// Looks only where there is something that lingers.
fn forget(
    redirections: &[Redirection],
    doomed: &mut dyn FnMut(&Redirection, &Flow) -> Result<bool, KernelError>,
) -> Result<(), KernelError> {
    let lingering: Vec<&Redirection> = redirections.iter().filter(|one| one.lingers()).collect();
    if lingering.is_empty() {
        return Ok(());
    }
    let mut conntrack = Conntrack::open()?;
    for (v6, protocol) in lingering.iter().map(|one| (one.target.0.is_ipv6(), one.protocol)).collect::<BTreeSet<_>>() {
        let alike = |one: &&&Redirection| (one.target.0.is_ipv6(), one.protocol) == (v6, protocol);
        let ports: BTreeSet<u16> = lingering.iter().filter(alike).map(|one| one.port).collect();
        let ports: Vec<u16> = ports.into_iter().collect();
        let mut stale = Vec::new();
        for flow in conntrack.flows(v6, protocol, &ports)? {
            for redirection in lingering.iter().filter(|one| one.port_of() == (v6, protocol, flow.port)) {
                if doomed(redirection, &flow)? {
                    stale.push(flow);
                    break;
                }
            }
        }
        conntrack.forget(&stale)?;
    }
    Ok(())
}

/// Which addresses are the host's, asked of its routes.
#[derive(Default)]
struct Local {
    socket: Option<Netlink>,
    known: BTreeMap<IpAddr, bool>,
}

impl Local {
    fn has(&mut self, address: IpAddr) -> Result<bool, KernelError> {
        if let Some(local) = self.known.get(&address) {
            return Ok(*local);
        }
        let failed = |error: &std::io::Error| KernelError::io(format!("look up the route to {address}"), error);
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(Netlink::open(netlink::ROUTE).map_err(|error| failed(&error))?),
        };
        let mut batch = socket.batch();
        rtnl::lookup(&mut batch, address);
        // An address without a route is not the host's.
        let answer = socket.ask(&batch, rtnl::parse_lookup).map_err(|error| failed(&error))?;
        let local = answer.is_ok_and(|route| route.is_some_and(|route| route.local));
        self.known.insert(address, local);
        Ok(local)
    }
}
