//! The rules of Linux that tests lean on, one by one and without a kernel to compare with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use cnm::{
    Address, Backend, Change, Intent, Kernel, KernelError, LinkKind, LinkName, LinkSpec, Mac, Owner, Peer, Place,
    PortFlags, Route, VlanRange,
};
use kernel_memory::{
    EACCES, EADDRNOTAVAIL, EBUSY, EEXIST, EHOSTUNREACH, EINVAL, EIO, ENETDOWN, ENETUNREACH, ENODEV, ENOENT, EOPNOTSUPP,
    Fault, Faults, Faulty, Memory,
};

const HOST: Place = Place::Host;
const SANDBOX: Place = Place::Sandbox;

fn name(name: &str) -> LinkName {
    LinkName::Name(name.into())
}

fn bridge() -> LinkSpec {
    LinkSpec { up: true, ..LinkSpec::new("br0", LinkKind::Bridge { vlan_filtering: false }) }
}

fn veth(host: &str, inner: &str) -> LinkSpec {
    let peer = Peer { name: inner.into(), in_sandbox: true, mac: Some(Mac([2, 0, 0, 0, 0, 9])) };
    LinkSpec { master: Some("br0".into()), up: true, group: 7, ..LinkSpec::new(host, LinkKind::Veth { peer }) }
}

/// A bridge with one attachment.
fn attached() -> Memory {
    let mut memory = Memory::new();
    memory.create(HOST, &bridge()).unwrap();
    memory.create(HOST, &veth("v0", "eth0")).unwrap();
    memory
}

fn one(memory: &mut Memory, place: Place, change: Change) -> Result<(), i32> {
    memory.apply(place, &[change]).remove(0).map_err(|error: KernelError| error.errno)
}

fn up(memory: &mut Memory, place: Place, link: &str, up: bool) {
    one(memory, place, Change::Up(name(link), up)).unwrap();
}

fn address(net: &str) -> Address {
    Address { net: net.parse().unwrap(), nodad: true }
}

fn add_address(memory: &mut Memory, place: Place, link: &str, net: &str) -> Result<(), i32> {
    one(memory, place, Change::AddAddress(name(link), address(net)))
}

fn add_route(memory: &mut Memory, place: Place, link: &str, dst: &str, gateway: Option<&str>) -> Result<(), i32> {
    let link = memory.link(place, &name(link)).unwrap().map_or(99, |link| link.index);
    let (dst, gateway) = (dst.parse().unwrap(), gateway.map(|gateway| gateway.parse().unwrap()));
    let route = Route { dst, gateway, link, priority: 0, table: None, scope: None, mtu: 0, advmss: 0 };
    one(memory, place, Change::AddRoute(route))
}

fn destinations(memory: &mut Memory, place: Place, link: &str) -> Vec<String> {
    let index = memory.link(place, &name(link)).unwrap().unwrap().index;
    let routes = memory.routes(place, index).unwrap();
    let mut all: Vec<String> = routes.iter().map(|route| route.dst.to_string()).collect();
    all.retain(|dst| dst != "fe80::/64");
    all.sort();
    all
}

