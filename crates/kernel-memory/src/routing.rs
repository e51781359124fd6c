//! Routes of one namespace: those that somebody added, those that addresses imply, and the look-up over both.
//!
//! What addresses imply (connected, local and broadcast routes) is computed from them whenever it is needed, so that
//! it cannot disagree with them.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cnm::{Route, RouteLookup};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::device::{Device, Kind};
use crate::namespace::{Namespace, Refusal};
use crate::{EACCES, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH};

const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;
const SCOPE_GLOBAL: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
/// `IP6_RT_PRIO_USER`: the metric of an IPv6 route that was given none.
const V6_METRIC: u32 = 1024;
/// `IP6_RT_PRIO_ADDRCONF`: the metric of an IPv6 prefix that an address implies.
const V6_PREFIX_METRIC: u32 = 256;

/// A route that was added by a request, with every field decided.
pub(crate) type UserRoute = Route;

/// `RTN_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Unicast,
    Local,
    Broadcast,
}

/// A route of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Type,
    pub(crate) route: Route,
    /// Among routes that are equally good the lowest wins.
    order: i64,
}

fn entry(kind: Type, dst: IpNet, link: u32, scope: u8, priority: u32, since: u32) -> Entry {
    let table = if kind == Type::Unicast { TABLE_MAIN } else { TABLE_LOCAL };
    let route = Route { dst, gateway: None, link, priority, table: Some(table), scope: Some(scope), mtu: 0, advmss: 0 };
    Entry { kind, route, order: since.into() }
}

/// Adds what an address implies, once for all addresses that imply it.
fn imply(entries: &mut Vec<Entry>, new: Entry) {
    if !entries.iter().any(|old| old.kind == new.kind && old.route == new.route) {
        entries.push(new);
    }
}

/// `fib_add_ifaddr`: the address is local whether the link is up or not; the rest needs it up.
fn implied_v4(index: u32, device: &Device, entries: &mut Vec<Entry>) {
    for address in &device.v4 {
        let own = IpNet::from(IpAddr::V4(address.net.addr()));
        imply(entries, entry(Type::Local, own, index, SCOPE_HOST, 0, address.since));
        if !device.up {
            continue;
        }
        let since = address.since.max(device.up_since);
        if address.net.prefix_len() < 31 {
            let all = IpNet::from(IpAddr::V4(address.net.broadcast()));
            imply(entries, entry(Type::Broadcast, all, index, SCOPE_LINK, 0, since));
        }
        if !address.secondary && address.net.prefix_len() < 32 && address.net.network() != Ipv4Addr::UNSPECIFIED {
            let loopback = device.kind == Kind::Loopback;
            let (kind, scope) = if loopback { (Type::Local, SCOPE_HOST) } else { (Type::Unicast, SCOPE_LINK) };
            imply(entries, entry(kind, IpNet::V4(address.net.trunc()), index, scope, 0, since));
        }
    }
}

fn implied_v6(index: u32, device: &Device, entries: &mut Vec<Entry>) {
    for address in &device.v6 {
        let since = address.since.max(device.up_since);
        if address.local {
            let own = IpNet::from(IpAddr::V6(address.net.addr()));
            imply(entries, entry(Type::Local, own, index, SCOPE_GLOBAL, 0, since));
        }
        // On lo a prefix would be a loop.
        if device.up && device.kind != Kind::Loopback {
            let prefix = IpNet::V6(address.net.trunc());
            imply(entries, entry(Type::Unicast, prefix, index, SCOPE_GLOBAL, V6_PREFIX_METRIC, since));
        }
    }
}

