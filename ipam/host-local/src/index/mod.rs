//! A cache beside a network's directory: who has which address, and which are free, without reading the directory.
//!
//! It is believed only when it describes the directory exactly. Each of our own changes ends by setting the directory's
//! modification time to a stamp of our choice (to the nanosecond, under the lock) that the header also holds. Whoever
//! else adds or removes a file (the reference plugin, an operator, a restore from backup) leaves another time there, and
//! so does a crash of ours between the change and the stamp: the index is then made anew from the files. A file system
//! with coarse time stamps never gives the stamp back, and every call pays for a walk, as the reference's does. The
//! header also names the directory's inode and the boot: after a power failure the header may have reached the disk
//! and a page not.
//!
//! What no stamp shows: a reservation's file overwritten in place (its reader compares the content with the owner, so
//! a wrong answer is impossible; a hand-written new owner is found by the next walk), and a file added or removed
//! without the lock in the microseconds of a session of ours (link(2) refuses a taken address; a freed one is found when
//! the pool seems full).

mod header;
mod page;
mod space;
mod table;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::boot::{Boot, wall_clock};
use crate::files::{Files, Stat};
use crate::owner::parts;

use header::Header;
use page::PAGE;
use table::Table;

/// The index is no help: missing, stale, torn, or of another kind. Never a reason to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Untrusted;

/// The key of a bitmap: its place in the tree, and in the low seven bits its level, counted from 1.
fn node_key(level: u32, index: u128) -> u128 {
    index << 7 | u128::from(level + 1)
}

/// What the low seven bits of an owner's key are: no level.
const OWNER: u128 = 127;

/// How many addresses of one owner are listed. More would crowd a page that growing cannot relieve; then owners are
/// looked for in the directory.
const CROWD: usize = 16;

/// The index of one network's directory.
#[derive(Debug)]
pub(crate) struct Index {
    table: Table,
    header: Header,
}

impl Index {
    /// The index in `path`, if it describes the directory `dir` as it is now.
    pub(crate) fn open(files: &impl Files, path: &Path, dir: &Stat, boot: &Boot) -> Result<Self, Untrusted> {
        let file = files.open_in_place(path).map_err(|_| Untrusted)?;
        let mut bytes = Box::new([0; PAGE]);
        files.read_at(&file, &mut bytes[..], 0).map_err(|_| Untrusted)?;
        let header = Header::decode(&bytes).ok_or(Untrusted)?;
        if !header.describes(dir) || !boot.is(header.boot) {
            return Err(Untrusted);
        }
        Ok(Self { table: Table::of_file(file, header.seed, header.pages, header.entries), header })
    }

