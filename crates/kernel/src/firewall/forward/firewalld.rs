//! firewalld over D-Bus (`org.fedoraproject.FirewallD1.zone`): it gives addresses to a zone and takes them away. What
//! it keeps at run time only is lost when it is reloaded, as it is for the reference plugin.

use std::path::Path;

use cnm::KernelError;
use ipnet::IpNet;

use super::dbus::{Bus, Said};

const NAME: &str = "org.fedoraproject.FirewallD1";
const OBJECT: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// Without one of these files no program may own firewalld's name on the system's bus: it is not installed.
const PERMITS: [&str; 2] = ["/usr/share/dbus-1/system.d/FirewallD.conf", "/etc/dbus-1/system.d/FirewallD.conf"];

/// Whether firewalld runs: its name has an owner. A host where it is not installed is not asked for its bus.
pub(super) fn runs() -> bool {
    let installed = PERMITS.iter().any(|permit| Path::new(permit).exists());
    if !installed && std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none() {
        return false;
    }
    Bus::system().is_ok_and(|mut bus| {
        let call =
            bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", &[NAME]);
        matches!(call, Ok(Said::Yes(true)))
    })
}

fn what(verb: &str, address: IpNet, zone: &str) -> String {
    format!("{verb} the address {} {zone} zone", source(address))
}

/// An address as firewalld writes it.
fn source(address: IpNet) -> String {
    format!("{}/{}", address.addr(), address.max_prefix_len())
}

fn connect() -> Result<Bus, KernelError> {
    Bus::system().map_err(|error| KernelError::other("reach firewalld over the system's D-Bus", error.to_string()))
}

fn ask(bus: &mut Bus, method: &str, arguments: &[&str]) -> std::io::Result<Said> {
    bus.call(NAME, OBJECT, ZONES, method, arguments)
}

/// Adds addresses to a zone. One that is in it already stays.
pub(super) fn admit(zone: &str, addresses: &[IpNet]) -> Result<(), KernelError> {
    let mut bus = connect()?;
    for address in addresses {
        let failed = |words: String| KernelError::other(what("failed to add", *address, &format!("to {zone}")), words);
        match ask(&mut bus, "addSource", &[zone, &source(*address)]) {
            Ok(Said::Error { text, .. }) if !text.contains("ZONE_ALREADY_SET") => return Err(failed(text)),
            Ok(_) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
}

/// Takes addresses out of the zone that they are in. `zone` is the configuration's, in case that firewalld does not
/// tell. One that is in none is gone.
pub(super) fn dismiss(zone: Option<&str>, addresses: &[IpNet]) -> Result<(), KernelError> {
    let mut bus = connect()?;
    for address in addresses {
        let failed = |words: String| KernelError::other(what("take", *address, "out of its"), words);
        let source = source(*address);
        let there = match ask(&mut bus, "getZoneOfSource", &[&source]) {
            Ok(Said::Text(zone)) => zone,
            Ok(_) => zone.unwrap_or_default().to_owned(),
            Err(error) => return Err(failed(error.to_string())),
        };
        if there.is_empty() {
            continue;
        }
        match ask(&mut bus, "removeSource", &[&there, &source]) {
            Ok(Said::Error { text, .. }) if !text.contains("UNKNOWN_SOURCE") && !text.contains("NOT_ENABLED") => {
                return Err(failed(text));
            }
            Ok(_) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
}

/// Which addresses are not in the zone.
pub(super) fn drift(zone: &str, addresses: &[IpNet]) -> Result<Vec<String>, KernelError> {
    let mut bus = connect()?;
    let mut drift = Vec::new();
    for address in addresses {
        match ask(&mut bus, "querySource", &[zone, &source(*address)]) {
            Ok(Said::Yes(true)) => {}
            Ok(Said::Error { text, .. }) => {
                return Err(KernelError::other(what("look for", *address, &format!("in {zone}")), text));
            }
            Ok(_) => drift.push(format!("the address {} is not in firewalld's zone {zone}", source(*address))),
            Err(error) => {
                let what = what("look for", *address, &format!("in {zone}"));
                return Err(KernelError::other(what, error.to_string()));
            }
        }
    }
    Ok(drift)
}