impl Namespace {
    /// Every route.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (index, device) in &self.devices {
            implied_v4(*index, device, &mut entries);
            implied_v6(*index, device, &mut entries);
        }
        let added = self.routes.iter().zip(1i64..).map(|(route, at)| Entry {
            kind: Type::Unicast,
            route: route.clone(),
            // A request without NLM_F_APPEND puts an IPv4 route in front of its equals, an IPv6 route behind them.
            order: if matches!(route.dst, IpNet::V4(_)) { -at } else { i64::from(u32::MAX) + at },
        });
        entries.extend(added);
        entries
    }

    /// What a dump of the routes by one link shows: unicast, all tables but local.
    pub(crate) fn routes_by(&self, link: u32) -> Vec<Route> {
        let shown = |entry: &Entry| {
            entry.kind == Type::Unicast && entry.route.link == link && entry.route.table != Some(TABLE_LOCAL)
        };
        self.entries().into_iter().filter(shown).map(|entry| entry.route).collect()
    }

    /// The best route of `tables` to an address, by `link` when it is not 0, at least as narrow as `scope`.
    fn best(&self, to: IpAddr, tables: &[u32], link: u32, scope: u8) -> Option<Entry> {
        let fits = |entry: &Entry| {
            let route = &entry.route;
            tables.contains(&route.table.unwrap_or(TABLE_MAIN))
                && route.dst.contains(&to)
                && (link == 0 || route.link == link)
                && (to.is_ipv6() || route.scope.unwrap_or_default() >= scope)
        };
        let rank = |entry: &Entry| {
            let narrow = u32::from(entry.route.dst.prefix_len());
            (Reverse(narrow), entry.route.table != Some(TABLE_LOCAL), entry.route.priority, entry.order)
        };
        self.entries().into_iter().filter(fits).min_by_key(rank)
    }

    /// How the namespace would send to an address. IPv6 asks the table `local` before `main`; IPv4 keeps both in one
    /// trie.
    pub(crate) fn lookup(&self, to: IpAddr) -> Option<RouteLookup> {
        let found = match to {
            IpAddr::V4(_) => self.best(to, &[TABLE_LOCAL, TABLE_MAIN], 0, SCOPE_GLOBAL),
            IpAddr::V6(_) => {
                self.best(to, &[TABLE_LOCAL], 0, SCOPE_GLOBAL).or_else(|| self.best(to, &[TABLE_MAIN], 0, SCOPE_GLOBAL))
            }
        }?;
        let (local, route) = (found.kind == Type::Local, found.route);
        Some(RouteLookup { local, link: route.link, others: Vec::new(), mtu: route.mtu })
    }

    /// `RTM_NEWROUTE` with `NLM_F_CREATE` alone.
    pub(crate) fn add_route(&mut self, route: &Route) -> Result<(), Refusal> {
        let table = route.table.filter(|table| *table != 0).unwrap_or(TABLE_MAIN);
        let mut route = Route { dst: route.dst.trunc(), table: Some(table), ..route.clone() };
        if route.gateway.is_some_and(|gateway| gateway.is_ipv4() != matches!(route.dst, IpNet::V4(_))) {
            return Err((EINVAL, "gateway and destination are of different families"));
        }
        match route.dst {
            IpNet::V4(_) => {
                route.scope = Some(route.scope.unwrap_or(SCOPE_GLOBAL));
                self.may_add_v4(&route, table)?;
                if self.routes.contains(&route) {
                    return Err((EEXIST, ""));
                }
            }
            IpNet::V6(_) => {
                route.scope = Some(SCOPE_GLOBAL);
                if route.priority == 0 {
                    route.priority = V6_METRIC;
                }
                self.may_add_v6(&route, table)?;
                let same = |other: &Entry| {
                    let other = &other.route;
                    (other.dst, other.table, other.priority, other.link, other.gateway)
                        == (route.dst, route.table, route.priority, route.link, route.gateway)
                };
                if self.entries().iter().any(same) {
                    return Err((EEXIST, ""));
                }
            }
        }
        self.routes.push(route);
        Ok(())
    }

    /// `RTM_DELROUTE` for one route as a dump shows it.
    pub(crate) fn delete_route(&mut self, route: &Route) -> Result<(), Refusal> {
        let same = |other: &UserRoute| {
            (other.dst, other.table, other.priority, other.link, other.gateway)
                == (route.dst.trunc(), route.table, route.priority, route.link, route.gateway)
        };
        let at = self.routes.iter().position(same).ok_or((ESRCH, ""))?;
        self.routes.remove(at);
        Ok(())
    }

    /// The link of the first default route of the main table, IPv4 before IPv6.
    pub(crate) fn default_link(&self) -> Option<u32> {
        let is_default = |entry: &Entry| {
            let route = &entry.route;
            entry.kind == Type::Unicast && route.table == Some(TABLE_MAIN) && route.dst.prefix_len() == 0
        };
        let rank = |entry: &Entry| (entry.route.dst.addr().is_ipv6(), entry.route.priority, entry.order);
        self.entries().into_iter().filter(is_default).min_by_key(rank).map(|entry| entry.route.link)
    }

    /// `fib_create_info`.
    fn may_add_v4(&self, route: &Route, table: u32) -> Result<(), Refusal> {
        let scope = route.scope.unwrap_or_default();
        if scope > SCOPE_HOST {
            return Err((EINVAL, "Invalid scope"));
        }
        let device = self.devices.get(&route.link);
        if scope == SCOPE_HOST {
            if route.gateway.is_some() {
                return Err((EINVAL, "Route with host scope can not have a gateway"));
            }
            return device.map(|_| ()).ok_or((ENODEV, "Failed to get in_dev"));
        }
        let Some(gateway) = route.gateway else {
            let device = device.ok_or((ENODEV, ""))?;
            return if device.up { Ok(()) } else { Err((ENETDOWN, "Device for nexthop is not up")) };
        };
        let narrower = (scope + 1).max(SCOPE_LINK);
        let own = (table != TABLE_MAIN).then(|| self.best(gateway, &[table], route.link, narrower)).flatten();
        let found = own.or_else(|| self.best(gateway, &[TABLE_LOCAL, TABLE_MAIN], route.link, narrower));
        let found = found.ok_or((ENETUNREACH, "Nexthop has invalid gateway"))?;
        if found.kind == Type::Broadcast {
            return Err((EINVAL, "Nexthop has invalid gateway"));
        }
        let up = self.devices.get(&found.route.link).is_some_and(|device| device.up);
        if up { Ok(()) } else { Err((ENETDOWN, "")) }
    }

    /// `fib6_nh_init`.
    fn may_add_v6(&self, route: &Route, table: u32) -> Result<(), Refusal> {
        let device = self.devices.get(&route.link).ok_or((ENODEV, ""))?;
        if !device.carries_ipv6() {
            return Err((ENODEV, ""));
        }
        if let Some(IpAddr::V6(gateway)) = route.gateway {
            self.may_be_gateway(gateway, route.link, table)?;
        }
        if self.ipv6_is_off(device) {
            return Err((EACCES, "IPv6 is disabled on nexthop device"));
        }
        if device.up { Ok(()) } else { Err((ENETDOWN, "Nexthop device is not up")) }
    }

    /// `ip6_validate_gw`.
    fn may_be_gateway(&self, gateway: Ipv6Addr, link: u32, table: u32) -> Result<(), Refusal> {
        let on_link_only = gateway.is_unicast_link_local();
        let own = |(index, device): (&u32, &Device)| (!on_link_only || *index == link) && device.has(gateway.into());
        if self.devices.iter().any(own) {
            return Err((EINVAL, "Gateway can not be a local address"));
        }
        if on_link_only {
            return Ok(());
        }
        if gateway.is_multicast() || gateway.is_unspecified() {
            return Err((EINVAL, "Invalid gateway address"));
        }
        let to = IpAddr::V6(gateway);
        let found = [table, TABLE_LOCAL, TABLE_MAIN]
            .iter()
            .filter_map(|table| self.best(to, &[*table], link, SCOPE_GLOBAL))
            .find(|entry| entry.route.gateway.is_none());
        found.map(|_| ()).ok_or((EHOSTUNREACH, ""))
    }

    /// Whether IPv6 is switched off on a link.
    pub(crate) fn ipv6_is_off(&self, device: &Device) -> bool {
        self.sysctls.is_set("ipv6", &device.name, "disable_ipv6")
    }

    /// The link went down: its IPv4 routes go, but those of host scope.
    pub(crate) fn flush_v4(&mut self, link: u32, host_scope_too: bool) {
        self.routes.retain(|route| {
            route.link != link
                || matches!(route.dst, IpNet::V6(_))
                || (!host_scope_too && route.scope == Some(SCOPE_HOST))
        });
    }

    /// IPv6 left the link: its IPv6 routes go.
    pub(crate) fn flush_v6(&mut self, link: u32) {
        self.routes.retain(|route| route.link != link || matches!(route.dst, IpNet::V4(_)));
    }
}

/// Whether two addresses are in one subnet of the same size.
pub(crate) fn same_subnet(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.trunc() == other.trunc()
}

/// The interface identifier that a MAC gives (RFC 4291, appendix A), with the link-local prefix.
pub(crate) fn link_local(mac: cnm::Mac) -> Ipv6Net {
    let [a, b, c, d, e, f] = mac.0;
    let octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    Ipv6Net::new_assert(Ipv6Addr::from(octets), 64)
}
