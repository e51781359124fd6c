//! The changes of `cnm` as messages of rtnetlink, and in words.

use cnm::{Change, LinkName, Place};

use crate::netlink::Batch;
use crate::rtnl;

/// The link of a change whose message takes an index only.
pub(crate) fn index_needed(change: &Change) -> Option<&LinkName> {
    match change {
        Change::Port(name, _)
        | Change::ClosePort(name)
        | Change::AddVlan(name, _)
        | Change::DeleteVlan(name, _)
        | Change::AddAddress(name, _)
        | Change::DeleteAddress(name, _) => Some(name),
        Change::Up(..)
        | Change::Promisc(..)
        | Change::Mac(..)
        | Change::Mtu(..)
        | Change::Alias(..)
        | Change::Group(..)
        | Change::ArpNotify(..)
        | Change::AddRoute(_)
        | Change::DeleteLink(_) => None,
    }
}

/// Writes a change into a batch; `index` is that of the link which [`index_needed`] names.
pub(crate) fn encode(batch: &mut Batch, change: &Change, index: u32) {
    use rtnl::{Flag, Setting};
    match change {
        Change::Up(name, on) => rtnl::set_flags(batch, name, Flag::Up, *on),
        Change::Promisc(name, on) => rtnl::set_flags(batch, name, Flag::Promisc, *on),
        Change::Mac(name, mac) => rtnl::set_link(batch, name, &Setting::Mac(*mac)),
        Change::Mtu(name, mtu) => rtnl::set_link(batch, name, &Setting::Mtu(*mtu)),
        Change::Alias(name, alias) => rtnl::set_link(batch, name, &Setting::Alias(alias)),
        Change::Group(name, group) => rtnl::set_link(batch, name, &Setting::Group(*group)),
        Change::ArpNotify(name, on) => rtnl::arp_notify(batch, name, *on),
        Change::Port(_, wanted) => rtnl::port_flags(batch, index, *wanted),
        Change::ClosePort(_) => rtnl::close_port(batch, index),
        Change::AddVlan(_, range) => rtnl::vlans(batch, index, *range, true),
        Change::DeleteVlan(_, range) => rtnl::vlans(batch, index, *range, false),
        Change::AddAddress(_, address) => rtnl::address_change(batch, index, address, true),
        Change::DeleteAddress(_, address) => rtnl::address_change(batch, index, address, false),
        Change::AddRoute(route) => rtnl::add_route(batch, route),
        Change::DeleteLink(name) => rtnl::delete_link(batch, name),
    }
}

/// Verb and object of a change, for its error.
pub(crate) fn describe(change: &Change, place: Place) -> String {
    let switch = |on: &bool| if *on { "on" } else { "off" };
    let what = match change {
        Change::Up(name, true) => format!("bring {name} up"),
        Change::Up(name, false) => format!("take {name} down"),
        Change::Promisc(name, on) => format!("switch promiscuous mode of {name} {}", switch(on)),
        Change::Mac(name, mac) => format!("set the MAC of {name} to {mac}"),
        Change::Mtu(name, mtu) => format!("set the MTU of {name} to {mtu}"),
        Change::Alias(name, _) => format!("set the alias of {name}"),
        Change::Group(name, group) => format!("put {name} into group {group}"),
        Change::ArpNotify(name, on) => format!("switch arp_notify of {name} {}", switch(on)),
        Change::Port(name, _) => format!("set the port flags of {name}"),
        Change::ClosePort(name) => format!("close the port {name}"),
        Change::AddVlan(name, range) => format!("add VLAN {}-{} to {name}", range.first, range.last),
        Change::DeleteVlan(name, range) => format!("take VLAN {}-{} from {name}", range.first, range.last),
        Change::AddAddress(name, address) => format!("create address {} on {name}", address.net),
        Change::DeleteAddress(name, address) => format!("delete address {} from {name}", address.net),
        Change::AddRoute(route) => match route.gateway {
            Some(gateway) => format!("create route {} via {gateway}", route.dst),
            None => format!("create route {}", route.dst),
        },
        Change::DeleteLink(name) => format!("delete link {name}"),
    };
    format!("{what} {place}")
}
