//! The port to Linux: what the lifecycle asks of a kernel. The real one is `kernel::Linux`; tests have one in
//! memory, and a faulty one.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Change, Claimed, Elsewhere, Facility, Firewall, Link, LinkName, LinkSpec, Mac, Notes, PortVlan, Queueing};

/// Which of the two network namespaces of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Where the plugin was started.
    Host,
    /// The namespace of `CNI_NETNS`.
    Sandbox,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "on the host",
            Self::Sandbox => "in the sandbox",
        })
    }
}

/// A refused request: `create address 10.1.2.3/24 on eth0 in the sandbox: File exists (os error 17): <kernel's words>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct KernelError {
    /// Verb and object: `create address 10.1.2.3/24 on eth0 in the sandbox`.
    pub what: String,
    /// `errno`, 0 when the failure is not the kernel's.
    pub errno: i32,
    /// What the kernel (`NETLINK_EXT_ACK`) or a program said, or how to mend it; may be empty.
    pub words: String,
}

impl KernelError {
    /// A failure with a number of errno(3).
    #[must_use]
    pub fn new(what: impl Into<String>, errno: i32, words: impl Into<String>) -> Self {
        Self { what: what.into(), errno, words: words.into() }
    }

    /// A failure that has no number.
    #[must_use]
    pub fn other(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, 0, words)
    }

    /// A failed system call of the standard library.
    #[must_use]
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::new(what, errno, ""),
            None => Self::new(what, 0, error.to_string()),
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.errno != 0 {
            write!(f, ": {}", std::io::Error::from_raw_os_error(self.errno))?;
        }
        if !self.words.is_empty() {
            write!(f, ": {}", self.words)?;
        }
        Ok(())
    }
}

/// How a packet to an address would leave (`RTM_GETROUTE` for one destination).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteLookup {
    /// The address is the namespace's own.
    pub local: bool,
    /// Index of the link: for a local address, the one that carries it (lo for others is possible).
    pub link: u32,
    /// Indices of the other links of a route with several next hops.
    pub others: Vec<u32>,
    /// Path MTU of the route in bytes, 0 when it has none.
    pub mtu: u32,
}

/// A kernel with one or two network namespaces in sight.
pub trait Kernel {
    /// Whether the sandbox is there (DEL often comes without).
    fn has_sandbox(&self) -> bool;

    /// Six random bytes made a hardware address.
    fn random_mac(&mut self) -> Mac;

    /// Creates a link; an existing name is the error `EEXIST` (17), in either namespace.
    ///
    /// # Errors
    /// Whatever the kernel refuses; then nothing was created.
    fn create(&mut self, place: Place, spec: &LinkSpec) -> Result<Claimed, KernelError>;

    /// Sends independent changes in one go and gives one answer for each, in order. A refused one does not stop the
    /// rest.
    fn apply(&mut self, place: Place, changes: &[Change]) -> Vec<Result<(), KernelError>>;

    /// One link, by name or index; never a dump.
    ///
    /// # Errors
    /// Anything but its absence.
    fn link(&mut self, place: Place, name: &LinkName) -> Result<Option<Link>, KernelError>;

    /// All links (`master` 0) or the ports of one master. A dump: not for the hot path.
    ///
    /// # Errors
    /// When the dump fails.
    fn links(&mut self, place: Place, master: u32) -> Result<Vec<Link>, KernelError>;

    /// Whether any port of the bridge `master` belongs to `group`. Asked once by every DEL, so a kernel that can stops
    /// at the first.
    ///
    /// # Errors
    /// When the dump fails.
    fn has_port(&mut self, master: u32, group: u32) -> Result<bool, KernelError> {
        Ok(self.links(Place::Host, master)?.iter().any(|port| port.group == group))
    }

