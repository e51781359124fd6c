//! The result of ADD: what was made, with the hardware addresses that the kernel has.

use cni::{AddResult, Error, Interface, Ip};
use cnm::{Kernel, Link, Observe, Place, Wiring};

use crate::converge::Converger;
use crate::errors::kernel;

/// Completes the result of a wiring.
pub(crate) fn complete<K: Kernel>(
    converger: &mut Converger<'_, K>,
    wiring: Wiring,
    sandbox: &str,
) -> Result<AddResult, Error> {
    let mut result = wiring.result;
    for interface in &mut result.interfaces {
        let place = if interface.sandbox.is_empty() { Place::Host } else { Place::Sandbox };
        if let Some(link) = converger.final_link(place, &interface.name).map_err(kernel)? {
            describe(interface, &link);
        }
    }
    match wiring.observe {
        Some(Observe::Loopback) => {
            let lo = converger.link(Place::Sandbox, "lo").map_err(kernel)?.unwrap_or_default();
            observe(converger, &mut result, Place::Sandbox, &lo, sandbox)?;
        }
        Some(Observe::Host) => {
            for link in converger.kernel.links(Place::Host, 0).map_err(kernel)? {
                observe(converger, &mut result, Place::Host, &link, sandbox)?;
            }
        }
        None => {}
    }
    Ok(result)
}

fn describe(interface: &mut Interface, link: &Link) {
    interface.mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
    interface.mtu = link.mtu;
}

/// Adds a link and its addresses as they are.
fn observe<K: Kernel>(
    converger: &mut Converger<'_, K>,
    result: &mut AddResult,
    place: Place,
    link: &Link,
    sandbox: &str,
) -> Result<(), Error> {
    let mut interface = Interface { name: link.name.clone(), sandbox: sandbox.to_owned(), ..Interface::default() };
    describe(&mut interface, link);
    let at = result.interfaces.len();
    result.interfaces.push(interface);
    for address in converger.kernel.addresses(place, link.index).map_err(kernel)? {
        result.ips.push(Ip { address, gateway: None, interface: Some(at) });
    }
    Ok(())
}
