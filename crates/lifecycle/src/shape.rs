//! Limits on what passes between a sandbox and the host. What enters the sandbox is limited where the host sends it, at
//! the host's end of the veth; what leaves it arrives there, and is sent through a device of its own (ifb) first, which
//! can limit what it sends.

mod compare;
mod device;

use cni::{AddResult, Error, Interface};
use cnm::{
    Change, Class, Kernel, KernelError, LIMITED_CLASS, Limited, Link, LinkName, Owner, Place, Queueing, RateLimit,
    Root, Selector, Shaping, Side, Traffic, UNLIMITED_CLASS, UNLIMITED_RATE,
};

use crate::errors::{EXISTS, Failures, NO_DEVICE, NO_ENTRY, kernel};
use device::Device;

pub(crate) use compare::expect_shaped;
pub(crate) use device::collect_devices;

/// `EINVAL`: a discipline of another kind or handle is not deleted.
const INVALID: i32 = 22;
/// How many bytes may wait in the class for what is not limited: the reference's device sends 1000 packets.
const UNLIMITED_QUEUE: u32 = 1_500_000;

/// Makes it true. A second ADD makes it as it is configured now. Gives the name of the device, if there is one.
pub(crate) fn shape<K: Kernel>(k: &mut K, shaping: &Shaping) -> Result<Option<String>, Error> {
    let port = port(k, shaping)?;
    let device = match shaping.egress {
        Some(_) => Some(device::claim(k, &shaping.owner, port.mtu)?),
        None => None,
    };
    let changes = changes(shaping, port.index, device.as_ref());
    if let Some(taken) = send(k, &changes)? {
        for index in [Some(port.index), device.as_ref().map(|device| device.index)].into_iter().flatten() {
            clear_own(k, index, &port.name, &taken)?;
        }
        if let Some(error) = send(k, &changes)? {
            return Err(kernel(error));
        }
    }
    Ok(device.map(|device| device.name))
}

/// Puts the name that the device of `owner` got into a result that has the usual one.
pub(crate) fn tell(result: &mut AddResult, owner: &Owner, name: &str) {
    let usual = owner.shaper();
    let of_host = |link: &&mut Interface| link.sandbox.is_empty() && link.name == usual;
    // It is the last: those before it are the chain's.
    if let Some(link) = result.interfaces.iter_mut().rev().find(of_host) {
        name.clone_into(&mut link.name);
    }
}

/// Sends everything. Gives the refusal when something is there already, whosever it is.
fn send<K: Kernel>(k: &mut K, changes: &[Change]) -> Result<Option<KernelError>, Error> {
    let mut taken = None;
    for answer in k.apply(Place::Host, changes) {
        match answer {
            Err(error) if error.errno == EXISTS => taken = taken.or(Some(error)),
            // What stands on something that was not made.
            Err(_) if taken.is_some() => {}
            other => other.map_err(kernel)?,
        }
    }
    Ok(taken)
}

/// All that belongs to it, in order.
fn changes(shaping: &Shaping, port: u32, device: Option<&Device>) -> Vec<Change> {
    let at = |link: u32| move |traffic: Traffic| Change::Traffic(LinkName::Index(link), traffic);
    let mut changes = Vec::new();
    if let (Some(limit), Some(device)) = (shaping.egress, device) {
        let alias = shaping.owner.alias(&[]);
        changes.push(Change::Alias(LinkName::Index(device.index), alias));
        changes.extend(root(limit, &shaping.limited, Side::Destination).into_iter().map(at(device.index)));
        changes.push(Change::Up(LinkName::Index(device.index), true));
        changes.extend([Traffic::Ingress, Traffic::Redirect(device.index)].map(at(port)));
    }
    if let Some(limit) = shaping.ingress {
        changes.extend(root(limit, &shaping.limited, Side::Source).into_iter().map(at(port)));
    }
    changes
}

/// What limits the traffic that a link sends.
fn root(limit: RateLimit, limited: &Limited, side: Side) -> Vec<Traffic> {
    let bucket = limit.bucket();
    let Some((default, subnets, class)) = limited.classes() else { return vec![Traffic::Limit(bucket)] };
    let slow = Class { minor: LIMITED_CLASS, rate: bucket.rate, buffer: bucket.buffer };
    let fast = Class { minor: UNLIMITED_CLASS, rate: UNLIMITED_RATE, buffer: 0 };
    let mut list = vec![
        Traffic::Divide(default),
        Traffic::Class(slow),
        Traffic::Queue(LIMITED_CLASS, bucket.limit),
        Traffic::Class(fast),
        Traffic::Queue(UNLIMITED_CLASS, UNLIMITED_QUEUE),
    ];
    list.extend(subnets.iter().map(|subnet| Traffic::Select(Selector { subnet: *subnet, side, class })));
    list
}

