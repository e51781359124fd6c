//! CHECK of limits. What the reference plugins made under the same configuration is as good.

use cni::Error;
use cnm::{Drift, Kernel, LIMITED_CLASS, Limited, Place, Queueing, RateLimit, Root, Shaping, Side};

use super::device;
use super::port;
use crate::errors::{drift, kernel};

/// Compares.
pub(crate) fn expect_shaped<K: Kernel>(k: &mut K, shaping: &Shaping) -> Result<(), Error> {
    let port = port(k, shaping)?;
    let at_port = k.queueing(port.index).map_err(kernel)?;
    if let Some(limit) = shaping.ingress {
        expect_root(&port.name, &at_port, limit, &shaping.limited, Side::Source)?;
    }
    let Some(limit) = shaping.egress else { return Ok(()) };
    let name = shaping.owner.shaper();
    let object = format!("ifb {name} {}", Place::Host);
    let device = device::find(k, &shaping.owner)?.ok_or_else(|| differs(&object, "is missing".into()))?;
    if !device.up {
        return Err(differs(&object, "is down".into()));
    }
    let at_device = k.queueing(device.index).map_err(kernel)?;
    expect_root(&device.name, &at_device, limit, &shaping.limited, Side::Destination)?;
    let object = format!("link {} {}", port.name, Place::Host);
    match at_port.arriving.and_then(|arriving| arriving.redirect) {
        Some(to) if to == device.index => Ok(()),
        Some(_) => Err(differs(&object, format!("redirects what arrives elsewhere, not to {}", device.name))),
        None => Err(differs(&object, format!("does not redirect what arrives to {}", device.name))),
    }
}

fn differs(object: &str, difference: String) -> Error {
    drift(&Drift { object: object.into(), difference })
}

/// The root of a link limits as wanted.
fn expect_root(name: &str, have: &Queueing, limit: RateLimit, limited: &Limited, side: Side) -> Result<(), Error> {
    let object = format!("the queueing discipline of {name} {}", Place::Host);
    let result = match (&have.root, limited.classes()) {
        (Root::Default, _) => Err("is missing: nothing is limited".into()),
        (Root::Other(kind), _) => Err(format!("is {kind}, somebody else's")),
        (Root::Limit(bucket), None) => limit.accepts(bucket),
        (Root::Classes { .. }, None) => classes(have, limit, LIMITED_CLASS),
        (Root::Limit(_), Some(_)) => Err("does not tell subnets apart".into()),
        (Root::Classes { selectors, .. }, Some((default, subnets, class))) => {
            let lacks = subnets.iter().find(|subnet| {
                // The reference looks at the destination in both directions.
                let same = |selector: &&cnm::Selector| selector.subnet == subnet.trunc() && selector.class == class;
                !selectors.iter().filter(same).any(|found| found.side == side || found.side == Side::Destination)
            });
            classes(have, limit, default).and_then(|()| match lacks {
                Some(subnet) => Err(format!("has no selector for {subnet}")),
                None => Ok(()),
            })
        }
    };
    result.map_err(|difference| differs(&object, difference))
}

/// The classes of a root: the default one, and the rate of the limited one.
fn classes(have: &Queueing, limit: RateLimit, wanted: u16) -> Result<(), String> {
    let Root::Classes { default, classes, .. } = &have.root else { return Ok(()) };
    if *default != wanted {
        return Err(format!("has the default class 1:{default:x}, not 1:{wanted:x}"));
    }
    let Some(class) = classes.iter().find(|class| class.minor == LIMITED_CLASS) else {
        return Err(format!("lacks class 1:{LIMITED_CLASS:x}"));
    };
    if class.rate != limit.rate {
        return Err(format!("has the rate {}, not {} bytes per second", class.rate, limit.rate));
    }
    Ok(())
}
