//! Sysctls of a network namespace.

use std::collections::BTreeMap;
use std::fs;

use crate::Namespace;

impl Namespace {
    /// A sysctl, named with slashes (`net/ipv4/ip_forward`), since interface names may have dots.
    ///
    /// # Panics
    /// When it does not exist.
    #[must_use]
    #[track_caller]
    pub fn sysctl(&self, key: &str) -> String {
        let path = format!("/proc/sys/{key}");
        let text = self.enter(|| fs::read_to_string(&path));
        text.unwrap_or_else(|error| panic!("read {path} in {}: {error}", self.label())).trim().to_owned()
    }

    /// Sets a sysctl.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn set_sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{key}");
        let done = self.enter(|| fs::write(&path, value));
        done.unwrap_or_else(|error| panic!("write {value} to {path} in {}: {error}", self.label()));
    }

    /// Switches IPv6 off on all links that there are and will be.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn switch_ipv6_off(&self) {
        for links in ["default", "all"] {
            self.set_sysctl(&format!("net/ipv6/conf/{links}/disable_ipv6"), "1");
        }
    }

    /// Asserts that IPv6 is on on these links.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn has_ipv6(&self, links: &[&str]) {
        for link in links {
            let key = format!("net/ipv6/conf/{link}/disable_ipv6");
            assert_eq!(self.sysctl(&key), "0", "{key} in {}", self.label());
        }
    }

    /// All per-interface sysctls of both families, and forwarding: key to value.
    pub(crate) fn network_sysctls(&self) -> BTreeMap<String, String> {
        self.enter(|| {
            let mut found = BTreeMap::new();
            let mut keep = |path: String| {
                // `stable_secret` and the like cannot be read before they are written.
                if let Ok(text) = fs::read_to_string(&path) {
                    let key = path.trim_start_matches("/proc/sys/").to_owned();
                    found.insert(key, text.trim().to_owned());
                }
            };
            keep("/proc/sys/net/ipv4/ip_forward".into());
            for family in ["ipv4", "ipv6"] {
                let folder = format!("/proc/sys/net/{family}/conf");
                for interface in fs::read_dir(&folder).into_iter().flatten().flatten() {
                    for key in fs::read_dir(interface.path()).into_iter().flatten().flatten() {
                        keep(key.path().to_string_lossy().into_owned());
                    }
                }
            }
            found
        })
    }
}
