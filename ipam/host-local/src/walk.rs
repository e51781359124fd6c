//! The slow way: reading every file of a network's directory. What an index is made from, and what GC does.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use crate::address::Address;
use crate::error::Error;
use crate::files::Files;
use crate::index::{Index, Untrusted};
use crate::owner::{is_note, is_void, trimmed};
use crate::store::Store;

/// What stands in the index for a file that cannot be read: somebody's.
const UNREADABLE: &[u8] = b"\0unreadable";

/// ENXIO: what opening a socket gives.
const NO_SUCH_DEVICE: i32 = 6;

/// What becomes of a file that a walk comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Keep,
    /// It is removed.
    Remove,
}

/// A reservation as its file has it. `content` is trimmed; it is void when the file names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) content: &'a [u8],
    /// Nanoseconds since the epoch.
    pub(crate) modified: i64,
}

/// A reading of the whole directory.
pub(crate) struct Walk {
    /// What was found.
    pub(crate) index: Index,
    /// Why a file could not be read.
    pub(crate) unread: Vec<Error>,
    /// Why a file could not be removed.
    pub(crate) leftover: Vec<Error>,
}

impl Walk {
    /// Reads every reservation's file. Only names that are an address count; the reference looks at all of them, but
    /// never writes another.
    pub(crate) fn new<F: Files>(
        store: &Store<F>,
        decide: &mut dyn FnMut(Address, Found<'_>) -> Fate,
    ) -> Result<Self, Error> {
        let Store { files, paths, .. } = store;
        let mut walk = Self { index: Index::new(0), unread: Vec::new(), leftover: Vec::new() };
        let mut known = Ok(());
        let listed = files.list(&paths.dir, &mut |name| {
            let Some(address) = Address::from_file_name(name) else { return ControlFlow::Continue(()) };
            let visited = walk.visit(files, &paths.dir.join(name), &mut |found| decide(address, found));
            if let Some((content, modified)) = visited {
                known = walk.index.insert(files, trimmed(&content), address, modified);
            }
            if known.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        listed.map_err(|source| Error::io("list", &paths.dir, source))?;
        known.map_err(|Untrusted| Error::unusable(&paths.dir))?;
        Ok(walk)
    }

    /// Reads one file and does with it what `decide` says; gives content and modification time when it holds its
    /// address.
    fn visit(
        &mut self,
        files: &impl Files,
        path: &Path,
        decide: &mut dyn FnMut(Found<'_>) -> Fate,
    ) -> Option<(Vec<u8>, i64)> {
        let read = files.open(path).and_then(|file| Ok((files.read(&file)?, files.stat_file(&file)?)));
        let (content, modified) = match read {
            Ok((content, stat)) => (content, stat.modified),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            // Not a reservation but not ours to remove, so the address is taken; and never old.
            Err(error) if error.kind() == ErrorKind::IsADirectory || error.raw_os_error() == Some(NO_SUCH_DEVICE) => {
                return Some((UNREADABLE.to_vec(), i64::MAX));
            }
            Err(error) => {
                self.unread.push(Error::io("read", path, error));
                return Some((UNREADABLE.to_vec(), i64::MAX));
            }
        };
        if decide(Found { content: trimmed(&content), modified }) == Fate::Remove {
            match files.unlink(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.leftover.push(Error::io("release", path, error));
                }
                Ok(()) | Err(_) => return None,
            }
        }
        let modified = if is_note(trimmed(&content)) { i64::MAX } else { modified };
        (!is_void(&content)).then_some((content, modified))
    }
}
