//! The fake ring: every call of every verb fails once, the process dies at every call, verbs come again, two processes
//! meet, and each time the state afterwards is the state before. The kernel is the one in memory; nothing here needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

use bandwidth::Limiter;
use cni::{AddResult, Attachment, Command};
use cnm::{Bucket, Chained, Change, Facility, Kernel, LinkName, Owner, Place, Root, Traffic};
use fault_ring::{
    Adjusts, BEHIND_ANOTHER, Case, DUAL, Deed, ONE, Subject, Verbs, check_names_every_deed, owner, worlds,
};
use kernel_memory::{Fault, Memory};

#[derive(Debug, Clone)]
struct Limits;

type World = fault_ring::World<Limits>;

const INGRESS: &str = r#""ingressRate": 8000000, "ingressBurst": 800000"#;
const EGRESS: &str = r#""egressRate": 8000000, "egressBurst": 800000"#;
const BOTH: &str = r#""ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 1600000"#;
const EXCEPT: &str = r#""ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 1600000,
                        "unshapedSubnets": ["10.0.0.0/8", "fd00::/64"]"#;
const ONLY: &str = r#""egressRate": 8000000, "egressBurst": 800000, "shapedSubnets": ["10.0.0.0/8"]"#;

impl Subject for Limits {
    type Plugin = Adjusts<Limiter>;
    /// Each at a link with our name, and at one with the reference plugins'.
    const CASES: &'static [Case] = &[
        Case { name: "ingress", keys: INGRESS, ..DUAL },
        Case { name: "egress", keys: EGRESS, ..DUAL },
        Case { name: "both", keys: BOTH, ..DUAL },
        Case { name: "except", keys: EXCEPT, ..DUAL },
        Case { name: "only", keys: ONLY, ..DUAL },
        Case { name: "ingress, foreign", keys: INGRESS, ..BEHIND_ANOTHER },
        Case { name: "egress, foreign", keys: EGRESS, ..BEHIND_ANOTHER },
        Case { name: "both, foreign", keys: BOTH, ..BEHIND_ANOTHER },
        Case { name: "except, foreign", keys: EXCEPT, ..BEHIND_ANOTHER },
        Case { name: "only, foreign", keys: ONLY, ..BEHIND_ANOTHER },
    ];

    /// A host's end that has no name of ours is found behind the sandbox's.
    fn is_found_inside(case: &Case) -> bool {
        case.foreign
    }

    /// The host's end, and with it what is limited there. GC takes the devices.
    fn goes_with_the_sandbox(_case: &Case) -> bool {
        true
    }
}

fault_ring::chained_rings!(Limits, interleaved: &["both", "egress, foreign"]);

/// Does something to what the host's end does with its packets.
fn at_port(world: &mut World, result: &AddResult, traffic: Traffic) -> bool {
    let port = LinkName::Name(result.interfaces[1].name.clone());
    world.memory.apply(Place::Host, &[Change::Traffic(port, traffic)]).remove(0).is_ok()
}

/// The device, where something that leaves is limited.
fn device(world: &World) -> Option<LinkName> {
    world.case().keys.contains("egress").then(|| LinkName::Name(owner(ONE).shaper()))
}

fn at_device(world: &mut World, change: fn(LinkName) -> Change) -> bool {
    device(world).is_some_and(|device| world.memory.apply(Place::Host, &[change(device)]).remove(0).is_ok())
}

fn slower(world: &mut World, link: &str, difference: fn(&mut Bucket)) -> bool {
    let name = LinkName::Name(link.into());
    let Some(found) = world.memory.link(Place::Host, &name).unwrap() else { return false };
    let Root::Limit(mut bucket) = world.memory.queueing(found.index).unwrap().root else { return false };
    difference(&mut bucket);
    let changes = [Traffic::Unlimit, Traffic::Limit(bucket)].map(|traffic| Change::Traffic(name.clone(), traffic));
    world.memory.apply(Place::Host, &changes).iter().all(Result::is_ok)
}

const DEEDS: &[Deed<Limits>] = &[
    Deed {
        what: "the limit at the host's end is taken away",
        act: |world, result| at_port(world, result, Traffic::Unlimit),
        said: "is missing: nothing is limited",
    },
    Deed {
        what: "the classes at the host's end are taken away",
        act: |world, result| at_port(world, result, Traffic::Unite),
        said: "is missing: nothing is limited",
    },
    Deed {
        what: "the limit at the host's end becomes another",
        act: |world, result| slower(world, &result.interfaces[1].name, |bucket| bucket.rate = 1000),
        said: "has the rate 1000, not 1000000 bytes per second",
    },
    Deed {
        what: "fewer bytes may wait at the device",
        act: |world, _| slower(world, &owner(ONE).shaper(), |bucket| bucket.limit = 1000),
        said: "has the limit 1000, not ",
    },
    Deed {
        what: "the device is deleted",
        act: |world, _| at_device(world, Change::DeleteLink),
        said: "on the host is missing",
    },
    Deed {
        what: "the device is taken down",
        act: |world, _| at_device(world, |device| Change::Up(device, false)),
        said: "on the host is down",
    },
    Deed {
        what: "the classes at the device are taken away",
        act: |world, _| at_device(world, |device| Change::Traffic(device, Traffic::Unite)),
        said: "is missing: nothing is limited",
    },
    Deed {
        what: "what arrives goes past the device",
        act: |world, result| at_port(world, result, Traffic::Passive),
        said: "does not redirect what arrives to bwp",
    },
    Deed {
        what: "what arrives goes elsewhere",
        act: |world, result| {
            let bridge = world.memory.link(Place::Host, &LinkName::Name("cni0".into())).unwrap().unwrap();
            at_port(world, result, Traffic::Passive)
                && at_port(world, result, Traffic::Ingress)
                && at_port(world, result, Traffic::Redirect(bridge.index))
        },
        said: "redirects what arrives elsewhere, not to bwp",
    },
];

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