fn addresses(memory: &mut Memory, place: Place, link: &str) -> Vec<String> {
    let index = memory.link(place, &name(link)).unwrap().unwrap().index;
    memory.addresses(place, index).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_veth_is_born_whole_or_not_at_all() {
    let mut memory = attached();
    let before = memory.snapshot();
    for (spec, errno) in [
        (veth("v0", "eth1"), EEXIST),
        (veth("v1", "eth0"), EEXIST),
        (LinkSpec { master: Some("br9".into()), ..veth("v1", "eth1") }, ENODEV),
        (LinkSpec { master: Some("v0".into()), ..veth("v1", "eth1") }, EOPNOTSUPP),
        (LinkSpec { mac: Some(Mac([1, 0, 0, 0, 0, 0])), ..veth("v1", "eth1") }, EADDRNOTAVAIL),
    ] {
        assert_eq!(memory.create(HOST, &spec).unwrap_err().errno, errno, "{spec:?}");
        assert_eq!(before.difference(&memory.snapshot()), [] as [String; 0]);
    }
    let claimed = memory.create(HOST, &veth("v1", "eth1")).unwrap();
    let link = memory.link(HOST, &name("v1")).unwrap().unwrap();
    let twin = memory.link(SANDBOX, &name("eth1")).unwrap().unwrap();
    assert_eq!((link.index, link.parent), (claimed.index, claimed.peer_index));
    assert_eq!((twin.index, twin.parent), (claimed.peer_index, claimed.index));
    assert!(link.parent_netns.is_some() && link.up && !twin.up);
    assert_eq!((link.group, twin.group, link.port), (7, 0, Some(PortFlags::default())));
}

#[test]
fn the_creating_message_ignores_the_alias() {
    let mut memory = Memory::new();
    memory.create(HOST, &LinkSpec { alias: Some("mine".into()), ..bridge() }).unwrap();
    assert_eq!(memory.link(HOST, &name("br0")).unwrap().unwrap().alias, "");
    one(&mut memory, HOST, Change::Alias(name("br0"), "mine".into())).unwrap();
    assert_eq!(memory.link(HOST, &name("br0")).unwrap().unwrap().alias, "mine");
}

#[test]
fn death_cascades() {
    let mut memory = attached();
    add_address(&mut memory, SANDBOX, "eth0", "10.0.0.2/24").unwrap();
    let mut bridgeless = memory.clone();
    one(&mut bridgeless, HOST, Change::DeleteLink(name("br0"))).unwrap();
    assert_eq!(bridgeless.link(HOST, &name("v0")).unwrap().unwrap().master, 0);

    one(&mut memory, SANDBOX, Change::DeleteLink(name("eth0"))).unwrap();
    assert_eq!(memory.link(HOST, &name("v0")).unwrap(), None);
    assert_eq!(one(&mut memory, HOST, Change::DeleteLink(name("v0"))), Err(ENODEV));
    assert_eq!(memory.sysctl(SANDBOX, "net/ipv4/conf/eth0/arp_notify").unwrap(), None);
    assert_eq!(one(&mut memory, HOST, Change::DeleteLink(name("lo"))), Err(EOPNOTSUPP));
}

#[test]
fn a_sandbox_takes_the_host_s_ends_along() {
    let mut memory = attached();
    let other = memory.add_sandbox();
    memory.create(HOST, &veth("v1", "eth0")).unwrap();
    memory.destroy_sandbox();
    assert!(!memory.has_sandbox());
    assert_eq!(memory.link(HOST, &name("v1")).unwrap(), None);
    assert!(memory.link(HOST, &name("v0")).unwrap().is_some());
    assert!(memory.link(SANDBOX, &name("lo")).is_err());
    memory.look_at(Some(other));
    assert!(!memory.has_sandbox(), "it is gone for good");
}

#[test]
fn both_ends_up_is_up_and_a_bridge_is_as_up_as_its_ports() {
    let mut memory = attached();
    let state = |memory: &mut Memory, link: &str| memory.link(HOST, &name(link)).unwrap().unwrap().operstate;
    assert_eq!((state(&mut memory, "v0"), state(&mut memory, "br0")), (2, 2));
    up(&mut memory, SANDBOX, "eth0", true);
    assert_eq!((state(&mut memory, "v0"), state(&mut memory, "br0")), (6, 6));
    assert_eq!(memory.wait_up(&name("v0")).unwrap().operstate, 6);
    one(&mut memory, HOST, Change::ClosePort(name("v0"))).unwrap();
    assert_eq!((state(&mut memory, "v0"), state(&mut memory, "br0")), (6, 2));
    assert_eq!(memory.wait_up(&name("v9")).unwrap_err().errno, ENODEV);
}

#[test]
fn ipv4_routes_come_and_go_with_the_link_and_addresses_stay() {
    let mut memory = attached();
    add_address(&mut memory, SANDBOX, "eth0", "10.0.0.2/24").unwrap();
    assert_eq!(add_address(&mut memory, SANDBOX, "eth0", "10.0.0.2/24"), Err(EEXIST));
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "0.0.0.0/0", Some("10.0.0.1")), Err(ENETUNREACH));
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "10.9.0.0/16", None), Err(ENETDOWN));
    up(&mut memory, SANDBOX, "eth0", true);
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "0.0.0.0/0", Some("10.7.0.1")), Err(ENETUNREACH));
    assert_eq!(add_route(&mut memory, SANDBOX, "eth9", "10.9.0.0/16", None), Err(ENODEV));
    add_route(&mut memory, SANDBOX, "eth0", "0.0.0.0/0", Some("10.0.0.1")).unwrap();
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "0.0.0.0/0", Some("10.0.0.1")), Err(EEXIST));
    add_route(&mut memory, SANDBOX, "eth0", "0.0.0.0/0", Some("10.0.0.254")).unwrap();
    assert_eq!(destinations(&mut memory, SANDBOX, "eth0"), ["0.0.0.0/0", "0.0.0.0/0", "10.0.0.0/24"]);
    up(&mut memory, SANDBOX, "eth0", false);
    assert_eq!(destinations(&mut memory, SANDBOX, "eth0"), [] as [&str; 0]);
    up(&mut memory, SANDBOX, "eth0", true);
    assert_eq!(destinations(&mut memory, SANDBOX, "eth0"), ["10.0.0.0/24"]);
    assert_eq!(addresses(&mut memory, SANDBOX, "eth0"), ["10.0.0.2/24"]);
}

