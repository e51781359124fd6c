//! The configuration of an overlay: from the wire to a valid value, defaults decided.

use bridge::Bridge;
use cni::{Code, Command, Error, Request};
use cnm::{Context, Mac, Vxlan};

use crate::peers::Peers;
use crate::underlay::{self, Underlay, Wish};

/// IANA's port for VXLAN.
const PORT: u16 = 4789;
/// The kernel's smallest MTU for IPv4 (`ETH_MIN_MTU`), bytes.
const LEAST: u32 = 68;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    /// The bridge and its endpoints.
    pub(crate) bridge: Bridge,
    pub(crate) vxlan: Vxlan,
    pub(crate) peers: Peers,
    /// Name of the device below, when the configuration names one.
    pub(crate) underlay: Option<String>,
}

impl Conf {
    pub(crate) fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        let conf = request.conf();
        let vni = conf.number("vni", 1..=0x00ff_ffff_u32)?;
        let vni = vni.ok_or_else(|| conf.missing("vni", "expected the network's number, the same on all hosts"))?;
        let bridge = Bridge::named(request, context, &format!("ov{vni}"))?;
        if let Command::Del | Command::Gc | Command::Version = request.command {
            return Ok(Self::to_be_removed(vni, bridge));
        }
        let port = conf.number("port", 1..=u16::MAX)?.unwrap_or(PORT);
        for key in ["vlan", "vlanTrunk", "promiscMode"] {
            if conf.get(key)?.is_some_and(|node| !node.is_null()) {
                return Err(Error { code: Code::UnsupportedField, ..conf.reject(key, "is for bridge networks only") }
                    .with_details("an overlay is one network without VLANs; use another vni instead"));
            }
        }
        let wish = Wish::parse(&conf)?;
        let (underlay, peers) = wish.find(request, context.host, Peers::parse(request)?)?;
        let mtu = mtu(request, bridge.mtu(), underlay)?;
        let bridge = bridge.with_mtu(Some(mtu));
        let Underlay { local, device, .. } = underlay;
        let learning = !peers.all_known();
        let vxlan = Vxlan { vni, port, local, group: peers.group(), underlay: device, learning };
        Ok(Self { bridge, vxlan, peers, underlay: wish.device })
    }

    /// What is removed is found by names alone: the underlay may be gone, and what became wrong in a configuration must not
    /// keep it.
    fn to_be_removed(vni: u32, bridge: Bridge) -> Self {
        let local = std::net::Ipv4Addr::UNSPECIFIED.into();
        let vxlan = Vxlan { vni, port: PORT, local, group: None, underlay: 0, learning: true };
        Self { bridge, vxlan, peers: Peers::Flood(Vec::new()), underlay: None }
    }

    /// Name of the VXLAN device.
    pub(crate) fn device(&self) -> String {
        format!("vx{}", self.vxlan.vni)
    }

    /// The gateway's hardware address, the same on all hosts: whichever host a station is on, its gateway is there.
    pub(crate) fn gateway_mac(&self) -> Mac {
        let [_, high, middle, low] = self.vxlan.vni.to_be_bytes();
        Mac([0x02, b'v', b'x', high, middle, low])
    }
}

/// What fits into the tunnels: what the underlay carries less the outer headers, or the less that is asked for.
fn mtu(request: &Request, asked: Option<u32>, underlay: Underlay) -> Result<u32, Error> {
    let overhead = underlay::overhead(underlay.local);
    let conf = request.conf();
    let Some(room) = underlay.room else {
        return asked.ok_or_else(|| {
            conf.missing("mtu", "cannot be derived: no peer is known and no device has the local address but lo")
                .with_details(format!(
                    "give what the way to the other hosts carries, less {overhead} bytes for the outer headers"
                ))
        });
    };
    let most = room.saturating_sub(overhead);
    match asked {
        Some(asked) if asked > most => Err(conf.refuse(
            "mtu",
            format!("the underlay carries {room} bytes, of which the outer headers take {overhead}: at most {most}"),
        )),
        Some(asked) => Ok(asked),
        None if most < LEAST => Err(conf.missing(
            "mtu",
            format!("cannot be derived: the underlay carries {room} bytes, the outer headers take {overhead}"),
        )),
        None => Ok(most),
    }
}