#[test]
fn two_interfaces_of_a_container_have_a_device_each() {
    let case = Limits::CASES.iter().find(|case| case.name == "both, foreign").unwrap();
    let mut world = World::new(case);
    world.add_sandbox(ONE);
    let limiter = world.plugin(Command::Check, ONE, true);
    let one = world.add(ONE, Fault::Never).said.unwrap();
    // Another interface in the same sandbox, behind a plugin that named its end otherwise.
    let second = Owner { ifname: "eth1".into(), ..owner(ONE) };
    let previous = Adjusts::<Limiter>::precede(case, &mut world.memory, &second, 9);
    let memory = &mut world.memory;
    let two = lifecycle::adjust(&*limiter, memory, &second, "/run/netns/one", previous).unwrap();
    let name = |result: &AddResult| result.interfaces.last().unwrap().name.clone();
    assert_eq!((name(&one), name(&two)), (owner(ONE).shaper(), second.second_shaper()));
    let check = |memory: &mut Memory, whose: &Owner, result: &AddResult| {
        lifecycle::check_adjustment(&*limiter, memory, whose, "/run/netns/one", result.clone())
    };
    check(memory, &second, &two).unwrap();
    // GC keeps the valid one of the two.
    let mut collected = memory.clone();
    let valid = [Attachment { container_id: ONE.into(), ifname: "eth1".into() }];
    lifecycle::collect_traces(&*limiter, &mut collected, "web", &valid).unwrap();
    check(&mut collected, &second, &two).unwrap();
    assert!(check(&mut collected, &owner(ONE), &one).unwrap_err().msg.contains("is missing"));
    // Each DEL takes its own.
    lifecycle::withdraw(&*limiter, memory, &second, None).unwrap();
    check(memory, &owner(ONE), &one).unwrap();
    lifecycle::withdraw(&*limiter, memory, &owner(ONE), None).unwrap();
    assert!(!memory.snapshot().lines().any(|line| line.contains("bwp")));
}

/// No limit is configured: the runtime says which.
const BY_RUNTIME: Case = Case { name: "by the runtime", keys: r#""capabilities": {"bandwidth": true}"#, ..DUAL };

/// STATUS names what ADD would miss, all of it, and nothing that this configuration does not need.
#[test]
fn status_names_what_the_kernel_lacks_and_how_to_mend_it() {
    use Facility::{Htb, Ifb, Ingress, Mirred, Tbf, U32};
    let all = [Ifb, Tbf, Htb, Ingress, U32, Mirred];
    let with = |root: Facility| [&[root][..], &[Ifb, Ingress, U32, Mirred]].concat();
    // As CASES: ingress, egress, both, except, only.
    let needed = [vec![Tbf], with(Tbf), with(Tbf), with(Htb), with(Htb)];
    for (case, needed) in Limits::CASES.iter().zip(needed).chain([(&BY_RUNTIME, with(Tbf))]) {
        let (name, limiter) = (case.name, World::new(case).plugin(Command::Status, ONE, false));
        lifecycle::serve_needs(&mut Memory::new(), limiter.needs()).unwrap();
        for facility in all {
            let mut memory = Memory::new().without(facility);
            let before = memory.snapshot();
            match lifecycle::serve_needs(&mut memory, limiter.needs()) {
                Ok(()) => assert!(!needed.contains(&facility), "{name}: {facility} is needed"),
                Err(error) => {
                    assert!(needed.contains(&facility), "{name}: {facility} is not needed: {error}");
                    assert_eq!(error.code.number(), 50, "{name}: {error}");
                    let said = format!("{error} {}", error.details);
                    for word in [facility.option(), &format!("modprobe -a {};", facility.module())] {
                        assert!(said.contains(word), "{name}: {word}: {said}");
                    }
                }
            }
            assert_eq!(memory.snapshot(), before, "{name}: it only looks");
        }
        let none = all.into_iter().fold(Memory::new(), Memory::without);
        let error = lifecycle::serve_needs(&mut none.clone(), limiter.needs()).unwrap_err().to_string();
        assert!(needed.iter().all(|facility| error.contains(facility.option())), "{name}: all at once: {error}");
    }
}

/// What STATUS says is true: without it ADD fails, and with it it does not.
#[test]
fn add_fails_where_status_says_so_and_leaves_nothing() {
    for (_, name, world) in worlds::<Limits>() {
        for facility in
            [Facility::Ifb, Facility::Tbf, Facility::Htb, Facility::Ingress, Facility::U32, Facility::Mirred]
        {
            let mut world = world.clone();
            world.memory = world.memory.without(facility);
            let before = world.everything();
            let needs = world.plugin(Command::Status, ONE, false).needs();
            let status = lifecycle::serve_needs(&mut world.memory.clone(), needs);
            let added = world.add(ONE, Fault::Never).said;
            assert_eq!(status.is_ok(), added.is_ok(), "{name}, {facility}: {status:?}, {added:?}");
            if added.is_err() {
                assert_eq!(world.everything(), before, "{name}, {facility}: a failed ADD");
            }
        }
    }
}
