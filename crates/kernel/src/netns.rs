//! Network namespaces: opening one and checking what it is, and the one function that enters it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::MetadataExt;

use cnm::KernelError;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{FsType, fstatfs};

use crate::netlink::{self, Netlink};

/// `NSFS_MAGIC` (linux/magic.h): the file system of namespace files.
const NSFS: FsType = FsType(0x6e73_6673);
/// The calling thread's own network namespace.
pub(crate) const OWN: &str = "/proc/thread-self/ns/net";

/// An opened network namespace that is not the caller's own, and a route socket of the caller's.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) entrance: Entrance,
    pub(crate) host_socket: Netlink,
}

/// The way into a namespace and back.
#[derive(Debug)]
pub(crate) struct Entrance {
    path: String,
    file: File,
    home: File,
}

/// Why a path is no sandbox that can be entered.
#[derive(Debug)]
pub enum NotASandbox {
    /// Nothing is there: the sandbox is gone.
    Missing,
    /// A file that is no namespace (what an unmounted bind mount leaves behind), or one of another kind.
    NotANamespace,
    /// The caller's own namespace.
    Own,
    /// It cannot be opened.
    Unreadable(io::Error),
}

impl fmt::Display for NotASandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file or directory"),
            Self::NotANamespace => f.write_str("the file is not a network namespace"),
            Self::Own => f.write_str("it is the plugin's own namespace"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

/// Whether a namespace file is a network's (`NS_GET_NSTYPE`, ioctl_ns(2), kernel 4.11; an older one is believed).
fn is_network(file: &File) -> bool {
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: the request takes no argument and touches no memory of ours; the descriptor is open.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET || kind < 0
}

/// The calling thread's own namespace, in which `socket` was opened. The socket knows it (`SIOCGSKNS`, kernel 4.10): a look
/// into /proc costs several times as much, as it makes the process's files there first.
pub(crate) fn own(socket: &Netlink) -> io::Result<File> {
    const SIOCGSKNS: libc::Ioctl = 0x894c;
    // SAFETY: the request takes no argument and touches no memory of ours; the descriptor is open.
    let descriptor = unsafe { libc::ioctl(socket.socket().as_raw_fd(), SIOCGSKNS) };
    if descriptor < 0 {
        return File::open(OWN);
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

impl Sandbox {
    /// Opens the namespace at `path`.
    ///
    /// # Errors
    /// See [`NotASandbox`]; with `own_is_fine` our own namespace is accepted.
    pub fn open(path: &str, own_is_fine: bool) -> Result<Self, NotASandbox> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NotASandbox::Missing,
            _ => NotASandbox::Unreadable(error),
        })?;
        let kind = fstatfs(file.as_fd()).map_err(|errno| NotASandbox::Unreadable(errno.into()))?;
        if kind.filesystem_type() != NSFS || !is_network(&file) {
            return Err(NotASandbox::NotANamespace);
        }
        let host_socket = Netlink::open(netlink::ROUTE).map_err(NotASandbox::Unreadable)?;
        let home = own(&host_socket).map_err(NotASandbox::Unreadable)?;
        let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
        let same =
            identity(&file).and_then(|theirs| Ok(theirs == identity(&home)?)).map_err(NotASandbox::Unreadable)?;
        if same && !own_is_fine {
            return Err(NotASandbox::Own);
        }
        Ok(Self { entrance: Entrance { path: path.to_owned(), file, home }, host_socket })
    }
}

impl Entrance {
    /// The namespace that the sandbox was opened from, once more.
    pub(crate) fn home(&self) -> io::Result<File> {
        self.home.try_clone()
    }

    /// The number that a netlink attribute takes (`IFLA_NET_NS_FD`).
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Runs `work` inside and comes back. The only place of the program that changes namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered; `work` has not run then.
    ///
    /// # Panics
    /// Never: when the way back is barred the process ends, because everything after would hit the wrong namespace.
    #[expect(clippy::disallowed_methods, reason = "the one place that changes namespace; it surely comes back")]
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T, KernelError> {
        setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| {
            KernelError::new(format!("enter the network namespace {}", self.path), errno as i32, "")
        })?;
        let result = work();
        if setns(self.home.as_fd(), CloneFlags::CLONE_NEWNET).is_err() {
            std::process::abort();
        }
        Ok(result)
    }
}
