//! The kernel variables that a bridge network cares about.

use std::net::IpAddr;

use cnm::{Place, Resource, Sysctl};

use crate::conf::Conf;

/// Routers on the other side of the bridge must not configure the host (CVE-2020-10749).
pub(crate) fn no_router_advertisements(link: &str) -> Vec<(String, String)> {
    vec![(format!("net/ipv6/conf/{link}/accept_ra"), "0".to_owned())]
}

/// The host forwards packets of this gateway's family.
pub(crate) fn forwarding(gateway: IpAddr) -> Resource {
    let key = if gateway.is_ipv4() { "net/ipv4/ip_forward" } else { "net/ipv6/conf/all/forwarding" };
    variable(Place::Host, key, "1", false)
}

/// How the sandbox's end starts. We choose its MAC, so duplicate address detection would only delay it; a kernel
/// without IPv6 has none of these.
pub(crate) fn of_sandbox(conf: &Conf, link: &str, has_ipv6: bool) -> Vec<Resource> {
    let of_link = |name: &str, value| variable(Place::Sandbox, &format!("net/ipv6/conf/{link}/{name}"), value, true);
    let mut list = vec![of_link("accept_dad", if conf.dad { "1" } else { "0" })];
    if conf.dad {
        list.push(of_link("enhanced_dad", "1"));
    }
    if has_ipv6 {
        list.push(variable(Place::Sandbox, "net/ipv6/conf/lo/disable_ipv6", "0", true));
        list.push(of_link("disable_ipv6", "0"));
        list.push(of_link("keep_addr_on_down", "1"));
    }
    list
}

fn variable(place: Place, key: &str, value: &str, optional: bool) -> Resource {
    Resource::Sysctl(Sysctl { place, key: key.to_owned(), value: value.to_owned(), optional })
}
