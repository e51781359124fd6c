//! A wire: a host's network card on a switch, with a router and a station on it. All of them are namespaces of the test.
//! It must not know plugins.

use std::cell::Cell;

use crate::{Host, Namespace, Sandbox};

/// The switch, and who is plugged in. The host's card is its interface `eth0`, in the subnets 10.1.2.0/24 and
/// fd00:1:2::/64 as .10, with its default routes by the router (.1); the station is .20. Behind the router is the world,
/// 198.51.100.2 and 2001:db8:51::2.
#[derive(Debug)]
pub struct Lan {
    /// Its bridge is `sw`.
    pub switch: Sandbox,
    /// Its card is `eth0`.
    pub router: Sandbox,
    /// Its card is `eth0`.
    pub station: Sandbox,
    cables: Cell<usize>,
}

/// The addresses of a member of the wire, by their last part.
fn addresses(last: u8) -> [String; 2] {
    [format!("10.1.2.{last}/24"), format!("fd00:1:2::{last}/64")]
}

impl Lan {
    /// Plugs a host in.
    #[must_use]
    #[track_caller]
    pub fn new(host: &Host) -> Self {
        let [switch, router, station] = ["switch", "router", "station"].map(|name| host.sandbox(name));
        switch.run("ip link add sw type bridge forward_delay 0");
        switch.run("ip link set sw up");
        let lan = Self { switch, router, station, cables: Cell::new(0) };
        lan.plug_in(host, 10);
        lan.plug_in(&lan.router, 1);
        lan.plug_in(&lan.station, 20);
        for place in [&lan.router, &lan.station] {
            place.run("ip link set lo up");
        }
        for (address, gateway) in [("198.51.100.2/32", "10.1.2.1"), ("2001:db8:51::2/128", "fd00:1:2::1")] {
            lan.router.run(&format!("ip addr add {address} dev lo"));
            let family = if address.contains(':') { "-6" } else { "-4" };
            for place in [host as &Namespace, &lan.station] {
                place.run(&format!("ip {family} route add default via {gateway} dev eth0"));
            }
        }
        // A switch's port forwards when the kernel has heard of its carrier, which may take a second.
        for address in ["10.1.2.10", "10.1.2.1"] {
            lan.station.reaches(address);
        }
        lan
    }

    /// Lays a cable from the switch to a new card `eth0` of a namespace, and gives it the addresses that end in `last`.
    #[track_caller]
    pub fn plug_in(&self, place: &Namespace, last: u8) {
        let number = self.cables.get() + 1;
        self.cables.set(number);
        self.switch.run(&format!("ip link add port{number} type veth peer name eth0 netns {}", place.net_path()));
        self.switch.run(&format!("ip link set port{number} master sw up"));
        place.run("ip link set eth0 up");
        for address in addresses(last) {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            place.run(&format!("ip addr add {address} dev eth0 {nodad}"));
        }
    }
}
