//! What a suite has made, comparable with what another has made: answers and state, flattened to single values, with
//! the names and hardware addresses that each draws at random replaced by what they stand for.
//! It must not know which differences are allowed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Host, Outcome, Sandbox};

/// One value per place: `added: result.ips[0].address` to `10.1.2.2/24`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Portrait(BTreeMap<String, String>);

impl Portrait {
    /// Adds an answer under `title`: its result or error, key by key.
    pub fn answer(&mut self, title: &str, outcome: &Outcome, names: &Names) {
        self.0.insert(format!("{title}: exit"), format!("{:?}", outcome.status.code()));
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or(Value::String(outcome.stdout.clone()));
        flatten(&format!("{title}: result"), &document, &mut |key, value| {
            self.0.insert(key, names.replace(&value));
        });
    }

    /// Adds the state of a host and its sandboxes under `title`, but for the firewall of nftables, where suites differ
    /// by design; that of iptables is in it.
    pub fn state(&mut self, title: &str, host: &Host, names: &Names) {
        for (key, value) in host.snapshot().entries() {
            if key.contains(" firewall ") {
                continue;
            }
            let key = format!("{title}: {}", names.replace(key));
            if key.ends_with(" iptables") {
                for line in value.lines() {
                    self.0.insert(format!("{key}: {}", names.replace(line)), "there".into());
                }
                continue;
            }
            if let Some((mode, content)) = value.split_once(' ').filter(|_| key.contains(": file /")) {
                self.0.insert(format!("{key} mode"), mode.to_owned());
                self.0.insert(format!("{key} content"), names.replace(content));
                continue;
            }
            match serde_json::from_str::<Value>(value) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => flatten(&key, &value, &mut |key, value| {
                    self.0.insert(key, names.replace(&value));
                }),
                Ok(_) | Err(_) => {
                    self.0.insert(key, names.replace(value));
                }
            }
        }
    }

    /// The keys where the two differ, each with what either has.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<(String, String)> {
        let absent = String::from("(absent)");
        let mut keys: Vec<&String> = self.0.keys().chain(other.0.keys()).collect();
        keys.sort();
        keys.dedup();
        let both =
            keys.into_iter().map(|key| (key, self.0.get(key).unwrap_or(&absent), other.0.get(key).unwrap_or(&absent)));
        both.filter(|(_, one, two)| one != two).map(|(key, one, two)| (key.clone(), format!("{one} / {two}"))).collect()
    }
}

/// What random names stand for.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Learns the hardware addresses of all links, and by which sandbox each host end of a veth is used.
    #[track_caller]
    pub fn learn(&mut self, host: &Host, sandboxes: &[Sandbox]) {
        let ids = host.json("ip -j netns list-id");
        for link in host.links() {
            // Indexes repeat among namespaces, so a link's other end is told by namespace and index.
            let id = ids.as_array().into_iter().flatten().find(|id| id["nsid"] == link.json["link_netnsid"]);
            let user = id.and_then(|id| sandboxes.iter().find(|sandbox| id["name"] == sandbox.name()));
            let name = user.map(|user| format!("<host end of {}>", user.name()));
            // A pair on the host: the end of a random name is known by the other's.
            let twin = || link.json["link"].as_str().filter(|twin| link.kind == "veth" && !twin.starts_with("veth"));
            let name = name.or_else(|| twin().map(|twin| format!("<other end of {twin}>")));
            let name = name.unwrap_or_else(|| link.name.clone());
            if name != link.name {
                self.0.push((link.name.clone(), name.clone()));
            }
            // A bridge takes the least address of its ports, so at random that of one or of another.
            self.learn_mac(&link.mac, "the host");
        }
        for sandbox in sandboxes {
            for link in sandbox.links() {
                self.learn_mac(&link.mac, &format!("{} {}", sandbox.name(), link.name));
            }
        }
    }

    fn learn_mac(&mut self, mac: &str, owner: &str) {
        // Addresses that a configuration asks for begin with 02:00 in these tests and stay as they are.
        if !mac.starts_with("00:00:") && !mac.starts_with("02:00:") && !mac.is_empty() {
            self.0.push((mac.to_owned(), format!("<mac of {owner}>")));
        }
    }

    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// Single values with their paths.
fn flatten(path: &str, value: &Value, keep: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, keep)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| flatten(&format!("{path}[{n}]"), value, keep));
        }
        Value::String(text) => keep(path.to_owned(), text.clone()),
        other => keep(path.to_owned(), other.to_string()),
    }
}
