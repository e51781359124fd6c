//! A change of the sandbox or the host that the kernel refused, as a person reads it: links by name instead of index, and what
//! the usual refusals mean. It must not know in which verb it happened.

use cni::Error;
use cnm::{Change, Kernel, KernelError, LinkName, Place};

use crate::converge::Converger;
use crate::errors::{IN_USE, INVALID, NO_HOST, NO_NETWORK, kernel};

/// The smallest MTU with which a link can have IPv6 addresses (RFC 8200), bytes.
const IPV6_MTU: u32 = 1280;

impl<K: Kernel> Converger<'_, K> {
    /// What it means that `change` was refused.
    pub(crate) fn refused(&self, place: Place, change: &Change, error: KernelError) -> Error {
        let errno = error.errno;
        let link = match change {
            Change::AddAddress(LinkName::Index(index), _) | Change::Up(LinkName::Index(index), _) => {
                self.seen_by_index(place, *index)
            }
            _ => None,
        };
        let error = match link {
            Some(link) => {
                let what = error.what.replacen(&format!("link {}", link.index), &link.name, 1);
                KernelError { what, ..error }
            }
            None => error,
        };
        let advice = match (errno, change) {
            // In a sandbox nothing else is in use by coming up.
            (IN_USE, Change::Up(..)) if place == Place::Sandbox => {
                "another interface on the same master, or the master itself, has this MAC address: ask for another"
            }
            (INVALID, Change::AddAddress(_, address))
                if address.net.addr().is_ipv6() && link.is_some_and(|link| (1..IPV6_MTU).contains(&link.mtu)) =>
            {
                "IPv6 needs an MTU of 1280 bytes at least: raise mtu, or leave the IPv6 subnet out of ipam"
            }
            (NO_NETWORK | NO_HOST, Change::AddRoute(route)) if route.gateway.is_some() => {
                "the gateway must be in a subnet that the interface has an address of: correct the route, or the gateway, in ipam"
            }
            _ => return kernel(error),
        };
        kernel(error).with_details(advice)
    }
}
