//! One answer to "is it what we want?", shared by ensure, CHECK and tests.

use std::fmt;

use crate::{Link, LinkKind, LinkSpec, Place, Vxlan};

/// What is missing or different, in words that name the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// `bridge cni0 on the host`.
    pub object: String,
    /// `is missing`, `has mtu 1500, not 1450`.
    pub difference: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.difference)
    }
}

/// Whether the link `have` does what `want` asks. One-sided: what `want` leaves open, and what the kernel or later
/// plugins change by themselves (a bridge's MAC), is no drift. `beneath` is the index of the wanted master or parent, 0 when that
/// is not known.
///
/// # Errors
/// The first difference.
pub fn satisfies(have: &Link, want: &LinkSpec, place: Place, beneath: u32) -> Result<(), Drift> {
    let differs =
        |difference: String| Err(Drift { object: format!("{} {} {place}", want.kind.as_str(), want.name), difference });
    if have.kind != want.kind.as_str() {
        let kind = if have.kind.is_empty() { "a physical device or lo" } else { &have.kind };
        return differs(format!("is not a {} but {kind}", want.kind.as_str()));
    }
    if let LinkKind::Bridge { vlan_filtering: true } = want.kind
        && !have.vlan_filtering
    {
        return differs(format!(
            "has VLAN filtering off; switch it on with: ip link set {} type bridge vlan_filtering 1",
            want.name
        ));
    }
    if let LinkKind::Vxlan(wanted) = &want.kind
        && let Some(difference) = have.vxlan.as_ref().and_then(|vxlan| differing(vxlan, wanted))
    {
        return differs(difference);
    }
    // Bridges follow their ports, and what a veth was born with is its owner's to change.
    if let (LinkKind::Vxlan(_), Some(mtu)) = (&want.kind, want.mtu)
        && have.mtu != mtu
    {
        return differs(format!("has MTU {}, not {mtu}", have.mtu));
    }
    if let LinkKind::Macvlan(wanted) = &want.kind
        && have.mode != Some(wanted.mode)
    {
        let mode = have.mode.map_or("another mode", crate::MacvlanMode::as_str);
        return differs(format!("has mode {mode}, not {}", wanted.mode.as_str()));
    }
    if let LinkKind::Macvlan(crate::Macvlan { parent, .. }) | LinkKind::Vlan { parent, .. } = &want.kind
        && beneath != 0
        && have.parent != beneath
    {
        return differs(format!("does not stand on {parent}"));
    }
    if let Some(mac) = want.mac
        && have.mac != Some(mac)
    {
        return differs(format!(
            "has MAC {}, not {mac}",
            have.mac.map_or_else(|| "none".into(), |mac| mac.to_string())
        ));
    }
    if want.master.is_some() && have.master != beneath {
        return differs(format!("is not a port of {}", want.master.as_deref().unwrap_or_default()));
    }
    if want.promisc && !have.promisc {
        return differs("is not promiscuous".into());
    }
    if want.up && !have.up {
        return differs("is down".into());
    }
    Ok(())
}

/// In what a VXLAN device is not the one that is wanted.
fn differing(have: &Vxlan, want: &Vxlan) -> Option<String> {
    let or_none = |address: Option<std::net::IpAddr>| address.map_or_else(|| "none".into(), |some| some.to_string());
    if have.vni != want.vni {
        return Some(format!("has VNI {}, not {}", have.vni, want.vni));
    }
    if have.port != want.port {
        return Some(format!("has UDP port {}, not {}", have.port, want.port));
    }
    if have.local != want.local {
        return Some(format!("has local address {}, not {}", have.local, want.local));
    }
    if have.group != want.group {
        return Some(format!("has group {}, not {}", or_none(have.group), or_none(want.group)));
    }
    if have.underlay != want.underlay {
        return Some(format!("sends by link {}, not {} (0: as the routes say)", have.underlay, want.underlay));
    }
    if have.learning != want.learning {
        let switch = |on: bool| if on { "on" } else { "off" };
        return Some(format!("has learning {}, not {}", switch(have.learning), switch(want.learning)));
    }
    None
}
