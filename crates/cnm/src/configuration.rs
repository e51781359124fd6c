//! Keys that several plugins share, read the same way by all of them.

use std::ops::RangeInclusive;

use cni::json::Node;
use cni::{Error, Request};

use crate::Mac;

/// The kernel's smallest IPv4 MTU and Ethernet's largest (`ETH_MIN_MTU`, `ETH_MAX_MTU`), bytes.
const MTU: RangeInclusive<u32> = 68..=65535;

/// Where a hardware address may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacSource {
    /// The key `mac` of the configuration.
    Conf,
    /// `MAC` of `CNI_ARGS`.
    Arguments,
    /// `args.cni.mac`.
    ArgsCni,
    /// `runtimeConfig.mac`, for the capability `mac`.
    RuntimeConfig,
}

/// The key `mtu` in bytes; absent and 0 are `None`: the kernel decides.
///
/// # Errors
/// Code 6 when it is no whole number, code 7 when no link can have it.
pub fn mtu(conf: &Node<'_>) -> Result<Option<u32>, Error> {
    match conf.integer("mtu")? {
        None | Some(0) => Ok(None),
        Some(value) => match u32::try_from(value).ok().filter(|mtu| MTU.contains(mtu)) {
            Some(mtu) => Ok(Some(mtu)),
            None => Err(conf.refuse("mtu", format!("expected 0 or {} to {} bytes", MTU.start(), MTU.end()))),
        },
    }
}

/// The name of a link in the key `key`; absent and `""` are `None`.
///
/// # Errors
/// Code 6 when it is no string, code 7 when no link can have that name.
pub fn link_name<'a>(conf: &Node<'a>, key: &str) -> Result<Option<&'a str>, Error> {
    let Some(name) = conf.text(key)? else { return Ok(None) };
    if name.len() > 15
        || name == "."
        || name == ".."
        || name.contains(['/', ':', '%'])
        || name.contains(char::is_whitespace)
    {
        return Err(conf.refuse(key, "expected an interface name of at most 15 bytes without / : % and white space"));
    }
    Ok(Some(name))
}

/// The hardware address that somebody asks for; of several `sources` the last in the list wins.
///
/// # Errors
/// Codes 4, 6 and 7: arguments that nobody knows, no string, not an address that an interface can have.
pub fn wanted_mac(request: &Request, sources: &[MacSource]) -> Result<Option<Mac>, Error> {
    let arguments = request.cni_args(&["MAC"])?;
    let (conf, cni, runtime) = (request.conf(), request.args_cni()?, request.runtime_config()?);
    let mut found = None;
    for source in sources {
        let (path, text) = match source {
            MacSource::Conf => ("mac", conf.text("mac")?),
            MacSource::Arguments => ("CNI_ARGS: MAC", arguments.get("MAC").filter(|text| !text.is_empty())),
            MacSource::ArgsCni => ("args.cni.mac", cni.as_ref().map(|node| node.text("mac")).transpose()?.flatten()),
            MacSource::RuntimeConfig => {
                ("runtimeConfig.mac", runtime.as_ref().map(|node| node.text("mac")).transpose()?.flatten())
            }
        };
        found = text.map(|text| (path, text)).or(found);
    }
    let Some((path, text)) = found else { return Ok(None) };
    match text.parse::<Mac>() {
        Ok(mac) if mac.is_assignable() => Ok(Some(mac)),
        Ok(_) => Err(Error::config(format!("{path}: an interface cannot have the MAC address {text:?}"))
            .with_details("it must be unicast (an even first byte) and not all zero")),
        Err(error) => Err(Error::config(format!("{path}: {error}, got {text:?}"))),
    }
}
