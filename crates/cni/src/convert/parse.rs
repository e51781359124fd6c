//! From a result of any version to the newest shape, as tolerant as Go: unknown keys are skipped, fields of a
//! newer version are taken wherever they stand, `version` in an address is not looked at.

use crate::json::{Json, Node};
use crate::{AddResult, Code, Dns, Error, Interface, Ip, Route, Version};

impl AddResult {
    /// Reads a result of any known version: its own `cniVersion`, or `default` when it carries none. `null` is
    /// the empty result.
    ///
    /// An index of an address into interfaces that are listed must hit one of them. When none are listed, as in
    /// the results of IPAM plugins, an index is kept: it speaks of interfaces that the caller will add.
    ///
    /// # Errors
    /// Code 6 or 7 with the path.
    pub fn parse(node: &Node<'_>, default: Version) -> Result<Self, Error> {
        let result = match version_of(node, default)? {
            Version::V0_1_0 | Version::V0_2_0 => parse_families(node)?,
            Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 | Version::V1_0_0 | Version::V1_1_0 => {
                parse_lists(node)?
            }
        };
        Ok(result)
    }

    /// Reads the text that a plugin printed, as [`parse`](Self::parse).
    ///
    /// # Errors
    /// Code 6 or 7.
    pub fn from_text(text: &[u8], default: Version) -> Result<Self, Error> {
        Self::parse(&Node::root(&Json::parse(text)?), default)
    }
}

impl Dns {
    /// Reads resolver settings; `null` is none.
    ///
    /// # Errors
    /// Code 6 with the path.
    pub fn parse(node: &Node<'_>) -> Result<Self, Error> {
        let list = |key| Ok::<_, Error>(node.strings(key)?.into_iter().map(str::to_owned).collect());
        Ok(Self {
            nameservers: list("nameservers")?,
            domain: node.string("domain")?.unwrap_or_default().to_owned(),
            search: list("search")?,
            options: list("options")?,
        })
    }
}

fn version_of(node: &Node<'_>, default: Version) -> Result<Version, Error> {
    let Some(text) = node.text("cniVersion")? else { return Ok(default) };
    Version::from_text(text).ok_or_else(|| {
        let known: Vec<&str> = Version::ALL.iter().map(|version| version.as_str()).collect();
        let what = format!("unsupported CNI result version \"{text}\", known are {}", known.join(", "));
        Error { code: Code::Decoding, ..node.reject("cniVersion", what) }
    })
}

/// 0.1.0 and 0.2.0: one address per family, with the routes of that family.
fn parse_families(node: &Node<'_>) -> Result<AddResult, Error> {
    let mut result = AddResult { dns: parse_dns(node)?, ..AddResult::default() };
    for family in ["ip4", "ip6"] {
        let Some(node) = node.object(family)? else { continue };
        result.ips.push(Ip { address: node.required_cidr("ip")?, gateway: node.ip("gateway")?, interface: None });
        result.routes.extend(parse_routes(&node)?);
    }
    Ok(result)
}

/// 0.3.0 and newer: lists.
fn parse_lists(node: &Node<'_>) -> Result<AddResult, Error> {
    let interfaces = node.list("interfaces")?.iter().map(parse_interface).collect::<Result<Vec<_>, _>>()?;
    let ips = node.list("ips")?;
    let ips = ips.iter().map(|ip| parse_ip(ip, interfaces.len())).collect::<Result<Vec<_>, _>>()?;
    Ok(AddResult { interfaces, ips, routes: parse_routes(node)?, dns: parse_dns(node)? })
}

fn parse_dns(node: &Node<'_>) -> Result<Dns, Error> {
    match node.object("dns")? {
        Some(dns) => Dns::parse(&dns),
        None => Ok(Dns::default()),
    }
}

fn parse_interface(node: &Node<'_>) -> Result<Interface, Error> {
    let text = |key| Ok::<_, Error>(node.string(key)?.unwrap_or_default().to_owned());
    Ok(Interface {
        name: text("name")?,
        mac: text("mac")?,
        mtu: node.number("mtu", 0..=u32::MAX)?.unwrap_or_default(),
        sandbox: text("sandbox")?,
        socket_path: text("socketPath")?,
        pci_id: text("pciID")?,
    })
}

fn parse_ip(node: &Node<'_>, interfaces: usize) -> Result<Ip, Error> {
    let interface = match node.number("interface", 0..=u32::MAX)? {
        None => None,
        Some(index) => Some(usize::try_from(index).map_err(|_| node.reject("interface", "too large"))?),
    };
    if let Some(index) = interface.filter(|index| interfaces > 0 && *index >= interfaces) {
        let what = format!("there is no interface {index}, the result lists {interfaces} (counted from 0)");
        return Err(node.reject("interface", what));
    }
    Ok(Ip { address: node.required_cidr("address")?, gateway: node.ip("gateway")?, interface })
}

fn parse_routes(node: &Node<'_>) -> Result<Vec<Route>, Error> {
    node.list("routes")?.iter().map(Route::parse).collect()
}

impl Route {
    /// Reads a route of a result or of an `ipam` object: `dst`, `gw` and what 1.1.0 added. Other keys
    /// (nerdctl's `gateway`) are skipped.
    ///
    /// # Errors
    /// Code 6 or 7 with the path.
    pub fn parse(node: &Node<'_>) -> Result<Self, Error> {
        let number = |key| Ok::<_, Error>(node.number(key, 0..=u32::MAX)?.unwrap_or_default());
        Ok(Self {
            dst: node.required_cidr("dst")?,
            gw: node.ip("gw")?,
            mtu: number("mtu")?,
            advmss: number("advmss")?,
            priority: number("priority")?,
            table: node.number("table", 0..=u32::MAX)?,
            scope: node.number("scope", 0..=u8::MAX)?,
        })
    }
}