#[test]
fn ipv6_addresses_go_with_the_link_unless_they_are_kept() {
    let mut memory = attached();
    up(&mut memory, SANDBOX, "eth0", true);
    add_address(&mut memory, SANDBOX, "eth0", "fd00::2/64").unwrap();
    assert_eq!(add_address(&mut memory, SANDBOX, "eth0", "fd00::2/48"), Err(EEXIST));
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "::/0", Some("fd99::1")), Err(EHOSTUNREACH));
    add_route(&mut memory, SANDBOX, "eth0", "::/0", Some("fd00::1")).unwrap();
    assert_eq!(add_route(&mut memory, SANDBOX, "eth0", "::/0", Some("fd00::1")), Err(EEXIST));
    let mut kept = memory.clone();
    up(&mut memory, SANDBOX, "eth0", false);
    assert_eq!(addresses(&mut memory, SANDBOX, "eth0"), [] as [&str; 0]);

    kept.set_sysctl(SANDBOX, "net/ipv6/conf/eth0/keep_addr_on_down", "1").unwrap();
    up(&mut kept, SANDBOX, "eth0", false);
    up(&mut kept, SANDBOX, "eth0", true);
    assert_eq!(addresses(&mut kept, SANDBOX, "eth0"), ["fd00::2/64"]);
    assert_eq!(destinations(&mut kept, SANDBOX, "eth0"), ["fd00::/64"]);

    kept.set_sysctl(SANDBOX, "net/ipv6/conf/eth0/disable_ipv6", "1").unwrap();
    assert_eq!(addresses(&mut kept, SANDBOX, "eth0"), [] as [&str; 0]);
    assert_eq!(add_address(&mut kept, SANDBOX, "eth0", "fd00::2/64"), Err(EACCES));
}

#[test]
fn a_look_up_knows_local_from_other_and_the_older_owner_wins() {
    let mut memory = attached();
    memory.create(HOST, &LinkSpec { name: "br1".into(), ..bridge() }).unwrap();
    let index = |memory: &mut Memory, link: &str| memory.link(HOST, &name(link)).unwrap().unwrap().index;
    let (br0, br1) = (index(&mut memory, "br0"), index(&mut memory, "br1"));
    add_address(&mut memory, HOST, "br1", "10.0.0.1/24").unwrap();
    add_address(&mut memory, HOST, "br0", "10.0.0.1/16").unwrap();
    let found = memory.route_to(HOST, "10.0.0.1".parse().unwrap()).unwrap().unwrap();
    assert_eq!((found.local, found.link), (true, br1));
    let found = memory.route_to(HOST, "10.0.9.1".parse().unwrap()).unwrap().unwrap();
    assert_eq!((found.local, found.link), (false, br0));
    assert_eq!(memory.route_to(HOST, "8.8.8.8".parse().unwrap()).unwrap(), None);
}

