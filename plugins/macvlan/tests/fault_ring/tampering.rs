//! CHECK after somebody has meddled: it must name what is missing or different. And what is not ours stays.

use cni::AddResult;
use cnm::{
    Address, Change, Kernel, LinkKind, LinkName, LinkSpec, Mac, Macvlan, MacvlanMode, OwnerTag, Place, RouteLookup,
};
use fault_ring::{Deed, ONE, check_names_every_deed, owner};
use kernel_memory::Fault;

use crate::{Macvlans, World};

fn name(name: &str) -> LinkName {
    LinkName::Name(name.into())
}

fn change(world: &mut World, place: Place, change: Change) -> bool {
    world.look_at(ONE);
    world.memory.apply(place, &[change]).remove(0).is_ok()
}

fn has(world: &World, key: &str) -> bool {
    world.case().keys.contains(key)
}

/// A link that the network made for itself.
fn own(prefix: &str) -> LinkName {
    LinkName::Name(format!("{prefix}-{}", &OwnerTag::digits("web")[..12]))
}

fn remove_address(world: &mut World, place: Place, link: LinkName, net: &str) -> bool {
    change(world, place, Change::DeleteAddress(link, Address { net: net.parse().unwrap(), nodad: false }))
}

/// Another macvlan takes the place of the endpoint's.
fn exchange(world: &mut World, parent: &str, parent_in: Place, mode: MacvlanMode) -> bool {
    world.look_at(ONE);
    let was = world.memory.link(Place::Sandbox, &name("eth0")).unwrap().unwrap();
    let kind = Macvlan {
        parent: parent.into(),
        parent_in,
        born_in: Place::Sandbox,
        mode: if mode == MacvlanMode::Passthru { was.mode.unwrap() } else { mode },
        queue: None,
        stage: None,
    };
    let spec = LinkSpec { mac: was.mac, ..LinkSpec::new("eth0", LinkKind::Macvlan(kind)) };
    change(world, Place::Sandbox, Change::DeleteLink(name("eth0"))) && world.memory.create(parent_in, &spec).is_ok()
}

const DEEDS: &[Deed<Macvlans>] = &[
    Deed {
        what: "the link is deleted",
        act: |world, _| change(world, Place::Sandbox, Change::DeleteLink(name("eth0"))),
        said: "macvlan eth0 in the sandbox is missing",
    },
    Deed {
        what: "the link is marked as another's",
        act: |world, _| change(world, Place::Sandbox, Change::Alias(name("eth0"), owner("other").alias(&[]))),
        said: "belongs to another attachment",
    },
    Deed {
        what: "the link gets another MAC",
        act: |world, _| change(world, Place::Sandbox, Change::Mac(name("eth0"), Mac([2, 9, 9, 9, 9, 9]))),
        said: "has MAC 02:09:09:09:09:09, not ",
    },
    Deed {
        what: "the link is taken down",
        act: |world, _| change(world, Place::Sandbox, Change::Up(name("eth0"), false)),
        said: "eth0 in the sandbox",
    },
    Deed {
        what: "the link has another mode",
        act: |world, _| has(world, "vepa") && exchange(world, "up0", Place::Host, MacvlanMode::Bridge),
        said: "has mode bridge, not vepa",
    },
    Deed {
        what: "the link stands on another",
        act: |world, _| {
            let dummy = LinkSpec { mtu: Some(9000), ..LinkSpec::new("other", LinkKind::Dummy) };
            world.memory.create(Place::Host, &dummy).is_ok()
                && exchange(world, "other", Place::Host, MacvlanMode::Passthru)
        },
        said: "does not stand on ",
    },
    Deed {
        what: "an IPv4 address is removed",
        act: |world, _| world.case().v4 && remove_any(world, "10.1.0."),
        said: "address 10.1.0.",
    },
    Deed {
        what: "an IPv6 address is removed",
        act: |world, _| world.case().v6 && remove_any(world, "fd00:1::"),
        said: "address fd00:1::",
    },
    Deed {
        what: "the uplink is gone",
        act: |world, _| {
            let was = world.memory.link(Place::Host, &name("up0.10")).unwrap();
            was.is_some_and(|link| change(world, Place::Host, Change::DeleteLink(LinkName::Index(link.index))))
        },
        said: "master up0.10 on the host is missing",
    },
    Deed {
        what: "the internal parent is taken down",
        act: |world, _| has(world, "internal") && change(world, Place::Host, Change::Up(own("dm"), false)),
        said: "on the host is down",
    },
    Deed {
        what: "the host's interface is deleted",
        act: |world, _| has(world, "hostAccess") && change(world, Place::Host, Change::DeleteLink(own("mv"))),
        said: "macvlan mv-",
    },
    Deed {
        what: "the host's address is removed",
        act: |world, _| has(world, "253") && remove_address(world, Place::Host, own("mv"), "10.1.0.253/32"),
        said: "address 10.1.0.253/32 on mv-",
    },
    Deed {
        what: "the host's route is removed",
        act: |world, _| {
            let Some(link) = world.memory.link(Place::Host, &own("mv")).unwrap() else { return false };
            let routes = world.memory.routes(Place::Host, link.index).unwrap();
            let ours = routes.into_iter().find(|route| route.priority == owner(ONE).route_metric());
            ours.is_some_and(|route| change(world, Place::Host, Change::DeleteRoute(route)))
        },
        said: "route ",
    },
    Deed { what: "the lease is taken away", act: |world, _| world.forget_lease(ONE), said: "no lease for one" },
];

