//! The contenders: how each is asked for the same endpoint.
//!
//! Ours and the reference get the same configuration and environment as from libcni; the floor gets the address by
//! its environment, since it has no IPAM. The only key that differs names our firewall backend; the reference of
//! Debian 12 ignores it and uses iptables.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::Invocation;
use crate::world::World;

/// The bridge that every contender uses, each in its own world.
pub const BRIDGE: &str = "cnmbench0";
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
    /// IPv6 beside IPv4.
    pub dual_stack: bool,
    /// `ipMasqBackend` for ours.
    pub backend: &'static str,
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
    /// Prepares a world: the floor needs its bridge, the others make it themselves.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn prepare(&self, world: &World) -> anyhow::Result<()> {
        if self.who == Who::Floor {
            world.command(&format!("ip link add {BRIDGE} type bridge"))?;
            world.command(&format!("ip address add 10.88.0.1/16 dev {BRIDGE}"))?;
            world.command(&format!("ip address add fd00:88::1/64 dev {BRIDGE} nodad"))?;
            world.command(&format!("ip link set {BRIDGE} up"))?;
        }
        Ok(())
    }

    /// Whether this contender has the verb: Debian's plugins are older than STATUS, the floor checks nothing.
    #[must_use]
    pub fn can(&self, verb: Verb) -> bool {
        match (self.who, verb) {
            (Who::Reference, Verb::Status) | (Who::Floor, Verb::Status | Verb::Check) => false,
            (Who::Ours | Who::Reference | Who::Floor, _) => true,
        }
    }

    /// The program that is run.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        match self.who {
            Who::Ours | Who::Reference => self.place.join("bridge"),
            Who::Floor => self.place.clone(),
        }
    }

    /// The invocation for `verb`; `previous` is the result of ADD.
    #[must_use]
    pub fn invocation(&self, verb: Verb, endpoint: &Endpoint, previous: Option<&str>) -> Invocation {
        let folder = if self.place.is_dir() { self.place.as_path() } else { Path::new("/") };
        let mut environment = vec![
            (String::from("CNI_COMMAND"), verb.as_str().to_owned()),
            (String::from("CNI_PATH"), folder.display().to_string()),
            (String::from("PATH"), String::from("/usr/sbin:/usr/bin:/sbin:/bin")),
        ];
        if !matches!(verb, Verb::Status | Verb::Version) {
            environment.extend([
                (String::from("CNI_CONTAINERID"), format!("{:064x}", endpoint.number)),
                (String::from("CNI_NETNS"), endpoint.sandbox.display().to_string()),
                (String::from("CNI_IFNAME"), String::from("eth0")),
            ]);
        }
        let input = if self.who == Who::Floor {
            environment.extend([
                (String::from("FLOOR_BRIDGE"), BRIDGE.to_owned()),
                (String::from("FLOOR_LINK"), format!("veth{:011}", endpoint.number)),
                (String::from("FLOOR_ADDRESSES"), self.addresses(endpoint.number)),
            ]);
            String::new()
        } else {
            self.configuration(verb, previous).to_string()
        };
        Invocation { program: self.program(), arguments: Vec::new(), environment, input }
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

    fn configuration(&self, verb: Verb, previous: Option<&str>) -> Value {
        let mut ranges = vec![json!([{"subnet": "10.88.0.0/16"}])];
        let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
        if self.shape.dual_stack {
            ranges.push(json!([{"subnet": "fd00:88::/64"}]));
            routes.push(json!({"dst": "::/0"}));
        }
        let mut configuration = json!({
            "cniVersion": if verb == Verb::Status { "1.1.0" } else { "1.0.0" },
            "name": "bench",
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": true,
            "ipMasq": true,
            "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
        });
        if self.who == Who::Ours {
            configuration["ipMasqBackend"] = json!(self.shape.backend);
        }
        if let Some(previous) = previous.and_then(|text| serde_json::from_str::<Value>(text).ok())
            && matches!(verb, Verb::Check | Verb::Del)
        {
            configuration["prevResult"] = previous;
        }
        configuration
    }
}
