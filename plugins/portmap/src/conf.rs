//! The configuration: from the wire to a valid value, defaults decided.

use cni::json::Node;
use cni::{Command, Error, Request};
use cnm::{Backend, Context, LinkName, SetMark};

use crate::mappings::{self, Mapping};

/// The bit of a packet's mark by which the reference's rules of iptables find what to masquerade.
const MARK_BIT: u8 = 13;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    /// `None` only where nothing is to be installed.
    pub(crate) backend: Option<Backend>,
    pub(crate) snat: bool,
    pub(crate) masquerade_all: bool,
    pub(crate) mark: SetMark,
    conditions_v4: Vec<String>,
    conditions_v6: Vec<String>,
    pub(crate) mappings: Vec<Mapping>,
    /// The interface that leads to the container, where prevResult lists none of the host's.
    pub(crate) device: Option<String>,
}

impl Conf {
    pub(crate) fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        match request.command {
            // What there is of an attachment is found by its name. A configuration that became wrong must not keep it.
            Command::Del | Command::Gc | Command::Version => Ok(Self::nothing()),
            Command::Add | Command::Check | Command::Status => Self::read(request, context),
        }
    }

    fn nothing() -> Self {
        Self {
            backend: None,
            snat: false,
            masquerade_all: false,
            mark: SetMark::Bit(MARK_BIT),
            conditions_v4: Vec::new(),
            conditions_v6: Vec::new(),
            mappings: Vec::new(),
            device: None,
        }
    }

    fn read(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        let conf = request.conf();
        let list = |key| Ok::<_, Error>(conf.strings(key)?.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let mut this = Self {
            snat: conf.optional_flag("snat")?.unwrap_or(true),
            masquerade_all: conf.flag("masqAll")?,
            mark: mark(&conf)?,
            conditions_v4: list("conditionsV4")?,
            conditions_v6: list("conditionsV6")?,
            mappings: mappings::read(request)?,
            ..Self::nothing()
        };
        let wanted = this.backend_asked_for(&conf)?;
        if !this.mappings.is_empty() || request.command == Command::Status {
            this.backend = Some(wanted.unwrap_or_else(context.preferred_backend));
            this.device = device(request, context)?;
        }
        Ok(this)
    }

    /// The backend that the configuration names or that its keys belong to.
    fn backend_asked_for(&self, conf: &Node<'_>) -> Result<Option<Backend>, Error> {
        let backend = match conf.text("backend")? {
            None => None,
            Some("nftables") => Some(Backend::Nftables),
            Some("iptables") => Some(Backend::Iptables),
            Some(other) => {
                return Err(conf.reject("backend", format!("unrecognized backend {other:?} (nftables or iptables)")));
            }
        };
        let chain = matches!(self.mark, SetMark::Chain(_)).then_some(("externalSetMarkChain", Backend::Iptables));
        let conditions = [("conditionsV4", &self.conditions_v4), ("conditionsV6", &self.conditions_v6)];
        let conditions = conditions.into_iter().filter_map(|(key, list)| Some((key, language(list.first()?))));
        let mut owner = backend;
        for (key, needed) in chain.into_iter().chain(conditions) {
            if *owner.get_or_insert(needed) != needed {
                let (asked, other) = (name(owner.unwrap_or(needed)), name(needed));
                let what = format!(
                    "{asked} backend was requested but configuration contains {other}-specific options [{key}]"
                );
                return Err(Error::config(what)
                    .with_details(format!("write {key} in the words of {asked}, or set backend to {other}")));
            }
        }
        Ok(owner)
    }

    pub(crate) fn conditions(&self, v6: bool) -> &[String] {
        if v6 { &self.conditions_v6 } else { &self.conditions_v4 }
    }
}

/// Which program's words a list of conditions begins with.
fn language(first: &str) -> Backend {
    if first.starts_with(['-', '!']) { Backend::Iptables } else { Backend::Nftables }
}

const fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Nftables => "nftables",
        Backend::Iptables => "iptables",
    }
}

fn mark(conf: &Node<'_>) -> Result<SetMark, Error> {
    let bit = conf.integer("markMasqBit")?;
    let chain = conf.text("externalSetMarkChain")?;
    match (bit, chain) {
        (Some(_), Some(_)) => Err(Error::config("Cannot specify externalSetMarkChain and markMasqBit")
            .with_details("leave out markMasqBit: the external chain sets the mark")),
        (None, Some(chain)) if chain.len() > 28 || chain.contains(|c: char| c.is_whitespace() || c == '"') => {
            Err(conf
                .refuse("externalSetMarkChain", "expected the name of a chain, at most 28 bytes without white space"))
        }
        (None, Some(chain)) => Ok(SetMark::Chain(chain.to_owned())),
        (bit, None) => match u8::try_from(bit.unwrap_or(MARK_BIT.into())) {
            Ok(bit) if bit < 32 => Ok(SetMark::Bit(bit)),
            _ => Err(conf.refuse("markMasqBit", "MasqMarkBit must be between 0 and 31")),
        },
    }
}

/// The interface by which the host reaches the container, where prevResult (of an old version, or of a plugin that tells
/// only of the container's own) lists none of the host's.
fn device(request: &Request, context: &Context<'_>) -> Result<Option<String>, Error> {
    let Some(previous) = request.prev_result()? else { return Ok(None) };
    if previous.interfaces.iter().any(|interface| interface.sandbox.is_empty()) {
        return Ok(None);
    }
    for ip in &previous.ips {
        let Ok(Some(route)) = context.host.route_to(ip.address.addr()) else { continue };
        if let Ok(Some(link)) = context.host.link(&LinkName::Index(route.link)) {
            return Ok(Some(link.name));
        }
    }
    Ok(None)
}