#[test]
fn a_refused_change_does_not_stop_the_rest() {
    let mut memory = attached();
    let changes = [
        Change::AddAddress(name("eth9"), address("10.0.0.2/24")),
        Change::Port(name("eth0"), PortFlags::default()),
        Change::AddAddress(name("eth0"), address("10.0.0.2/24")),
    ];
    let answers: Vec<i32> =
        memory.apply(SANDBOX, &changes).into_iter().map(|answer| answer.err().map_or(0, |error| error.errno)).collect();
    assert_eq!(answers, [ENODEV, EOPNOTSUPP, 0]);
}

#[test]
fn variables_are_those_of_the_links() {
    let mut memory = attached();
    memory.set_sysctl(HOST, "net/ipv4/ip_forward", "1").unwrap();
    assert_eq!(memory.sysctl(HOST, "net/ipv4/conf/v0/forwarding").unwrap().as_deref(), Some("1"));
    assert_eq!(memory.sysctl(SANDBOX, "net/ipv4/ip_forward").unwrap().as_deref(), Some("0"));
    assert_eq!(memory.set_sysctl(HOST, "net/ipv6/conf/v9/accept_ra", "0").unwrap_err().errno, ENOENT);
    one(&mut memory, SANDBOX, Change::ArpNotify(name("eth0"), true)).unwrap();
    assert_eq!(memory.sysctl(SANDBOX, "net/ipv4/conf/eth0/arp_notify").unwrap().as_deref(), Some("1"));
}

#[test]
fn the_firewall_keeps_what_is_shared_until_it_is_released() {
    let mut memory = Memory::new();
    let masquerade = |number: u8| Intent::Masquerade {
        device: "br0".into(),
        address: format!("10.0.0.{number}/24").parse().unwrap(),
        backend: Backend::Nftables,
    };
    let check = Intent::SpoofCheck { port: "v0".into(), mac: Mac([2, 0, 0, 0, 0, 1]) };
    let (one, two) = (Owner::new("web", "one", "eth0"), Owner::new("web", "two", "eth0"));
    assert!(memory.firewall().install(&one, &[masquerade(2)]).is_err(), "without the lock");
    memory.lock(false).unwrap();
    memory.firewall().install(&one, &[masquerade(2), check.clone()]).unwrap();
    memory.firewall().install(&two, &[masquerade(3)]).unwrap();
    assert!(memory.firewall().release("web").is_err(), "the lock is shared");
    memory.unlock();
    memory.firewall().remove(&one, Some(&[])).unwrap();
    assert_eq!(memory.firewall().drift(&one, std::slice::from_ref(&check)).unwrap(), [] as [String; 0]);
    memory.firewall().remove(&one, None).unwrap();
    assert_eq!(memory.firewall().drift(&one, &[check]).unwrap().len(), 1);
    assert_eq!(memory.firewall().drift(&two, &[masquerade(3)]).unwrap(), [] as [String; 0]);
    memory.lock(true).unwrap();
    memory.firewall().release("other").unwrap();
    assert!(!memory.firewall_state().is_empty());
    memory.firewall().release("web").unwrap();
    assert!(memory.firewall_state().is_empty());
}

