//! What the firewall of a namespace has: nftables of every family (iptables' nft variant included), and iptables.
//! It must not know which rules a plugin makes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Host, Namespace};

/// The rules, sets, maps and chains of one namespace, without what changes by itself (handles, counters, what packets put
/// into sets).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ruleset {
    /// `<family> <table> <what> <name>` to its content. A chain's content has its rules in order, a set's its
    /// elements, sorted.
    pub objects: BTreeMap<String, Value>,
    /// What `iptables-save` and `ip6tables-save` print, without comments and counters: the readable form of what is
    /// in `objects` too.
    pub iptables: Vec<String>,
}

impl Ruleset {
    /// Everything that contains `needle`: a comment, an address, a name. For "nothing of it remains".
    #[must_use]
    pub fn mentions(&self, needle: &str) -> Vec<String> {
        let objects = self.objects.iter().map(|(key, value)| format!("{key}: {value}"));
        objects.chain(self.iptables.iter().cloned()).filter(|line| line.contains(needle)).collect()
    }

    /// Elements of all sets and maps, rules of all chains: what is left when the last endpoint has gone, apart from
    /// rules without any name, address or tag of a network.
    #[must_use]
    pub fn elements(&self) -> Vec<String> {
        let list = self.objects.iter().filter(|(key, _)| key.contains(" map ") || key.contains(" set "));
        list.flat_map(|(key, value)| {
            let elements = value["elem"].as_array().cloned().unwrap_or_default();
            elements.into_iter().map(move |element| format!("{key}: {element}"))
        })
        .collect()
    }

    /// Chains that are not hooked: those that a rule or element jumps to.
    #[must_use]
    pub fn plain_chains(&self) -> Vec<String> {
        let list = self.objects.iter().filter(|(key, value)| key.contains(" chain ") && value["hook"].is_null());
        list.map(|(key, _)| key.clone()).collect()
    }

    fn new(nftables: &Value, iptables: Vec<String>) -> Self {
        let mut objects: BTreeMap<String, Value> = BTreeMap::new();
        for entry in nftables["nftables"].as_array().into_iter().flatten() {
            let Some((what, body)) = entry.as_object().and_then(|object| object.iter().next()) else { continue };
            if what == "metainfo" {
                continue;
            }
            let body = steady(body);
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let (family, table) = (text("family"), text("table"));
            if what == "rule" {
                let chain = format!("{family} {table} chain {}", text("chain"));
                let rule = json!({ "expr": body["expr"], "comment": body["comment"] });
                let rules = &mut objects.entry(chain).or_insert_with(|| json!({}))["rules"];
                match rules.as_array_mut() {
                    Some(list) => list.push(rule),
                    None => *rules = json!([rule]),
                }
            } else {
                let key = format!("{family} {table} {what} {}", text("name")).replace("  ", " ");
                let mut body = body;
                if let Some(elements) = body.get_mut("elem").and_then(Value::as_array_mut) {
                    elements.sort_by_key(Value::to_string);
                }
                objects.insert(key, body);
            }
        }
        for key in learning(nftables) {
            if let Some(set) = objects.get_mut(&key).and_then(Value::as_object_mut) {
                set.remove("elem");
            }
        }
        Self { objects, iptables }
    }
}

/// The keys of the sets to which rules add what they see in packets.
fn learning(nftables: &Value) -> Vec<String> {
    let rules = nftables["nftables"].as_array().into_iter().flatten().filter_map(|entry| entry.get("rule"));
    rules
        .flat_map(|rule| {
            let statements = rule["expr"].as_array().into_iter().flatten();
            let names = statements.filter_map(|statement| statement["set"]["set"].as_str());
            names.map(|name| {
                let text = |key: &str| rule[key].as_str().unwrap_or_default();
                format!("{} {} set {}", text("family"), text("table"), name.trim_start_matches('@'))
            })
        })
        .collect()
}

impl Namespace {
    /// The firewall's rules.
    #[must_use]
    #[track_caller]
    pub fn ruleset(&self) -> Ruleset {
        let nftables = self.json("nft -j list ruleset");
        let mut iptables = Vec::new();
        for tool in ["iptables-save", "ip6tables-save"] {
            for line in self.run(tool).lines() {
                if line.starts_with(':') || line.starts_with('*') || line.starts_with('-') {
                    let line = line.split(" [").next().unwrap_or_default();
                    iptables.push(format!("{tool}: {line}"));
                }
            }
        }
        Ruleset::new(&nftables, iptables)
    }
}

/// `value` without handles and with counters at 0.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept =
                map.iter().filter(|(key, _)| !matches!(key.as_str(), "handle" | "packets" | "bytes" | "expires"));
            Value::Object(kept.map(|(key, value)| (key.clone(), steady(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(steady).collect()),
        other => other.clone(),
    }
}

impl Host {
    /// Makes the plain names of iptables those of its legacy variant, as `update-alternatives` does on a host.
    pub fn uses_legacy_iptables(&self) {
        self.run("cp -a /etc/alternatives /run/alternatives");
        for family in ["iptables", "ip6tables"] {
            for action in ["", "-save", "-restore"] {
                self.run(&format!("ln -sf /usr/sbin/{family}-legacy{action} /run/alternatives/{family}{action}"));
            }
        }
        self.run("mount --bind /run/alternatives /etc/alternatives");
        assert!(self.run("iptables --version").contains("legacy"));
    }
}