    /// An index in memory for about `size` reservations; `insert` fills it.
    pub(crate) fn new(size: usize) -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let header = Header { built: wall_clock(), oldest: i64::MAX, ..Header::default() };
        Self { table: Table::new(seed, size), header }
    }

    /// The addresses of an owner, by the trimmed content of its files. To be verified against the files.
    pub(crate) fn addresses(&mut self, files: &impl Files, content: &[u8]) -> Result<Vec<Address>, Untrusted> {
        let key = self.owner_key(content);
        Ok(self.table.values(files, key)?.into_iter().map(Address).collect())
    }

    /// Whether a reservation with legacy or foreign content exists.
    pub(crate) fn has_unusual(&self) -> bool {
        self.header.unusual > 0
    }

    /// Whether some owner has more addresses than are listed here.
    pub(crate) fn is_crowded(&self) -> bool {
        self.header.crowded
    }

    /// Adds a reservation.
    pub(crate) fn insert(
        &mut self,
        files: &impl Files,
        content: &[u8],
        address: Address,
        modified: i64,
    ) -> Result<(), Untrusted> {
        let key = self.owner_key(content);
        if self.table.count(files, key)? < CROWD {
            self.table.insert(files, key, address.0)?;
        } else {
            self.header.crowded = true;
        }
        space::take(&mut self.table, files, address)?;
        self.header.unusual += u64::from(is_unusual(content));
        self.header.oldest = self.header.oldest.min(modified);
        Ok(())
    }

    /// Removes a reservation.
    pub(crate) fn remove(&mut self, files: &impl Files, content: &[u8], address: Address) -> Result<(), Untrusted> {
        let key = self.owner_key(content);
        self.table.remove(files, key, |value| value == address.0)?;
        space::give(&mut self.table, files, address)?;
        self.header.unusual = self.header.unusual.saturating_sub(u64::from(is_unusual(content)));
        Ok(())
    }

    /// The first free address from `from` up to and including `to`.
    pub(crate) fn next_free(
        &mut self,
        files: &impl Files,
        from: Address,
        to: Address,
    ) -> Result<Option<Address>, Untrusted> {
        space::next_free(&mut self.table, files, from, to)
    }

    /// No reservation is older (nanoseconds since the epoch).
    pub(crate) fn oldest(&self) -> i64 {
        self.header.oldest
    }

    /// When it was made from the directory (nanoseconds since the epoch).
    pub(crate) fn built(&self) -> i64 {
        self.header.built
    }

    /// Writes what has changed, so that it describes `dir` once that has the modification time `stamp`. A table that is
    /// all in memory replaces the file by way of `temporary`; else the changed pages are written in place, which is safe
    /// because the directory has another time than the old header's since its own change.
    pub(crate) fn save(
        &mut self,
        files: &impl Files,
        path: &Path,
        temporary: &Path,
        dir: &Stat,
        boot: &Boot,
        stamp: i64,
    ) -> io::Result<()> {
        let (seed, pages, entries) = self.table.shape();
        let header = Header {
            seed,
            pages,
            entries,
            boot: boot.instant,
            device: dir.device,
            inode: dir.inode,
            stamp,
            ..self.header
        }
        .encode();
        if let Some(file) = self.table.write_in_place(files) {
            return files.write_at(file?, &header[..], 0);
        }
        if let Err(error) = self.write_whole(files, &header, temporary) {
            let _leftover = files.unlink(temporary);
            return Err(error);
        }
        files.rename(temporary, path)
    }

    fn write_whole(&mut self, files: &impl Files, header: &[u8; PAGE], path: &Path) -> io::Result<()> {
        let created = match files.create(path) {
            // Left by a crash; it may be a second name of a reservation.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                files.unlink(path)?;
                files.create(path)?
            }
            result => result?,
        };
        let mut buffer = Vec::with_capacity(PAGE * 64);
        buffer.extend_from_slice(&header[..]);
        for page in self.table.images() {
            if buffer.len() == buffer.capacity() {
                files.write(&created, &buffer)?;
                buffer.clear();
            }
            buffer.extend_from_slice(page);
        }
        files.write(&created, &buffer)
    }

    /// How many owners' entries there are, and every bitmap: for comparing two indexes.
    #[cfg(test)]
    pub(crate) fn shape(&mut self, files: &impl Files) -> Result<(usize, Vec<(u128, u128)>), Untrusted> {
        let all = self.table.all(files)?;
        let mut nodes: Vec<_> = all.iter().copied().filter(|(key, _)| key & OWNER != OWNER).collect();
        nodes.sort_unstable();
        Ok((all.len() - nodes.len(), nodes))
    }

    fn owner_key(&self, content: &[u8]) -> u128 {
        let digest = Sha256::new().chain_update(self.table.shape().0.to_le_bytes()).chain_update(content).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        u128::from_le_bytes(bytes) | OWNER
    }
}

/// Whether trimmed content is not the pair of container id and interface name.
fn is_unusual(content: &[u8]) -> bool {
    parts(content).is_none_or(|(_, ifname)| ifname.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Disk;

    #[test]
    fn only_the_same_directory_at_the_same_stamp_in_the_same_boot_is_believed() {
        let data = tempfile::tempdir().expect("a directory");
        let [path, temporary] = ["idx", "new"].map(|name| data.path().join(name));
        let dir = Stat { device: 1, inode: 2, modified: 3, size: 0, links: 2 };
        let boot = Boot::at(1_000_000_000);
        let address = Address::from_file_name("10.7.0.2").expect("an address");
        let mut index = Index::new(0);
        index.insert(&Disk, b"a\r\neth0", address, 7).expect("room");
        index.save(&Disk, &path, &temporary, &dir, &boot, 3).expect("written");
        assert!(!temporary.exists());

        let mut read = Index::open(&Disk, &path, &dir, &boot).expect("believed");
        assert_eq!(read.addresses(&Disk, b"a\r\neth0"), Ok(vec![address]));
        assert_eq!(read.addresses(&Disk, b"b\r\neth0"), Ok(vec![]));
        assert_eq!((read.oldest(), read.has_unusual(), read.is_crowded()), (7, false, false));
        read.remove(&Disk, b"a\r\neth0", address).expect("room");
        read.save(&Disk, &path, &temporary, &dir, &boot, 4).expect("written");

        for (dir, boot) in [
            (dir, boot),
            (Stat { modified: 4, inode: 9, ..dir }, boot),
            (Stat { modified: 4, device: 9, ..dir }, boot),
            (Stat { modified: 4, ..dir }, Boot::at(2_000_000_000)),
        ] {
            assert_eq!(Index::open(&Disk, &path, &dir, &boot).map(drop), Err(Untrusted));
        }
        let mut read = Index::open(&Disk, &path, &Stat { modified: 4, ..dir }, &boot).expect("believed");
        assert_eq!(read.addresses(&Disk, b"a\r\neth0"), Ok(vec![]));
        std::fs::write(&path, "short").expect("written");
        assert!(Index::open(&Disk, &path, &Stat { modified: 4, ..dir }, &boot).is_err());
    }
}
