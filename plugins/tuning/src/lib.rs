//! tuning: variables of the sandbox and attributes of its interface, changed behind the plugin that made it, and put
//! back by DEL.
//!
//! What shall be changed is said here; who changes it, notes what was there and restores it is not known.

#![forbid(unsafe_code)]

mod allowlist;
mod conf;
mod variable;

use cni::{AddResult, Error, Request};
use cnm::{Adjustment, Chained, Context, Owner, Resource, Trace, Tuning};
use conf::Conf;

/// The chained plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuner {
    conf: Conf,
}

impl Chained for Tuner {
    const TYPE: &'static str = "tuning";
    const HELP: &'static str = "\
tuning: changes variables of the sandbox and attributes of its interface; chain it behind the plugin that attaches.
Keys: sysctl {name: value}, mac, mtu, promisc, allmulti, txQLen, dataDir (/run/cni/tuning); the same in args.cni, and mac in
CNI_ARGS and runtimeConfig (the last of: key, CNI_ARGS, runtimeConfig, args.cni wins).
sysctl: names below net., with dots or slashes; IFNAME stands for the interface. If /etc/cni/tuning/allowlist.conf exists,
a name must match one of its lines, regular expressions that match anywhere in it (write ^net\\.ipv4\\.x$ to be exact).
DEL restores the attributes; variables stay as long as the sandbox.";
    const UNCHAINED: &'static str = "Required prevResult missing";

    fn parse(request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request, &allowlist::read).map(|conf| Self { conf })
    }

    fn adjust(&self, owner: &Owner, _sandbox: &str, previous: AddResult) -> Result<Adjustment, Error> {
        let Conf { variables, attributes, folder } = &self.conf;
        let mut result = previous;
        let ours = |link: &&mut cni::Interface| link.name == owner.ifname && !link.sandbox.is_empty();
        for link in result.interfaces.iter_mut().filter(ours) {
            if let Some(mac) = attributes.mac {
                link.mac = mac.to_string();
            }
            link.mtu = attributes.mtu.unwrap_or(link.mtu);
        }
        let tuning = Tuning {
            owner: owner.clone(),
            variables: variables.clone(),
            attributes: *attributes,
            folder: folder.clone(),
        };
        Ok(Adjustment { network: Vec::new(), endpoint: vec![Resource::Tuning(tuning)], result })
    }

    fn traces(&self, _owner: &Owner) -> Vec<Trace> {
        vec![Trace::Tuning(self.conf.folder.clone())]
    }
}
