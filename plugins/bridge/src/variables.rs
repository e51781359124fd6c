//! The kernel variables that a bridge network cares about.

use std::net::IpAddr;

use cnm::interface::sandbox_variable;
use cnm::{Place, Resource, Sysctl};

use crate::conf::Conf;

/// Routers on the other side of the bridge must not configure the host (CVE-2020-10749).
pub(crate) fn no_router_advertisements(link: &str) -> Vec<(String, String)> {
    vec![(format!("net/ipv6/conf/{link}/accept_ra"), "0".to_owned())]
}

/// The host forwards packets of this gateway's family.
pub(crate) fn forwarding(gateway: IpAddr) -> Resource {
    let key = if gateway.is_ipv4() { "net/ipv4/ip_forward" } else { "net/ipv6/conf/all/forwarding" };
    Resource::Sysctl(Sysctl { place: Place::Host, key: key.to_owned(), value: "1".to_owned(), optional: false })
}

/// How the sandbox's end starts. We choose its MAC, so duplicate address detection would only delay it; a kernel
/// without IPv6 has none of these.
pub(crate) fn of_sandbox(conf: &Conf, link: &str) -> Vec<Resource> {
    let of_link = |name: &str, value| sandbox_variable(&format!("net/ipv6/conf/{link}/{name}"), value);
    if conf.dad {
        vec![of_link("accept_dad", "1"), of_link("enhanced_dad", "1")]
    } else {
        vec![of_link("accept_dad", "0")]
    }
}
