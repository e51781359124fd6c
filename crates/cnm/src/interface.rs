//! What a lease adds to the link of an endpoint in its sandbox, whatever network it belongs to (`ConfigureIface` of the
//! reference plugins).

use std::net::IpAddr;

use cni::{AddResult, Ip};

use crate::{Address, Place, Resource, Route, Sysctl};

/// Addresses, link up, routes; before them, if there is an IPv6 address, what lets it be. `nodad`: no duplicate address
/// detection is wanted.
#[must_use]
pub fn leased(link: &str, lease: &AddResult, nodad: bool) -> Vec<Resource> {
    configured(link, lease, nodad, false)
}

/// The same for a link that nothing keeps from being heard: its neighbours learn of the addresses as it comes up. Without
/// duplicate address detection, which would keep IPv6 addresses from being announced then.
#[must_use]
pub fn leased_and_announced(link: &str, lease: &AddResult) -> Vec<Resource> {
    configured(link, lease, true, true)
}

fn configured(link: &str, lease: &AddResult, nodad: bool, announced: bool) -> Vec<Resource> {
    let place = Place::Sandbox;
    let has = |v6: bool| lease.ips.iter().any(|ip| ip.address.addr().is_ipv6() == v6);
    let mut resources = Vec::new();
    // Files first: what goes by netlink then travels together.
    if has(true) {
        resources.push(Resource::Ipv6 { link: link.to_owned() });
        resources.push(sandbox_variable(&format!("net/ipv6/conf/{link}/keep_addr_on_down"), "1"));
        let notify = || sandbox_variable(&format!("net/ipv6/conf/{link}/ndisc_notify"), "1");
        resources.extend(announced.then(notify));
    }
    if announced && has(false) {
        resources.push(Resource::ArpNotify { link: link.to_owned() });
    }
    resources.extend(lease.ips.iter().map(|ip| {
        let address = Address { net: ip.address, nodad };
        Resource::Address { place, link: link.to_owned(), address, force: false }
    }));
    resources.push(Resource::Up { place, link: link.to_owned() });
    resources.extend(lease.routes.iter().map(|route| {
        let route = kernel_route(route, &lease.ips);
        Resource::Route { place, link: link.to_owned(), route }
    }));
    resources
}

/// A variable of the sandbox that a kernel without IPv6 lacks.
#[must_use]
pub fn sandbox_variable(key: &str, value: &str) -> Resource {
    Resource::Sysctl(Sysctl::optional(Place::Sandbox, key, value))
}

/// `RT_SCOPE_LINK`: what is in it, and nearer, is not behind a gateway.
const SCOPE_LINK: u8 = 253;

/// The next hop of a route: its own, or the first gateway of its family; without one it is on-link, as it is by its scope.
fn next_hop(route: &cni::Route, ips: &[Ip]) -> Option<IpAddr> {
    if route.gw.is_none() && route.scope.is_some_and(|scope| scope >= SCOPE_LINK) {
        return None;
    }
    let family = |address: IpAddr| address.is_ipv6();
    let gateways = ips.iter().filter_map(|ip| ip.gateway);
    route.gw.or_else(|| gateways.into_iter().find(|&gateway| family(gateway) == family(route.dst.addr())))
}

/// Whether a route of the lease leads out of the network: through a gateway, or everywhere. An internal network has none.
#[must_use]
pub fn leads_out(route: &cni::Route, ips: &[Ip]) -> bool {
    next_hop(route, ips).is_some_and(|hop| ips.iter().any(|ip| ip.gateway == Some(hop))) || route.dst.prefix_len() == 0
}

/// A route of the lease as the kernel takes it.
fn kernel_route(route: &cni::Route, ips: &[Ip]) -> Route {
    Route {
        dst: route.dst,
        gateway: next_hop(route, ips),
        link: 0,
        priority: route.priority,
        table: route.table,
        scope: route.scope,
        mtu: route.mtu,
        advmss: route.advmss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_gateway_has_the_network_s_unless_its_scope_is_the_link() {
        let ip = Ip {
            address: "10.1.2.3/24".parse().expect("an address"),
            gateway: "10.1.2.1".parse().ok(),
            interface: None,
        };
        let route = |scope| cni::Route { scope, ..cni::Route::new("203.0.113.0/24".parse().expect("a network"), None) };
        let hop = |scope| next_hop(&route(scope), std::slice::from_ref(&ip));
        assert_eq!((hop(None), hop(Some(0))), (ip.gateway, ip.gateway));
        assert_eq!((hop(Some(253)), hop(Some(254))), (None, None));
        let own = cni::Route { gw: "10.1.2.9".parse().ok(), ..route(Some(253)) };
        assert_eq!(next_hop(&own, std::slice::from_ref(&ip)), own.gw);
    }
}
