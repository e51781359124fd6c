//! The networks that are measured: one plugin, or the chain that a runtime writes, key for key.
//!
//! The only keys that differ between contenders name our firewall backend; the reference of Debian 12 knows none of
//! bridge's and portmap's, and uses iptables.

use serde_json::{Value, json};

use crate::contender::{BRIDGE, PARENT, Shape, Who};

/// Which plugins an endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// `bridge` alone.
    Bridge,
    /// `macvlan` alone.
    Macvlan,
    /// What `podman network create` writes, with one published port.
    Podman,
    /// What nerdctl writes, with one published port.
    Nerdctl,
}

impl Chain {
    /// As printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Podman => "podman's chain",
            Self::Nerdctl => "nerdctl's chain",
        }
    }

    /// The version of its file. STATUS is newer than all of them.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Bridge | Self::Macvlan | Self::Nerdctl => "1.0.0",
            Self::Podman => "0.4.0",
        }
    }

    /// `CNI_ARGS` that its runtime gives.
    #[must_use]
    pub const fn arguments(self) -> &'static str {
        match self {
            Self::Bridge | Self::Macvlan => "",
            Self::Podman => "IgnoreUnknown=1;K8S_POD_NAME=web",
            Self::Nerdctl => "IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=web",
        }
    }

    /// The plugins' configurations for the `number`-th endpoint, in order, as libcni hands them over.
    #[must_use]
    pub fn plugins(self, who: Who, shape: Shape, number: usize) -> Vec<Value> {
        let mut list = match self {
            Self::Bridge => vec![bridge(shape)],
            Self::Macvlan => vec![macvlan(shape)],
            Self::Podman => {
                let mut bridge = bridge(shape);
                bridge["hairpinMode"] = json!(true);
                bridge["ipam"]["ranges"][0][0]["gateway"] = json!("10.88.0.1");
                vec![bridge, portmap(number), json!({"type": "firewall", "backend": ""}), json!({"type": "tuning"})]
            }
            Self::Nerdctl => {
                let mut bridge = bridge(shape);
                bridge["hairpinMode"] = json!(true);
                bridge["ipam"]["ranges"][0][0]["gateway"] = json!("10.88.0.1");
                let firewall = json!({"type": "firewall", "ingressPolicy": "same-bridge"});
                vec![bridge, portmap(number), firewall, json!({"type": "tuning"})]
            }
        };
        for plugin in &mut list {
            plugin["cniVersion"] = json!(self.version());
            plugin["name"] = json!("bench");
            let backend = match plugin["type"].as_str() {
                Some("bridge") => "ipMasqBackend",
                Some("portmap" | "firewall") => "backend",
                _ => continue,
            };
            if who == Who::Ours {
                plugin[backend] = json!(shape.backend);
            }
        }
        list
    }
}

/// The same lease on a parent.
fn macvlan(shape: Shape) -> Value {
    json!({"type": "macvlan", "master": PARENT, "mode": "bridge", "ipam": leases(shape)})
}

fn bridge(shape: Shape) -> Value {
    json!({"type": "bridge", "bridge": BRIDGE, "isGateway": true, "ipMasq": true, "ipam": leases(shape)})
}

fn leases(shape: Shape) -> Value {
    let mut ranges = vec![json!([{"subnet": "10.88.0.0/16"}])];
    let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
    if shape.dual_stack {
        ranges.push(json!([{"subnet": "fd00:88::/64"}]));
        routes.push(json!({"dst": "::/0"}));
    }
    json!({"type": "host-local", "ranges": ranges, "routes": routes})
}

/// With one port for each endpoint.
fn portmap(number: usize) -> Value {
    json!({
        "type": "portmap",
        "capabilities": {"portMappings": true},
        "runtimeConfig": {"portMappings": [
            {"hostPort": 20_000 + number % 40_000, "containerPort": 80, "protocol": "tcp"},
        ]},
    })
}
