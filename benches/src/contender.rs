//! The contenders: how each is asked for the same endpoint.
//!
//! Ours and the reference get the same configuration and environment as from libcni; the floor gets the address by
//! its environment, since it has no IPAM.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::chain::Chain;
use crate::operation::Operation;
use crate::process::Invocation;
use crate::world::World;

/// The bridge that every contender uses, each in its own world.
pub const BRIDGE: &str = "cnmbench0";
/// The interface that macvlan endpoints stand on.
pub const PARENT: &str = "cnmbench1";
const FIRST_V4: u32 = 0x0a58_0002; // 10.88.0.2

/// What a plugin is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Attach.
    Add,
    /// Compare.
    Check,
    /// Detach.
    Del,
    /// Can it serve?
    Status,
    /// Which versions? For the floor: a process that does nothing.
    Version,
}

impl Verb {
    /// As in `CNI_COMMAND`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// The project's plugins.
    Ours,
    /// The reference plugins.
    Reference,
    /// The kernel floor.
    Floor,
}

impl Who {
    /// As printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Reference => "reference",
            Self::Floor => "floor",
        }
    }
}

/// What the endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its plugins.
    pub chain: Chain,
    /// IPv6 beside IPv4.
    pub dual_stack: bool,
    /// Our plugins' firewall backend.
    pub backend: &'static str,
}

impl Shape {
    /// `bridge` alone, IPv4, nftables.
    #[must_use]
    pub const fn plain() -> Self {
        Self { chain: Chain::Bridge, dual_stack: false, backend: "nftables" }
    }

    /// As printed.
    #[must_use]
    pub fn name(self) -> String {
        let families = if self.dual_stack { ", dual stack" } else { "" };
        let backend = if self.backend == "nftables" { "" } else { ", iptables" };
        format!("{}{families}{backend}", self.chain.name())
    }
}

/// One program with one shape of endpoint.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Who.
    pub who: Who,
    /// The folder with `bridge` and `host-local`, or the floor program itself.
    pub place: PathBuf,
    /// What it makes.
    pub shape: Shape,
}

/// One attachment.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Counts from 0; it is in the container id and, for the floor, in the address.
    pub number: usize,
    /// Path of the network namespace.
    pub sandbox: PathBuf,
}

impl Contender {
    /// Prepares a world: macvlans need a parent; the floor needs its bridge, the others make it themselves.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn prepare(&self, world: &World) -> anyhow::Result<()> {
        if self.shape.chain == Chain::Macvlan {
            world.command(&format!("ip link add {PARENT} type veth peer name wire"))?;
            world.command("ip link set wire up")?;
            world.command(&format!("ip link set {PARENT} up"))?;
        } else if self.who == Who::Floor {
            world.command(&format!("ip link add {BRIDGE} type bridge"))?;
            world.command(&format!("ip address add 10.88.0.1/16 dev {BRIDGE}"))?;
            world.command(&format!("ip address add fd00:88::1/64 dev {BRIDGE} nodad"))?;
            world.command(&format!("ip link set {BRIDGE} up"))?;
        }
        Ok(())
    }

    /// Whether this contender has the verb: Debian's plugins are older than STATUS, and its portmap's CHECK wants rules
    /// of IPv6 that its ADD does not make without an IPv6 address; the floor checks nothing.
    #[must_use]
    pub fn can(&self, verb: Verb) -> bool {
        match (self.who, verb) {
            (Who::Reference, Verb::Check) => matches!(self.shape.chain, Chain::Bridge | Chain::Macvlan),
            (Who::Reference, Verb::Status) | (Who::Floor, Verb::Status | Verb::Check) => false,
            (Who::Ours | Who::Reference | Who::Floor, _) => true,
        }
    }

    /// The operation for `verb`; `previous` is the result of ADD.
    #[must_use]
    pub fn operation(&self, verb: Verb, endpoint: &Endpoint, previous: Option<&str>) -> Operation {
        if self.who == Who::Floor {
            let invocation = self.invocation(self.place.clone(), Path::new("/"), verb, endpoint);
            return Operation { steps: vec![(invocation, None)], previous: None, threaded: false };
        }
        let mut steps: Vec<_> = self
            .shape
            .chain
            .plugins(self.who, self.shape, endpoint.number)
            .into_iter()
            .map(|mut configuration| {
                if verb == Verb::Status {
                    configuration["cniVersion"] = json!("1.1.0");
                }
                let kind = configuration["type"].as_str().unwrap_or_default();
                let program = self.place.join(kind);
                (self.invocation(program, &self.place, verb, endpoint), Some(configuration))
            })
            .collect();
        if verb == Verb::Del {
            steps.reverse();
        }
        let previous = previous.filter(|_| matches!(verb, Verb::Check | Verb::Del));
        let previous = previous.and_then(|text| serde_json::from_str(text).ok());
        Operation { steps, previous, threaded: verb == Verb::Add }
    }

    /// One process for `verb`, its standard input still empty.
    pub(crate) fn invocation(&self, program: PathBuf, path: &Path, verb: Verb, endpoint: &Endpoint) -> Invocation {
        let mut environment = vec![
            (String::from("CNI_COMMAND"), verb.as_str().to_owned()),
            (String::from("CNI_PATH"), path.display().to_string()),
            (String::from("PATH"), String::from("/usr/sbin:/usr/bin:/sbin:/bin")),
        ];
        if !matches!(verb, Verb::Status | Verb::Version) {
            environment.extend([
                (String::from("CNI_CONTAINERID"), format!("{:064x}", endpoint.number)),
                (String::from("CNI_NETNS"), endpoint.sandbox.display().to_string()),
                (String::from("CNI_IFNAME"), String::from("eth0")),
                (String::from("CNI_ARGS"), self.shape.chain.arguments().to_owned()),
            ]);
        }
        if self.who == Who::Floor {
            environment.extend([
                match self.shape.chain {
                    Chain::Macvlan => (String::from("FLOOR_PARENT"), PARENT.to_owned()),
                    Chain::Bridge | Chain::Podman | Chain::Nerdctl => (String::from("FLOOR_BRIDGE"), BRIDGE.to_owned()),
                },
                (String::from("FLOOR_LINK"), format!("veth{:011}", endpoint.number)),
                (String::from("FLOOR_ADDRESSES"), self.addresses(endpoint.number)),
            ]);
        }
        Invocation { program, arguments: Vec::new(), environment, input: String::new() }
    }

    fn addresses(&self, number: usize) -> String {
        let offset = u32::try_from(number % 60_000).unwrap_or_default();
        let v4 = std::net::Ipv4Addr::from_bits(FIRST_V4 + offset);
        let mut text = format!("{v4}/16>10.88.0.1");
        if self.shape.dual_stack {
            text.push_str(&format!(",fd00:88::{:x}/64>fd00:88::1", offset + 2));
        }
        text
    }
}
