//! Network configurations, built the way one would say them. It must not know what a plugin makes of a key.

use std::fmt;

use serde_json::{Map, Value, json};

/// One plugin's configuration, as a runtime writes it to standard input.
#[derive(Debug, Clone, PartialEq)]
pub struct Conf(Map<String, Value>);

impl Conf {
    /// A configuration with nothing but version 1.0.0, a name and a type.
    #[must_use]
    pub fn new(kind: &str, name: &str) -> Self {
        let mut map = Map::new();
        map.insert("cniVersion".into(), "1.0.0".into());
        map.insert("name".into(), name.into());
        map.insert("type".into(), kind.into());
        Self(map)
    }

    /// A bridge network `name` on the bridge of the same name, so that networks do not share `cni0`.
    #[must_use]
    pub fn bridge(name: &str) -> Self {
        Self::new("bridge", name).with("bridge", format!("br-{name}"))
    }

    /// A macvlan network on the host's interface `eth0`.
    #[must_use]
    pub fn macvlan(name: &str) -> Self {
        Self::new("macvlan", name).with("master", "eth0")
    }

    /// A configuration for host-local alone.
    #[must_use]
    pub fn host_local(name: &str) -> Self {
        Self::new("bridge", name).with("ipam", json!({ "type": "host-local" }))
    }

    /// With another `cniVersion`.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        self.with("cniVersion", version)
    }

    /// With a key at the top level, replaced if it is there.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// Without a key of the top level.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }

    /// With a key in `ipam`, which becomes host-local if there is none.
    #[must_use]
    pub fn ipam(mut self, key: &str, value: impl Into<Value>) -> Self {
        let ipam = self.0.entry("ipam").or_insert_with(|| json!({ "type": "host-local" }));
        ipam[key] = value.into();
        self
    }

    /// With one more range set of host-local, of one subnet; a network of two families calls it twice.
    #[must_use]
    pub fn subnet(self, subnet: &str) -> Self {
        self.range_set(json!([{ "subnet": subnet }]))
    }

    /// With one more range set of host-local.
    #[must_use]
    pub fn range_set(mut self, set: Value) -> Self {
        let ipam = self.0.entry("ipam").or_insert_with(|| json!({ "type": "host-local" }));
        match ipam["ranges"].as_array_mut() {
            Some(sets) => sets.push(set),
            None => ipam["ranges"] = json!([set]),
        }
        self
    }

    /// With routes that the lease gives.
    #[must_use]
    pub fn routes(self, destinations: &[&str]) -> Self {
        let routes: Vec<Value> = destinations.iter().map(|dst| json!({ "dst": dst })).collect();
        self.ipam("routes", routes)
    }

    /// A gateway on the bridge, default routes through it and masquerading: what most networks ask for.
    #[must_use]
    pub fn to_the_world(self) -> Self {
        self.with("isDefaultGateway", true).with("ipMasq", true)
    }

    /// With the result of an earlier ADD.
    #[must_use]
    pub fn after(self, result: &Value) -> Self {
        self.with("prevResult", result.clone())
    }

    /// With the attachments that GC must keep, as pairs of container id and interface name.
    #[must_use]
    pub fn keeping(self, attachments: &[(&str, &str)]) -> Self {
        let list: Vec<Value> =
            attachments.iter().map(|(id, ifname)| json!({ "containerID": id, "ifname": ifname })).collect();
        self.with("cni.dev/valid-attachments", list)
    }

    /// The plugin type.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The bridge that it names, `cni0` by default.
    #[must_use]
    pub fn bridge_name(&self) -> &str {
        self.0.get("bridge").and_then(Value::as_str).unwrap_or("cni0")
    }

    /// The bytes for standard input.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Value::Object(self.0.clone()))
    }
}
