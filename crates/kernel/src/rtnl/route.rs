//! Routes: `RTM_*ROUTE`.

use std::net::IpAddr;

use cnm::{Route, RouteLookup};
use ipnet::IpNet;

use super::{AF_INET6, DELETE_ROUTE, GET_ROUTE, NEW_ROUTE, family, octets, read_ip};
use crate::netlink::{Attributes, Batch, Message, flags, read_u16, read_u32};

const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RT_TABLE_MAIN: u8 = 254;
const RT_TABLE_LOCAL: u32 = 255;
/// Give back the route itself instead of how one packet would go: it names the link that has a local address.
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// `struct rtmsg`.
fn header(family: u8, prefix: u8, table: u8, scope: u8, more: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = family;
    bytes[1] = prefix;
    bytes[4] = table;
    bytes[5] = RTPROT_BOOT;
    bytes[6] = scope;
    bytes[7] = RTN_UNICAST;
    bytes[8..].copy_from_slice(&more.to_ne_bytes());
    bytes
}

/// Adds a route.
pub(crate) fn add_route(batch: &mut Batch, route: &Route) {
    about(batch, NEW_ROUTE, flags::ACK | flags::CREATE, route);
    if route.mtu != 0 || route.advmss != 0 {
        batch.nest(RTA_METRICS, |metrics| {
            if route.mtu != 0 {
                metrics.u32(RTAX_MTU, route.mtu);
            }
            if route.advmss != 0 {
                metrics.u32(RTAX_ADVMSS, route.advmss);
            }
        });
    }
}

/// Removes a route.
pub(crate) fn delete_route(batch: &mut Batch, route: &Route) {
    about(batch, DELETE_ROUTE, flags::ACK, route);
}

/// Begins a message about a route.
fn about(batch: &mut Batch, kind: u16, asked: u16, route: &Route) {
    let dst = route.dst.trunc();
    let table = route.table.map_or(Some(RT_TABLE_MAIN), |table| u8::try_from(table).ok());
    let head = header(family(dst.addr()), dst.prefix_len(), table.unwrap_or(0), route.scope.unwrap_or(0), 0);
    batch.message(kind, asked, &head);
    if dst.prefix_len() > 0 {
        batch.attribute(RTA_DST, &octets(dst.addr()));
    }
    if let Some(gateway) = route.gateway {
        batch.attribute(RTA_GATEWAY, &octets(gateway));
    }
    batch.u32(RTA_OIF, route.link);
    if route.priority != 0 {
        batch.u32(RTA_PRIORITY, route.priority);
    }
    if let Some(table) = route.table.filter(|&table| table > 255) {
        batch.u32(RTA_TABLE, table);
    }
}

/// Asks which route leads to an address.
pub(crate) fn lookup(batch: &mut Batch, to: IpAddr) {
    let bits = if to.is_ipv4() { 32 } else { 128 };
    let mut head = header(family(to), bits, 0, 0, RTM_F_FIB_MATCH);
    (head[5], head[7]) = (0, 0);
    batch.message(GET_ROUTE, 0, &head);
    batch.attribute(RTA_DST, &octets(to));
}

/// Reads the answer to [`lookup`].
pub(crate) fn parse_lookup(message: &Message<'_>) -> Option<RouteLookup> {
    if message.kind != NEW_ROUTE || message.payload.len() < HEADER {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let mut links = hops(attributes).into_iter().map(|(link, _)| link);
    let metrics = attributes.find(RTA_METRICS).map(Attributes::inside);
    Some(RouteLookup {
        local: message.payload[7] == RTN_LOCAL,
        link: links.next().unwrap_or(0),
        others: links.collect(),
        mtu: metrics.and_then(|metrics| metrics.find(RTAX_MTU)).map_or(0, read_u32),
    })
}

/// Asks for the routes that leave by one link, both families.
pub(crate) fn route_dump(batch: &mut Batch, index: u32) {
    let mut head = header(0, 0, 0, 0, 0);
    (head[5], head[7]) = (0, 0);
    batch.message(GET_ROUTE, flags::DUMP, &head);
    batch.u32(RTA_OIF, index);
}

/// Asks for the routes of the main table, IPv4 first.
pub(crate) fn default_dump(batch: &mut Batch) {
    let mut head = header(0, 0, RT_TABLE_MAIN, 0, 0);
    (head[5], head[7]) = (0, 0);
    batch.message(GET_ROUTE, flags::DUMP, &head);
}

/// The link of a default route of the main table.
pub(crate) fn parse_default(message: &Message<'_>) -> Option<u32> {
    let head = message.payload.get(..HEADER).filter(|_| message.kind == NEW_ROUTE)?;
    let is_default = head[1] == 0 && head[4] == RT_TABLE_MAIN && head[7] == RTN_UNICAST;
    hops(message.attributes(HEADER)).first().map(|&(link, _)| link).filter(|&link| is_default && link != 0)
}

/// Reads the unicast routes of a message that leave by link `index`: several when it is a multipath route.
pub(crate) fn parse_routes(message: &Message<'_>, index: u32) -> Vec<Route> {
    if message.kind != NEW_ROUTE || message.payload.len() < HEADER || message.payload[7] != RTN_UNICAST {
        return Vec::new();
    }
    let (family, prefix, scope) = (message.payload[0], message.payload[1], message.payload[6]);
    let attributes = message.attributes(HEADER);
    let any = if family == AF_INET6 { IpAddr::from([0u8; 16]) } else { IpAddr::from([0u8; 4]) };
    let dst = attributes.find(RTA_DST).and_then(read_ip).unwrap_or(any);
    let table = attributes.find(RTA_TABLE).map_or(u32::from(message.payload[4]), read_u32);
    let Ok(dst) = IpNet::new(dst, prefix) else { return Vec::new() };
    if table == RT_TABLE_LOCAL {
        return Vec::new();
    }
    let metric = |kind| {
        let metrics = attributes.find(RTA_METRICS)?;
        Attributes::inside(metrics).find(kind).map(read_u32)
    };
    hops(attributes)
        .into_iter()
        .filter(|&(link, _)| link == index)
        .map(|(link, gateway)| Route {
            dst,
            gateway,
            link,
            priority: attributes.find(RTA_PRIORITY).map_or(0, read_u32),
            table: Some(table),
            scope: Some(scope),
            mtu: metric(RTAX_MTU).unwrap_or(0),
            advmss: metric(RTAX_ADVMSS).unwrap_or(0),
        })
        .collect()
}

/// The (link, gateway) pairs of a route.
fn hops(attributes: Attributes<'_>) -> Vec<(u32, Option<IpAddr>)> {
    let Some(mut rest) = attributes.find(RTA_MULTIPATH) else {
        let link = attributes.find(RTA_OIF).map_or(0, read_u32);
        return vec![(link, attributes.find(RTA_GATEWAY).and_then(read_ip))];
    };
    let mut hops = Vec::new();
    // struct rtnexthop: length, flags, hops, interface index; then attributes.
    while rest.len() >= 8 {
        let length = usize::from(read_u16(rest)).clamp(8, rest.len());
        let gateway = Attributes::inside(&rest[8..length]).find(RTA_GATEWAY).and_then(read_ip);
        hops.push((read_u32(&rest[4..]), gateway));
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
    hops
}
