//! The configuration of a bridge network: from the wire to a valid value, defaults decided.

use cni::json::Node;
use cni::{Command, Dns, Error, Request};
use cnm::configuration::{MacSource, link_name, mtu, wanted_mac};
use cnm::{Backend, Context, Mac, VlanRange};

/// Who may ask for the MAC of the sandbox's end; the last wins.
const MAC_SOURCES: &[MacSource] = &[MacSource::Arguments, MacSource::ArgsCni, MacSource::RuntimeConfig];
/// VLAN ids that a port can carry (IEEE 802.1Q; 0 and 4095 are reserved).
const VLAN_IDS: std::ops::RangeInclusive<i64> = 1..=4094;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the reference's independent switches")]
pub(crate) struct Conf {
    pub(crate) bridge: String,
    pub(crate) is_gateway: bool,
    pub(crate) default_route: bool,
    pub(crate) force_address: bool,
    pub(crate) masquerade: Option<Backend>,
    pub(crate) mtu: Option<u32>,
    pub(crate) hairpin: bool,
    pub(crate) promisc: bool,
    pub(crate) isolated_port: bool,
    pub(crate) spoof_check: bool,
    pub(crate) dad: bool,
    pub(crate) stay_down: bool,
    pub(crate) mac: Option<Mac>,
    /// The untagged VLAN of the port; 0 is none.
    pub(crate) vlan: u16,
    /// Every VLAN of the port, the untagged one included.
    pub(crate) vlans: Vec<VlanRange>,
    pub(crate) vlan_filtering: bool,
    pub(crate) keep_default_vlan: bool,
    /// Nothing is forwarded between the network and anything else. Ours, not the reference's.
    pub(crate) internal: bool,
    /// Endpoints may talk to each other (inter-container communication). Ours, not the reference's.
    pub(crate) icc: bool,
    pub(crate) ipam: Option<String>,
    pub(crate) dns: Dns,
}

impl Conf {
    /// Reads a configuration; `bridge` is the device's name when it says none.
    pub(crate) fn parse(request: &Request, context: &Context<'_>, bridge: &str) -> Result<Self, Error> {
        let conf = request.conf();
        let default_route = conf.flag("isDefaultGateway")?;
        let vlan = conf.integer("vlan")?.unwrap_or(0);
        if !(0..=4094).contains(&vlan) {
            return Err(conf.reject("vlan", format!("invalid VLAN ID {vlan} (must be between 0 and 4094)")));
        }
        let vlan = u16::try_from(vlan).unwrap_or_default();
        let trunk = conf.get("vlanTrunk")?;
        let internal = conf.flag("internal")?;
        let this = Self {
            bridge: link_name(&conf, "bridge")?.unwrap_or(bridge).to_owned(),
            is_gateway: default_route || conf.flag("isGateway")?,
            default_route,
            force_address: conf.flag("forceAddress")?,
            masquerade: masquerade(&conf, context, internal)?,
            mtu: mtu(&conf)?,
            hairpin: conf.flag("hairpinMode")?,
            promisc: conf.flag("promiscMode")?,
            isolated_port: conf.flag("portIsolation")?,
            spoof_check: conf.flag("macspoofchk")?,
            dad: conf.flag("enabledad")?,
            stay_down: conf.flag("disableContainerInterface")?,
            mac: wanted_mac(request, MAC_SOURCES)?,
            vlan,
            vlans: vlans(&conf, vlan)?,
            vlan_filtering: vlan != 0 || trunk.is_some(),
            keep_default_vlan: conf.flag("preserveDefaultVlan")?,
            internal,
            icc: conf.optional_flag("icc")?.unwrap_or(true),
            ipam: request.ipam_type()?.map(str::to_owned),
            dns: request.dns()?,
        };
        match request.command {
            // What was never made can still be removed: a configuration that became wrong must not keep it.
            Command::Del | Command::Gc | Command::Version => {}
            Command::Add | Command::Check | Command::Status => this.check(&conf)?,
        }
        Ok(this)
    }

    /// What no single key can tell.
    fn check(&self, conf: &Node<'_>) -> Result<(), Error> {
        if self.hairpin && self.promisc {
            return Err(Error::config("cannot set hairpin mode and promiscuous mode at the same time")
                .with_details("leave out hairpinMode or promiscMode"));
        }
        if self.stay_down && self.ipam.is_some() {
            return Err(Error::config("cannot use IPAM when DisableContainerInterface flag is set")
                .with_details("leave out ipam or disableContainerInterface"));
        }
        if self.gateway_device().len() > 15 {
            let what = format!(
                "with vlan {} the gateway's device {} would be longer than 15 bytes",
                self.vlan,
                self.gateway_device()
            );
            return Err(conf.reject("bridge", what));
        }
        Ok(())
    }

    /// The device that has the gateway's address: the bridge, or with a VLAN a device of its own beside it.
    pub(crate) fn gateway_device(&self) -> String {
        if self.vlan == 0 { self.bridge.clone() } else { format!("{}.{}", self.bridge, self.vlan) }
    }
}

/// The backend that masquerades, if any. An unknown one is an error even where it is not needed.
fn masquerade(conf: &Node<'_>, context: &Context<'_>, internal: bool) -> Result<Option<Backend>, Error> {
    let wanted = conf.flag("ipMasq")? && !internal;
    match conf.text("ipMasqBackend")? {
        None => Ok(wanted.then(context.preferred_backend)),
        Some("nftables") => Ok(wanted.then_some(Backend::Nftables)),
        Some("iptables") => Ok(wanted.then_some(Backend::Iptables)),
        Some(other) => {
            Err(conf.reject("ipMasqBackend", format!("unknown ipmasq backend {other:?} (nftables or iptables)")))
        }
    }
}

fn vlans(conf: &Node<'_>, vlan: u16) -> Result<Vec<VlanRange>, Error> {
    let mut vlans = Vec::new();
    for entry in conf.list("vlanTrunk")? {
        let id = |key: &str, name: &str| match entry.integer(key)? {
            Some(id) if !VLAN_IDS.contains(&id) => Err(entry.refuse(key, format!("incorrect trunk {name} parameter"))),
            Some(id) => Ok(u16::try_from(id).ok()),
            None => Ok(None),
        };
        match (id("minID", "minID")?, id("maxID", "maxID")?) {
            (Some(first), Some(last)) if first > last => {
                return Err(entry.refuse("minID", "minID is greater than maxID in trunk parameter"));
            }
            (Some(first), Some(last)) => vlans.push(VlanRange { first, last, native: false }),
            (None, Some(_)) => {
                return Err(entry.invalid("minID and maxID should be configured simultaneously, minID is missing"));
            }
            (Some(_), None) => {
                return Err(entry.invalid("minID and maxID should be configured simultaneously, maxID is missing"));
            }
            (None, None) => {}
        }
        vlans.extend(id("id", "id")?.map(|id| VlanRange { first: id, last: id, native: false }));
    }
    if vlan != 0 {
        vlans.push(VlanRange { first: vlan, last: vlan, native: true });
    } else if !vlans.is_empty() {
        vlans.push(VlanRange { first: 1, last: 1, native: true });
    }
    Ok(vlans)
}
