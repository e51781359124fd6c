//! What can be done in a network's directory while holding its lock. Knows nothing of ranges: which address is wanted
//! is `allocate`'s business.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::boot::wall_clock;
use crate::error::Error;
use crate::files::{Files, Stat};
use crate::index::{Index, Untrusted};
use crate::owner::{Owner, is_note, is_void, trimmed};
use crate::store::Store;
use crate::walk::{Fate, Found, Walk};

/// An index that says "full" is believed for so long, in nanoseconds; then the directory is asked again.
const STALE: u64 = 60_000_000_000;

/// What an owner has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Reserved for container id and interface name.
    pub(crate) exact: Vec<Address>,
    /// Reserved for the container id alone, as the reference did until 0.7.
    pub(crate) legacy: Vec<Address>,
}

/// The lock is held as long as this lives. [`Session::end`] makes the index fit the files; dropped without it, the
/// next one makes the index anew.
#[derive(Debug)]
pub(crate) struct Session<'a, F> {
    store: &'a Store<F>,
    _lock: File,
    dir: Stat,
    index: Index,
    /// The index was made from the directory just now.
    fresh: bool,
    /// The index does not follow the directory any more.
    lost: bool,
    changed: bool,
    /// Files that may be there for anybody: they could not be read just now.
    unread: Vec<Error>,
}

impl<'a, F: Files> Session<'a, F> {
    /// Begins with the lock held.
    pub(crate) fn begin(store: &'a Store<F>, lock: File) -> Result<Self, Error> {
        let dir = store.files.stat(&store.paths.dir).map_err(|source| Error::io("stat", &store.paths.dir, source))?;
        let (index, fresh) = match Index::open(&store.files, &store.paths.index, &dir, &store.boot) {
            Ok(index) => (index, false),
            Err(Untrusted) => (Index::new(0), true),
        };
        let mut session =
            Self { store, _lock: lock, dir, index, fresh, lost: false, changed: false, unread: Vec::new() };
        if fresh {
            session.reread()?;
        }
        Ok(session)
    }

    /// The addresses of an owner, each verified.
    pub(crate) fn held(&mut self, owner: &Owner) -> Result<Held, Error> {
        let held = match self.listed(owner)? {
            Some(held) => held,
            None => {
                // Something is not what it was; after a walk the index is right.
                self.reread()?;
                self.listed(owner)?.ok_or_else(|| Error::unusable(&self.store.paths.dir))?
            }
        };
        if !self.index.is_crowded() {
            return Ok(held);
        }
        let mut held = Held::default();
        self.rebuild(&mut |address, found| {
            if found.content == owner.content().as_bytes() {
                held.exact.push(address);
            } else if found.content == owner.container().as_bytes() {
                held.legacy.push(address);
            }
            Fate::Keep
        })?;
        Ok(held)
    }

    /// Reserves an address; false when somebody has it.
    pub(crate) fn reserve(&mut self, address: Address, owner: &Owner) -> Result<bool, Error> {
        let path = self.path(address);
        let content = owner.content().as_bytes();
        let reserved = self.place(&path, content).map_err(|source| Error::io("reserve", &path, source))?;
        if reserved {
            self.changed = true;
            let now = wall_clock();
            self.note(|index, files| index.insert(files, content, address, now));
        }
        Ok(reserved)
    }

