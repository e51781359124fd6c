//! The real kernel: two route sockets, one per namespace, opened once; everything goes through them.

mod apply;
mod queueing;

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use cnm::{
    Change, Claimed, Elsewhere, Facility, FdbEntry, Firewall, Kernel, KernelError, Link, LinkName, LinkSpec, Mac,
    Neighbour, Notes, Place, PortVlan, Queueing, Route, RouteLookup,
};
use ipnet::IpNet;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::netlink::{self, Batch, Message, Netlink, Refusal};
use crate::netns::{self, Entrance, OWN};
use crate::notes::Files;
use crate::rtnl;
use crate::{HostFirewall, Sandbox, sysctl};

/// `RTNLGRP_LINK`.
const LINK_EVENTS: u32 = 1;
/// Changes in one send. More answers than some 200 do not fit into a socket's buffer, and are lost.
const AT_ONCE: usize = 100;
/// RFC 2863: up.
const OPER_UP: u8 = 6;
/// How long a bridge port may take until it forwards. The reference sleeps 2.55 s in all.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// The host's namespace and, when it is there, the sandbox's.
#[derive(Debug)]
pub struct Linux {
    pub(crate) sandbox: Option<Entrance>,
    host_socket: Netlink,
    /// Opened when first needed: the usual DEL never looks inside.
    sandbox_socket: Option<Netlink>,
    firewall: HostFirewall,
    /// Host links seen in this call, so that a master is not looked up twice.
    pub(crate) seen: Vec<(String, u32)>,
    /// The host's lock is flock(2) on its namespace: no file has to be made for it, none is left.
    lock: Option<File>,
    notes: Files,
}

impl Linux {
    /// Opens the host's namespace, the calling thread's, beside `sandbox`.
    ///
    /// # Errors
    /// When there is no netlink socket to be had.
    pub fn open(sandbox: Option<Sandbox>) -> Result<Self, KernelError> {
        let (sandbox, host_socket) = match sandbox {
            Some(Sandbox { entrance, host_socket }) => (Some(entrance), host_socket),
            None => (None, open_route_socket()?),
        };
        Ok(Self {
            sandbox,
            host_socket,
            sandbox_socket: None,
            firewall: HostFirewall::default(),
            seen: Vec::new(),
            lock: None,
            notes: Files,
        })
    }

    pub(crate) fn socket(&mut self, place: Place) -> Result<&mut Netlink, KernelError> {
        match place {
            Place::Host => Ok(&mut self.host_socket),
            Place::Sandbox => match &mut self.sandbox_socket {
                Some(socket) => Ok(socket),
                closed => {
                    let sandbox = self.sandbox.as_ref().ok_or_else(no_sandbox)?;
                    Ok(closed.insert(sandbox.inside(open_route_socket)??))
                }
            },
        }
    }

    /// Runs `work` where `place` is. The first visit to the sandbox opens its socket, too.
    fn at<T>(&mut self, place: Place, work: impl FnOnce() -> T) -> Result<T, KernelError> {
        let sandbox = match place {
            Place::Host => return Ok(work()),
            Place::Sandbox => self.sandbox.as_ref().ok_or_else(no_sandbox)?,
        };
        if self.sandbox_socket.is_some() {
            return sandbox.inside(work);
        }
        let (socket, result) = sandbox.inside(|| (open_route_socket(), work()))?;
        self.sandbox_socket = Some(socket?);
        Ok(result)
    }

    /// The descriptor of the host's own namespace, for requests that name it and for the lock.
    pub(crate) fn own_namespace(&self) -> Result<File, KernelError> {
        let file = match &self.sandbox {
            Some(sandbox) => sandbox.home(),
            None => netns::own(&self.host_socket),
        };
        file.map_err(|error| KernelError::io(format!("open {OWN}"), &error))
    }

