//! Links of a namespace as `ip -d link` sees them.

use serde_json::Value;

use crate::Namespace;

/// A link.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Interface index.
    pub index: u64,
    /// Name.
    pub name: String,
    /// `veth`, `bridge`, …; empty for `lo` and hardware.
    pub kind: String,
    /// Hardware address.
    pub mac: String,
    /// Bytes.
    pub mtu: u64,
    /// Administratively up.
    pub up: bool,
    /// `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN`.
    pub state: String,
    /// Name of the master.
    pub master: Option<String>,
    /// Promiscuous by somebody's explicit wish.
    pub promiscuous: bool,
    /// `IFLA_GROUP`; `default` is 0.
    pub group: String,
    /// `IFLA_IFALIAS`, empty when unset.
    pub alias: String,
    /// Everything.
    pub json: Value,
}

impl Link {
    /// A flag of a bridge port: `hairpin`, `isolated`, `learning`, …; `None` when it is not a port.
    #[must_use]
    pub fn port_flag(&self, name: &str) -> Option<bool> {
        self.json["linkinfo"]["info_slave_data"][name].as_bool()
    }

    fn new(json: Value) -> Self {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let flag = |name: &str| json["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == name));
        Self {
            index: json["ifindex"].as_u64().unwrap_or_default(),
            name: text("ifname"),
            kind: json["linkinfo"]["info_kind"].as_str().unwrap_or_default().to_owned(),
            mac: text("address"),
            mtu: json["mtu"].as_u64().unwrap_or_default(),
            up: flag("UP"),
            state: text("operstate"),
            master: json["master"].as_str().map(String::from),
            promiscuous: flag("PROMISC"),
            group: text("group"),
            alias: text("ifalias"),
            json,
        }
    }
}

impl Namespace {
    /// All links.
    #[must_use]
    #[track_caller]
    pub fn links(&self) -> Vec<Link> {
        match self.json("ip -j -d link show") {
            Value::Array(list) => list.into_iter().map(Link::new).collect(),
            other => panic!("ip prints no list of links: {other}"),
        }
    }

    /// A link by name, if it exists.
    #[must_use]
    #[track_caller]
    pub fn find_link(&self, name: &str) -> Option<Link> {
        self.links().into_iter().find(|link| link.name == name)
    }

    /// A link by name.
    ///
    /// # Panics
    /// When it does not exist.
    #[must_use]
    #[track_caller]
    pub fn link(&self, name: &str) -> Link {
        self.find_link(name).unwrap_or_else(|| panic!("{} has no link {name}", self.label()))
    }

    /// Whether a link exists.
    #[must_use]
    #[track_caller]
    pub fn has_link(&self, name: &str) -> bool {
        self.find_link(name).is_some()
    }

    /// Names of the links whose master is `bridge`, sorted.
    #[must_use]
    #[track_caller]
    pub fn ports(&self, bridge: &str) -> Vec<String> {
        let ports = self.links().into_iter().filter(|link| link.master.as_deref() == Some(bridge));
        let mut names: Vec<String> = ports.map(|link| link.name).collect();
        names.sort();
        names
    }

    /// The VLANs of a bridge port, each as `7`, `7 pvid untagged`, …; none on a kernel without VLAN filtering.
    #[must_use]
    #[track_caller]
    pub fn vlans(&self, port: &str) -> Vec<String> {
        let list = self.json("bridge -j vlan show");
        let found = list.as_array().into_iter().flatten().find(|entry| entry["ifname"] == port);
        let vlans = found.and_then(|entry| entry["vlans"].as_array()).into_iter().flatten();
        let word = |flag: &Value| if flag == "PVID" { " pvid" } else { " untagged" };
        let flags = |vlan: &Value| vlan["flags"].as_array().into_iter().flatten().map(word).collect::<String>();
        vlans.map(|vlan| format!("{}{}", vlan["vlan"], flags(vlan))).collect()
    }
}
