//! The configuration of a macvlan network: from the wire to a valid value, defaults decided.

use std::net::IpAddr;

use cni::json::{Json, Node};
use cni::{Command, Dns, Error, Request};
use cnm::configuration::{MacSource, link_name, mtu, wanted_mac};
use cnm::{Context, KernelError, Mac, MacvlanMode, Place};

/// Who may ask for the MAC of an endpoint; the last wins.
const MAC_SOURCES: &[MacSource] = &[MacSource::Conf, MacSource::Arguments, MacSource::RuntimeConfig];

/// What the endpoints stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parent {
    /// An interface.
    Named(String),
    /// One of the network's own that leads nowhere.
    Isolated,
    /// Not asked for: DEL and GC find endpoints without.
    Unknown,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) parent: Parent,
    /// Where the parent is.
    pub(crate) place: Place,
    pub(crate) mode: MacvlanMode,
    pub(crate) mtu: Option<u32>,
    pub(crate) mac: Option<Mac>,
    pub(crate) queue: Option<u32>,
    /// The host gets an address on the network. Ours, not the reference's.
    pub(crate) host_access: bool,
    /// These; none: the gateway's of the lease.
    pub(crate) host_addresses: Vec<IpAddr>,
    pub(crate) ipam: Option<String>,
    pub(crate) dns: Dns,
}

impl Conf {
    pub(crate) fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        let conf = request.conf();
        // What was never made can still be removed: values that became wrong must not keep it.
        let undoing = match request.command {
            Command::Del | Command::Gc | Command::Version => true,
            Command::Add | Command::Check | Command::Status => false,
        };
        let place = if conf.flag("linkInContainer")? { Place::Sandbox } else { Place::Host };
        let this = Self {
            parent: Parent::Unknown,
            place,
            mode: believed(undoing, mode(&conf))?.unwrap_or(MacvlanMode::Bridge),
            mtu: believed(undoing, mtu(&conf))?,
            mac: believed(undoing, wanted_mac(request, MAC_SOURCES))?,
            queue: believed(undoing, conf.number("bcqueuelen", 0..=u32::MAX))?.filter(|&length| length != 0),
            host_access: conf.flag("hostAccess")?,
            host_addresses: believed(undoing, host_addresses(&conf).map(Some))?.unwrap_or_default(),
            ipam: request.ipam_type()?.map(str::to_owned),
            dns: request.dns()?,
        };
        let internal = conf.flag("internal")?;
        let named = believed(undoing, named_parent(&conf))?;
        if !undoing {
            this.check(&conf, internal, named.is_some())?;
        }
        let parent = match named {
            Some(name) => Parent::Named(name.to_owned()),
            None if internal => Parent::Isolated,
            None if undoing || (request.command == Command::Status && place == Place::Sandbox) => Parent::Unknown,
            None => Parent::Named(default_parent(context, place)?),
        };
        Ok(Self { parent, ..this })
    }

    /// What no single key can tell.
    fn check(&self, conf: &Node<'_>, internal: bool, named: bool) -> Result<(), Error> {
        if internal && (named || self.place == Place::Sandbox) {
            return Err(conf
                .reject("internal", "an internal network stands on an interface of its own, which leads nowhere")
                .with_details("leave out internal, or leave out master, parent and linkInContainer"));
        }
        if !self.host_access {
            return if self.host_addresses.is_empty() {
                Ok(())
            } else {
                Err(conf.reject("hostAddress", "it has a meaning only with \"hostAccess\": true"))
            };
        }
        if self.mode != MacvlanMode::Bridge || self.place == Place::Sandbox {
            let why = "the host's own interface on the network reaches endpoints only in mode bridge, on a master of the host";
            return Err(conf.reject("hostAccess", why).with_details("use mode bridge without linkInContainer"));
        }
        if self.ipam.is_none() {
            return Err(conf.reject("hostAccess", "without ipam there is no address that the host could reach"));
        }
        if self.host_addresses.is_empty() && !internal {
            return Err(conf
                .missing("hostAddress", "hostAccess needs an address for the host on this network")
                .with_details(
                    "choose one in the subnet that nobody has and the IPAM plugin does not give away (host-local: \
                 outside rangeStart to rangeEnd); one of each family at most",
                ));
        }
        let family = |v6: bool| self.host_addresses.iter().filter(|address| address.is_ipv6() == v6).count();
        if family(false) > 1 || family(true) > 1 {
            return Err(conf.refuse("hostAddress", "expected one address of each family at most"));
        }
        Ok(())
    }
}

/// A value; when something is removed, one that cannot be read counts as absent.
fn believed<T>(undoing: bool, read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    if undoing { Ok(read.unwrap_or_default()) } else { read }
}

fn mode(conf: &Node<'_>) -> Result<Option<MacvlanMode>, Error> {
    let Some(text) = conf.text("mode")? else { return Ok(None) };
    match text.parse() {
        Ok(mode) => Ok(Some(mode)),
        Err(error) => Err(conf
            .reject("mode", format!("unknown macvlan mode: {text:?}"))
            .with_details(format!("{text:?} is {error}"))),
    }
}

/// `master`, or `parent` as Docker has it.
fn named_parent<'a>(conf: &Node<'a>) -> Result<Option<&'a str>, Error> {
    match (link_name(conf, "master")?, link_name(conf, "parent")?) {
        (Some(master), Some(parent)) if master != parent => {
            Err(conf.reject("parent", format!("it is another word for master, and that is {master:?}, not {parent:?}")))
        }
        (master, parent) => Ok(master.or(parent)),
    }
}

/// The interface of the default route.
fn default_parent(context: &Context<'_>, place: Place) -> Result<String, Error> {
    let found = context.host.default_link(place).map_err(|error: KernelError| Error::internal(error.to_string()))?;
    found.map(|link| link.name).ok_or_else(|| {
        Error::internal("no default route interface found")
            .with_details(format!("there is no default route {place}: name an interface as master"))
    })
}

/// One address, or a list of them.
fn host_addresses(conf: &Node<'_>) -> Result<Vec<IpAddr>, Error> {
    let Some(node) = conf.get("hostAddress")? else { return Ok(Vec::new()) };
    match node.value() {
        Json::String(_) => Ok(conf.ip("hostAddress")?.into_iter().collect()),
        _ => node.as_list()?.iter().map(Node::as_ip).collect(),
    }
}
