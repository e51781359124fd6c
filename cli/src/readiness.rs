//! STATUS of a network: whether the next ADD can be served.

use cni::{Code, Error, Version};
use serde_json::Value;

use crate::configuration::{Extra, Network, Plugin};
use crate::runtime::{Runtime, Target};

/// How the answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Every plugin said so.
    Status,
    /// The configuration is older than STATUS: all programs are there and speak its version.
    Versions,
}

/// Asks the plugins in order; the first that is not ready ends it.
///
/// # Errors
/// That plugin's own error, usually code 50 or 51.
pub(crate) fn status(runtime: &Runtime, name: &str) -> Result<(Network, Asked), Error> {
    cni::validate_network_name(name)?;
    let network = runtime.network(name)?;
    if network.known_version()? >= Version::V1_1_0 {
        for plugin in &network.plugins {
            runtime.call("STATUS", plugin, &plugin.stdin(&network, Extra::Nothing), &Target::default())?;
        }
        return Ok((network, Asked::Status));
    }
    for plugin in &network.plugins {
        speaks(runtime, &network, plugin)?;
    }
    Ok((network, Asked::Versions))
}

/// Whether the plugin is there and supports the configuration's version.
fn speaks(runtime: &Runtime, network: &Network, plugin: &Plugin) -> Result<(), Error> {
    let version = network.known_version()?;
    // What libcni sends, for plugins that check these variables for every verb.
    let target = Target { netns: "dummy".into(), ifname: "dummy".into(), ..Target::default() };
    let stdin = serde_json::json!({"cniVersion": network.version}).to_string();
    let stdout = runtime.call("VERSION", plugin, stdin.as_bytes(), &target)?;
    let answer: Option<Value> = serde_json::from_slice(&stdout).ok();
    let supported = answer.as_ref().and_then(|answer| answer.get("supportedVersions")).and_then(Value::as_array);
    let wanted = Value::from(version.as_str());
    if supported.is_some_and(|versions| versions.contains(&wanted)) {
        return Ok(());
    }
    let msg = format!("{} does not speak version {version} of network {}", plugin.kind, network.name);
    Err(Error::new(Code::IncompatibleVersion, msg))
}
