//! From the wire to a checked configuration. Knows no files but their names.

use std::path::PathBuf;

use cni::json::Node;
use cni::{Code, Error, Request, Route, Version};

use crate::address::Address;
use crate::range::{RangeSet, Wish, overlapping};
use crate::store::Paths;

/// Where the reference keeps its networks.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// What ADD, CHECK and STATUS need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    /// One address is given out of each.
    pub(crate) sets: Vec<RangeSet>,
    /// For the result.
    pub(crate) routes: Vec<Route>,
    /// Relative to the working directory, as in the reference.
    pub(crate) resolv_conf: Option<PathBuf>,
    /// Addresses asked for, each once.
    pub(crate) requested: Vec<Address>,
}

impl Conf {
    /// Reads `ipam`, `runtimeConfig`, `args.cni` and `CNI_ARGS`, in the reference's order of checks.
    pub(crate) fn parse(request: &Request) -> Result<Self, Error> {
        let ipam = ipam(request)?;
        let runtime = request.runtime_config()?;
        let requested = requested(request, runtime.as_ref())?;
        let mut sets = Vec::new();
        if let Some(runtime) = &runtime {
            wishes(&runtime.list("ipRanges")?, &mut sets)?;
        }
        if let Some(subnet) = ipam.cidr("subnet")? {
            sets.push((ipam.path().to_owned(), vec![wish(&ipam, subnet)?]));
        }
        wishes(&ipam.list("ranges")?, &mut sets)?;
        let sets = checked(&sets, request.version)?;
        Ok(Self {
            sets,
            routes: ipam.list("routes")?.iter().map(Route::parse).collect::<Result<_, _>>()?,
            resolv_conf: ipam.text("resolvConf")?.map(PathBuf::from),
            requested,
        })
    }
}

/// Where the network's files are. DEL and GC need nothing else, so that they work although a range of the
/// configuration has become wrong; the reference refuses then.
pub(crate) fn paths(request: &Request) -> Result<Paths, Error> {
    let data_dir = ipam(request)?.text("dataDir")?.unwrap_or(DATA_DIR);
    // The protocol's check of names lets no separator through, but `HostLocal` can be called without it.
    Paths::new(data_dir.as_ref(), &request.network)
        .ok_or_else(|| Error::config("invalid characters found in network name").with_details(&request.network))
}

fn ipam(request: &Request) -> Result<Node<'_>, Error> {
    request.ipam()?.ok_or_else(|| Error::config("IPAM config missing 'ipam' key"))
}

/// The sets as written, each with the path that its errors name.
fn wishes(list: &[Node<'_>], sets: &mut Vec<(String, Vec<Wish>)>) -> Result<(), Error> {
    for set in list {
        let ranges = set.as_list()?;
        let ranges = ranges.iter().map(|range| wish(range, range.required_cidr("subnet")?));
        sets.push((set.path().to_owned(), ranges.collect::<Result<_, _>>()?));
    }
    Ok(())
}

fn wish(range: &Node<'_>, subnet: ipnet::IpNet) -> Result<Wish, Error> {
    Ok(Wish { subnet, start: range.ip("rangeStart")?, end: range.ip("rangeEnd")?, gateway: range.ip("gateway")? })
}

fn checked(wishes: &[(String, Vec<Wish>)], version: Version) -> Result<Vec<RangeSet>, Error> {
    if wishes.is_empty() {
        return Err(Error::config("ipam: no IP ranges specified"));
    }
    let mut sets = Vec::with_capacity(wishes.len());
    for (index, (path, wishes)) in wishes.iter().enumerate() {
        let set = RangeSet::new(wishes);
        sets.push(set.map_err(|why| Error::config(format!("{path}: invalid range set {index}: {why}")))?);
    }
    let v4 = sets.iter().filter(|set| set.is_v4()).count();
    if version < Version::V0_3_0 && (v4 > 1 || sets.len() - v4 > 1) {
        return Err(Error::config(format!("CNI version {version} does not support more than 1 address per family")));
    }
    if let Some((one, other)) = overlapping(&sets) {
        let path = &wishes[other].0;
        return Err(Error::config(format!("{path}: range set {one} overlaps with {other}")));
    }
    Ok(sets)
}

/// The union of all requests: `CNI_ARGS`, `args.cni.ips`, `runtimeConfig.ips`.
fn requested(request: &Request, runtime: Option<&Node<'_>>) -> Result<Vec<Address>, Error> {
    let mut addresses = Vec::new();
    let mut add = |ip: std::net::IpAddr| {
        let address = Address::from(ip);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    };
    let args = request.cni_args(&["IP"])?;
    if let Some(text) = args.get("IP") {
        let ip = cni::address::parse_ip_or_cidr(text).ok_or_else(|| {
            let msg = format!("ARGS: error parsing value of pair \"IP={text}\": invalid IP address {text}");
            Error::new(Code::InvalidEnvironment, msg)
        })?;
        add(ip);
    }
    let args = request.args_cni()?;
    for source in args.iter().chain(runtime) {
        for element in source.list("ips")? {
            let text = element.as_str()?;
            add(cni::address::parse_ip_or_cidr(text)
                .ok_or_else(|| element.invalid(format!("invalid IP address {text}")))?);
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::request;

    /// A value that somebody might write where another one belongs.
    fn value() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "1",
            "-1",
            "1500.5",
            "\"\"",
            "\"x\"",
            "\"10.7.0.0/24\"",
            "\"10.7.0.9\"",
            "\"fd00::/64\"",
            "\"::\"",
            "\"255.255.255.255/0\"",
            "\"0.0.0.0/0\"",
            "\"::/0\"",
            "\"10.7.0.0/30\"",
            "\"\\u0000\"",
            "{}",
            "[]",
        ]);
        leaf.prop_map(String::from).prop_recursive(4, 24, 4, |inner| {
            let key =
                prop::sample::select(vec!["subnet", "rangeStart", "RANGEEND", "gateway", "dst", "gw", "mtu", "ips"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
                prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                    let members: Vec<String> =
                        members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(values in prop::collection::vec((0..12_usize, value()), 1..6), args in ".{0,12}") {
            const KEYS: [&str; 12] = [
                "ranges", "subnet", "rangeStart", "rangeEnd", "gateway", "routes", "dataDir", "resolvConf", "type",
                "ipam", "runtimeConfig", "args",
            ];
            let ipam: Vec<String> =
                values.iter().filter(|(key, _)| *key < 9).map(|(key, value)| format!("\"{}\":{value}", KEYS[*key])).collect();
            let rest: String =
                values.iter().filter(|(key, _)| *key > 9).map(|(key, value)| format!(",\"{}\":{value}", KEYS[*key])).collect();
            let mut request = request(cni::Command::Add, "a", &format!("{{\"ipam\":{{{}}}{rest}}}", ipam.join(",")));
            request.args = args;
            let _paths = paths(&request);
            match Conf::parse(&request) {
                Ok(conf) => prop_assert!(!conf.sets.is_empty()),
                Err(error) => prop_assert!(!error.msg.is_empty()),
            }
        }
    }
}
