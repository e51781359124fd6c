//! A network's directory: where its files are, and the way into it under the lock. What can be done there is
//! `session`'s.
//!
//! The layout is the reference's: `<dataDir>/<network>/` with `lock`, `last_reserved_ip.<N>` and one file for each
//! reservation. Two files of our own lie *beside* the directory, where the reference's DEL, which reads every file in
//! it, does not see them: `.<network>.idx`, a cache, and `.<network>.new`, what is being written.
//!
//! Nothing is ever synced to disk: page cache and directory survive the death of any process, and after a power failure
//! no container lives that a reservation could belong to. What may then be found (an empty file, a lost name) counts
//! as free.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::boot::Boot;
use crate::error::Error;
use crate::files::Files;
use crate::session::Session;

/// Names longer than this are hashed where we add to them, so that ours are no longer than the 255 bytes that a file
/// system takes.
const LONG: usize = 200;

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The directory of the network.
    pub(crate) dir: PathBuf,
    /// The file that flock(2) is taken on.
    pub(crate) lock: PathBuf,
    /// The cache.
    pub(crate) index: PathBuf,
    /// What is being written, one at a time under the lock.
    pub(crate) temporary: PathBuf,
    /// The same inside the directory, where the other cannot be used: another file system, or not writable.
    pub(crate) inner: PathBuf,
}

impl Paths {
    /// The files of `network`; `None` when it is not a plain file name.
    pub(crate) fn new(data_dir: &Path, network: &str) -> Option<Self> {
        let mut components = Path::new(network).components();
        let plain =
            matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == network);
        if !plain || network.contains('\0') {
            return None;
        }
        let dir = data_dir.join(network);
        let stem = if network.len() > LONG {
            Sha256::digest(network.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
        } else {
            network.to_owned()
        };
        Some(Self {
            lock: dir.join("lock"),
            index: data_dir.join(format!(".{stem}.idx")),
            temporary: data_dir.join(format!(".{stem}.new")),
            inner: dir.join(".new"),
            dir,
        })
    }

    /// The hint of the range set with this number.
    pub(crate) fn last_reserved(&self, set: usize) -> PathBuf {
        self.dir.join(format!("last_reserved_ip.{set}"))
    }
}

/// A network's reservations.
#[derive(Debug)]
pub(crate) struct Store<F> {
    pub(crate) files: F,
    pub(crate) paths: Paths,
    pub(crate) boot: Boot,
}

impl<F: Files> Store<F> {
    /// Waits for the lock, making the directory first where it is missing.
    pub(crate) fn enter(&self) -> Result<Session<'_, F>, Error> {
        if let Some(session) = self.enter_existing()? {
            return Ok(session);
        }
        let dir = &self.paths.dir;
        self.files.make_dirs(dir).map_err(|source| Error::io("create", dir, source))?;
        self.enter_existing()?.ok_or_else(|| Error::Broken {
            path: dir.display().to_string(),
            why: "the directory vanished while it was being set up",
        })
    }

    /// Waits for the lock; `None` when the network has no directory, hence no reservation.
    pub(crate) fn enter_existing(&self) -> Result<Option<Session<'_, F>>, Error> {
        // Somebody may remove the whole directory while we wait: then the lock that we get protects nothing.
        for _ in 0..100 {
            let Some(lock) = self.open_lock()? else { return Ok(None) };
            let failed = |source| Error::io("lock", &self.paths.lock, source);
            self.files.lock(&lock).map_err(failed)?;
            if self.files.stat_file(&lock).map_err(failed)?.links > 0 {
                return Session::begin(self, lock).map(Some);
            }
        }
        let path = self.paths.lock.display().to_string();
        Err(Error::Broken { path, why: "the file is removed again and again" })
    }

    /// The file that the lock is taken on; `None` without a directory.
    pub(crate) fn open_lock(&self) -> Result<Option<File>, Error> {
        match self.files.open_lock(&self.paths.lock) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &self.paths.lock, error)),
        }
    }
}
