//! A call as a runtime makes it.

use cni::json::Json;
use cni::{Command, Request, Version};

/// The interface that every call is about.
pub(crate) const IFNAME: &str = "eth0";
/// The network that every call is about.
pub(crate) const NETWORK: &str = "web";

/// Where the container's sandbox is.
pub(crate) fn path(container: &str) -> String {
    format!("/run/netns/{container}")
}

/// The call of `command` for a container, with this configuration on standard input.
///
/// # Panics
/// When that is no JSON.
pub(crate) fn request(command: Command, container: &str, stdin: Vec<u8>) -> Request {
    Request {
        command,
        container_id: container.into(),
        netns: Some(path(container)),
        ifname: IFNAME.into(),
        args: String::new(),
        path: "/opt/cni/bin".into(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: NETWORK.into(),
        version: Version::NEWEST,
    }
}
