//! The private file system view of a test's host. It must not know plugins: only which folders of the machine they
//! could touch.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

/// What plugins and runtimes write to, besides `/run`: parents and names.
const FOLDERS: &[(&str, &[&str])] =
    &[("/var/lib", &["cni", "containers", "containerd"]), ("/etc", &["cni", "containers"])];

/// Makes the calling thread's (new) mount namespace private and covers whatever a plugin or a runtime may write with
/// empty folders: `/run` and [`FOLDERS`]. `/sys` is mounted afresh so that `/sys/class/net` shows the thread's
/// network namespace, and `/proc` too where its sysctls are read-only (containers). The control groups stay where they
/// are: real runtimes put containers into them.
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
    for (parent, names) in FOLDERS {
        let parent = Path::new(parent);
        let missing: Vec<&str> = names.iter().copied().filter(|name| !parent.join(name).is_dir()).collect();
        if !missing.is_empty() {
            overlay(parent, &missing)?;
        }
        for name in *names {
            fresh("tmpfs", &parent.join(name))?;
        }
    }
    afresh_but_for_control_groups()?;
    let flags = statvfs("/proc/sys").map_err(|error| format!("look at /proc/sys: {error}"))?.flags();
    if flags.contains(FsFlags::ST_RDONLY) {
        fresh("proc", Path::new("/proc"))?;
    }
    fs::create_dir_all("/run/netns").map_err(|error| format!("create /run/netns: {error}"))
}

/// Mounts `/sys` afresh and moves the mounts below `/sys/fs/cgroup` into it.
fn afresh_but_for_control_groups() -> Result<(), String> {
    let (groups, aside, none) = ("/sys/fs/cgroup", "/run/.cover-cgroup", None::<&str>);
    fs::create_dir(aside).map_err(|error| format!("create {aside}: {error}"))?;
    mount(Some(groups), aside, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .map_err(|error| format!("mount {groups} on {aside}: {error}"))?;
    fresh("sysfs", Path::new("/sys"))?;
    mount(Some(aside), groups, none, MsFlags::MS_MOVE, none)
        .map_err(|error| format!("move {aside} to {groups}: {error}"))?;
    fs::remove_dir(aside).map_err(|error| format!("remove {aside}: {error}"))
}

/// Mounts a new file system of `kind` over `folder`.
fn fresh(kind: &str, folder: &Path) -> Result<(), String> {
    let data = (kind == "tmpfs").then_some("mode=0755");
    mount(Some(kind), folder, Some(kind), MsFlags::empty(), data)
        .map_err(|error| format!("mount {kind} on {}: {error}", folder.display()))
}

/// Makes the folders `names` below `parent` without touching the machine's own `parent`.
fn overlay(parent: &Path, names: &[&str]) -> Result<(), String> {
    let upper = format!("/run/.cover{}", parent.display().to_string().replace('/', "-"));
    let work = format!("{upper}-work");
    for folder in [&upper, &work] {
        fs::create_dir(folder).map_err(|error| format!("create {folder}: {error}"))?;
    }
    let options = format!("lowerdir={},upperdir={upper},workdir={work}", parent.display());
    let overlay = Some("overlay");
    mount(overlay, parent, overlay, MsFlags::empty(), Some(options.as_str())).map_err(|error| {
        let folders: Vec<String> = names.iter().map(|name| parent.join(name).display().to_string()).collect();
        format!("cover {}: {error}; mend it with: mkdir {}", parent.display(), folders.join(" "))
    })?;
    for name in names {
        fs::create_dir(parent.join(name)).map_err(|error| format!("create {}/{name}: {error}", parent.display()))?;
    }
    Ok(())
}