    /// Asks for one object; its absence (`absent`) is `None`.
    pub(crate) fn one<T>(
        &mut self,
        place: Place,
        what: &dyn Fn() -> String,
        absent: &[Errno],
        fill: impl FnOnce(&mut Batch),
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Option<T>, KernelError> {
        let socket = self.socket(place)?;
        let mut batch = socket.batch();
        fill(&mut batch);
        match socket.ask(&batch, read).map_err(|error| KernelError::io(what(), &error))? {
            Err(refusal) if absent.contains(&Errno::from_raw(refusal.errno)) => Ok(None),
            other => other.map_err(|refusal| refused(what(), refusal)),
        }
    }

    pub(crate) fn dump<T>(
        &mut self,
        place: Place,
        what: &str,
        fill: impl FnMut(&mut Batch),
        mut read: impl FnMut(&Message<'_>) -> Vec<T>,
    ) -> Result<Vec<T>, KernelError> {
        self.socket(place)?
            .dump(fill, |found: &mut Vec<T>, message| found.extend(read(&message)))
            .map_err(|refusal| refused(format!("{what} {place}"), refusal))
    }
}

impl Kernel for Linux {
    fn has_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    fn random_mac(&mut self) -> Mac {
        let mut bytes = [0u8; 6];
        // SAFETY: the pointer and the length describe `bytes`, which outlives the call; getrandom(2) writes nothing else.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if got != 6 {
            // Kernels before 3.17, or a filter that forbids the call: process id and clock must do.
            let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let mixed = u64::from(clock.subsec_nanos()) ^ (u64::from(std::process::id()) << 24);
            bytes.copy_from_slice(&mixed.to_le_bytes()[..6]);
        }
        Mac::local(bytes)
    }

    fn create(&mut self, place: Place, spec: &LinkSpec) -> Result<Claimed, KernelError> {
        self.create_link(place, spec)
    }

    fn apply(&mut self, place: Place, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        changes.chunks(AT_ONCE).flat_map(|some| self.apply_at_once(place, some)).collect()
    }

    fn link(&mut self, place: Place, name: &LinkName) -> Result<Option<Link>, KernelError> {
        let what = || format!("look up {name} {place}");
        // A name that no link can have is refused as out of range.
        let absent = [Errno::ENODEV, Errno::ERANGE];
        let link = self.one(place, &what, &absent, |batch| rtnl::get_link(batch, name), rtnl::parse_link)?;
        if let (Place::Host, Some(link)) = (place, &link) {
            self.seen.push((link.name.clone(), link.index));
        }
        Ok(link)
    }

    fn links(&mut self, place: Place, master: u32) -> Result<Vec<Link>, KernelError> {
        let keep = |link: &Link| master == 0 || link.master == master;
        self.dump(
            place,
            "list links",
            |batch| rtnl::link_dump(batch, master),
            |message| rtnl::parse_link(message).filter(keep).into_iter().collect(),
        )
    }

    fn has_port(&mut self, master: u32, group: u32) -> Result<bool, KernelError> {
        let what = || "list bridge ports on the host";
        // A socket of its own: the rest of the dump is thrown away with it.
        let mut socket = open_route_socket()?;
        let mut batch = socket.batch();
        rtnl::link_dump(&mut batch, master);
        socket.send(&batch).map_err(|error| KernelError::io(what(), &error))?;
        let (mut found, mut done) = (false, None);
        while !found && done.is_none() {
            let read = |message: Message<'_>| {
                match netlink::acknowledgement(&message) {
                    Some(verdict) => done = Some(verdict),
                    None => {
                        let port = rtnl::parse_link(&message);
                        found |= port.is_some_and(|port| port.master == master && port.group == group);
                    }
                }
                !found
            };
            socket.receive(read).map_err(|error| KernelError::io(what(), &error))?;
        }
        match done {
            Some(Err(refusal)) => Err(refused(what().into(), refusal)),
            Some(Ok(())) | None => Ok(found),
        }
    }

