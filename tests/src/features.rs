//! What not every kernel has, and how a test says that it needs it. It must not know how a machine with another kernel
//! is got: that is `scripts/test-vm`.
//!
//! Such tests are in modules named `vm`, so that they can be told apart by name alone: `make test` leaves them out, and
//! says so, where the kernel lacks a feature; `make test-vm` runs each of them on a kernel that has all, and counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::Namespace;

/// An option of the kernel that distributions set and small machines may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Bridges that know VLANs.
    VlanFiltering,
    /// 802.1Q sub-interfaces.
    VlanDevices,
    /// ipvlan devices.
    Ipvlan,
    /// Devices that swallow everything.
    Dummy,
    /// Virtual routing and forwarding devices.
    Vrf,
    /// Delay and loss on purpose.
    Netem,
    /// IPsec's encapsulated payload.
    Esp,
    /// WireGuard devices.
    WireGuard,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::VlanFiltering,
        Self::VlanDevices,
        Self::Ipvlan,
        Self::Dummy,
        Self::Vrf,
        Self::Netem,
        Self::Esp,
        Self::WireGuard,
    ];

    /// What it is called in the kernel's configuration.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::VlanFiltering => "CONFIG_BRIDGE_VLAN_FILTERING",
            Self::VlanDevices => "CONFIG_VLAN_8021Q",
            Self::Ipvlan => "CONFIG_IPVLAN",
            Self::Dummy => "CONFIG_DUMMY",
            Self::Vrf => "CONFIG_NET_VRF",
            Self::Netem => "CONFIG_NET_SCH_NETEM",
            Self::Esp => "CONFIG_INET_ESP",
            Self::WireGuard => "CONFIG_WIREGUARD",
        }
    }

    /// Commands that succeed in an empty network namespace if, and only if, the kernel has it.
    fn probe(self) -> &'static [&'static str] {
        match self {
            Self::VlanFiltering => &["ip link add name b type bridge vlan_filtering 1"],
            Self::VlanDevices => &["ip link add name b type bridge", "ip link add link b name v type vlan id 5"],
            Self::Ipvlan => &["ip link add name b type veth peer name c", "ip link add link b name i type ipvlan"],
            Self::Dummy => &["ip link add name d type dummy"],
            Self::Vrf => &["ip link add name v type vrf table 10"],
            Self::Netem => &["tc qdisc add dev lo root netem delay 1ms"],
            Self::Esp => &["ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel \
                 aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128"],
            Self::WireGuard => &["ip link add name w type wireguard"],
        }
    }

    /// Whether the running kernel has it; asked once a process.
    ///
    /// # Panics
    /// Without the privilege or the tools to ask.
    #[must_use]
    #[track_caller]
    pub fn is_here(self) -> bool {
        static KNOWN: Mutex<BTreeMap<Feature, bool>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(self).or_insert_with(|| {
            let empty = Namespace::host("probe");
            self.probe().iter().all(|line| empty.attempt(line).status.success())
        })
    }
}

/// The first statement of a test that needs more than every kernel has.
///
/// # Panics
/// When the kernel lacks one, naming its option. When the caller is not in a module `vm`: such a test would fail on
/// small machines, and nobody could see from its name that it runs elsewhere.
#[track_caller]
pub fn needs(features: &[Feature]) {
    let missing: Vec<Feature> = features.iter().copied().filter(|one| !one.is_here()).collect();
    let file = Path::new(std::panic::Location::caller().file());
    if let Some(why) = objection(file, &missing) {
        panic!("{why}");
    }
}

/// Why a test in `file` must not go on where these features are missing.
fn objection(file: &Path, missing: &[Feature]) -> Option<String> {
    let in_vm = file.components().any(|part| part.as_os_str() == "vm" || part.as_os_str() == "vm.rs");
    if !in_vm {
        return Some(format!("{}: a test that needs kernel features must be in a module named vm", file.display()));
    }
    let options: Vec<&str> = missing.iter().map(|one| one.option()).collect();
    let list = options.join(", ");
    (!missing.is_empty()).then(|| format!("this kernel has no {list}; run this test where it is: make test-vm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_without_its_features_fails_and_names_the_options() {
        for file in ["tests/bridge/vm.rs", "tests/bridge/vm/keys.rs", "tests/bridge/own/vm.rs"] {
            assert_eq!(objection(Path::new(file), &[]), None);
            let why = objection(Path::new(file), &[Feature::Dummy, Feature::Netem]).expect("an objection");
            assert!(why.contains("CONFIG_DUMMY, CONFIG_NET_SCH_NETEM") && why.contains("make test-vm"), "{why}");
        }
    }

    #[test]
    fn a_test_that_needs_features_is_known_by_its_module() {
        for file in ["tests/bridge/keys.rs", "tests/kvm.rs", "vms/keys.rs"] {
            let why = objection(Path::new(file), &[]).expect("an objection");
            assert!(why.contains("must be in a module named vm"), "{why}");
        }
    }

    #[test]
    fn the_list_of_all_features_is_complete_and_in_order() {
        for (index, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, index);
        }
        assert_eq!(Feature::ALL.len(), Feature::WireGuard as usize + 1);
    }
}
