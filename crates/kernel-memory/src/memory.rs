//! The kernel in memory as a test sees it: a host, sandboxes, and the one that calls are about.

use std::collections::{BTreeMap, BTreeSet};

use cnm::{Backend, Facility, KernelError, Mac, Place};

use crate::device::{Device, Kind, NsId};
use crate::firewall::MemoryFirewall;
use crate::namespace::Namespace;
use crate::notes::MemoryNotes;

/// Number of the host's namespace.
const HOST: NsId = 0;

/// A sandbox of a [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxId(pub(crate) NsId);

/// Every namespace, and where MACs come from.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) spaces: BTreeMap<NsId, Namespace>,
    /// MACs that nobody chose.
    pub(crate) random_macs: BTreeSet<[u8; 6]>,
    next_mac: u32,
    /// `CONFIG_BRIDGE_VLAN_FILTERING`.
    pub(crate) vlan_filtering: bool,
    /// Kinds of links that it cannot make.
    pub(crate) lacking: BTreeSet<&'static str>,
    /// Parts that it has neither built in nor as modules.
    pub(crate) missing: BTreeSet<Facility>,
}

impl World {
    pub(crate) fn device(&self, ns: NsId, index: u32) -> Option<&Device> {
        self.spaces.get(&ns)?.devices.get(&index)
    }

    pub(crate) fn device_mut(&mut self, ns: NsId, index: u32) -> Option<&mut Device> {
        self.spaces.get_mut(&ns)?.devices.get_mut(&index)
    }

    /// The next of a fixed sequence of MACs.
    pub(crate) fn random_mac(&mut self) -> Mac {
        self.next_mac += 1;
        let [a, b, c, d] = self.next_mac.to_be_bytes();
        let mac = Mac::local([0x0a, 0xcc, a, b, c, d]);
        self.random_macs.insert(mac.0);
        mac
    }
}

/// A kernel in memory: one host, any number of sandboxes of which one at most is in sight.
#[derive(Debug, Clone)]
pub struct Memory {
    pub(crate) world: World,
    pub(crate) sandbox: Option<NsId>,
    pub(crate) firewall: MemoryFirewall,
    pub(crate) notes: MemoryNotes,
    next_space: NsId,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// A host with `lo` down, and one sandbox in sight, as fresh network namespaces are.
    #[must_use]
    pub fn new() -> Self {
        let mut memory = Self::without_sandbox();
        memory.add_sandbox();
        memory
    }

    /// A host alone.
    #[must_use]
    pub fn without_sandbox() -> Self {
        let world = World {
            spaces: BTreeMap::from([(HOST, Namespace::new())]),
            random_macs: BTreeSet::new(),
            next_mac: 0,
            vlan_filtering: false,
            lacking: BTreeSet::new(),
            missing: BTreeSet::new(),
        };
        Self {
            world,
            sandbox: None,
            firewall: MemoryFirewall::default(),
            notes: MemoryNotes::default(),
            next_space: HOST + 1,
        }
    }

    /// The same kernel with `CONFIG_BRIDGE_VLAN_FILTERING`.
    #[must_use]
    pub fn with_vlan_filtering(mut self) -> Self {
        self.world.vlan_filtering = true;
        self
    }

    /// The same kernel with another beginning of the sequence of MACs that it draws.
    #[must_use]
    pub fn drawing_macs_from(mut self, number: u32) -> Self {
        self.world.next_mac = number;
        self
    }

    /// The same kernel without links of this kind (`vlan` without `CONFIG_VLAN_8021Q`).
    #[must_use]
    pub fn without_kind(mut self, kind: &'static str) -> Self {
        self.world.lacking.insert(kind);
        self
    }

    /// The same kernel without a part.
    #[must_use]
    pub fn without(mut self, facility: Facility) -> Self {
        self.world.missing.insert(facility);
        if facility == Facility::Ifb { self.without_kind(facility.module()) } else { self }
    }

    /// The same kernel without this firewall backend.
    #[must_use]
    pub fn without_backend(mut self, backend: Backend) -> Self {
        self.firewall.lacks(backend);
        self
    }

    /// Makes a namespace and takes it into sight.
    pub fn add_sandbox(&mut self) -> SandboxId {
        let id = self.next_space;
        self.next_space += 1;
        self.world.spaces.insert(id, Namespace::new());
        self.sandbox = Some(id);
        SandboxId(id)
    }

    /// Which sandbox the next calls are about; `None` is a DEL without `CNI_NETNS`.
    pub fn look_at(&mut self, sandbox: Option<SandboxId>) {
        self.sandbox = sandbox.map(|id| id.0).filter(|id| self.world.spaces.contains_key(id));
    }

    /// The sandbox in sight.
    #[must_use]
    pub fn sandbox(&self) -> Option<SandboxId> {
        self.sandbox.map(SandboxId)
    }

    /// The last process of the sandbox in sight ends: its links die, and with a veth's end the other one.
    pub fn destroy_sandbox(&mut self) {
        let Some(ns) = self.sandbox.take() else { return };
        while let Some(index) = self.world.spaces.get(&ns).and_then(|space| space.devices.keys().max().copied()) {
            self.world.remove(ns, index);
        }
        self.world.spaces.remove(&ns);
        self.world.settle();
    }

    /// A card with its cable plugged in, down and without address.
    pub fn add_hardware(&mut self, place: Place, name: &str, mac: Mac) -> u32 {
        let ns = self.space(place).unwrap_or(HOST);
        let device = Device::new(name, Kind::Hardware, mac, 1500);
        self.world.spaces.get_mut(&ns).map_or(0, |space| space.register(device))
    }

    /// What the firewall has.
    #[must_use]
    pub fn firewall_state(&self) -> &MemoryFirewall {
        &self.firewall
    }

    /// What the firewall has, to tamper with.
    pub const fn firewall_state_mut(&mut self) -> &mut MemoryFirewall {
        &mut self.firewall
    }

    /// The namespace of a call.
    pub(crate) fn space(&self, place: Place) -> Result<NsId, KernelError> {
        match place {
            Place::Host => Ok(HOST),
            Place::Sandbox => self.sandbox.ok_or_else(|| KernelError::other("enter the sandbox", "it is gone")),
        }
    }
}
