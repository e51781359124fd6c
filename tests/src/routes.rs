//! Addresses, routes and neighbours of a namespace.

use ipnet::IpNet;
use serde_json::Value;

use crate::Namespace;

/// An address of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// With prefix length.
    pub address: IpNet,
    /// `global`, `link`, `host`.
    pub scope: String,
    /// Directed broadcast address, empty for none.
    pub broadcast: String,
    /// Everything, e.g. `nodad`, `tentative`, `dadfailed`.
    pub json: Value,
}

/// A route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `default` or a prefix.
    pub to: String,
    /// Gateway, empty for on-link.
    pub via: String,
    /// Interface.
    pub device: String,
    /// `main`, `local`, a number.
    pub table: String,
    /// Everything.
    pub json: Value,
}

impl Namespace {
    /// The addresses of a link whose scope is global, of both families, in the kernel's order.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self, device: &str) -> Vec<Address> {
        let links = self.json("ip -j addr show");
        let link = links.as_array().into_iter().flatten().find(|link| link["ifname"] == device);
        let list = link.and_then(|link| link["addr_info"].as_array()).into_iter().flatten();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let all = list.filter_map(|entry| {
            let address = format!("{}/{}", text(entry, "local"), entry["prefixlen"]).parse().ok()?;
            let (scope, broadcast) = (text(entry, "scope"), text(entry, "broadcast"));
            Some(Address { address, scope, broadcast, json: entry.clone() })
        });
        all.filter(|address| address.scope == "global").collect()
    }

    /// The same as texts, e.g. `10.1.2.2/24`.
    #[must_use]
    #[track_caller]
    pub fn address_texts(&self, device: &str) -> Vec<String> {
        self.addresses(device).into_iter().map(|address| address.address.to_string()).collect()
    }

    /// The routes of both families in the main table, IPv4 first.
    #[must_use]
    #[track_caller]
    pub fn routes(&self) -> Vec<Route> {
        self.routes_of("main")
    }

    /// The routes of both families in a table (`all` for every table), IPv4 first.
    #[must_use]
    #[track_caller]
    pub fn routes_of(&self, table: &str) -> Vec<Route> {
        let mut routes = Vec::new();
        for family in ["-4", "-6"] {
            // A table that was never used is an error of ip's, for us an empty list.
            let output = self.attempt(&format!("ip -j -d {family} route show table {table}"));
            let list: Value = serde_json::from_str(output.text().trim()).unwrap_or_default();
            for json in list.as_array().into_iter().flatten() {
                let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
                routes.push(Route {
                    to: text("dst"),
                    via: text("gateway"),
                    device: text("dev"),
                    table: json["table"].as_str().unwrap_or("main").to_owned(),
                    json: json.clone(),
                });
            }
        }
        routes
    }

    /// Whether the main table has a route to `to` (`default` or a prefix), through `via` unless that is empty.
    /// IPv6 default routes are told from IPv4's by `via`.
    #[must_use]
    #[track_caller]
    pub fn has_route(&self, to: &str, via: &str) -> bool {
        self.routes().iter().any(|route| route.to == to && (via.is_empty() || route.via == via))
    }

    /// The hardware address that the neighbour table has for `address`, if any.
    #[must_use]
    #[track_caller]
    pub fn neighbour(&self, address: &str) -> Option<String> {
        let list = self.json("ip -j neigh show");
        let entry = list.as_array()?.iter().find(|entry| entry["dst"] == address)?;
        entry["lladdr"].as_str().map(String::from)
    }
}
