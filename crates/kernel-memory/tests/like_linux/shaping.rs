//! Limits of traffic: random requests about a veth and an ifb, and what either kernel then says of their queues.

use cnm::{
    Arriving, Bucket, Change, Class, Kernel, KernelError, LIMITED_CLASS, LinkKind, LinkName, LinkSpec, Peer, Place,
    Queueing, Selector, Side, Traffic, UNLIMITED_CLASS, UNLIMITED_RATE,
};
use proptest::prelude::*;
use proptest::sample::select;

/// The links that there may be.
const LINKS: [&str; 2] = ["v0", "ifb0"];

/// One call of the trait, with links by name.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Create(LinkSpec),
    Delete(&'static str),
    Traffic(&'static str, Traffic),
    /// From where, to where.
    Redirect(&'static str, &'static str),
}

impl Request {
    /// Whether it takes a discipline away.
    pub(crate) const fn deletes(&self) -> bool {
        matches!(self, Self::Traffic(_, Traffic::Unlimit | Traffic::Unite | Traffic::Passive))
    }

    pub(crate) fn send(&self, kernel: &mut dyn Kernel) -> Result<(), KernelError> {
        let change = match self {
            Self::Create(spec) => return kernel.create(Place::Host, spec).map(|_| ()),
            Self::Delete(link) => Change::DeleteLink(LinkName::Name((*link).into())),
            Self::Traffic(link, traffic) => Change::Traffic(LinkName::Name((*link).into()), traffic.clone()),
            Self::Redirect(link, to) => {
                let to = kernel.link(Place::Host, &LinkName::Name((*to).into()))?.map_or(4711, |to| to.index);
                Change::Traffic(LinkName::Name((*link).into()), Traffic::Redirect(to))
            }
        };
        kernel.apply(Place::Host, &[change]).remove(0)
    }
}

fn veth() -> LinkSpec {
    let peer = Peer { name: "v1".into(), in_sandbox: false, mac: None };
    LinkSpec { up: true, ..LinkSpec::new("v0", LinkKind::Veth { peer }) }
}

fn ifb() -> LinkSpec {
    LinkSpec::new("ifb0", LinkKind::Ifb)
}

/// Both links, and the whole of a limit: so that the usual path is met even when chance does not find it.
pub(crate) fn usual() -> Vec<Request> {
    let bucket = Bucket { rate: 1_000_000, limit: 125_000, buffer: 1_562_500 };
    vec![
        Request::Create(veth()),
        Request::Create(ifb()),
        Request::Create(ifb()),
        Request::Traffic("ifb0", Traffic::Limit(bucket)),
        Request::Traffic("ifb0", Traffic::Limit(bucket)),
        Request::Traffic("v0", Traffic::Ingress),
        Request::Traffic("v0", Traffic::Ingress),
        Request::Redirect("v0", "ifb0"),
        Request::Traffic("v0", Traffic::Divide(LIMITED_CLASS)),
        Request::Traffic("v0", Traffic::Class(slow())),
        Request::Traffic("v0", Traffic::Class(slow())),
        Request::Traffic("v0", Traffic::Queue(LIMITED_CLASS, 10_000)),
        Request::Traffic("v0", Traffic::Class(fast())),
        Request::Traffic("v0", Traffic::Select(selector("10.0.0.0/8", Side::Source))),
        Request::Traffic("v0", Traffic::Select(selector("fd00:1:2::/48", Side::Destination))),
        Request::Traffic("v0", Traffic::Select(selector("::/0", Side::Source))),
        Request::Traffic("v0", Traffic::Unlimit),
        Request::Delete("ifb0"),
        Request::Traffic("v0", Traffic::Unite),
        Request::Traffic("v0", Traffic::Passive),
        Request::Traffic("v0", Traffic::Passive),
    ]
}

const fn slow() -> Class {
    Class { minor: LIMITED_CLASS, rate: 1_000_000, buffer: 1_562_500 }
}

const fn fast() -> Class {
    Class { minor: UNLIMITED_CLASS, rate: UNLIMITED_RATE, buffer: 1000 }
}

fn selector(subnet: &str, side: Side) -> Selector {
    Selector { subnet: subnet.parse().unwrap(), side, class: UNLIMITED_CLASS }
}

/// Any request. Classes and selectors are asked of links with classes only, in [`usual`]: what the kernel says of others
/// depends on what is there instead.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    let traffic = prop_oneof![
        3 => select(&[1_000_000u64, 12_500_000_000][..])
            .prop_map(|rate| Traffic::Limit(Bucket { rate, limit: 125_000, buffer: 1_562_500 })),
        2 => select(&[LIMITED_CLASS, UNLIMITED_CLASS][..]).prop_map(Traffic::Divide),
        3 => Just(Traffic::Ingress),
        2 => Just(Traffic::Unlimit),
        2 => Just(Traffic::Unite),
        2 => Just(Traffic::Passive),
    ];
    prop_oneof![
        2 => select(vec![veth(), ifb()]).prop_map(Request::Create),
        1 => select(&LINKS[..]).prop_map(Request::Delete),
        10 => (select(&LINKS[..]), traffic).prop_map(|(link, traffic)| Request::Traffic(link, traffic)),
        2 => (select(&LINKS[..]), select(&LINKS[..])).prop_map(|(link, to)| Request::Redirect(link, to)),
    ]
}

/// What a kernel says of both.
pub(crate) fn observe(kernel: &mut dyn Kernel) -> Vec<String> {
    let mut lines = Vec::new();
    for name in LINKS {
        let Some(link) = kernel.link(Place::Host, &LinkName::Name(name.into())).unwrap() else { continue };
        let Queueing { root, arriving } = kernel.queueing(link.index).unwrap();
        lines.push(format!("{name} {} queue {} up {}: {root:?}", link.kind, link.queue, link.up));
        if let Some(Arriving { kind, redirect, others }) = arriving {
            let mut named = |to: u32| kernel.link(Place::Host, &LinkName::Index(to)).unwrap().map(|to| to.name);
            // 0 is what Linux says of one that has gone.
            let to = redirect.map(|to| if to == 0 { None } else { named(to) });
            lines.push(format!("{name} {kind} to {to:?} and {others}"));
        }
    }
    lines
}
