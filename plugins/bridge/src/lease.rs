//! What a bridge network makes of a lease: gateways and routes.

use std::net::IpAddr;

use cni::{AddResult, Error, Ip, Route};
use cnm::interface::leads_out;
use ipnet::IpNet;

use crate::conf::Conf;

/// Index of the sandbox's end among the interfaces of the result.
const INSIDE: usize = 2;

/// Fills in what the configuration decides: to which interface the addresses belong, gateways, default routes.
pub(crate) fn complete(conf: &Conf, lease: &mut AddResult) -> Result<(), Error> {
    if lease.ips.is_empty() {
        return Err(Error::internal("IPAM plugin returned missing IP config").with_details(format!(
            "ask {} why; its STATUS may tell",
            conf.ipam.as_deref().unwrap_or("the IPAM plugin")
        )));
    }
    for ip in &mut lease.ips {
        ip.interface = Some(INSIDE);
        if conf.is_gateway && ip.gateway.is_none() {
            ip.gateway = next(ip.address.network());
        }
    }
    if conf.internal {
        // No way out: what leads through the host would end in a drop.
        let ips = lease.ips.clone();
        lease.routes.retain(|route| !leads_out(route, &ips));
    } else if conf.default_route {
        add_default_routes(lease);
    }
    Ok(())
}

/// One default route for each family that has a gateway, unless the lease brings one that names its next hop. One
/// without next hop means the same gateway: it is completed, not doubled.
fn add_default_routes(lease: &mut AddResult) {
    for v6 in [false, true] {
        let of_family = |ip: &&Ip| ip.address.addr().is_ipv6() == v6;
        let Some(gateway) = lease.ips.iter().filter(of_family).find_map(|ip| ip.gateway) else { continue };
        let is_default = |route: &Route| route.dst.prefix_len() == 0 && route.dst.addr().is_ipv6() == v6;
        match lease.routes.iter_mut().find(|route| is_default(route)) {
            Some(route) => {
                route.gw.get_or_insert(gateway);
            }
            None => lease.routes.extend(default_of(v6).map(|dst| Route::new(dst, Some(gateway)))),
        }
    }
}

fn default_of(v6: bool) -> Option<IpNet> {
    let any = if v6 { IpAddr::from([0u8; 16]) } else { IpAddr::from([0u8; 4]) };
    IpNet::new(any, 0).ok()
}

/// The gateway's address with the prefix length of the subnet, as the bridge has it.
pub(crate) fn gateway_address(ip: &Ip) -> Option<IpNet> {
    IpNet::new(ip.gateway?, ip.address.prefix_len()).ok()
}

/// The address after `address`.
fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}