/// The host's end of the interface. The texts are the reference's.
fn port<K: Kernel>(k: &mut K, shaping: &Shaping) -> Result<Link, Error> {
    let ifname = &shaping.owner.ifname;
    if shaping.ports.is_empty() {
        return Err(Error::config("no interfaces provided").with_details("prevResult.interfaces has none of the host"));
    }
    let inner = k.link(Place::Sandbox, &LinkName::Name(ifname.clone())).map_err(kernel)?;
    let advice = "only a veth can be limited: chain it after bridge or ptp";
    let inner = inner
        .filter(|inner| inner.parent != 0 && inner.kind == "veth")
        .ok_or_else(|| Error::config(format!("container interface {ifname} has no veth peer")).with_details(advice))?;
    let port = k.link(Place::Host, &LinkName::Index(inner.parent)).map_err(kernel)?;
    // The same index may be another link's when the other end is neither here nor there.
    let port = port.filter(|port| port.kind == "veth" && port.parent == inner.index).ok_or_else(|| {
        Error::config(format!("veth peer with index {} is not in host ns", inner.parent)).with_details(advice)
    })?;
    if !shaping.ports.contains(&port.name) {
        return Err(Error::config("no veth peer of container interface found in host ns").with_details(format!(
            "the host's end of {ifname} is {}, and prevResult.interfaces names {}",
            port.name,
            shaping.ports.join(", ")
        )));
    }
    Ok(port)
}

/// Takes away what an earlier ADD of ours left. What is somebody else's stays, and is an error.
fn clear_own<K: Kernel>(k: &mut K, link: u32, port: &str, taken: &KernelError) -> Result<(), Error> {
    let Queueing { root, arriving } = k.queueing(link).map_err(kernel)?;
    let foreign = match (root, arriving) {
        (Root::Other(kind), _) => Some(format!("the root discipline {kind}")),
        (_, Some(arriving)) if arriving.kind != "ingress" || arriving.others != 0 => {
            Some(format!("the discipline {} with filters of others", arriving.kind))
        }
        _ => None,
    };
    if let Some(foreign) = foreign {
        return Err(kernel(taken.clone()).with_details(format!("{port} has {foreign}; see: tc qdisc show dev {port}")));
    }
    let changes = [Traffic::Unlimit, Traffic::Unite, Traffic::Passive];
    absent_is_fine(k, changes.map(|traffic| Change::Traffic(LinkName::Index(link), traffic)).as_slice())
}

/// Sends deletions.
fn absent_is_fine<K: Kernel>(k: &mut K, changes: &[Change]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for answer in k.apply(Place::Host, changes) {
        failures.add(match answer {
            Err(error) if ![NO_ENTRY, NO_DEVICE, INVALID].contains(&error.errno) => Err(kernel(error)),
            Ok(()) | Err(_) => Ok(()),
        });
    }
    failures.verdict()
}

/// Erases what `owner` has: the limits at the host's end, where that can be found, then the device. Absent is success.
pub(crate) fn erase<K: Kernel>(k: &mut K, owner: &Owner) -> Result<(), Error> {
    let mut failures = Failures::default();
    let device = device::find(k, owner).unwrap_or_else(|error| {
        failures.add(Err(error));
        None
    });
    match remaining_port(k, owner) {
        Ok(Some(port)) => {
            let mut changes = vec![Traffic::Unlimit, Traffic::Unite];
            // Only who redirects to a device has made the place for it.
            changes.extend(device.as_ref().map(|_| Traffic::Passive));
            let changes: Vec<Change> =
                changes.into_iter().map(|traffic| Change::Traffic(LinkName::Index(port), traffic)).collect();
            failures.add(absent_is_fine(k, &changes));
        }
        Ok(None) => {}
        Err(error) => failures.add(Err(error)),
    }
    // While something may still redirect to it, it stays: it is how the next DEL knows.
    if let Some(device) = device.filter(|_| failures.is_empty()) {
        failures.add(absent_is_fine(k, &[Change::DeleteLink(LinkName::Index(device.index))]));
    }
    failures.verdict()
}

/// The index of the host's end: by our own name, or behind the interface that the sandbox still has.
fn remaining_port<K: Kernel>(k: &mut K, owner: &Owner) -> Result<Option<u32>, Error> {
    let own = k.link(Place::Host, &LinkName::Name(owner.host_link())).map_err(kernel)?;
    if let Some(own) = own {
        return Ok(Some(own.index));
    }
    if !k.has_sandbox() {
        return Ok(None);
    }
    let Some(inner) = k.link(Place::Sandbox, &LinkName::Name(owner.ifname.clone())).map_err(kernel)? else {
        return Ok(None);
    };
    if inner.kind != "veth" {
        return Ok(None);
    }
    let port = k.link(Place::Host, &LinkName::Index(inner.parent)).map_err(kernel)?;
    Ok(port.filter(|port| port.kind == "veth" && port.parent == inner.index).map(|port| port.index))
}
