//! Addresses of a link: adding, removing, and what they take along.

use std::net::{IpAddr, Ipv6Addr};

use cnm::{Address, LinkName};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::device::{Kind, V4, V6};
use crate::namespace::{Namespace, Refusal};
use crate::routing::same_subnet;
use crate::{EACCES, EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV, ENXIO};

impl Namespace {
    /// `RTM_NEWADDR` with `NLM_F_EXCL`.
    pub(crate) fn add_address(&mut self, link: &LinkName, address: &Address) -> Result<(), Refusal> {
        let index = self.find(link).ok_or((ENODEV, ""))?;
        match address.net {
            IpNet::V4(net) => self.add_v4(index, net),
            IpNet::V6(net) => self.add_v6(index, net, address.nodad),
        }
    }

    fn add_v4(&mut self, index: u32, net: Ipv4Net) -> Result<(), Refusal> {
        let since = self.now();
        let Some(device) = self.devices.get_mut(&index) else { return Err((ENODEV, "")) };
        let beside: Vec<&V4> = device.v4.iter().filter(|other| same_subnet(other.net, net)).collect();
        if beside.iter().any(|other| other.net.addr() == net.addr()) {
            return Err((EEXIST, "ipv4: Address already assigned."));
        }
        let secondary = !beside.is_empty();
        device.v4.push(V4 { net, secondary, since });
        Ok(())
    }

    fn add_v6(&mut self, index: u32, net: Ipv6Net, nodad: bool) -> Result<(), Refusal> {
        let Some(device) = self.devices.get(&index) else { return Err((ENODEV, "")) };
        let ip = net.addr();
        if !device.carries_ipv6() {
            return Err((EINVAL, ""));
        }
        let loopback = device.kind == Kind::Loopback;
        if self.ipv6_is_off(device) && !loopback {
            return Err((EACCES, "ipv6: IPv6 is disabled on this device."));
        }
        if ip.is_multicast() {
            return Err((EADDRNOTAVAIL, "ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag."));
        }
        if ip == Ipv6Addr::UNSPECIFIED || (ip == Ipv6Addr::LOCALHOST && !loopback) {
            return Err((EADDRNOTAVAIL, "ipv6: Invalid address"));
        }
        if device.has(IpAddr::V6(ip)) {
            return Err((EEXIST, "ipv6: address already assigned."));
        }
        let undetected = nodad || loopback || !self.sysctls.either("ipv6", &device.name, "accept_dad");
        let ready = device.v6_ready;
        let since = self.now();
        if let Some(device) = self.devices.get_mut(&index) {
            device.v6.push(V6 { net, nodad, local: undetected || ready, since });
        }
        Ok(())
    }

    /// `RTM_DELADDR`: address and prefix length must both be right.
    pub(crate) fn delete_address(&mut self, link: &LinkName, address: &Address) -> Result<(), Refusal> {
        let index = self.find(link).ok_or((ENODEV, ""))?;
        let Some(device) = self.devices.get_mut(&index) else { return Err((ENODEV, "")) };
        match address.net {
            IpNet::V4(net) => {
                let at = device.v4.iter().position(|other| other.net == net);
                let gone = device.v4.remove(at.ok_or((EADDRNOTAVAIL, "ipv4: Address not found."))?);
                if !gone.secondary {
                    self.primary_went(index, gone);
                }
                if self.devices.get(&index).is_some_and(|device| device.v4.is_empty()) {
                    // "Last address was deleted from this interface. Disable IP." (fib_inetaddr_event)
                    self.flush_v4(index, true);
                }
            }
            IpNet::V6(_) if !device.carries_ipv6() => return Err((ENXIO, "ipv6: IPv6 is disabled on this device")),
            IpNet::V6(net) => {
                let at = device.v6.iter().position(|other| other.net == net);
                device.v6.remove(at.ok_or((EADDRNOTAVAIL, "ipv6: address not found."))?);
            }
        }
        Ok(())
    }

    /// The secondary addresses of the subnet follow their primary, or the first takes its place.
    fn primary_went(&mut self, index: u32, gone: V4) {
        let Some(device) = self.devices.get_mut(&index) else { return };
        if self.sysctls.either("ipv4", &device.name, "promote_secondaries") {
            if let Some(next) = device.v4.iter_mut().find(|other| same_subnet(other.net, gone.net)) {
                next.secondary = false;
            }
        } else {
            device.v4.retain(|other| !same_subnet(other.net, gone.net));
        }
    }
}
