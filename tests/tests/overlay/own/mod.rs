//! One host with an uplink, whose other end stands for the rest of the world.

mod bad_input;
mod check;
mod crash;
mod existing;
mod isolation;
mod keys;
mod known;
mod lifetime;
mod mtu;
mod parallel;
mod status;
mod traffic;

use cnm_tests::{Conf, Host, Sandbox};
use serde_json::{Value, json};

/// The subnets of this crate's networks.
const V4: &str = "10.1.2.0/24";
const V6: &str = "fd00:1:2::/64";

/// The host's end of the uplink, and the other end.
const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";
const HERE6: &str = "2001:db8::1";
const THERE6: &str = "2001:db8::2";

/// A host with the uplink `up0`, and what is behind it.
struct Site {
    host: Host,
    far: Sandbox,
}

impl Site {
    fn new() -> Self {
        let host = Host::new();
        let far = host.sandbox("far");
        far.run("ip link set lo up");
        host.run("ip link add up0 type veth peer name eth0 netns far");
        for (place, device, v4, v6) in [(&*host, "up0", HERE, HERE6), (&*far, "eth0", THERE, THERE6)] {
            place.run(&format!("ip link set {device} up"));
            place.run(&format!("ip addr add {v4}/24 dev {device}"));
            place.run(&format!("ip addr add {v6}/64 dev {device} nodad"));
        }
        Self { host, far }
    }

    /// Makes the far side a host of the network with this number, by hand, with these addresses.
    fn joins(&self, vni: u32, addresses: &[&str]) {
        self.far.run(&format!("ip link add vx{vni} type vxlan id {vni} dstport 4789 local {THERE} dev eth0"));
        self.far.run(&format!("bridge fdb append 00:00:00:00:00:00 dev vx{vni} dst {HERE}"));
        self.far.run(&format!("ip link set vx{vni} mtu 1450 up"));
        for address in addresses {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            self.far.run(&format!("ip addr add {address} dev vx{vni} {nodad}"));
        }
    }
}

impl std::ops::Deref for Site {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// A network without addresses, on the uplink, with no peer yet.
fn bare(name: &str, vni: u32) -> Conf {
    Conf::new("vxlan-overlay", name).version("1.1.0").with("vni", vni).with("underlay", "up0")
}

/// A network of one family with both sides as peers, without gateway.
fn blue() -> Conf {
    bare("blue", 42).with("peers", json!([HERE, THERE])).subnet(V4)
}

/// A network of both families that leads to the world.
fn world() -> Conf {
    blue().subnet(V6).to_the_world()
}

/// What `ip` tells of a VXLAN device.
fn vxlan(host: &Host, device: &str) -> Value {
    host.link(device).json["linkinfo"]["info_data"].clone()
}

/// The static entries of a device's forwarding table, `<mac> dst <host>` or `<mac> master`, sorted.
fn forwarding(host: &Host, device: &str) -> Vec<String> {
    let Value::Array(list) = host.json(&format!("bridge -j fdb show dev {device}")) else { return Vec::new() };
    let is_static = |entry: &&Value| entry["state"] == "static";
    let text = |entry: &Value| {
        let mac = entry["mac"].as_str().unwrap_or_default();
        entry["dst"].as_str().map_or_else(|| format!("{mac} master"), |dst| format!("{mac} dst {dst}"))
    };
    let mut entries: Vec<String> = list.iter().filter(is_static).map(text).collect();
    entries.sort();
    entries
}