fn remove_any(world: &mut World, which: &str) -> bool {
    world.look_at(ONE);
    let link = world.memory.link(Place::Sandbox, &name("eth0")).unwrap().unwrap();
    let all = world.memory.addresses(Place::Sandbox, link.index).unwrap();
    let found = all.into_iter().find(|net| net.to_string().starts_with(which));
    found.is_some_and(|net| remove_address(world, Place::Sandbox, name("eth0"), &net.to_string()))
}

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

fn attached(world: &mut World) -> AddResult {
    world.add_sandbox(ONE);
    world.add(ONE, Fault::Never).said.unwrap()
}

fn case(name: &str) -> World {
    World::new(crate::CASES.iter().find(|case| case.name == name).unwrap())
}

#[test]
fn with_its_addresses_and_routes_the_host_sends_by_its_own_interface() {
    let mut world = case("access");
    let result = attached(&mut world);
    let link = world.memory.link(Place::Host, &own("mv")).unwrap().unwrap();
    for ip in &result.ips {
        let found = world.memory.route_to(Place::Host, ip.address.addr()).unwrap();
        assert_eq!(found, Some(RouteLookup { link: link.index, ..RouteLookup::default() }));
    }
    for (key, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
        let key = format!("net/ipv4/conf/{}/{key}", link.name);
        assert_eq!(world.memory.sysctl(Place::Host, &key).unwrap().as_deref(), Some(value));
    }
}

/// A VLAN on which something stands stays, whoever made it; one that was there before stays, too.
#[test]
fn parents_that_others_use_or_made_stay() {
    let vlan = LinkSpec::new("up0.10", LinkKind::Vlan { parent: "up0".into(), id: 10 });
    let kind = Macvlan {
        parent: "up0.10".into(),
        parent_in: Place::Host,
        born_in: Place::Host,
        mode: MacvlanMode::Bridge,
        queue: None,
        stage: None,
    };
    let foreign = LinkSpec::new("mine", LinkKind::Macvlan(kind));
    for (before, above) in [(true, false), (false, true)] {
        let mut world = case("vlan");
        if before {
            world.memory.create(Place::Host, &vlan).unwrap();
            assert!(change(&mut world, Place::Host, Change::Up(name("up0.10"), true)));
        }
        attached(&mut world);
        if above {
            world.memory.create(Place::Host, &foreign).unwrap();
        }
        let how = fault_ring::How { sandbox: true, previous: None };
        world.del(ONE, how, Fault::Never).said.unwrap();
        world.gc(&[], Fault::Never).said.unwrap();
        assert!(world.memory.link(Place::Host, &name("up0.10")).unwrap().is_some(), "{before} {above}");
    }
}

#[test]
fn a_kernel_without_vlans_or_dummies_says_so() {
    for (name, kind, words) in [("vlan", "vlan", "CONFIG_VLAN_8021Q"), ("internal", "dummy", "CONFIG_DUMMY")] {
        let mut world = case(name);
        world.memory = world.memory.clone().without_kind(kind);
        let before = world.everything();
        world.add_sandbox(ONE);
        let error = world.add(ONE, Fault::Never).said.unwrap_err();
        assert!(error.details.contains(words) && error.code == cni::Code::UnsupportedField, "{error}");
        world.destroy_sandbox(ONE);
        assert_eq!(before, world.everything());
    }
}

/// Whatever the configuration made once goes when it is gone from the configuration: by GC, and by DEL what has its name.
#[test]
fn what_the_configuration_has_forgotten_goes_too() {
    for (was, is, by_del) in [
        ("vlan", "v4", false),
        ("internal", "v4", true),
        ("access", "v4", true),
        ("internal access", "vlan", true),
        ("everything", "v4", true),
        ("everything", "vlan", true),
    ] {
        let mut world = case(was);
        world.add_sandbox(ONE);
        let empty = world.everything();
        world.add(ONE, Fault::Never).said.unwrap();
        let mut changed = case(is);
        changed.memory = world.memory.clone();
        let how = fault_ring::How { sandbox: false, previous: None };
        if by_del {
            changed.del(ONE, how, Fault::Never).said.unwrap();
        } else {
            changed.gc(&[], Fault::Never).said.unwrap();
        }
        assert_eq!(changed.everything(), empty, "{was}, then {is}");
    }
}

#[test]
fn a_vlan_that_has_another_name_is_named() {
    let mut world = case("vlan");
    let vlan = LinkSpec::new("vlan10", LinkKind::Vlan { parent: "up0".into(), id: 10 });
    world.memory.create(Place::Host, &vlan).unwrap();
    world.add_sandbox(ONE);
    let before = world.everything();
    let error = world.add(ONE, Fault::Never).said.unwrap_err();
    assert_eq!(error.msg, "master: VLAN 10 of up0 is there already, and its name is vlan10");
    assert_eq!((error.details.as_str(), error.code), ("name vlan10 as master", cni::Code::InvalidConfig));
    assert_eq!(before, world.everything());
}
