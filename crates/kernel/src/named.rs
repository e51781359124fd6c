//! Named network namespaces, as `ip netns` keeps them: bind mounts below `/run/netns`.
//!
//! A namespace made here is seen by `ip netns` and the other way round. It knows nothing of what is attached to
//! one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{FsType, fstatfs};

/// Where `ip netns` keeps them.
pub const DIRECTORY: &str = "/run/netns";
/// `NSFS_MAGIC` (linux/magic.h).
const NSFS: FsType = FsType(0x6e73_6673);

/// The path of a named namespace.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether `name` can be a name: it becomes a file's.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']) && name != "." && name != ".."
}

/// Makes a namespace and gives it a name. Its loopback device is down, as after `ip netns add`.
///
/// # Errors
/// `AlreadyExists` when the name is taken; else what the kernel refused. Nothing is left behind then.
pub fn create(name: &str) -> io::Result<PathBuf> {
    if !is_valid_name(name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a valid file name"));
    }
    prepare_directory()?;
    let path = path(name);
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o444).open(&path)?;
    // A thread of its own: its namespace ends with it, and the caller stays where it is.
    let target = path.clone();
    let made = std::thread::spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        mount(Some("/proc/thread-self/ns/net"), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    })
    .join()
    .unwrap_or_else(|_| Err(io::Error::other("the thread that makes the namespace died")));
    if let Err(error) = made {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// Takes the name away; the namespace ends when nobody uses it any more. A file that an unmount left behind is
/// removed, too.
///
/// # Errors
/// `NotFound` when there is no such name.
pub fn remove(name: &str) -> io::Result<()> {
    if !is_valid_name(name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a valid file name"));
    }
    let path = path(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // Not mounted: what is left is a plain file.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    fs::remove_file(path)
}

/// The names, sorted, and whether each is a living namespace (else it is a file that an unmount left behind).
///
/// # Errors
/// When the directory cannot be read; a missing one has no names.
pub fn list() -> io::Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, is_namespace(&entry.path())));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a namespace is at `path`.
#[must_use]
pub fn is_namespace(path: &Path) -> bool {
    // A FIFO must not make us wait.
    OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
        .ok()
        .and_then(|file| fstatfs(file.as_fd()).ok())
        .is_some_and(|kind| kind.filesystem_type() == NSFS)
}

/// Makes the directory a shared mount of its own, so that unmounting a name reaches the copies in other mount
/// namespaces. Two that do so at once would mount it twice: one waits for the other.
fn prepare_directory() -> io::Result<()> {
    fs::create_dir_all(DIRECTORY)?;
    let lock = Flock::lock(File::open(DIRECTORY)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let share = || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    if share() == Err(Errno::EINVAL) {
        mount(Some(DIRECTORY), DIRECTORY, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        share()?;
    }
    drop(lock);
    Ok(())
}
