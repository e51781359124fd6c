//! What a host forwards for an attachment: its traffic passes where a policy of the host's own (Docker's, kube-proxy's)
//! would drop it, and stays away from other networks as `ingressPolicy` says.
//!
//! It works behind the plugin that attaches and changes nothing of its result. How the host is made to forward, and by
//! which firewall, is not known here.

#![forbid(unsafe_code)]

mod conf;
mod previous;

use cni::{AddResult, Error, Request};
use cnm::{Adjustment, Chained, Context, Forwarding, Ingress, Intent, Need, Owner, Resource, Share, Trace};

use conf::Conf;
use previous::Previous;

/// The firewall plugin of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    conf: Conf,
}

impl Chained for Firewall {
    const TYPE: &'static str = "firewall";
    const HELP: &'static str = "\
firewall: lets the traffic of an attachment, and what comes to its published ports, pass where the host's own policy
drops it, and keeps networks apart.
It stands in \"plugins\" behind the plugin that attaches.
Keys: backend: \"\" (firewalld where it runs, else nftables where the kernel has it, else iptables), nftables, iptables,
      firewalld
      ingressPolicy: open (default), same-bridge (nothing comes in from another bridge with an ingress policy),
      isolated (nor from the bridge itself)
      iptablesAdminChainName (CNI-ADMIN): your chain of iptables, asked first; with nftables also chain admin of
      table inet cnm
      firewalldZone (trusted)";
    const UNCHAINED: &'static str = "missing prevResult from earlier plugin";

    fn parse(request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request).map(|conf| Self { conf })
    }

    fn adjust(&self, owner: &Owner, _sandbox: &str, previous: AddResult) -> Result<Adjustment, Error> {
        let conf = &self.conf;
        let told = Previous::read(&previous, owner, conf.ingress)?;
        let mut endpoint = Vec::new();
        if told.shared && conf.ingress == Ingress::Isolated {
            // What a bridge only bridges passes no firewall unless the host is told so (`bridge-nf-call-iptables`).
            endpoint.push(Resource::IsolatedPort { link: owner.host_link() });
        }
        if !told.addresses.is_empty() {
            endpoint.push(Resource::Firewall(Intent::Forward(Forwarding {
                addresses: told.addresses,
                device: told.device,
                shared: told.shared,
                ingress: conf.ingress,
                gatekeeper: conf.gatekeeper,
                admin_chain: conf.admin_chain.clone(),
                zone: conf.zone.clone(),
            })));
        }
        Ok(Adjustment { network: Vec::new(), endpoint, result: previous })
    }

    fn traces(&self, _owner: &Owner) -> Vec<Trace> {
        vec![Trace::Firewall(Share::Forwarding)]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Forwarding(self.conf.gatekeeper)]
    }
}
