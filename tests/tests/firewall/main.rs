//! The firewall plugin from outside, behind the bridge plugin as runtimes chain them: real packets through hosts that
//! drop what they forward.
//!
//! What is below `own` goes beyond the reference plugins (spec 1.1.0, newer keys, what they get wrong) and is not
//! for `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod own;
mod passing;
mod policy;
mod requests;

use cnm_tests::{Conf, Host, Sandbox};
use serde_json::Value;

/// The address of [`cnm_tests::Host::outside`], either family.
const OUTSIDE: [&str; 2] = ["198.51.100.2", "2001:db8:51::2"];
/// A host that drops what it forwards, in the ways that there are.
const IPTABLES_DROPS: &str = "iptables-nft -P FORWARD DROP";
const IP6TABLES_DROPS: &str = "ip6tables-nft -P FORWARD DROP";

/// A network: what attaches, and the firewall behind it.
struct Network {
    bridge: Conf,
    firewall: Conf,
}

impl Network {
    /// Network `name` on a bridge of its own, with the subnet `10.<number>.0.0/24` and its like of IPv6.
    fn new(name: &str, number: u8) -> Self {
        let bridge = Conf::bridge(name)
            .subnet(&format!("10.{number}.0.0/24"))
            .subnet(&format!("fd00:{number}::/64"))
            .to_the_world();
        Self { bridge, firewall: Conf::new("firewall", name) }
    }

    /// With a key of the firewall.
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.firewall = self.firewall.with(key, value);
        self
    }

    fn version(mut self, version: &str) -> Self {
        (self.bridge, self.firewall) = (self.bridge.version(version), self.firewall.version(version));
        self
    }

    /// ADD of the chain. Gives what the firewall printed.
    #[track_caller]
    fn add(&self, host: &Host, sandbox: &Sandbox) -> Value {
        let result = host.add(&self.bridge, sandbox).succeeds();
        host.add(&self.firewall.clone().after(&result), sandbox).succeeds()
    }

    #[track_caller]
    fn attach(&self, host: &Host, name: &str) -> (Sandbox, Value) {
        let sandbox = host.sandbox(name);
        let result = self.add(host, &sandbox);
        (sandbox, result)
    }

    /// DEL of the chain, in reverse order.
    #[track_caller]
    fn del(&self, host: &Host, sandbox: &Sandbox, result: &Value) {
        for conf in [&self.firewall, &self.bridge] {
            host.del(&conf.clone().after(result), sandbox).succeeds_silently();
        }
    }

    /// The same without prevResult.
    #[track_caller]
    fn del_untold(&self, host: &Host, sandbox: &Sandbox) {
        for conf in [&self.firewall, &self.bridge] {
            host.del(conf, sandbox).succeeds_silently();
        }
    }
}

/// The first address of each family in a result.
fn addresses(result: &Value) -> Vec<String> {
    let list = result["ips"].as_array().into_iter().flatten();
    list.filter_map(|ip| ip["address"].as_str()?.split('/').next().map(str::to_owned)).collect()
}