    fn find_elsewhere(
        &mut self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Elsewhere) -> bool,
    ) -> Result<Option<Elsewhere>, KernelError> {
        self.look_elsewhere(kind, wanted)
    }

    fn default_link(&mut self, place: Place) -> Result<Option<Link>, KernelError> {
        let links = self.dump(place, "list routes", rtnl::default_dump, |message| {
            rtnl::parse_default(message).into_iter().collect()
        })?;
        match links.first() {
            Some(&index) => self.link(place, &LinkName::Index(index)),
            None => Ok(None),
        }
    }

    fn addresses(&mut self, place: Place, link: u32) -> Result<Vec<IpNet>, KernelError> {
        self.dump(
            place,
            "list addresses",
            |batch| rtnl::address_dump(batch, link),
            |message| rtnl::parse_address(message, link).into_iter().collect(),
        )
    }

    fn routes(&mut self, place: Place, link: u32) -> Result<Vec<Route>, KernelError> {
        self.dump(
            place,
            "list routes",
            |batch| rtnl::route_dump(batch, link),
            |message| rtnl::parse_routes(message, link),
        )
    }

    fn fdb(&mut self, place: Place, link: u32) -> Result<Vec<FdbEntry>, KernelError> {
        self.dump(
            place,
            "list forwarding entries",
            |batch| rtnl::fdb_dump(batch, link),
            |message| rtnl::parse_fdb(message, link).into_iter().collect(),
        )
    }

    fn neighbours(&mut self, place: Place, link: u32) -> Result<Vec<Neighbour>, KernelError> {
        self.dump(
            place,
            "list neighbours",
            |batch| rtnl::neighbour_dump(batch, link),
            |message| rtnl::parse_neighbour(message, link).into_iter().collect(),
        )
    }

    fn vlans(&mut self, place: Place, link: u32) -> Result<Vec<PortVlan>, KernelError> {
        self.dump(
            place,
            "list the VLANs of a bridge port",
            |batch| rtnl::vlan_dump(batch, link),
            |message| rtnl::parse_vlans(message, link),
        )
    }

    fn route_to(&mut self, place: Place, to: IpAddr) -> Result<Option<RouteLookup>, KernelError> {
        let absent = [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::ESRCH];
        self.one(
            place,
            &|| format!("look up the route to {to} {place}"),
            &absent,
            |batch| rtnl::lookup(batch, to),
            rtnl::parse_lookup,
        )
    }

    fn wait_up(&mut self, name: &LinkName) -> Result<Link, KernelError> {
        let what = || format!("wait for {name} to come up");
        let gone = || KernelError::new(what(), Errno::ENODEV as i32, "");
        let mut link = self.link(Place::Host, name)?.ok_or_else(gone)?;
        if link.operstate == OPER_UP {
            return Ok(link);
        }
        let mut events = open_route_socket()?;
        events.join(LINK_EVENTS).map_err(|error| KernelError::io(what(), &error))?;
        // It may have come up between the look and the subscription.
        link = self.link(Place::Host, name)?.ok_or_else(gone)?;
        let deadline = Instant::now() + PORT_PATIENCE;
        while link.operstate != OPER_UP {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !readable(&events, left).map_err(|error| KernelError::io(what(), &error))? {
                return Ok(link);
            }
            let mut missed = false;
            let read = events.receive(|message| {
                match rtnl::parse_link(&message) {
                    Some(event) if event.index == link.index && event.operstate != 0 => link = event,
                    Some(_) | None => {}
                }
                true
            });
            match read {
                // Too many events for the socket's buffer: look for ourselves.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => missed = true,
                other => other.map_err(|error| KernelError::io(what(), &error))?,
            }
            if missed {
                link = self.link(Place::Host, name)?.ok_or_else(gone)?;
            }
        }
        Ok(link)
    }

    fn queueing(&mut self, link: u32) -> Result<Queueing, KernelError> {
        self.read_queueing(link)
    }

    fn has(&mut self, facility: Facility) -> Result<bool, KernelError> {
        self.has_facility(facility)
    }

    fn sysctl(&mut self, place: Place, key: &str) -> Result<Option<String>, KernelError> {
        self.at(place, || sysctl::read(key))?
            .map_err(|error| KernelError::io(format!("read the sysctl {key} {place}"), &error))
    }

    fn set_sysctl(&mut self, place: Place, key: &str, value: &str) -> Result<(), KernelError> {
        self.at(place, || sysctl::write(key, value))?
            .map_err(|error| KernelError::io(format!("set the sysctl {key} to {value} {place}"), &error))
    }

    fn lock(&mut self, exclusive: bool) -> Result<(), KernelError> {
        let file = self.own_namespace()?;
        let failed = |error: &std::io::Error| KernelError::io(format!("lock {OWN}"), error);
        if exclusive { file.lock() } else { file.lock_shared() }.map_err(|error| failed(&error))?;
        self.lock = Some(file);
        Ok(())
    }

    fn unlock(&mut self) {
        if let Some(file) = self.lock.take() {
            // Closing it would do where the description is not shared. Nothing is lost when neither works: the lock ends
            // with the process.
            let _ = file.unlock();
        }
    }

    fn notes(&mut self) -> &mut dyn Notes {
        &mut self.notes
    }

    fn firewall(&mut self) -> &mut dyn Firewall {
        &mut self.firewall
    }
}

fn open_route_socket() -> Result<Netlink, KernelError> {
    Netlink::open(netlink::ROUTE).map_err(|error| KernelError::io("open a route socket", &error))
}

pub(crate) fn no_sandbox() -> KernelError {
    KernelError::other("enter the sandbox", "it is gone")
}

pub(crate) fn refused(what: String, refusal: Refusal) -> KernelError {
    KernelError::new(what, refusal.errno, refusal.words)
}

/// Waits for a datagram, at most `left`.
fn readable(socket: &Netlink, left: Duration) -> std::io::Result<bool> {
    // SAFETY: the descriptor belongs to `socket`, which is borrowed for longer than the borrow made here.
    let descriptor = unsafe { BorrowedFd::borrow_raw(socket.socket().as_raw_fd()) };
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}