#[test]
fn equal_states_have_equal_snapshots_whatever_the_indices_and_random_addresses() {
    let mut one_life = Memory::new();
    one_life.create(HOST, &bridge()).unwrap();
    one_life.create(HOST, &veth("v0", "eth0")).unwrap();
    let mut many_lives = one_life.clone();
    for _ in 0..3 {
        one(&mut many_lives, HOST, Change::DeleteLink(name("v0"))).unwrap();
        many_lives.create(HOST, &veth("v0", "eth0")).unwrap();
    }
    assert_eq!(one_life.snapshot(), many_lives.snapshot());
    up(&mut many_lives, SANDBOX, "eth0", true);
    let difference = one_life.snapshot().difference(&many_lives.snapshot());
    assert!(difference.iter().any(|line| line.starts_with("+ sandbox1 link eth0") && line.contains(" up ")));
}

#[test]
fn a_fault_hits_one_call_and_a_death_all_that_follow() {
    let run = |fault| {
        let faults = Faults::new(fault);
        let mut kernel = Faulty::new(Memory::new(), faults.clone());
        let said = [
            kernel.create(HOST, &bridge()).err(),
            kernel.create(HOST, &veth("v0", "eth0")).err(),
            kernel.apply(HOST, &[Change::DeleteLink(name("v0"))]).remove(0).err(),
        ];
        let said = said.map(|error| error.map_or(0, |error| error.errno));
        let there = ["br0", "v0"].map(|link| kernel.inner_mut().link(HOST, &name(link)).unwrap().is_some());
        assert_eq!(faults.calls().len(), 3);
        (said, there, faults.failed().map(|call| call.number))
    };
    assert_eq!(run(Fault::Never), ([0, 0, 0], [true, false], None));
    assert_eq!(run(Fault::Refused { call: 3, errno: EBUSY }), ([0, 0, EBUSY], [true, true], Some(3)));
    assert_eq!(run(Fault::AnswerLost { call: 2, errno: EBUSY }), ([0, EBUSY, 0], [true, false], Some(2)));
    assert_eq!(run(Fault::DeathBefore { call: 2 }), ([0, EIO, EIO], [true, false], Some(2)));
    assert_eq!(run(Fault::DeathAfter { call: 2 }), ([0, EIO, EIO], [true, true], Some(2)));
}

#[test]
fn a_port_has_the_default_vlan_and_what_it_is_given() {
    let index = |memory: &mut Memory| memory.link(HOST, &name("v0")).unwrap().unwrap().index;
    let told = |memory: &mut Memory| -> Vec<String> {
        let index = index(memory);
        memory.vlans(HOST, index).unwrap().iter().map(ToString::to_string).collect()
    };
    let range = |first, last, native| VlanRange { first, last, native };
    let mut memory = attached();
    let port = index(&mut memory);
    assert_eq!(memory.vlans(HOST, port).map_err(|error| error.errno), Err(EOPNOTSUPP));
    assert_eq!(one(&mut memory, HOST, Change::AddVlan(name("v0"), range(7, 7, true))), Err(EOPNOTSUPP));

    memory = Memory::new().with_vlan_filtering();
    memory.create(HOST, &bridge()).unwrap();
    memory.create(HOST, &veth("v0", "eth0")).unwrap();
    assert_eq!(told(&mut memory), ["VLAN 1 untagged"]);
    one(&mut memory, HOST, Change::AddVlan(name("v0"), range(7, 7, true))).unwrap();
    one(&mut memory, HOST, Change::AddVlan(name("v0"), range(8, 9, false))).unwrap();
    assert_eq!(
        told(&mut memory),
        ["VLAN 1 untagged on the way out", "VLAN 7 untagged", "VLAN 8 tagged", "VLAN 9 tagged"]
    );
    one(&mut memory, HOST, Change::DeleteVlan(name("v0"), range(1, 8, false))).unwrap();
    one(&mut memory, HOST, Change::DeleteVlan(name("v0"), range(8, 8, false))).unwrap();
    assert_eq!(told(&mut memory), ["VLAN 9 tagged"]);
    let bridge = memory.link(HOST, &name("br0")).unwrap().unwrap().index;
    assert_eq!(memory.vlans(HOST, bridge).map_err(|error| error.errno), Err(EINVAL));
}
