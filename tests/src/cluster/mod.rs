//! Many hosts on one machine, joined by an underlay of cables and a router: what tests of the overlay run on, and what
//! `make cluster` holds open for a person.
//!
//! Every host is a [`Host`] (network and mount namespace, `/var/lib/cni` and `/run` of its own); the router is one more
//! pair of namespaces. All are anonymous and held by descriptors of this process: its end, however it comes, is theirs.
//! This module knows cables, addresses and routes. It must not know the overlay; [`Overlay`] alone does.
//!
//! ```no_run
//! use cnm_tests::cluster::{Cluster, Family, Plan};
//!
//! let mut cluster = Cluster::build(Plan::hosts(5).two_cables().loopback());
//! let (one, two) = (cluster.host(1), cluster.host(2));
//! one.reaches(two.vtep(Family::V4));
//! cluster.partition(&[1], &[2, 3]);
//! one.cannot_reach(two.vtep(Family::V4));
//! cluster.heal();
//! cluster.stop(2);
//! ```

mod by_hand;
mod faults;
mod map;
mod node;
mod overlay;
mod plan;

pub use by_hand::ByHand;
pub use node::Node;
pub use overlay::Overlay;
pub use plan::{Family, MOST_HOSTS, Plan, Underlay};

use std::net::IpAddr;

use crate::{Host, Sandbox, Suite};
use plan::switch;

/// Hosts and what lies between them. Its end is verified as that of every [`Host`].
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    suite: Suite,
    /// The host with number n is at n - 1; `None` while it is stopped.
    nodes: Vec<Option<Node>>,
    world: Sandbox,
    // Dropped after all others.
    router: Host,
}

impl Cluster {
    /// `hosts` hosts, each with one cable to the router.
    ///
    /// # Panics
    /// Without the privilege or the binaries.
    #[must_use]
    #[track_caller]
    pub fn of(hosts: usize) -> Self {
        Self::build(Plan::hosts(hosts))
    }

    /// A cluster after this plan, for the suite under test.
    ///
    /// # Panics
    /// Without the privilege or the binaries, or when the kernel lacks what the plan wants.
    #[must_use]
    #[track_caller]
    pub fn build(plan: Plan) -> Self {
        Self::with(plan, Suite::under_test())
    }

    /// A cluster after this plan, for a given suite.
    ///
    /// # Panics
    /// Without the privilege, or when the kernel lacks what the plan wants.
    #[must_use]
    #[track_caller]
    pub fn with(plan: Plan, suite: Suite) -> Self {
        assert!(
            plan.underlay == Underlay::Routed || !(plan.loopback || plan.vlan.is_some()),
            "loopback addresses and VLANs are for a routed underlay"
        );
        let router = Host::named("router", suite.clone());
        for (key, value) in [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv6/conf/all/forwarding", "1"),
            // Cables work from the first packet on.
            ("net/ipv6/conf/default/accept_dad", "0"),
            // Flows, not pairs of addresses, are spread over two cables: a tunnel has its flow in the source port.
            ("net/ipv4/fib_multipath_hash_policy", "1"),
            ("net/ipv6/fib_multipath_hash_policy", "1"),
        ] {
            router.set_sysctl(key, value);
        }
        let world = router.sandbox("world");
        let mut lines = vec!["link add world type veth peer name eth0 netns world".into(), "link set world up".into()];
        let mut beyond = vec!["link set lo up".into(), "link set eth0 up".into()];
        for family in Family::ALL {
            let router = Plan::way_back(family);
            lines.push(node::address_line(family, router, "world"));
            beyond.push(node::address_line(family, Plan::world(family), "eth0"));
            beyond.push(format!("route add {} via {}", family.everything(), router.addr()));
        }
        if plan.underlay == Underlay::Switched {
            for cable in 0..plan.cables {
                let switch = switch(cable);
                // Multicast goes to every port, as on a switch that does not snoop.
                lines.push(format!("link add {switch} mtu {} type bridge mcast_snooping 0", plan.mtu));
                lines.push(format!("link set {switch} up"));
                for family in Family::ALL {
                    lines.push(node::address_line(family, plan.gateway(family, 1, cable), &switch));
                }
            }
        }
        router.ip_batch(&lines);
        world.ip_batch(&beyond);
        node::settle(&world, &[Plan::world(Family::V6).addr()]);
        let nodes = plan.numbers().map(|number| Some(Node::new(&plan, number, &suite, &router))).collect();
        Self { plan, suite, nodes, world, router }
    }

    /// The host `h<number>`, from 1.
    ///
    /// # Panics
    /// When there is none, or it is stopped.
    #[must_use]
    #[track_caller]
    pub fn host(&self, number: usize) -> &Node {
        let place = number.checked_sub(1).and_then(|index| self.nodes.get(index));
        let place = place.unwrap_or_else(|| panic!("the cluster has no host {number}"));
        place.as_ref().unwrap_or_else(|| panic!("h{number} is stopped"))
    }

    /// The hosts that run, in order.
    pub fn hosts(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// The router: what is captured here was on the wire.
    #[must_use]
    pub fn router(&self) -> &Host {
        &self.router
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The world beyond the router. It reaches the hosts' addresses and no others.
    #[must_use]
    pub fn world(&self) -> &Sandbox {
        &self.world
    }

    /// The address of the world.
    #[must_use]
    pub fn world_address(&self, family: Family) -> IpAddr {
        Plan::world(family).addr()
    }
}
