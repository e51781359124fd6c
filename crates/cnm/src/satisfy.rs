//! One answer to "is it what we want?", shared by ensure, CHECK and tests.

use std::fmt;

use crate::{Link, LinkKind, LinkSpec, Place};

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
/// plugins change by themselves (a bridge's MAC), is no drift. `master` is the index of the wanted master.
///
/// # Errors
/// The first difference.
pub fn satisfies(have: &Link, want: &LinkSpec, place: Place, master: u32) -> Result<(), Drift> {
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
    if let Some(mac) = want.mac
        && have.mac != Some(mac)
    {
        return differs(format!(
            "has MAC {}, not {mac}",
            have.mac.map_or_else(|| "none".into(), |mac| mac.to_string())
        ));
    }
    if want.master.is_some() && have.master != master {
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
