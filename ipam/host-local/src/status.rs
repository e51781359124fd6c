//! STATUS: whether ADD would find an address. Fast and bounded whatever lies in the directory, waits for nobody, writes
//! nothing.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::address::Address;
use crate::allocate::find;
use crate::error::Error;
use crate::files::Files;
use crate::index::{Index, Untrusted};
use crate::range::RangeSet;
use crate::store::Store;

/// How many reservations are counted without an index. In a larger directory nobody can tell at once; ADD will.
const MOST: usize = 16_384;

/// Whether each set has an address for ADD, free or reclaimable.
pub(crate) fn status<F: Files>(store: &Store<F>, sets: &[RangeSet]) -> Result<(), Error> {
    writable(&store.paths.dir)?;
    let exhausted = |set: &RangeSet| Error::Exhausted { set: set.to_string() };
    if let Some(set) = sets.iter().find(|set| set.usable() == 0) {
        return Err(exhausted(set));
    }
    let full = match trusted(store) {
        Some((mut index, _lock)) => first_full(store, sets, &mut index),
        None => Err(Untrusted),
    };
    let full = match full {
        Ok(full) => full,
        Err(Untrusted) => match survey(store)? {
            Some(mut index) => first_full(store, sets, &mut index).unwrap_or_default(),
            None => None,
        },
    };
    full.map_or(Ok(()), |set| Err(exhausted(set)))
}

/// The first set without a free address, unless ADD can reclaim what is older than the boot.
fn first_full<'a, F: Files>(
    store: &Store<F>,
    sets: &'a [RangeSet],
    index: &mut Index,
) -> Result<Option<&'a RangeSet>, Untrusted> {
    for set in sets {
        let free = find(set, None, &mut |from, to| index.next_free(&store.files, from, to))?;
        if free.is_none() {
            return Ok((index.oldest() >= store.boot.boundary()).then_some(set));
        }
    }
    Ok(None)
}

/// The index, when nobody has the lock now and it describes the directory. The lock lives as long as the file.
fn trusted<F: Files>(store: &Store<F>) -> Option<(Index, File)> {
    let lock = store.files.open(&store.paths.lock).ok()?;
    lock.try_lock_shared().ok()?;
    let dir = store.files.stat(&store.paths.dir).ok()?;
    let index = Index::open(&store.files, &store.paths.index, &dir, &store.boot).ok()?;
    Some((index, lock))
}

/// An index from names and modification times alone; `None` when there are too many.
fn survey<F: Files>(store: &Store<F>) -> Result<Option<Index>, Error> {
    let Store { files, paths, .. } = store;
    let mut index = Index::new(0);
    let mut left = MOST;
    let listed = files.list(&paths.dir, &mut |name| {
        let Some(address) = Address::from_file_name(name) else { return ControlFlow::Continue(()) };
        let known = match files.stat(&paths.dir.join(name)) {
            // An empty file is nobody's.
            Ok(stat) if stat.size > 0 => index.insert(files, name.as_bytes(), address, stat.modified),
            Ok(_) | Err(_) => Ok(()),
        };
        left = if known.is_ok() { left - 1 } else { 0 };
        if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match listed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("list", &paths.dir, error)),
        Ok(()) | Err(_) => Ok((left > 0).then_some(index)),
    }
}

/// Whether files can be made in the directory, or the directory itself where it is missing.
fn writable(dir: &Path) -> Result<(), Error> {
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    let first = dir.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    for path in first {
        match access(path, flags) {
            Ok(()) => return Ok(()),
            Err(nix::Error::ENOENT) => {}
            Err(errno) => return Err(Error::io("write to", path, io::Error::from(errno))),
        }
    }
    Ok(())
}
