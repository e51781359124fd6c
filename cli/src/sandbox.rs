//! Which sandbox a person means: a name below `/run/netns`, or the path of a namespace.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use cni::{Code, Error};
use kernel::{Linux, NotASandbox, named};
use sha2::{Digest, Sha512};

/// A sandbox as named on the command line. Whether it exists is asked later: DEL does without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// As typed, for messages.
    pub(crate) name: String,
    /// `CNI_NETNS`: absolute, without `.` and `..`.
    pub(crate) path: String,
}

impl Sandbox {
    /// Reads a name or a path; what has a slash is a path.
    ///
    /// # Errors
    /// Code 8 when it can be neither.
    pub(crate) fn from_argument(argument: &str) -> Result<Self, Error> {
        let path = if argument.contains('/') {
            let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            absolute(&directory, argument)
        } else if named::is_valid_name(argument) {
            named::path(argument).to_string_lossy().into_owned()
        } else {
            return Err(Error::new(Code::InvalidNetns, format!("{argument:?} cannot be a sandbox"))
                .with_details("give a name as `cnm sandbox ls` shows them, or the path of a network namespace"));
        };
        Ok(Self { name: argument.to_owned(), path })
    }

    /// The container id that cnitool gives to this path, so that either can detach what the other attached.
    pub(crate) fn container_id(&self) -> String {
        let digest = Sha512::digest(self.path.as_bytes());
        digest.iter().take(10).fold(String::from("cnitool-"), |id, byte| format!("{id}{byte:02x}"))
    }

    /// Whether `path`, as it stands in a result, is this sandbox; `/var/run` is `/run` under its old name.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        modern(path) == modern(&self.path)
    }

    /// Refuses what is no network namespace.
    ///
    /// # Errors
    /// Code 8 with what to do.
    pub(crate) fn must_exist(&self) -> Result<(), Error> {
        kernel::Sandbox::open(&self.path, true).map(drop).map_err(|error| self.unusable(&error))
    }

    /// Waits until no other `cnm` attaches or detaches this sandbox, and keeps others waiting while the value lives.
    /// `None` when there is no namespace: then there is nothing to quarrel about.
    pub(crate) fn lock(&self) -> Option<File> {
        lock(&self.path)
    }

    /// Whether the sandbox has a link of this name.
    ///
    /// # Errors
    /// Code 8 when the sandbox cannot be entered.
    pub(crate) fn has_link(&self, name: &str) -> Result<bool, Error> {
        use cnm::{Kernel, LinkName, Place};
        let sandbox = kernel::Sandbox::open(&self.path, true).map_err(|error| self.unusable(&error))?;
        let failed =
            |error: cnm::KernelError| Error::new(Code::InvalidNetns, format!("sandbox {}: {error}", self.name));
        let mut linux = Linux::open(Some(sandbox)).map_err(failed)?;
        Ok(linux.link(Place::Sandbox, &LinkName::Name(name.to_owned())).map_err(failed)?.is_some())
    }

    fn unusable(&self, reason: &NotASandbox) -> Error {
        let Self { name, path } = self;
        let (msg, details) = match reason {
            NotASandbox::Missing if name.contains('/') => {
                (format!("there is no network namespace at {path}"), "`cnm sandbox ls` lists the named ones".into())
            }
            NotASandbox::Missing => (
                format!("there is no sandbox {name} ({path} does not exist)"),
                format!("make it with `cnm sandbox add {name}`; `cnm sandbox ls` lists those that exist"),
            ),
            NotASandbox::NotANamespace => (
                format!("{path} is a file but no network namespace"),
                format!("if it is what an unmount left behind, remove it with `cnm sandbox rm {name}`"),
            ),
            NotASandbox::Own => (format!("{path} is the host's own network namespace"), String::new()),
            NotASandbox::Unreadable(error) => (format!("cannot open {path}: {error}"), "run cnm as root".into()),
        };
        Error::new(Code::InvalidNetns, msg).with_details(details)
    }
}

/// As [`Sandbox::lock`], by path. The lock is on the namespace itself, so that no file has to be made for it.
pub(crate) fn lock(path: &str) -> Option<File> {
    let file = Some(path).filter(|path| named::is_namespace(Path::new(path))).and_then(|path| File::open(path).ok())?;
    file.lock().ok().map(|()| file)
}

/// The short name of the sandbox at a path: its name when it is a named one.
pub(crate) fn short_name(path: &str) -> &str {
    let modern = modern(path);
    match modern.strip_prefix(named::DIRECTORY).and_then(|rest| rest.strip_prefix('/')) {
        Some(name) if named::is_valid_name(name) => name,
        _ => path,
    }
}

/// `/var/run/…` as `/run/…`.
fn modern(path: &str) -> &str {
    if path.starts_with("/var/run/") { &path["/var".len()..] } else { path }
}

/// The path without `.`, `..` and double slashes, by its letters alone: Go's `filepath.Abs`, whose result cnitool
/// hashes.
fn absolute(directory: &Path, path: &str) -> String {
    let mut clean = PathBuf::from("/");
    for component in directory.join(path).components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(part) => clean.push(part),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        let path = |argument: &str| Sandbox::from_argument(argument).map(|sandbox| sandbox.path);
        assert_eq!(path("web").unwrap(), "/run/netns/web");
        assert_eq!(path("/var/run/netns//web/../db").unwrap(), "/var/run/netns/db");
        assert_eq!(path("/proc/1/ns/net").unwrap(), "/proc/1/ns/net");
        for wrong in ["", ".", ".."] {
            assert_eq!(path(wrong).unwrap_err().code, Code::InvalidNetns, "{wrong:?}");
        }
        assert_eq!(absolute(Path::new("/a/b"), "../c/./d"), "/a/c/d");
        assert_eq!(absolute(Path::new("/"), "../../x"), "/x");
    }

    /// `printf %s /var/run/netns/testing | sha512sum | cut -c1-20`
    #[test]
    fn the_container_id_is_cnitools() {
        let sandbox = Sandbox::from_argument("/var/run/netns/testing").unwrap();
        assert_eq!(sandbox.container_id(), "cnitool-77383ca0a0715733ca6f");
    }

    #[test]
    fn var_run_is_run() {
        let sandbox = Sandbox::from_argument("web").unwrap();
        assert!(sandbox.is_at("/var/run/netns/web") && sandbox.is_at("/run/netns/web"));
        assert!(!sandbox.is_at("/run/netns/we") && !sandbox.is_at(""));
        assert_eq!(short_name("/var/run/netns/web"), "web");
        assert_eq!(short_name("/run/netns/a/b"), "/run/netns/a/b");
        assert_eq!(short_name("/proc/7/ns/net"), "/proc/7/ns/net");
    }
}
