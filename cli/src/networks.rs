//! `cnm network`: what configurations and results say about networks. Nothing is changed here.

use cni::Error;
use serde_json::{Value, json};

use crate::Shown;
use crate::cache::{Entry, State};
use crate::configuration::{Network, subnets};
use crate::runtime::{DEFAULT_NETWORKS, Runtime};
use crate::sandbox::short_name;
use crate::style::{Style, table};
use crate::view::Lines;

/// Types whose networks reach over several hosts; all others are of this host alone.
const CLUSTER: [&str; 10] = [
    "vxlan-overlay",
    "overlay",
    "flannel",
    "calico",
    "cilium-cni",
    "weave-net",
    "antrea",
    "kube-ovn",
    "ovn-k8s-cni-overlay",
    "romana",
];

/// The type that makes the network what it is: the first plugin's.
pub(crate) fn driver(network: &Network) -> &str {
    network.plugins.first().map_or("", |plugin| plugin.kind.as_str())
}

/// Docker's word for how far a network reaches.
fn scope(network: &Network) -> &'static str {
    if CLUSTER.contains(&driver(network)) { "cluster" } else { "local" }
}

fn is_default(network: &Network) -> bool {
    DEFAULT_NETWORKS.contains(&network.name.as_str())
}

/// `cnm network ls`.
///
/// # Errors
/// When configurations or results cannot be read.
pub(crate) fn list(runtime: &Runtime, style: Style) -> Result<Shown, Error> {
    let found = runtime.networks()?;
    let entries = runtime.entries()?;
    let mut networks: Vec<&Network> = found.networks.iter().collect();
    networks.sort_by(|one, other| one.name.cmp(&other.name));
    let endpoints = |network: &Network| entries.of(&network.name).count();
    let rows: Vec<[String; 5]> = networks
        .iter()
        .map(|network| {
            let subnets = subnets(network).join(", ");
            let count = endpoints(network).to_string();
            [network.name.clone(), driver(network).to_owned(), scope(network).to_owned(), subnets, count]
        })
        .collect();
    if rows.is_empty() {
        eprintln!("no networks in {}", runtime.configurations.display());
    }
    let json = networks
        .iter()
        .map(|network| {
            json!({
                "name": network.name,
                "driver": driver(network),
                "scope": scope(network),
                "subnets": subnets(network),
                "endpoints": endpoints(network),
                "default": is_default(network),
                "file": network.file.to_string_lossy(),
            })
        })
        .collect();
    Ok(Shown { text: table(style, ["NAME", "DRIVER", "SCOPE", "SUBNET", "ENDPOINTS"], &rows), json })
}

/// `cnm network inspect NAME`.
///
/// # Errors
/// When there is no such network.
pub(crate) fn inspect(runtime: &Runtime, name: &str, style: Style) -> Result<Shown, Error> {
    cni::validate_network_name(name)?;
    let network = runtime.network(name)?;
    let entries = runtime.entries()?;
    let endpoints: Vec<&Entry> = entries.of(name).collect();
    let kinds: Vec<&str> = network.plugins.iter().map(|plugin| plugin.kind.as_str()).collect();
    let plugins = network.plugins.iter().map(|plugin| Value::Object(plugin.object.clone())).collect::<Vec<_>>();
    let json = json!({
        "name": network.name,
        "driver": driver(&network),
        "scope": scope(&network),
        "subnets": subnets(&network),
        "default": is_default(&network),
        "file": network.file.to_string_lossy(),
        "cniVersion": network.version,
        "disableCheck": network.disable_check,
        "disableGC": network.disable_gc,
        "plugins": plugins,
        "endpoints": endpoints.iter().map(|entry| endpoint(entry)).collect::<Vec<_>>(),
    });
    let mut lines = Lines::new(style);
    lines.text.push_str(&format!("{}\n", style.bold(name)));
    lines.add("driver", driver(&network), if is_default(&network) { "a default network" } else { "" });
    lines.add("scope", scope(&network), "");
    lines.add("subnet", &subnets(&network).join(", "), "");
    lines.add("plugins", &kinds.join(" → "), "");
    lines.add("cniVersion", if network.version.is_empty() { "0.1.0" } else { &network.version }, "");
    lines.add("file", &network.file.to_string_lossy(), "");
    lines.add("endpoints", &endpoints.len().to_string(), "");
    let mut text = lines.text;
    if !endpoints.is_empty() {
        let rows: Vec<[String; 5]> = endpoints.iter().map(|entry| row(entry)).collect();
        text.push('\n');
        text.push_str(&table(style, ["SANDBOX", "INTERFACE", "ADDRESSES", "STATE", "CONTAINER"], &rows));
    }
    Ok(Shown { text, json })
}

fn row(entry: &Entry) -> [String; 5] {
    let state = match entry.sandbox() {
        State::Alive => "attached",
        State::Gone => "sandbox gone",
        State::Unknown => "sandbox unknown",
    };
    let sandbox = short_name(&entry.netns).to_owned();
    let mut container = entry.container_id.clone();
    // The beginning of an engine's id is what people know.
    if container.len() > 32 {
        container.truncate(12);
    }
    [sandbox, entry.ifname.clone(), entry.addresses().join(", "), state.to_owned(), container]
}

/// An endpoint for `--json`, here and in other commands.
pub(crate) fn endpoint(entry: &Entry) -> Value {
    json!({
        "network": entry.network,
        "containerID": entry.container_id,
        "ifname": entry.ifname,
        "sandbox": entry.netns,
        "addresses": entry.addresses(),
        "alive": match entry.sandbox() {
            State::Alive => Value::Bool(true),
            State::Gone => Value::Bool(false),
            State::Unknown => Value::Null,
        },
    })
}
