//! All state that a plugin could change, comparable: "state after equals state before".
//! It must not know plugins; what it leaves out changes without anybody's wish, and is listed here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::{Namespace, Route};

/// Folders whose files are part of the state.
const FOLDERS: &[&str] = &["/var/lib/cni", "/run", "/etc/cni"];

/// Files that are not: the sandboxes' own mount points, iptables' lock, the harness's overlay.
const NOT_STATE: &[&str] = &["/run/netns", "/run/xtables.lock", "/run/.cover-"];

/// Keys of links that change by themselves, or number an object that was made again.
const VOLATILE: &[&str] = &["ifindex", "link_index", "link_netnsid", "bridge_id", "root_id", "stats64", "stats"];

/// What follows the carrier, asynchronously: the carrier follows the links, and these are in the snapshot.
const OF_CARRIER: &[&str] = &["operstate", "tentative", "linkdown", "NO-CARRIER", "LOWER_UP", "dadfailed"];

/// Links, addresses, routes, rules, firewall, sysctls, files: key to content.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Of these namespaces; the first is the host's, whose files count.
    #[track_caller]
    pub(crate) fn take(namespaces: &[&Namespace]) -> Self {
        let mut state = BTreeMap::new();
        for namespace in namespaces {
            look(namespace, &mut state);
        }
        if let Some(host) = namespaces.first() {
            state.extend(host.enter(|| {
                let mut files = BTreeMap::new();
                for folder in FOLDERS {
                    walk(Path::new(folder), &mut files);
                }
                files
            }));
        }
        Self(state)
    }

    /// Without the entries whose key starts with one of `prefixes`, e.g. `host link br-web`.
    #[must_use]
    pub fn without(mut self, prefixes: &[&str]) -> Self {
        self.0.retain(|key, _| !prefixes.iter().any(|prefix| key.starts_with(prefix)));
        self
    }

    /// With one more entry, or another value of one.
    #[must_use]
    pub fn and(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Whether `after` is the same.
    ///
    /// # Errors
    /// What appeared, disappeared or changed.
    pub fn compare(&self, after: &Self) -> Result<(), String> {
        let mut lines = Vec::new();
        for (key, old) in &self.0 {
            match after.0.get(key) {
                None => lines.push(format!("- {key}: {old}")),
                Some(new) if new != old => lines.push(format!("! {key}: {}", difference(old, new))),
                Some(_) => {}
            }
        }
        for (key, new) in after.0.iter().filter(|(key, _)| !self.0.contains_key(*key)) {
            lines.push(format!("+ {key}: {new}"));
        }
        if lines.is_empty() { Ok(()) } else { Err(format!("\n{}", lines.join("\n"))) }
    }
}

/// Two values, or for long ones only from where they part.
fn difference(old: &str, new: &str) -> String {
    let same = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count().saturating_sub(30);
    let rest = |text: &str| text.chars().skip(same).take(300).collect::<String>();
    format!("…{} → …{}", rest(old), rest(new))
}

#[track_caller]
fn look(namespace: &Namespace, state: &mut BTreeMap<String, String>) {
    let place = namespace.label();
    for link in namespace.links() {
        state.insert(format!("{place} link {}", link.name), steady(&link.json).to_string());
    }
    for port in namespace.json("bridge -j vlan show").as_array().into_iter().flatten() {
        let key = format!("{place} vlans {}", port["ifname"].as_str().unwrap_or_default());
        state.insert(key, port["vlans"].to_string());
    }
    for link in namespace.json("ip -j addr show").as_array().into_iter().flatten() {
        // Link-local addresses come and go with the carrier too.
        let list = link["addr_info"].as_array().into_iter().flatten().filter(|address| address["scope"] != "link");
        for address in list {
            let key = format!("{place} address {} {}", link["ifname"], address["local"]).replace('"', "");
            state.insert(key, steady(address).to_string());
        }
    }
    // So do the routes that the kernel derives from addresses.
    let derived =
        |route: &Route| route.json["protocol"] == "kernel" && (route.table == "local" || route.to == "fe80::/64");
    for route in namespace.routes_of("all").iter().filter(|route| !derived(route)) {
        let key = format!("{place} route {}", steady(&route.json));
        *state.entry(key).or_default() += "I";
    }
    for (key, value) in namespace.all_disciplines() {
        state.insert(format!("{place} discipline {key}"), value);
    }
    for family in ["-4", "-6"] {
        let rules = namespace.json(&format!("ip -j {family} rule show"));
        state.insert(format!("{place} rules {family}"), rules.to_string());
    }
    let firewall = namespace.ruleset();
    for (key, value) in firewall.objects {
        state.insert(format!("{place} firewall {key}"), value.to_string());
    }
    state.insert(format!("{place} iptables"), firewall.iptables.join("\n"));
    for (key, value) in namespace.network_sysctls() {
        state.insert(format!("{place} sysctl {key}"), value);
    }
}

/// `value` without what changes by itself: timers above all.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let changes = |key: &str| key.ends_with("_timer") || VOLATILE.contains(&key) || OF_CARRIER.contains(&key);
            let kept = map.iter().filter(|(key, _)| !changes(key));
            Value::Object(kept.map(|(key, value)| (key.clone(), steady(value))).collect())
        }
        Value::Array(list) => {
            let kept = list.iter().filter(|value| !value.as_str().is_some_and(|text| OF_CARRIER.contains(&text)));
            Value::Array(kept.map(steady).collect())
        }
        other => other.clone(),
    }
}

/// Files, folders and links below `path`, with mode and content.
fn walk(path: &Path, found: &mut BTreeMap<String, String>) {
    let name = path.to_string_lossy().into_owned();
    if NOT_STATE.iter().any(|prefix| name.starts_with(prefix)) {
        return;
    }
    let Ok(data) = path.symlink_metadata() else { return };
    let mode = data.mode() & 0o7777;
    if data.is_dir() {
        found.insert(format!("file {name}/"), format!("{mode:o}"));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), found);
        }
        return;
    }
    // The position from which host-local searches next is meant to survive (the reference's does too), and its index
    // is a cache.
    let content = if name.contains("/last_reserved_ip.") || name.ends_with(".idx") {
        "(wherever it stands)".to_owned()
    } else if !data.is_file() {
        // Reading a pipe would wait for somebody who writes.
        format!("(no file: {:?})", data.file_type())
    } else {
        fs::read(path).map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    found.insert(format!("file {name}"), format!("{mode:o} {content:?}"));
}
