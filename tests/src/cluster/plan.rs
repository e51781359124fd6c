//! The plan of a cluster: how many hosts, how they are cabled, which addresses they have. Pure: it makes nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The most hosts that the addresses of the plan have room for.
pub const MOST_HOSTS: usize = 25;

/// An address family of the underlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The prefix that contains all addresses: where `ip -batch` is told a family.
    pub(crate) fn everything(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0/0",
            Self::V6 => "::/0",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What lies between the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underlay {
    /// Every cable is a subnet of its own, and the router forwards between them.
    Routed,
    /// The hosts' n-th cables are plugged into one switch: what a multicast group needs.
    Switched,
}

/// A plan, completed step by step and then built with [`crate::cluster::Cluster::build`].
///
/// Host `n` (from 1) is `h<n>`; its cable `k` (0 or 1) is `up<k>` there and `h<n>-<k>` at the router. Addresses:
///
/// | | host | router |
/// |---|---|---|
/// | routed | `198.18.<100k+n>.1/24`, `2001:db8:<k>:<n>::1/64` | `.254`, `::fe` |
/// | switched | `198.18.<k>.<n>/24`, `2001:db8:<k>::<n>/64` | `.254`, `::fe` |
/// | with loopback addresses | `192.0.2.<n>/32`, `2001:db8:ffff::<n>/128` | |
///
/// The world is one more namespace behind the router: `203.0.113.1/24`, `2001:db8:cafe::1/64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) hosts: usize,
    pub(crate) cables: usize,
    pub(crate) underlay: Underlay,
    pub(crate) loopback: bool,
    pub(crate) mtu: u32,
    pub(crate) vlan: Option<u16>,
}

impl Plan {
    /// `hosts` hosts, each with one cable of MTU 1500 to the router.
    ///
    /// # Panics
    /// When there are none or more than [`MOST_HOSTS`].
    #[must_use]
    #[track_caller]
    pub fn hosts(hosts: usize) -> Self {
        assert!((1..=MOST_HOSTS).contains(&hosts), "{hosts} hosts: the plan has room for 1 to {MOST_HOSTS}");
        Self { hosts, cables: 1, underlay: Underlay::Routed, loopback: false, mtu: 1500, vlan: None }
    }

    /// With two cables on each host; default routes use both.
    #[must_use]
    pub fn two_cables(mut self) -> Self {
        self.cables = 2;
        self
    }

    /// With switches between the hosts instead of a router; the router is one more station, and the way to the world.
    #[must_use]
    pub fn switched(mut self) -> Self {
        self.underlay = Underlay::Switched;
        self
    }

    /// With the hosts' tunnel addresses on `lo`, so that no cable is theirs. Only on a routed underlay.
    #[must_use]
    pub fn loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// With another MTU on all cables, in bytes.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = mtu;
        self
    }

    /// With the underlay in a VLAN of the cables (the kernel needs `CONFIG_VLAN_8021Q`). Only on a routed underlay.
    #[must_use]
    pub fn vlan(mut self, id: u16) -> Self {
        self.vlan = Some(id);
        self
    }

    /// How many cables each host has.
    #[must_use]
    pub fn cables(&self) -> usize {
        self.cables
    }

    /// Numbers of the hosts.
    pub(crate) fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.hosts
    }

    /// The device of cable `cable` that has the host's address.
    pub(crate) fn uplink(&self, cable: usize) -> String {
        self.tagged(&format!("up{cable}"))
    }

    /// The device of a host's cable at the router.
    pub(crate) fn port(&self, host: usize, cable: usize) -> String {
        self.tagged(&plain_port(host, cable))
    }

    fn tagged(&self, device: &str) -> String {
        self.vlan.map_or_else(|| device.to_owned(), |id| format!("{device}.{id}"))
    }

    /// The host's address on a cable, with prefix length.
    pub(crate) fn address(&self, family: Family, host: usize, cable: usize) -> IpNet {
        self.on_cable(family, host, cable, false)
    }

    /// The router's address on the same subnet.
    pub(crate) fn gateway(&self, family: Family, host: usize, cable: usize) -> IpNet {
        self.on_cable(family, host, cable, true)
    }

    fn on_cable(&self, family: Family, host: usize, cable: usize, router: bool) -> IpNet {
        let (number, switched) = (part(host), self.underlay == Underlay::Switched);
        let subnet = if switched { part(cable) } else { part(100 * cable + host) };
        let station = match (router, switched) {
            (true, _) => 254,
            (false, true) => number,
            (false, false) => 1,
        };
        match family {
            Family::V4 => net(Ipv4Addr::new(198, 18, subnet, station).into(), 24),
            Family::V6 => {
                let subnet = if switched { 0 } else { u16::from(number) };
                let address = Ipv6Addr::new(0x2001, 0xdb8, u16::from(part(cable)), subnet, 0, 0, 0, u16::from(station));
                net(address.into(), 64)
            }
        }
    }

    /// The address that a host's tunnels start from: on `lo`, or that of its first cable.
    pub(crate) fn vtep(&self, family: Family, host: usize) -> IpAddr {
        match family {
            _ if !self.loopback => self.address(family, host, 0).addr(),
            Family::V4 => Ipv4Addr::new(192, 0, 2, part(host)).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(part(host))).into(),
        }
    }

    /// The address of the world beyond the router, with prefix length.
    pub(crate) fn world(family: Family) -> IpNet {
        Self::beyond(family, 1)
    }

    /// The router's address there.
    pub(crate) fn way_back(family: Family) -> IpNet {
        Self::beyond(family, 254)
    }

    fn beyond(family: Family, station: u8) -> IpNet {
        match family {
            Family::V4 => net(Ipv4Addr::new(203, 0, 113, station).into(), 24),
            Family::V6 => net(Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, station.into()).into(), 64),
        }
    }
}

/// The bridge between the hosts' n-th cables in a switched underlay.
pub(crate) fn switch(cable: usize) -> String {
    format!("lan{cable}")
}

/// The router's end of the cable itself, VLAN or not.
pub(crate) fn plain_port(host: usize, cable: usize) -> String {
    format!("h{host}-{cable}")
}

fn part(number: usize) -> u8 {
    u8::try_from(number).expect("at most 25 hosts with two cables fit")
}

fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).expect("a prefix length that fits")
}

#[cfg(test)]
mod tests {
    use super::{Family, MOST_HOSTS, Plan};
    use std::collections::BTreeSet;

    #[test]
    fn no_two_stations_have_one_address() {
        let plans = [Plan::hosts(MOST_HOSTS).two_cables(), Plan::hosts(MOST_HOSTS).two_cables().loopback()];
        for plan in plans.into_iter().flat_map(|plan| [plan.clone(), plan.switched()]) {
            for family in Family::ALL {
                let mut all = BTreeSet::from([Plan::world(family).addr()]);
                let mut expected = 1;
                for host in plan.numbers() {
                    for cable in 0..plan.cables {
                        assert!(all.insert(plan.address(family, host, cable).addr()), "{plan:?} {host} {cable}");
                        all.insert(plan.gateway(family, host, cable).addr());
                        expected += 1;
                    }
                    expected += usize::from(plan.loopback);
                    all.insert(plan.vtep(family, host));
                }
                let routers = all.len() - expected;
                assert!([plan.cables, plan.cables * plan.hosts].contains(&routers), "{plan:?}: {routers} routers");
            }
        }
    }

    #[test]
    #[should_panic(expected = "room for 1 to 25")]
    fn more_hosts_than_addresses_are_refused() {
        let _ = Plan::hosts(MOST_HOSTS + 1);
    }
}
