//! Kernel variables below `net/` with those of each link, which appear and vanish with it.

use std::collections::BTreeMap;

use crate::namespace::Refusal;
use crate::{EINVAL, ENOENT};

/// `net/ipv4/conf/<link>/…` and their values in a fresh namespace.
const V4: &[(&str, i64)] = &[
    ("accept_local", 0),
    ("accept_redirects", 1),
    ("accept_source_route", 1),
    ("arp_accept", 0),
    ("arp_announce", 0),
    ("arp_filter", 0),
    ("arp_ignore", 0),
    ("arp_notify", 0),
    ("forwarding", 0),
    ("log_martians", 0),
    ("promote_secondaries", 0),
    ("proxy_arp", 0),
    ("route_localnet", 0),
    ("rp_filter", 0),
    ("secure_redirects", 1),
    ("send_redirects", 1),
    ("src_valid_mark", 0),
];

/// `net/ipv6/conf/<link>/…` and their values in a fresh namespace.
const V6: &[(&str, i64)] = &[
    ("accept_dad", 1),
    ("accept_ra", 1),
    ("accept_redirects", 1),
    ("accept_source_route", 0),
    ("addr_gen_mode", 0),
    ("autoconf", 1),
    ("dad_transmits", 1),
    ("disable_ipv6", 0),
    ("enhanced_dad", 1),
    ("forwarding", 0),
    ("hop_limit", 64),
    ("keep_addr_on_down", 0),
    ("ndisc_notify", 0),
    ("optimistic_dad", 0),
    ("proxy_ndp", 0),
    ("use_tempaddr", 0),
];

/// Where a fresh namespace differs from the tables.
const EXCEPTIONS: &[(&str, i64)] = &[
    ("net/ipv4/conf/all/accept_source_route", 0),
    ("net/ipv6/conf/all/accept_dad", 0),
    ("net/ipv6/conf/lo/accept_dad", -1),
    ("net/ipv6/conf/lo/use_tempaddr", -1),
];

/// The value of a variable of which nobody has changed anything.
fn initial(key: &str) -> Option<i64> {
    let exception = EXCEPTIONS.iter().find(|(known, _)| *known == key);
    let table = if key.starts_with("net/ipv4") { V4 } else { V6 };
    let name = key.rsplit('/').next().unwrap_or_default();
    exception.or_else(|| table.iter().find(|(known, _)| *known == name)).map(|(_, value)| *value)
}

/// Other name of `net/ipv4/conf/all/forwarding`.
const IP_FORWARD: &str = "net/ipv4/ip_forward";
const V4_FORWARDING: &str = "net/ipv4/conf/all/forwarding";
const V6_FORWARDING: &str = "net/ipv6/conf/all/forwarding";
const V6_DISABLED: &str = "net/ipv6/conf/all/disable_ipv6";

/// The variables of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sysctls {
    values: BTreeMap<String, String>,
}

impl Sysctls {
    pub(crate) fn new() -> Self {
        let mut values = BTreeMap::new();
        for (family, keys) in [("ipv4", V4), ("ipv6", V6)] {
            for link in ["all", "default"] {
                for (key, value) in keys {
                    let key = format!("net/{family}/conf/{link}/{key}");
                    let value = initial(&key).unwrap_or(*value).to_string();
                    values.insert(key, value);
                }
            }
        }
        Self { values }
    }

    /// A link came: it gets the values of `default`.
    pub(crate) fn appear(&mut self, link: &str, ipv6: bool) {
        self.copy_defaults("ipv4", V4, link);
        if ipv6 {
            self.appear_ipv6(link);
        }
    }

    /// A link became large enough for IPv6.
    pub(crate) fn appear_ipv6(&mut self, link: &str) {
        self.copy_defaults("ipv6", V6, link);
        for (key, value) in EXCEPTIONS.iter().filter(|(key, _)| link == "lo" && key.contains("/conf/lo/")) {
            self.values.insert((*key).to_owned(), value.to_string());
        }
    }

    fn copy_defaults(&mut self, family: &str, keys: &[(&str, i64)], link: &str) {
        for (key, _) in keys {
            let value = self.values.get(&format!("net/{family}/conf/default/{key}")).cloned().unwrap_or_default();
            self.values.insert(format!("net/{family}/conf/{link}/{key}"), value);
        }
    }

    /// A link went.
    pub(crate) fn vanish(&mut self, link: &str) {
        self.vanish_from("ipv4", link);
        self.vanish_ipv6(link);
    }

    /// A link became too small for IPv6.
    pub(crate) fn vanish_ipv6(&mut self, link: &str) {
        self.vanish_from("ipv6", link);
    }

    fn vanish_from(&mut self, family: &str, link: &str) {
        let prefix = format!("net/{family}/conf/{link}/");
        self.values.retain(|key, _| !key.starts_with(&prefix));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let key = if key == IP_FORWARD { V4_FORWARDING } else { key };
        self.values.get(key).map(String::as_str)
    }

    /// Whether a switch is on for a link, by itself or by `all`.
    pub(crate) fn either(&self, family: &str, link: &str, key: &str) -> bool {
        ["all", link].iter().any(|link| self.is_set(family, link, key))
    }

    /// Whether a switch is on for a link alone.
    pub(crate) fn is_set(&self, family: &str, link: &str, key: &str) -> bool {
        self.values
            .get(&format!("net/{family}/conf/{link}/{key}"))
            .and_then(|value| value.parse::<i64>().ok())
            .is_some_and(|value| value > 0)
    }

    /// Writes a variable and what follows it; `all` reaches every link for forwarding and for `disable_ipv6`.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        let key = if key == IP_FORWARD { V4_FORWARDING } else { key };
        if !self.values.contains_key(key) {
            return Err((ENOENT, ""));
        }
        let number: i32 = value.trim().parse().map_err(|_| (EINVAL, ""))?;
        // net.ipv4.ip_forward is only passed on when it changes (devinet_sysctl_forward).
        if key == V4_FORWARDING && self.get(key) == Some(number.to_string().as_str()) {
            return Ok(());
        }
        let spread = [V4_FORWARDING, V6_FORWARDING, V6_DISABLED].contains(&key);
        if let Some((family, name)) = key.split_once("/conf/all/").filter(|_| spread) {
            let (family, name) = (format!("{family}/conf/"), format!("/{name}"));
            for (each, old) in &mut self.values {
                if each.starts_with(&family) && each.ends_with(&name) {
                    *old = number.to_string();
                }
            }
        } else {
            self.values.insert(key.to_owned(), number.to_string());
        }
        Ok(())
    }

    /// What differs from a fresh namespace, for `default`, `all` and the links.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        all.filter(|(key, value)| initial(key).is_none_or(|initial| initial.to_string() != *value))
    }
}
