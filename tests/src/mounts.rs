//! The private file system view of a test's host. It must not know plugins: only which folders of the machine they
//! could touch.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

/// Makes the calling thread's (new) mount namespace private and covers whatever a plugin may write with empty
/// folders: `/run`, `/var/lib/cni`, `/etc/cni`. `/sys` is mounted afresh so that `/sys/class/net` shows the thread's
/// network namespace, and `/proc` too where its sysctls are read-only (containers).
///
/// # Errors
/// What could not be mounted.
pub(crate) fn cover() -> Result<(), String> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|error| format!("make mounts private: {error}"))?;
    fresh("tmpfs", Path::new("/run"))?;
    if Path::new("/var/run").symlink_metadata().is_ok_and(|data| data.is_dir()) {
        mount(Some("/run"), "/var/run", none, MsFlags::MS_BIND, none)
            .map_err(|error| format!("mount /run on /var/run: {error}"))?;
    }
    for (parent, name) in [("/var/lib", "cni"), ("/etc", "cni")] {
        let folder = Path::new(parent).join(name);
        if !folder.is_dir() {
            overlay(Path::new(parent), name)?;
        }
        fresh("tmpfs", &folder)?;
    }
    fresh("sysfs", Path::new("/sys"))?;
    let flags = statvfs("/proc/sys").map_err(|error| format!("look at /proc/sys: {error}"))?.flags();
    if flags.contains(FsFlags::ST_RDONLY) {
        fresh("proc", Path::new("/proc"))?;
    }
    fs::create_dir_all("/run/netns").map_err(|error| format!("create /run/netns: {error}"))
}

/// Mounts a new file system of `kind` over `folder`.
fn fresh(kind: &str, folder: &Path) -> Result<(), String> {
    let data = (kind == "tmpfs").then_some("mode=0755");
    mount(Some(kind), folder, Some(kind), MsFlags::empty(), data)
        .map_err(|error| format!("mount {kind} on {}: {error}", folder.display()))
}

/// Makes the folder `name` below `parent` without touching the machine's own `parent`.
fn overlay(parent: &Path, name: &str) -> Result<(), String> {
    let upper = format!("/run/.cover-{name}-{}", parent.display().to_string().replace('/', "-"));
    let work = format!("{upper}-work");
    for folder in [&upper, &work] {
        fs::create_dir(folder).map_err(|error| format!("create {folder}: {error}"))?;
    }
    let options = format!("lowerdir={},upperdir={upper},workdir={work}", parent.display());
    let overlay = Some("overlay");
    mount(overlay, parent, overlay, MsFlags::empty(), Some(options.as_str())).map_err(|error| {
        format!("cover {}: {error}; mend it with: mkdir {}/{name}", parent.display(), parent.display())
    })?;
    fs::create_dir(parent.join(name)).map_err(|error| format!("create {}/{name}: {error}", parent.display()))
}
