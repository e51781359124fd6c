//! bandwidth: how fast packets may pass between a sandbox and the host, both ways, behind the plugin that attached it.
//!
//! What is limited is said here; the numbers of the kernel's disciplines are `cnm`'s, and where they are put is not known.

#![forbid(unsafe_code)]

mod conf;

use cni::{AddResult, Error, Interface, Request};
use cnm::{Adjustment, Chained, Context, Facility, Limited, Need, Owner, Resource, Shaping, Trace};
use conf::Conf;

/// The chained plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limiter {
    conf: Conf,
}

impl Chained for Limiter {
    const TYPE: &'static str = "bandwidth";
    const HELP: &'static str = "\
bandwidth: limits the traffic of a sandbox; chain it behind the plugin that attaches (a veth: bridge, ptp).
Keys: ingressRate and ingressBurst (into the sandbox), egressRate and egressBurst (out of it), in bits per second and bits; 0 or
nothing is no limit, and a rate needs a burst. The same in runtimeConfig.bandwidth, which the keys override.
unshapedSubnets or shapedSubnets: the limits are not, or only, for traffic with these; the address on the other side counts.";
    const UNCHAINED: &'static str = "must be called as chained plugin";

    fn parse(request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request).map(|conf| Self { conf })
    }

    fn adjust(&self, owner: &Owner, _sandbox: &str, previous: AddResult) -> Result<Adjustment, Error> {
        let Conf { ingress, egress, limited } = &self.conf;
        let mut result = previous;
        let mut endpoint = Vec::new();
        if ingress.is_some() || egress.is_some() {
            let of_host = result.interfaces.iter().filter(|link| link.sandbox.is_empty());
            let ports = of_host.map(|link| link.name.clone()).collect();
            let (owner, limited) = (owner.clone(), limited.clone());
            endpoint.push(Resource::Shaping(Shaping { owner, ports, ingress: *ingress, egress: *egress, limited }));
        }
        if egress.is_some() {
            let (name, mac) = (owner.shaper(), owner.shaper_mac().to_string());
            result.interfaces.push(Interface { name, mac, ..Interface::default() });
        }
        Ok(Adjustment { network: Vec::new(), endpoint, result })
    }

    fn needs(&self) -> Vec<Need> {
        let Conf { ingress, egress, limited } = &self.conf;
        // Without limits in the configuration the runtime says them with each ADD, and that may be any.
        let any = ingress.is_none() && egress.is_none();
        let by_subnet = *limited != Limited::All;
        let mut needs = vec![if by_subnet { Facility::Htb } else { Facility::Tbf }];
        if any || egress.is_some() {
            needs.extend([Facility::Ifb, Facility::Ingress, Facility::U32, Facility::Mirred]);
        } else if by_subnet {
            needs.push(Facility::U32);
        }
        vec![Need::Facilities(needs)]
    }

    fn traces(&self, _owner: &Owner) -> Vec<Trace> {
        // A runtime may have forgotten what it asked for.
        vec![Trace::Shaping]
    }
}
