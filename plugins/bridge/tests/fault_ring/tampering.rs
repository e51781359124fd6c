//! CHECK after somebody has meddled: it must name what is missing or different.

use cni::{AddResult, Command};
use cnm::{
    Address, Change, Driver, Intent, Kernel, LinkKind, LinkName, LinkSpec, Mac, Place, PortFlags, Resource, VlanRange,
};
use fault_ring::{Case, Deed, ONE, check_names_every_deed, owner};

use crate::{Bridges, World};

fn name(name: &str) -> LinkName {
    LinkName::Name(name.into())
}

fn change(world: &mut World, place: Place, change: Change) -> bool {
    world.look_at(ONE);
    world.memory.apply(place, &[change]).remove(0).is_ok()
}

fn host_end() -> LinkName {
    LinkName::Name(owner(ONE).host_link())
}

/// Removes the addresses of a link that `which` names.
fn remove_addresses(world: &mut World, place: Place, link: &str, which: &str) -> bool {
    world.look_at(ONE);
    let Some(found) = world.memory.link(place, &name(link)).unwrap() else { return false };
    let addresses = world.memory.addresses(place, found.index).unwrap();
    let mut some = false;
    for net in addresses.into_iter().filter(|net| net.to_string().starts_with(which)) {
        some |= change(world, place, Change::DeleteAddress(name(link), Address { net, nodad: false }));
    }
    some
}

fn intents(world: &mut World, result: &AddResult) -> Vec<Intent> {
    let mac = result.interfaces[2].mac.parse().unwrap();
    let lease = AddResult { interfaces: Vec::new(), ..result.clone() };
    let bridge = world.plugin(Command::Add, ONE, true);
    let wiring = bridge.wire(&owner(ONE), "/run/netns/one", lease).unwrap();
    let resources = bridge.endpoint(&owner(ONE), mac).resources.into_iter().chain(wiring.endpoint);
    let intent = |resource| if let Resource::Firewall(intent) = resource { Some(intent) } else { None };
    resources.filter_map(intent).collect()
}

fn tamper(world: &mut World, result: &AddResult, which: fn(&Intent) -> bool) -> bool {
    let all = intents(world, result);
    all.iter().any(|intent| which(intent) && world.memory.firewall_state_mut().tamper(&owner(ONE), intent))
}

fn keys(world: &World, key: &str) -> bool {
    world.case().keys.contains(key)
}

/// Whether the case gives its port VLANs.
fn has_vlans(world: &World) -> bool {
    keys(world, "\"vlan")
}

