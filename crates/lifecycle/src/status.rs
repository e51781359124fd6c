//! STATUS: whether ADD can be served, from what the driver says it needs.

use cni::{Code, Error};
use cnm::{Driver, Facility, Kernel, LinkName, Need, Place};

use crate::Ipam;
use crate::errors::{NO_VLAN_FILTERING, NOT_SUPPORTED, kernel};

/// Whether ADD can be served.
///
/// # Errors
/// 50 when it cannot; 51 when running endpoints suffer as well.
pub fn status<D: Driver, K: Kernel>(driver: &D, k: &mut K, ipam: Option<&dyn Ipam>) -> Result<(), Error> {
    serve_needs(k, driver.needs())?;
    ipam.map_or(Ok(()), Ipam::status)
}

/// Whether everything is there that a driver or a chained plugin needs.
///
/// # Errors
/// As [`status`].
pub fn serve_needs<K: Kernel>(k: &mut K, needs: Vec<Need>) -> Result<(), Error> {
    for need in needs {
        match need {
            Need::Firewall(backend) => {
                k.firewall().usable(backend).map_err(|error| Error::new(Code::NotAvailable, error.to_string()))?
            }
            Need::Facilities(facilities) => expect_facilities(k, &facilities)?,
            Need::Forwarding(gatekeeper) => {
                k.firewall().forwards(gatekeeper).map_err(|error| Error::new(Code::NotAvailable, error.to_string()))?
            }
            Need::Parent(name) => expect_parent(k, &name)?,
            Need::ParentOn { name, beneath } => {
                let made = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)?.is_some();
                expect_parent(k, if made { &name } else { &beneath })?;
            }
            Need::Open(name) => {
                let link = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)?;
                if link.is_some_and(|link| !link.up) {
                    return Err(Error::new(Code::LimitedConnectivity, format!("{name} is down"))
                        .with_details(format!("endpoints are cut off; bring it up with: ip link set {name} up")));
                }
            }
            Need::Bridge { name, vlan_filtering } => {
                let found = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)?;
                if found.is_none() && vlan_filtering {
                    expect_vlan_filtering(k)?;
                }
                if let Some(link) = found {
                    if link.kind != "bridge" {
                        return Err(Error::new(
                            Code::NotAvailable,
                            format!("{name:?} already exists but is not a bridge"),
                        ));
                    }
                    if vlan_filtering && !link.vlan_filtering {
                        let what = format!("bridge {name} has VLAN filtering off");
                        let mend = format!("switch it on with: ip link set {name} type bridge vlan_filtering 1");
                        return Err(Error::new(Code::NotAvailable, what).with_details(mend));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The kernel has all of these.
fn expect_facilities<K: Kernel>(k: &mut K, facilities: &[Facility]) -> Result<(), Error> {
    let mut missing = Vec::new();
    for facility in facilities {
        if !k.has(*facility).map_err(kernel)? {
            missing.push(*facility);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let modules: Vec<&str> = missing.iter().map(|facility| facility.module()).collect();
    let names: Vec<String> = missing.iter().map(Facility::to_string).collect();
    let mend = format!(
        "load what was built as a module with: modprobe -a {}; or boot a kernel that has it",
        modules.join(" ")
    );
    Err(Error::new(Code::NotAvailable, format!("the running kernel lacks {}", names.join(", "))).with_details(mend))
}

/// The kernel knows VLANs of bridge ports: asked for those of no port, it says so.
fn expect_vlan_filtering<K: Kernel>(k: &mut K) -> Result<(), Error> {
    match k.vlans(Place::Host, 0) {
        Err(error) if error.errno == NOT_SUPPORTED => {
            Err(Error::new(Code::NotAvailable, format!("vlan, vlanTrunk: this kernel has no VLAN filtering: {error}"))
                .with_details(NO_VLAN_FILTERING))
        }
        other => other.map(drop).map_err(kernel),
    }
}

/// A link of the host that endpoints stand on.
fn expect_parent<K: Kernel>(k: &mut K, name: &str) -> Result<(), Error> {
    match k.link(Place::Host, &LinkName::Name(name.to_owned())).map_err(kernel)? {
        None => Err(Error::new(Code::NotAvailable, format!("the parent interface {name} is missing"))
            .with_details(format!("create it, or name another one; see: ip link show {name}"))),
        Some(link) if !link.up => Err(Error::new(Code::NotAvailable, format!("the parent interface {name} is down"))
            .with_details(format!("bring it up with: ip link set {name} up"))),
        Some(_) => Ok(()),
    }
}