    /// Gives an address back; absent is fine. `content` is what its file held.
    pub(crate) fn release(&mut self, address: Address, content: &str) -> Result<(), Error> {
        let path = self.path(address);
        match self.store.files.unlink(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("release", &path, error)),
            Ok(()) | Err(_) => {}
        }
        self.changed = true;
        self.note(|index, files| index.remove(files, content.as_bytes(), address));
        Ok(())
    }

    /// The first address from `from` up to and including `to` that the index calls free.
    pub(crate) fn next_free(&mut self, from: Address, to: Address) -> Result<Option<Address>, Error> {
        self.ask(|index, files| index.next_free(files, from, to))
    }

    /// Removes the containers' reservations that are older than the boot, of every range set: no container survives it.
    /// False when there are none.
    pub(crate) fn reclaim(&mut self) -> Result<bool, Error> {
        let boundary = self.store.boot.boundary();
        if self.index.oldest() >= boundary {
            return Ok(false);
        }
        let mut reclaimed = false;
        self.rebuild(&mut |_, found| {
            let dead = found.modified < boundary && !is_note(found.content);
            reclaimed |= dead;
            if dead { Fate::Remove } else { Fate::Keep }
        })?;
        Ok(reclaimed)
    }

    /// Makes the index anew, unless it was made lately. What the stamp does not show (a file emptied in place, one
    /// removed while we were changing the directory) must not keep an address for ever.
    pub(crate) fn refresh(&mut self) -> Result<bool, Error> {
        if self.fresh || wall_clock().abs_diff(self.index.built()) < STALE {
            return Ok(false);
        }
        self.reread()?;
        Ok(true)
    }

    /// Shows every reservation's file and removes those that `decide` gives up; gives what could not be removed.
    pub(crate) fn rebuild(&mut self, decide: &mut dyn FnMut(Address, Found<'_>) -> Fate) -> Result<Vec<Error>, Error> {
        self.changed = true;
        let walk = Walk::new(self.store, decide)?;
        self.index = walk.index;
        self.unread = walk.unread;
        self.fresh = true;
        self.lost = false;
        Ok(walk.leftover)
    }

    /// Whether everything could be read, so that what was not found is not there.
    pub(crate) fn complete(&mut self) -> Result<(), Error> {
        self.lost |= !self.unread.is_empty();
        self.unread.pop().map_or(Ok(()), Err)
    }

    /// Makes the index anew.
    pub(crate) fn reread(&mut self) -> Result<(), Error> {
        self.rebuild(&mut |_, _| Fate::Keep).map(drop)
    }

    /// Removes what a crash may have left of our own files.
    pub(crate) fn sweep(&self) {
        for path in [&self.store.paths.temporary, &self.store.paths.inner] {
            let _absent = self.store.files.unlink(path);
        }
    }

    /// The address that was given last out of a range set.
    pub(crate) fn last_reserved(&self, set: usize) -> LastReserved {
        let path = self.store.paths.last_reserved(set);
        let file = self.store.files.open_in_place(&path).ok();
        let content = file.as_ref().and_then(|file| self.store.files.read(file).ok()).unwrap_or_default();
        LastReserved { path, file, content }
    }

    /// Notes the address that was given last out of a range set. Only a hint, so a failure is none; but never a
    /// half-written one: a text no shorter than the old one replaces it in place with one write(2) within one block,
    /// any other goes by way of a new file.
    pub(crate) fn set_last_reserved(&self, last: &LastReserved, address: Address) {
        let files = &self.store.files;
        let text = address.to_string();
        let _hint = match &last.file {
            Some(file) if last.content.len() <= text.len() => files.write_at(file, text.as_bytes(), 0),
            _ => self.replace(&last.path, text.as_bytes()),
        };
    }

    /// Writes the index and stamps the directory. A failure is none: the next session will walk.
    pub(crate) fn end(mut self) {
        if !self.changed || self.lost || !self.unread.is_empty() {
            return;
        }
        let Store { files, paths, boot } = self.store;
        // Odd, so that no clock with a coarse tick ever gives it.
        let stamp = wall_clock() | 1;
        if self.index.save(files, &paths.index, &paths.temporary, &self.dir, boot, stamp).is_ok() {
            let _unstamped = files.set_modified(&paths.dir, stamp);
        }
    }

    /// What the index lists, or `None` when a file contradicts it.
    fn listed(&mut self, owner: &Owner) -> Result<Option<Held>, Error> {
        let exact = owner.content().as_bytes();
        let mut held = Held { exact: self.lookup(exact)?, legacy: Vec::new() };
        if self.index.has_unusual() {
            held.legacy = self.lookup(owner.container().as_bytes())?;
        }
        if self.fresh {
            return Ok(Some(held));
        }
        let expected = held.exact.iter().map(|address| (address, exact));
        let legacy = held.legacy.iter().map(|address| (address, owner.container().as_bytes()));
        for (address, content) in expected.chain(legacy) {
            let path = self.path(*address);
            let found = self.store.files.open(&path).and_then(|file| self.store.files.read(&file));
            if !found.is_ok_and(|found| trimmed(&found) == content) {
                return Ok(None);
            }
        }
        Ok(Some(held))
    }

    fn lookup(&mut self, content: &[u8]) -> Result<Vec<Address>, Error> {
        let content = content.to_vec();
        self.ask(|index, files| index.addresses(files, &content))
    }

    /// Asks the index; where it turns out to be broken, asks a new one.
    fn ask<T>(&mut self, ask: impl Fn(&mut Index, &F) -> Result<T, Untrusted>) -> Result<T, Error> {
        if !self.lost
            && let Ok(answer) = ask(&mut self.index, &self.store.files)
        {
            return Ok(answer);
        }
        self.reread()?;
        ask(&mut self.index, &self.store.files).map_err(|Untrusted| Error::unusable(&self.store.paths.dir))
    }

    /// Tells the index what has been done to the directory. The deed stands whether or not the index can follow.
    fn note(&mut self, note: impl FnOnce(&mut Index, &F) -> Result<(), Untrusted>) {
        self.lost |= note(&mut self.index, &self.store.files).is_err();
    }

    fn path(&self, address: Address) -> PathBuf {
        self.store.paths.dir.join(address.to_string())
    }

    /// Makes a reservation's file appear, whole, unless somebody has the address.
    fn place(&self, path: &Path, content: &[u8]) -> io::Result<bool> {
        let files = &self.store.files;
        let mut temporary = self.write_temporary(content)?;
        let mut attempts = 0;
        let placed = loop {
            attempts += 1;
            match files.link(temporary, path) {
                Ok(()) => break Ok(true),
                Err(error) if attempts > 4 => break Err(error),
                Err(error) => match error.kind() {
                    ErrorKind::AlreadyExists => match self.is_taken(path) {
                        Ok(true) => break Ok(false),
                        // Its writer died: the lock is ours, so it is nobody's.
                        Ok(false) => match files.unlink(path) {
                            Err(error) if error.kind() != ErrorKind::NotFound => break Err(error),
                            Ok(()) | Err(_) => {}
                        },
                        Err(error) => break Err(error),
                    },
                    ErrorKind::CrossesDevices => {
                        let _leftover = files.unlink(temporary);
                        temporary = self.write_to(&self.store.paths.inner, content)?;
                    }
                    // A file system without hard links. Under the lock nobody else makes the name meanwhile.
                    ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
                        break match self.is_taken(path) {
                            Ok(true) => Ok(false),
                            Ok(false) => files.rename(temporary, path).map(|()| true),
                            Err(error) => Err(error),
                        };
                    }
                    _ => break Err(error),
                },
            }
        };
        let _renamed_or_leftover = files.unlink(temporary);
        placed
    }

    /// Makes a file anew, whole.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let files = &self.store.files;
        let mut new = self.write_temporary(content)?;
        let mut renamed = files.rename(new, path);
        if renamed.as_ref().is_err_and(|error| error.kind() == ErrorKind::CrossesDevices) {
            let _leftover = files.unlink(new);
            new = self.write_to(&self.store.paths.inner, content)?;
            renamed = files.rename(new, path);
        }
        renamed.inspect_err(|_| {
            let _leftover = files.unlink(new);
        })
    }

    /// Whether a file names somebody. What cannot be read does.
    fn is_taken(&self, path: &Path) -> io::Result<bool> {
        let files = &self.store.files;
        match files.open(path).and_then(|file| files.read(&file)) {
            Ok(content) => Ok(!is_void(&content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(_) => Ok(true),
        }
    }

    /// Writes a file of which nobody knows yet; gives its name.
    fn write_temporary(&self, content: &[u8]) -> io::Result<&'a Path> {
        let paths = &self.store.paths;
        match self.write_to(&paths.temporary, content) {
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                self.write_to(&paths.inner, content)
            }
            result => result,
        }
    }

    fn write_to(&self, path: &'a Path, content: &[u8]) -> io::Result<&'a Path> {
        let files = &self.store.files;
        let file = match files.create(path) {
            // Left by a crash. It may be a second name of a reservation that stands: never to be written to.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                files.unlink(path)?;
                files.create(path)?
            }
            result => result?,
        };
        match files.write(&file, content) {
            Ok(()) => Ok(path),
            Err(error) => {
                let _leftover = files.unlink(path);
                Err(error)
            }
        }
    }
}

/// The hint of a range set: what was read, and where.
#[derive(Debug)]
pub(crate) struct LastReserved {
    path: PathBuf,
    file: Option<File>,
    content: Vec<u8>,
}

impl LastReserved {
    /// The address; `None` when there is none or nothing that could be one.
    pub(crate) fn address(&self) -> Option<Address> {
        let text = std::str::from_utf8(trimmed(&self.content)).ok()?;
        text.parse::<std::net::IpAddr>().ok().map(Address::from)
    }
}