const DEEDS: &[Deed<Bridges>] = &[
    Deed {
        what: "the host's end is deleted",
        act: |world, _| change(world, Place::Host, Change::DeleteLink(host_end())),
        said: "on the host is missing",
    },
    Deed {
        what: "the host's end is taken down",
        act: |world, _| change(world, Place::Host, Change::Up(host_end(), false)),
        said: "on the host is down",
    },
    Deed {
        what: "the host's end is marked as another's",
        act: |world, _| change(world, Place::Host, Change::Alias(host_end(), owner("other").alias(&[]))),
        said: "belongs to another attachment",
    },
    Deed {
        what: "the sandbox's end is taken down",
        act: |world, _| {
            !keys(world, "disableContainerInterface") && change(world, Place::Sandbox, Change::Up(name("eth0"), false))
        },
        said: "in the sandbox",
    },
    Deed {
        what: "the sandbox's end loses its routes",
        act: |world, result| {
            !result.routes.is_empty()
                && change(world, Place::Sandbox, Change::Up(name("eth0"), false))
                && change(world, Place::Sandbox, Change::Up(name("eth0"), true))
        },
        said: "route ",
    },
    Deed {
        what: "the sandbox's end gets another MAC",
        act: |world, _| change(world, Place::Sandbox, Change::Mac(name("eth0"), Mac([2, 9, 9, 9, 9, 9]))),
        said: "has MAC 02:09:09:09:09:09",
    },
    Deed {
        what: "an IPv4 address is removed",
        act: |world, _| remove_addresses(world, Place::Sandbox, "eth0", "10.1.0."),
        said: "address 10.1.0.",
    },
    Deed {
        what: "an IPv6 address is removed",
        act: |world, _| remove_addresses(world, Place::Sandbox, "eth0", "fd00:1::"),
        said: "address fd00:1::",
    },
    Deed {
        what: "the gateway's IPv4 address is removed",
        act: |world, _| remove_addresses(world, Place::Host, "cni0", "10.1.0.1"),
        said: "address 10.1.0.1/24 on cni0",
    },
    Deed {
        what: "the gateway's IPv6 address is removed",
        act: |world, _| remove_addresses(world, Place::Host, "cni0", "fd00:1::1"),
        said: "address fd00:1::1/64 on cni0",
    },
    Deed {
        what: "the bridge is taken down",
        act: |world, _| change(world, Place::Host, Change::Up(name("cni0"), false)),
        said: "bridge cni0 on the host is down",
    },
    Deed {
        what: "the bridge loses its promiscuous mode",
        act: |world, _| keys(world, "promiscMode") && change(world, Place::Host, Change::Promisc(name("cni0"), false)),
        said: "bridge cni0 on the host is not promiscuous",
    },
    Deed {
        what: "the bridge is deleted",
        act: |world, _| change(world, Place::Host, Change::DeleteLink(name("cni0"))),
        said: "bridge cni0 on the host is missing",
    },
    Deed {
        what: "the bridge is replaced by another",
        act: |world, _| {
            let bridge = LinkSpec { up: true, ..LinkSpec::new("cni0", LinkKind::Bridge { vlan_filtering: true }) };
            !keys(world, "promiscMode")
                && change(world, Place::Host, Change::DeleteLink(name("cni0")))
                && world.memory.create(Place::Host, &bridge).is_ok()
        },
        said: "is not a port of cni0",
    },
    Deed {
        what: "forwarding is switched off",
        act: |world, _| {
            let Case { v4, keys, .. } = world.case();
            *v4 && keys.contains("Gateway")
                && !keys.contains("internal")
                && world.memory.set_sysctl(Place::Host, "net/ipv4/ip_forward", "0").is_ok()
        },
        said: "sysctl net/ipv4/ip_forward on the host is 0, not 1",
    },
    Deed {
        what: "the port's flags are reset",
        act: |world, _| {
            ["hairpinMode", "portIsolation", "\"icc\""].iter().any(|key| keys(world, key))
                && change(world, Place::Host, Change::Port(host_end(), PortFlags::default()))
        },
        said: "bridge port veth",
    },
    Deed {
        what: "the port loses its VLANs",
        act: |world, _| {
            let all = VlanRange { first: 1, last: 4094, native: false };
            has_vlans(world) && change(world, Place::Host, Change::DeleteVlan(host_end(), all))
        },
        said: "lacks VLAN ",
    },
    Deed {
        what: "the port gets another VLAN",
        act: |world, _| {
            let other = VlanRange { first: 999, last: 999, native: false };
            has_vlans(world)
                && !keys(world, "preserveDefaultVlan")
                && change(world, Place::Host, Change::AddVlan(host_end(), other))
        },
        said: "has VLAN 999 tagged, too",
    },
    Deed {
        what: "the host's end gets another MTU",
        act: |world, _| keys(world, "mtu") && change(world, Place::Host, Change::Mtu(host_end(), 1290)),
        said: "has MTU 1290, not ",
    },
    Deed {
        what: "the masquerading is removed",
        act: |world, result| tamper(world, result, |intent| matches!(intent, Intent::Masquerade { .. })),
        said: "masquerade ",
    },
    Deed {
        what: "the source check is removed",
        act: |world, result| tamper(world, result, |intent| matches!(intent, Intent::SpoofCheck { .. })),
        said: "source check of veth",
    },
    Deed {
        what: "the guard is removed",
        act: |world, result| tamper(world, result, |intent| matches!(intent, Intent::Guard { .. })),
        said: "guard of cni0",
    },
    Deed { what: "the lease is taken away", act: |world, _| world.forget_lease(ONE), said: "no lease for one" },
];

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}
