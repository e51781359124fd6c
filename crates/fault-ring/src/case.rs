//! What a ring is about: a driver, its configurations, what its networks keep.

use std::fmt::Debug;

use cnm::Driver;
use kernel_memory::Memory;

/// A configuration, and what its IPAM plugin gives.
#[derive(Debug)]
pub struct Case {
    /// Name for the report.
    pub name: &'static str,
    /// What the configuration says beside name, type, version and IPAM plugin.
    pub keys: &'static str,
    /// The IPAM plugin gives an IPv4 address, of 10.1.0.0/24.
    pub v4: bool,
    /// The IPAM plugin gives an IPv6 address, of fd00:1::/64. With neither there is no IPAM plugin.
    pub v6: bool,
}

/// IPv4 alone.
pub const V4: Case = Case { name: "", keys: "", v4: true, v6: false };
/// IPv6 alone.
pub const V6: Case = Case { name: "", keys: "", v4: false, v6: true };
/// Both.
pub const DUAL: Case = Case { name: "", keys: "", v4: true, v6: true };
/// No ipam: layer 2.
pub const L2: Case = Case { name: "", keys: "", v4: false, v6: false };

impl Case {
    /// The configuration as a runtime sends it to the plugin `kind`.
    pub(crate) fn conf(&self, kind: &str) -> String {
        let ipam = if self.v4 || self.v6 { r#", "ipam": {"type": "fake"}"# } else { "" };
        format!(r#"{{"cniVersion": "1.1.0", "name": "web", "type": "{kind}", {}{ipam}}}"#, self.keys)
    }
}

/// A driver under test.
pub trait Subject: Debug + Clone + Sync + 'static {
    /// The driver.
    type Driver: Driver + Clone + Debug + Sync;
    /// Its configurations.
    const CASES: &'static [Case];

    /// Puts on a fresh host what the configurations count on.
    fn furnish(_memory: &mut Memory) {}

    /// Whether a line of the host's state is about what the network keeps when its endpoints have gone.
    fn stays(case: &Case, line: &str) -> bool;
}
