//! One network namespace: its links, the routes that somebody added, its sysctls.

use std::collections::BTreeMap;

use cnm::{KernelError, LinkName, Mac};

use crate::device::{Device, Kind, NsId};
use crate::routing::UserRoute;
use crate::sysctls::Sysctls;
use crate::{EEXIST, EINVAL, ENODEV, ERANGE};

/// `IFNAMSIZ` without the NUL.
const NAME_LENGTH: usize = 15;

/// A refusal: errno and the kernel's words.
pub(crate) type Refusal = (i32, &'static str);

#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    pub(crate) devices: BTreeMap<u32, Device>,
    next_index: u32,
    clock: u32,
    pub(crate) routes: Vec<UserRoute>,
    pub(crate) sysctls: Sysctls,
    /// The ids under which other namespaces are known here (`IFLA_LINK_NETNSID`).
    pub(crate) neighbours: Vec<NsId>,
}

impl Namespace {
    /// A namespace as clone(2) makes it: `lo`, down.
    pub(crate) fn new() -> Self {
        let mut namespace = Self {
            devices: BTreeMap::new(),
            next_index: 1,
            clock: 0,
            routes: Vec::new(),
            sysctls: Sysctls::new(),
            neighbours: Vec::new(),
        };
        namespace.register(Device::new("lo", Kind::Loopback, Mac([0; 6]), 65536));
        namespace
    }

    /// Gives a device an index; its name must have been checked.
    pub(crate) fn register(&mut self, device: Device) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        self.sysctls.appear(&device.name, device.carries_ipv6());
        self.devices.insert(index, device);
        index
    }

    /// A moment later than all before: among equal routes the order in which they came decides.
    pub(crate) fn now(&mut self) -> u32 {
        self.clock += 1;
        self.clock
    }

    /// The index that the next link gets.
    pub(crate) fn next_index(&self) -> u32 {
        self.next_index
    }

    /// Whether a new link may have this name.
    pub(crate) fn name_is_free(&self, name: &str) -> Result<(), Refusal> {
        let valid = !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_ascii_whitespace());
        if name.len() > NAME_LENGTH {
            return Err((ERANGE, "Attribute failed policy validation"));
        }
        if !valid {
            return Err((EINVAL, ""));
        }
        if self.by_name(name).is_some() {
            return Err((EEXIST, ""));
        }
        Ok(())
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<u32> {
        self.devices.iter().find(|(_, device)| device.name == name).map(|(index, _)| *index)
    }

    /// The index behind a request's name.
    pub(crate) fn find(&self, name: &LinkName) -> Option<u32> {
        match name {
            LinkName::Index(index) => self.devices.contains_key(index).then_some(*index),
            LinkName::Name(name) => self.by_name(name),
        }
    }

    /// The index behind a request's name, or the refusal of a message that names a missing link.
    pub(crate) fn wanted(&self, name: &LinkName) -> Result<u32, Refusal> {
        if let LinkName::Name(name) = name
            && name.len() > NAME_LENGTH
        {
            return Err((ERANGE, "Attribute failed policy validation"));
        }
        self.find(name).ok_or((ENODEV, ""))
    }

    /// Indices of the ports of a bridge.
    pub(crate) fn ports(&self, master: u32) -> Vec<u32> {
        self.devices.iter().filter(|(_, device)| device.master() == master).map(|(index, _)| *index).collect()
    }

    /// The id under which `other` is known here.
    pub(crate) fn netnsid(&mut self, other: NsId) -> i32 {
        let at = self.neighbours.iter().position(|known| *known == other).unwrap_or_else(|| {
            self.neighbours.push(other);
            self.neighbours.len() - 1
        });
        i32::try_from(at).unwrap_or(i32::MAX)
    }
}

/// Puts the object to a refusal.
pub(crate) fn refused(what: impl Into<String>, (errno, words): Refusal) -> KernelError {
    KernelError::new(what, errno, words)
}
