//! What the result of the chain tells of the attachment: its addresses, and by which device they come.

use cni::{AddResult, Error, Interface};
use cnm::{Ingress, Owner};
use ipnet::IpNet;

/// What is needed of prevResult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) device: Option<String>,
    /// The port on `device` has the name that our drivers give: they release what the network shares.
    pub(crate) shared: bool,
}

impl Previous {
    /// Reads the result of `owner`'s attachment; an ingress policy needs a bridge.
    pub(crate) fn read(result: &AddResult, owner: &Owner, ingress: Ingress) -> Result<Self, Error> {
        for (at, index) in result.ips.iter().enumerate().filter_map(|(at, ip)| ip.interface.map(|index| (at, index))) {
            let count = result.interfaces.len();
            if index >= count {
                let what = format!("prevResult.ips[{at}].interface: {index} is no interface, there are {count}");
                return Err(Error::config(what));
            }
        }
        let device = device(&result.interfaces)?;
        if device.is_none() && ingress != Ingress::Open {
            let what = format!(
                "interface needs to be set for ingress policy {:?}, make sure to chain \"firewall\" plugin with \"bridge\"",
                ingress.as_str()
            );
            return Err(Error::config(what).with_details("prevResult.interfaces[0] is not an interface of the host"));
        }
        let port = owner.host_link();
        Ok(Self {
            addresses: result.ips.iter().map(|ip| ip.address).collect(),
            shared: device.is_some() && result.interfaces.iter().any(|link| is_host(link) && link.name == port),
            device,
        })
    }
}

fn is_host(link: &Interface) -> bool {
    link.sandbox.is_empty() && !link.name.is_empty()
}

/// The bridge is the first interface. The gateway of a VLAN on it is a device of its own, `<bridge>.<vlan>`: that is
/// where its packets come from.
fn device(interfaces: &[Interface]) -> Result<Option<String>, Error> {
    let Some(bridge) = interfaces.first().filter(|link| is_host(link)) else { return Ok(None) };
    let prefix = format!("{}.", bridge.name);
    let gateway = |(_, link): &(usize, &Interface)| is_host(link) && link.name.starts_with(&prefix);
    let (at, device) = interfaces.iter().enumerate().find(gateway).unwrap_or((0, bridge));
    let unfit = |character: char| character.is_whitespace() || character.is_control() || character == '/';
    if device.name.len() > 15 || device.name.contains(unfit) {
        let what = format!("prevResult.interfaces[{at}].name: no interface can have the name {:?}", device.name);
        return Err(Error::config(what));
    }
    Ok(Some(device.name.clone()))
}
