//! The configuration: from the wire to a valid value, defaults decided.

use cni::json::Node;
use cni::{Command, Error, Request};
use cnm::{Gatekeeper, Ingress};

/// Bytes of a chain's name in iptables (`XT_EXTENSION_MAXNAMELEN` without its NUL).
const CHAIN_NAME: usize = 28;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) ingress: Ingress,
    pub(crate) admin_chain: String,
    pub(crate) zone: String,
}

impl Conf {
    pub(crate) fn parse(request: &Request) -> Result<Self, Error> {
        let read = Self::read(&request.conf());
        match request.command {
            // What was never made can still be removed: a configuration that became wrong must not keep it.
            Command::Del | Command::Gc | Command::Version => Ok(read.unwrap_or_default()),
            Command::Add | Command::Check | Command::Status => read,
        }
    }

    fn read(conf: &Node<'_>) -> Result<Self, Error> {
        let default = Self::default();
        let zone = conf.text("firewalldZone")?.unwrap_or(&default.zone);
        if zone.contains(char::is_control) {
            return Err(conf.refuse("firewalldZone", "expected the name of a zone"));
        }
        Ok(Self {
            gatekeeper: gatekeeper(conf)?,
            ingress: ingress(conf)?,
            admin_chain: admin_chain(conf)?.unwrap_or(&default.admin_chain).to_owned(),
            zone: zone.to_owned(),
        })
    }
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            gatekeeper: Gatekeeper::Auto,
            ingress: Ingress::Open,
            admin_chain: "CNI-ADMIN".into(),
            zone: "trusted".into(),
        }
    }
}

/// The reference takes an unknown backend for none.
fn gatekeeper(conf: &Node<'_>) -> Result<Gatekeeper, Error> {
    match conf.text("backend")? {
        None => Ok(Gatekeeper::Auto),
        Some("nftables") => Ok(Gatekeeper::Nftables),
        Some("iptables") => Ok(Gatekeeper::Iptables),
        Some("firewalld") => Ok(Gatekeeper::Firewalld),
        Some(other) => {
            Err(conf.reject("backend", format!("unknown backend {other:?} (nftables, iptables, firewalld or \"\")")))
        }
    }
}

fn ingress(conf: &Node<'_>) -> Result<Ingress, Error> {
    match conf.text("ingressPolicy")? {
        None | Some("open") => Ok(Ingress::Open),
        Some("same-bridge") => Ok(Ingress::SameBridge),
        Some("isolated") => Ok(Ingress::Isolated),
        Some(other) => {
            let what = format!("unknown ingress policy: {other:?} (open, same-bridge or isolated)");
            Err(conf.reject("ingressPolicy", what))
        }
    }
}

fn admin_chain<'a>(conf: &Node<'a>) -> Result<Option<&'a str>, Error> {
    let Some(name) = conf.text("iptablesAdminChainName")? else { return Ok(None) };
    let unfit = |character: char| !character.is_ascii_graphic() || matches!(character, '"' | '\'' | '\\');
    if name.len() > CHAIN_NAME || name.starts_with(['-', '!']) || name.contains(unfit) {
        let what = format!("expected the name of a chain of iptables: at most {CHAIN_NAME} printable characters");
        return Err(conf.refuse("iptablesAdminChainName", what));
    }
    Ok(Some(name))
}
