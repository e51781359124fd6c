//! The configuration: from the wire to limits in bytes.

use cni::json::{Json, Node};
use cni::{Command, Error, Request};
use cnm::{Limited, RateLimit};
use ipnet::IpNet;

const RATES: [[&str; 2]; 2] = [["ingressRate", "ingressBurst"], ["egressRate", "egressBurst"]];
const EXCEPT: &str = "unshapedSubnets";
const ONLY: &str = "shapedSubnets";

/// A valid configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    /// Into the sandbox.
    pub(crate) ingress: Option<RateLimit>,
    /// Out of it.
    pub(crate) egress: Option<RateLimit>,
    pub(crate) limited: Limited,
}

impl Conf {
    pub(crate) fn parse(request: &Request) -> Result<Self, Error> {
        match request.command {
            // What is there goes, whatever the configuration says now.
            Command::Del | Command::Gc | Command::Version => return Ok(Self::default()),
            Command::Add | Command::Check | Command::Status => {}
        }
        let conf = request.conf();
        let runtime = match request.runtime_config()? {
            Some(runtime) => runtime.object("bandwidth")?,
            None => None,
        };
        // One rate in the configuration and the runtime's count no more; the same with subnets.
        let rates = source(&conf, runtime.as_ref(), &RATES.concat())?;
        let [ingress, egress] = RATES;
        Ok(Self {
            ingress: limit(rates, ingress)?,
            egress: limit(rates, egress)?,
            limited: limited(source(&conf, runtime.as_ref(), &[EXCEPT, ONLY])?)?,
        })
    }
}

/// The configuration when it has any of `keys`, else what the runtime says.
fn source<'n, 'a>(conf: &'n Node<'a>, runtime: Option<&'n Node<'a>>, keys: &[&str]) -> Result<&'n Node<'a>, Error> {
    for key in keys {
        if conf.get(key)?.is_some() {
            return Ok(conf);
        }
    }
    Ok(runtime.unwrap_or(conf))
}

/// A limit; `None` when rate and burst are 0 or absent. The texts are the reference's.
fn limit(node: &Node<'_>, [rate_key, burst_key]: [&str; 2]) -> Result<Option<RateLimit>, Error> {
    let (rate, burst) = (bits(node, rate_key)?, bits(node, burst_key)?);
    match (rate, burst) {
        (0, 0) => return Ok(None),
        (_, 0) => return Err(node.missing(burst_key, "if rate is set, burst must also be set")),
        (0, _) => return Err(node.missing(rate_key, "if burst is set, rate must also be set")),
        (1..8, _) => return Err(node.refuse(rate_key, "less than one byte per second")),
        (_, 1..8) => return Err(node.refuse(burst_key, "less than one byte")),
        _ => {}
    }
    let bytes = u32::try_from(burst / 8).ok().filter(|bytes| *bytes != u32::MAX);
    let burst = bytes.ok_or_else(|| node.refuse(burst_key, "burst cannot be more than 4GB"))?;
    let limit = RateLimit { rate: rate / 8, burst };
    if !limit.passes_anything() {
        let what = format!("too small for {rate_key} {rate}: the kernel's clock does not resolve it");
        return Err(node.refuse(burst_key, what));
    }
    Ok(Some(limit))
}

/// A number of bits; absent is 0.
fn bits(node: &Node<'_>, key: &str) -> Result<u64, Error> {
    match node.get(key)? {
        None => Ok(0),
        Some(found) => match found.value() {
            Json::Number(number) => {
                let range = format!("expected a whole number from 0 to {}", u64::MAX);
                number.as_u64().ok_or_else(|| found.invalid(range))
            }
            // Not a number at all: the reader says so.
            _ => node.integer(key).map(|_| 0),
        },
    }
}

fn limited(node: &Node<'_>) -> Result<Limited, Error> {
    let subnets = |key: &str| -> Result<Vec<IpNet>, Error> { node.list(key)?.iter().map(Node::as_cidr).collect() };
    let trunc = |subnets: Vec<IpNet>| subnets.iter().map(IpNet::trunc).collect();
    match (subnets(EXCEPT)?, subnets(ONLY)?) {
        (except, only) if except.is_empty() && only.is_empty() => Ok(Limited::All),
        (except, only) if only.is_empty() => Ok(Limited::Except(trunc(except))),
        (except, only) if except.is_empty() => Ok(Limited::Only(trunc(only))),
        _ => Err(node.reject(
            EXCEPT,
            "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded",
        )),
    }
}
