//! CHECK after somebody has meddled with what makes a network an overlay: it must name what is missing or different.

use cnm::{Address, Change, FdbEntry, Kernel, LinkKind, LinkName, LinkSpec, Mac, Neighbour, Place, PortFlags, Vxlan};
use fault_ring::{Deed, ONE, Report, check_names_every_deed, worlds};
use kernel_memory::Fault;

use crate::{Overlays, World};

fn name(name: &str) -> LinkName {
    LinkName::Name(name.into())
}

fn on_host(world: &mut World, change: Change) -> bool {
    world.memory.apply(Place::Host, &[change]).remove(0).is_ok()
}

fn has(world: &World, key: &str) -> bool {
    world.case().keys.contains(key)
}

/// Name of the VXLAN device.
fn device(world: &World) -> String {
    if has(world, "\"vni\": 7") { "vx7".into() } else { "vx42".into() }
}

/// Puts another VXLAN device in the place of the network's.
fn exchange(world: &mut World, other: fn(&mut Vxlan)) -> bool {
    let device = device(world);
    let was = world.memory.link(Place::Host, &name(&device)).unwrap().unwrap();
    let mut vxlan = was.vxlan.unwrap();
    other(&mut vxlan);
    let master = world.memory.link(Place::Host, &LinkName::Index(was.master)).unwrap().map(|master| master.name);
    let (mtu, up) = (Some(was.mtu), true);
    let spec = LinkSpec { mtu, up, master, ..LinkSpec::new(&device, LinkKind::Vxlan(vxlan)) };
    on_host(world, Change::DeleteLink(name(&device))) && world.memory.create(Place::Host, &spec).is_ok()
}

fn flood_to(peer: &str) -> FdbEntry {
    FdbEntry::flood_to(peer.parse().unwrap())
}

const STATION: Mac = Mac([2, 0, 0, 0, 9, 1]);

const DEEDS: &[Deed<Overlays>] = &[
    Deed {
        what: "the VXLAN device is deleted",
        act: |world, _| on_host(world, Change::DeleteLink(name(&device(world)))),
        said: "vxlan vx",
    },
    Deed {
        what: "the VXLAN device is taken down",
        act: |world, _| on_host(world, Change::Up(name(&device(world)), false)),
        said: "is down",
    },
    Deed {
        what: "it has another VNI",
        act: |world, _| exchange(world, |vxlan| vxlan.vni = 4711),
        said: "has VNI 4711, not ",
    },
    Deed {
        what: "it has another port",
        act: |world, _| exchange(world, |vxlan| vxlan.port = 4790),
        said: "has UDP port 4790, not ",
    },
    Deed {
        what: "it has another local address",
        act: |world, _| {
            !has(world, "2001:db8::1") && exchange(world, |vxlan| vxlan.local = "192.0.2.77".parse().unwrap())
        },
        said: "has local address 192.0.2.77, not 192.0.2.1",
    },
    Deed {
        what: "it learns or does not",
        act: |world, _| exchange(world, |vxlan| vxlan.learning ^= true),
        said: "has learning ",
    },
    Deed {
        what: "it is bound to no device",
        act: |world, _| has(world, "\"underlay\": \"up0\"") && exchange(world, |vxlan| vxlan.underlay = 0),
        said: "sends by link 0, not ",
    },
    Deed {
        what: "it has left its group",
        act: |world, _| has(world, "group") && exchange(world, |vxlan| vxlan.group = None),
        said: "has group none, not 239.1.1.1",
    },
    Deed {
        what: "its MTU is another",
        act: |world, _| on_host(world, Change::Mtu(name(&device(world)), 1280)),
        said: "has MTU 1280, not ",
    },
    Deed {
        what: "the flags of its port are reset",
        act: |world, _| {
            (has(world, "fdb") || has(world, "icc") || has(world, "portIsolation"))
                && on_host(world, Change::Port(name(&device(world)), PortFlags::default()))
        },
        said: "bridge port vx",
    },
    Deed {
        what: "a peer is forgotten",
        act: |world, _| {
            has(world, "\"peers\": [\"192.0.2.")
                && on_host(world, Change::DeleteFdb(name(&device(world)), flood_to("192.0.2.2")))
        },
        said: "forwarding entry 00:00:00:00:00:00 dst 192.0.2.2 of vx",
    },
    Deed {
        what: "a station is forgotten by the device",
        act: |world, _| {
            let entry = FdbEntry { mac: STATION, vtep: Some("192.0.2.2".parse().unwrap()) };
            on_host(world, Change::DeleteFdb(name(&device(world)), entry))
        },
        said: "forwarding entry 02:00:00:00:09:01 dst 192.0.2.2 of vx42",
    },
    Deed {
        what: "a station is forgotten by the bridge",
        act: |world, _| on_host(world, Change::DeleteFdb(name(&device(world)), FdbEntry { mac: STATION, vtep: None })),
        said: "forwarding entry 02:00:00:00:09:01 master of vx42",
    },
    Deed {
        what: "a neighbour is forgotten",
        act: |world, _| {
            let neighbour = Neighbour { ip: "10.1.0.91".parse().unwrap(), mac: STATION };
            has(world, "neighbours") && on_host(world, Change::DeleteNeighbour(name("ov42"), neighbour))
        },
        said: "neighbour 10.1.0.91 lladdr 02:00:00:00:09:01 on ov42",
    },
    Deed {
        what: "the gateway has another MAC",
        act: |world, _| {
            has(world, "Gateway") && {
                let bridge = if has(world, "br-blue") { "br-blue" } else { "ov42" };
                on_host(world, Change::Mac(name(bridge), Mac([2, 9, 9, 9, 9, 9])))
            }
        },
        said: "has MAC 02:09:09:09:09:09, not 02:76:78:00:00:",
    },
    Deed {
        what: "the overlays are no longer kept apart",
        act: |world, _| {
            let device = if has(world, "br-blue") { "br-blue" } else { "ov42" };
            let intent = cnm::Intent::Apart { device: device.into() };
            world.memory.firewall_state_mut().tamper(&fault_ring::owner(ONE), &intent)
        },
        said: "kept apart is missing",
    },
];

