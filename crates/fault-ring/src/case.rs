//! What a ring is about: a plugin, its configurations, what its networks keep.

use std::fmt::Debug;

use kernel_memory::Memory;

use crate::Verbs;
use crate::request::NETWORK;

/// A configuration, and what the container is given.
#[derive(Debug)]
pub struct Case {
    /// Name for the report.
    pub name: &'static str,
    /// What the configuration says beside name, type, version and IPAM plugin.
    pub keys: &'static str,
    /// The container is given an IPv4 address, of 10.1.0.0/24.
    pub v4: bool,
    /// The container is given an IPv6 address, of fd00:1::/64. A driver that gives neither has no IPAM plugin.
    pub v6: bool,
    /// A chained plugin stands behind a plugin that is not ours: the host's end has a name that no owner tells.
    pub foreign: bool,
}

/// IPv4 alone.
pub const V4: Case = Case { name: "", keys: "", v4: true, v6: false, foreign: false };
/// IPv6 alone.
pub const V6: Case = Case { v4: false, v6: true, ..V4 };
/// Both.
pub const DUAL: Case = Case { v6: true, ..V4 };
/// No ipam: layer 2.
pub const L2: Case = Case { v4: false, ..V4 };
/// Both, behind a plugin that is not ours.
pub const BEHIND_ANOTHER: Case = Case { foreign: true, ..DUAL };

/// A plugin under test. What it says of itself here is all in which its rings differ from others'.
pub trait Subject: Debug + Clone + Sync + 'static {
    /// The plugin: a driver [`Attaches`](crate::Attaches), a chained plugin [`Adjusts`](crate::Adjusts).
    type Plugin: Verbs;
    /// Its configurations.
    const CASES: &'static [Case];
    /// DEL is silent about what it could not undo: the next DEL does it.
    const SILENT: bool = false;

    /// Puts on a fresh host what the configurations count on.
    fn furnish(_memory: &mut Memory) {}

    /// What the runtime asks for the container with this number, as a part of the configuration: `"runtimeConfig": {…}`.
    /// It comes with ADD and CHECK, and with DEL when the runtime has kept it.
    fn asked(_number: u8) -> String {
        String::new()
    }

    /// Whether a line of the host's state is about what the network keeps when its endpoints have gone.
    fn stays(_case: &Case, _line: &str) -> bool {
        false
    }

    /// Whether DEL must see the sandbox while there is one: what it undoes is inside, or found from there alone.
    fn is_found_inside(_case: &Case) -> bool {
        false
    }

    /// Whether something goes only with the sandbox, so that GC of the living has nothing to say about it.
    fn goes_with_the_sandbox(_case: &Case) -> bool {
        false
    }
}

impl Case {
    /// The configuration as a runtime sends it to the plugin, with what it asks for a container.
    pub(crate) fn conf<V: Verbs>(&self, asked: &str) -> String {
        let kind = V::TYPE;
        let ipam = if V::IS_FIRST && (self.v4 || self.v6) { r#""ipam": {"type": "fake"}"# } else { "" };
        let more = [self.keys, ipam, asked].into_iter().filter(|part| !part.is_empty()).map(|part| format!(", {part}"));
        let more: String = more.collect();
        format!(r#"{{"cniVersion": "1.1.0", "name": "{NETWORK}", "type": "{kind}"{more}}}"#)
    }
}
