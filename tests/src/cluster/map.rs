//! The cluster as text: who is where.

use super::{Cluster, Family, Underlay};

impl Cluster {
    /// A picture of the underlay with all addresses.
    #[must_use]
    pub fn map(&self) -> String {
        let plan = self.plan();
        let between = match plan.underlay {
            Underlay::Routed => "a router forwards between them",
            Underlay::Switched => "a switch joins them",
        };
        let [v4, v6] = Family::ALL.map(|family| self.world_address(family));
        let mut text = format!("{} hosts; {between}. MTU of the cables: {}\n\n", self.hosts().count(), plan.mtu);
        text += "  router\n";
        text += &format!("  ├── {:13} {v4:18} {v6}\n", "world");
        let last = self.hosts().map(super::Node::number).max();
        for host in self.hosts() {
            let (branch, trunk) = if Some(host.number()) == last { ("└", " ") } else { ("├", "│") };
            for cable in 0..plan.cables {
                let (branch, name) = if cable == 0 { (branch, host.label()) } else { (trunk, "") };
                let line = if cable == 0 { "──" } else { "  " };
                let [v4, v6] = Family::ALL.map(|family| plan.address(family, host.number(), cable).to_string());
                text += &format!("  {branch}{line} {name:4} {:8} {v4:18} {v6}\n", host.uplink(cable));
            }
            if plan.loopback {
                let [v4, v6] = Family::ALL.map(|family| host.vtep(family).to_string());
                text += &format!("  {trunk}        {:8} {v4:18} {v6}\n", "lo");
            }
        }
        text
    }
}