#[test]
fn check_names_whatever_of_the_overlay_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

/// What is wrong below another verb's feet is mended by the next ADD.
#[test]
fn the_next_add_mends_what_the_endpoints_share() {
    let mut report = Report::default();
    for (_, name, mut world) in worlds::<Overlays>() {
        let Some(result) = report.fine(&name, world.add(ONE, Fault::Never).said) else { continue };
        let device = device(&world);
        let entries: Vec<FdbEntry> = {
            let index = world.memory.link(Place::Host, &crate::tampering::name(&device)).unwrap().unwrap().index;
            world.memory.fdb(Place::Host, index).unwrap()
        };
        for entry in entries {
            assert!(on_host(&mut world, Change::DeleteFdb(crate::tampering::name(&device), entry)));
        }
        on_host(&mut world, Change::Up(crate::tampering::name(&device), false));
        world.add_sandbox("two");
        report.fine(&format!("{name}: ADD of another"), world.add("two", Fault::Never).said);
        report.fine(&format!("{name}: CHECK after that"), world.check(ONE, &result));
    }
    report.verdict();
}

/// The address that the tunnels have is taken away: CHECK and STATUS tell, DEL does not mind.
#[test]
fn an_underlay_that_has_gone_does_not_keep_del_from_working() {
    let mut report = Report::default();
    for (_, name, before) in worlds::<Overlays>() {
        let mut world = before.clone();
        let Some(result) = report.fine(&name, world.add(ONE, Fault::Never).said) else { continue };
        for net in ["192.0.2.1/24", "2001:db8::1/64"] {
            let address = Address { net: net.parse().unwrap(), nodad: true };
            assert!(on_host(&mut world, Change::DeleteAddress(crate::tampering::name("up0"), address)));
        }
        let how = fault_ring::How { sandbox: true, previous: Some(&result) };
        report.fine(&format!("{name}: DEL"), world.del(ONE, how, Fault::Never).said);
        let is_uplink = |line: &&String| line.contains("up0");
        let left: Vec<String> = world.unshared().iter().filter(|line| !is_uplink(line)).cloned().collect();
        let wanted: Vec<String> = before.unshared().iter().filter(|line| !is_uplink(line)).cloned().collect();
        if !name.contains("neighbour") {
            report.same(&name, &wanted, &left);
        }
    }
    report.verdict();
}