    /// Looks through the links of `kind` (`IFLA_INFO_KIND`; `None` is all) in the other namespaces that the host has an id for, until
    /// `wanted` says that one is it. A namespace gets its id when a link is born in it ([`Kernel::create`]). A dump for each
    /// namespace: not for the hot path.
    ///
    /// # Errors
    /// When a dump fails; a namespace that vanishes meanwhile is no failure.
    fn find_elsewhere(
        &mut self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Elsewhere) -> bool,
    ) -> Result<Option<Elsewhere>, KernelError>;

    /// The link by which the first default route of the main table leaves, IPv4 before IPv6. A dump.
    ///
    /// # Errors
    /// When the dump fails.
    fn default_link(&mut self, place: Place) -> Result<Option<Link>, KernelError>;

    /// The addresses of one link, both families. A dump: not for the hot path.
    ///
    /// # Errors
    /// When the dump fails.
    fn addresses(&mut self, place: Place, link: u32) -> Result<Vec<IpNet>, KernelError>;

    /// The routes that leave by one link, all tables but `local`, both families. A dump.
    ///
    /// # Errors
    /// When the dump fails.
    fn routes(&mut self, place: Place, link: u32) -> Result<Vec<crate::Route>, KernelError>;

    /// The static entries of the forwarding tables that name `link`, a bridge port: its own (a VXLAN device's) and the
    /// bridge's. A dump of this port.
    ///
    /// # Errors
    /// When the dump fails.
    fn fdb(&mut self, place: Place, link: u32) -> Result<Vec<crate::FdbEntry>, KernelError>;

    /// The permanent neighbours of one link, both families. A dump.
    ///
    /// # Errors
    /// When the dump fails.
    fn neighbours(&mut self, place: Place, link: u32) -> Result<Vec<crate::Neighbour>, KernelError>;

    /// The VLANs of one bridge port, by id. A dump of this port. Of link 0 there are none.
    ///
    /// # Errors
    /// `EOPNOTSUPP` (95) on a kernel without VLAN filtering; when the link is no port.
    fn vlans(&mut self, place: Place, link: u32) -> Result<Vec<PortVlan>, KernelError>;

    /// How the namespace would send to `to`; `None` when it could not.
    ///
    /// # Errors
    /// Anything but the absence of a route.
    fn route_to(&mut self, place: Place, to: IpAddr) -> Result<Option<RouteLookup>, KernelError>;

    /// Waits until the operational state of a link of the host is up, for at most two seconds, by the kernel's events.
    /// Gives the link as last seen.
    ///
    /// # Errors
    /// When the link is gone.
    fn wait_up(&mut self, name: &LinkName) -> Result<Link, KernelError>;

    /// What a link of the host does with its packets. Dumps of one link: not for the hot path.
    ///
    /// # Errors
    /// When the link is gone or cannot be asked.
    fn queueing(&mut self, link: u32) -> Result<Queueing, KernelError>;

    /// Whether the kernel has a facility, or would load it when asked; yes where that cannot be told. Nothing is made.
    ///
    /// # Errors
    /// When it may not be asked.
    fn has(&mut self, facility: Facility) -> Result<bool, KernelError>;

    /// The value of a sysctl, trimmed; `None` when this kernel has none of that name.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sysctl(&mut self, place: Place, key: &str) -> Result<Option<String>, KernelError>;

    /// Writes a sysctl.
    ///
    /// # Errors
    /// `ENOENT` (2) when this kernel has none of that name.
    fn set_sysctl(&mut self, place: Place, key: &str, value: &str) -> Result<(), KernelError>;

    /// Takes the host's lock, shared or exclusive; waits for it. It ends with [`Kernel::unlock`] or the process. A kernel
    /// that nobody else uses needs none.
    ///
    /// # Errors
    /// When it cannot be had.
    fn lock(&mut self, _exclusive: bool) -> Result<(), KernelError> {
        Ok(())
    }

    /// Gives the lock back.
    fn unlock(&mut self) {}

    /// The files in which is noted what must survive.
    fn notes(&mut self) -> &mut dyn Notes;

    /// The firewall of the host.
    fn firewall(&mut self) -> &mut dyn Firewall;
}

/// What a driver may ask of the host while it reads its configuration: looks, no changes.
pub trait Host {
    /// One link, by name or index.
    ///
    /// # Errors
    /// Anything but its absence.
    fn link(&self, name: &LinkName) -> Result<Option<Link>, KernelError>;

    /// The addresses of one link, both families.
    ///
    /// # Errors
    /// When the dump fails.
    fn addresses(&self, link: u32) -> Result<Vec<IpNet>, KernelError>;

    /// How the host would send to `to`; `None` when it could not.
    ///
    /// # Errors
    /// Anything but the absence of a route.
    fn route_to(&self, to: IpAddr) -> Result<Option<RouteLookup>, KernelError>;

    /// The link by which the first default route leaves, IPv4 before IPv6; also of the sandbox, where a parent may be.
    ///
    /// # Errors
    /// When the dump fails.
    fn default_link(&self, place: Place) -> Result<Option<Link>, KernelError>;
}

impl<K: Kernel> Host for RefCell<&mut K> {
    fn link(&self, name: &LinkName) -> Result<Option<Link>, KernelError> {
        self.borrow_mut().link(Place::Host, name)
    }

    fn addresses(&self, link: u32) -> Result<Vec<IpNet>, KernelError> {
        self.borrow_mut().addresses(Place::Host, link)
    }

    fn route_to(&self, to: IpAddr) -> Result<Option<RouteLookup>, KernelError> {
        self.borrow_mut().route_to(Place::Host, to)
    }

    fn default_link(&self, place: Place) -> Result<Option<Link>, KernelError> {
        self.borrow_mut().default_link(place)
    }
}
