//! The fake ring: every call of every verb fails once, the process dies at every call, verbs come again, two processes
//! meet, and each time the interface is afterwards what it was before the first change, and no note is left. The kernel is
//! the one in memory; nothing here needs root.

use cni::{AddResult, Attachment, Command};
use cnm::{Change, Kernel, LinkName, Mac, Place};
use fault_ring::{Adjusts, Case, DUAL, Deed, ONE, Subject, check_names_every_deed};
use kernel_memory::{Fault, Memory};
use tuning::Tuner;

#[derive(Debug, Clone)]
struct Tunings;

type World = fault_ring::World<Tunings>;

impl Subject for Tunings {
    type Plugin = Adjusts<Tuner>;
    const CASES: &'static [Case] = &[
        Case { name: "nothing", keys: r#""dns": {}"#, ..DUAL },
        Case { name: "a variable", keys: r#""sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}"#, ..DUAL },
        Case { name: "mac", keys: r#""mac": "02:11:22:33:44:55""#, ..DUAL },
        Case { name: "mtu", keys: r#""mtu": 1400"#, ..DUAL },
        Case {
            name: "everything",
            keys: r#""mac": "02:11:22:33:44:66", "mtu": 1300, "promisc": true, "allmulti": true, "txQLen": 200,
                     "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "1", "net.ipv6.conf.IFNAME.accept_ra": "0"}"#,
            ..DUAL
        },
    ];
    /// As the reference's: an error would keep the rest of the chain from being detached.
    const SILENT: bool = true;

    /// Variables stay as long as the sandbox.
    fn stays(_case: &Case, line: &str) -> bool {
        line.contains("sysctl")
    }

    fn is_found_inside(_case: &Case) -> bool {
        true
    }

    /// GC takes the notes.
    fn goes_with_the_sandbox(_case: &Case) -> bool {
        true
    }
}

fault_ring::chained_rings!(Tunings, interleaved: &["everything"]);

fn has(world: &World, key: &str) -> bool {
    world.case().keys.contains(key)
}

/// Somebody changes the interface.
fn change(world: &mut World, change: fn(LinkName) -> Change) -> bool {
    world.look_at(ONE);
    world.memory.apply(Place::Sandbox, &[change(LinkName::Name("eth0".into()))]).remove(0).is_ok()
}

const DEEDS: &[Deed<Tunings>] = &[
    Deed {
        what: "a variable is changed",
        act: |world, _| {
            world.look_at(ONE);
            has(world, "rp_filter")
                && world.memory.set_sysctl(Place::Sandbox, "net/ipv4/conf/eth0/rp_filter", "0").is_ok()
        },
        said: "configured value of /proc/sys/net/ipv4/conf/eth0/rp_filter is ",
    },
    Deed {
        what: "the link gets another MAC",
        act: |world, _| has(world, "mac") && change(world, |link| Change::Mac(link, Mac([2, 9, 9, 9, 9, 9]))),
        said: "current value is 02:09:09:09:09:09",
    },
    Deed {
        what: "the link gets another MTU",
        act: |world, _| has(world, "mtu") && change(world, |link| Change::Mtu(link, 1290)),
        said: "current value is 1290",
    },
    Deed {
        what: "the link loses its promiscuous mode",
        act: |world, _| has(world, "promisc") && change(world, |link| Change::Promisc(link, false)),
        said: "configured promisc is true",
    },
    Deed {
        what: "the link loses its all-multicast mode",
        act: |world, _| has(world, "allmulti") && change(world, |link| Change::AllMulticast(link, false)),
        said: "all-multicast mode of eth0 is true",
    },
    Deed {
        what: "the link gets another queue",
        act: |world, _| has(world, "txQLen") && change(world, |link| Change::QueueLength(link, 77)),
        said: "current value is 77",
    },
    Deed {
        what: "the link is deleted",
        act: |world, _| has(world, "mtu") && change(world, Change::DeleteLink),
        said: "eth0",
    },
];

#[test]
fn check_after_add_is_clean_and_names_whatever_is_tampered_with() {
    check_names_every_deed(DEEDS);
}

#[test]
fn gc_forgets_the_dead_of_its_network_only() {
    let mut world = World::new(Tunings::CASES.iter().find(|case| case.name == "everything").unwrap());
    world.add_sandbox(ONE);
    let _: AddResult = world.add(ONE, Fault::Never).said.unwrap();
    let tuner = world.plugin(Command::Gc, ONE, false);
    let gc = |memory: &mut Memory, network: &str, valid: &str| {
        let valid = [Attachment { container_id: valid.into(), ifname: "eth0".into() }];
        lifecycle::collect_traces(&*tuner, memory, network, &valid).unwrap();
        let lines = memory.snapshot();
        lines.lines().filter(|line| line.starts_with("note ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let memory = &mut world.memory;
    assert_eq!(gc(memory, "web", ONE).len(), 1);
    assert_eq!(gc(memory, "other", "three").len(), 1);
    // The reference plugin's note does not say whose it is.
    memory.notes().write("/run/cni/tuning", "two_eth0.json", "{\n \"mtu\": 1500\n}").unwrap();
    let left = gc(memory, "web", "three");
    assert!(left.len() == 1 && left[0].contains("two_eth0.json"), "{left:?}");
}
