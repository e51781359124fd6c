//! The changes of `cnm` as messages of rtnetlink.

use cnm::{Change, LinkName};

use crate::netlink::Batch;
use crate::rtnl;

/// The link of a change whose message takes an index only.
pub(crate) fn index_needed(change: &Change) -> Option<&LinkName> {
    match change {
        Change::Port(name, _)
        | Change::ClosePort(name)
        | Change::Traffic(name, _)
        | Change::AddVlan(name, _)
        | Change::DeleteVlan(name, _)
        | Change::AddAddress(name, _)
        | Change::DeleteAddress(name, _)
        | Change::SetFdb(name, _)
        | Change::DeleteFdb(name, _)
        | Change::SetNeighbour(name, _)
        | Change::DeleteNeighbour(name, _) => Some(name),
        Change::Up(..)
        | Change::Promisc(..)
        | Change::AllMulticast(..)
        | Change::QueueLength(..)
        | Change::Mac(..)
        | Change::Mtu(..)
        | Change::Alias(..)
        | Change::Group(..)
        | Change::ArpNotify(..)
        | Change::AddRoute(_)
        | Change::DeleteRoute(_)
        | Change::DeleteLink(_)
        | Change::DeleteElsewhere(..) => None,
    }
}

/// Writes a change into a batch; `index` is that of the link which [`index_needed`] names.
pub(crate) fn encode(batch: &mut Batch, change: &Change, index: u32) {
    use rtnl::{Flag, Setting};
    match change {
        Change::Up(name, on) => rtnl::set_flags(batch, name, Flag::Up, *on),
        Change::Promisc(name, on) => rtnl::set_flags(batch, name, Flag::Promisc, *on),
        Change::AllMulticast(name, on) => rtnl::set_flags(batch, name, Flag::AllMulticast, *on),
        Change::QueueLength(name, size) => rtnl::set_link(batch, name, &Setting::QueueLength(*size)),
        Change::Traffic(_, traffic) => rtnl::tc::traffic(batch, index, traffic),
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
        Change::SetFdb(_, entry) => rtnl::fdb_change(batch, index, entry, true),
        Change::DeleteFdb(_, entry) => rtnl::fdb_change(batch, index, entry, false),
        Change::SetNeighbour(_, neighbour) => rtnl::neighbour_change(batch, index, neighbour, true),
        Change::DeleteNeighbour(_, neighbour) => rtnl::neighbour_change(batch, index, neighbour, false),
        Change::DeleteRoute(route) => rtnl::delete_route(batch, route),
        Change::DeleteLink(name) => rtnl::delete_link(batch, name),
        Change::DeleteElsewhere(space, index) => rtnl::delete_elsewhere(batch, *space, *index),
    }
}
