//! A hash table of `u128` to `u128` in pages, of which only those that are needed are in memory. A key may have several
//! values. Knows nothing of what they mean.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use crate::files::Files;

use super::Untrusted;
use super::page::{PAGE, Page, SLOTS, mix};

/// More than any number of reservations needs; beyond it a crowd of equal keys is the reason.
const MOST_PAGES: u64 = 1 << 22;

/// The table. Page `n` lies at offset `(n + 1) * PAGE` of the file, behind the header.
#[derive(Debug)]
pub(crate) struct Table {
    seed: u64,
    pages: u64,
    entries: u64,
    loaded: BTreeMap<u64, Page>,
    /// Where the pages that are not loaded are; `None` when all are in memory.
    file: Option<File>,
}

impl Table {
    /// An empty table in memory with room for about `entries`.
    pub(crate) fn new(seed: u64, entries: usize) -> Self {
        let pages = (entries as u64 * 2 / SLOTS as u64 + 1).next_power_of_two();
        let loaded = (0..pages).map(|number| (number, Page::empty())).collect();
        Self { seed, pages, entries: 0, loaded, file: None }
    }

    /// The table of a file, whose header gave the numbers.
    pub(crate) fn of_file(file: File, seed: u64, pages: u64, entries: u64) -> Self {
        Self { seed, pages, entries, loaded: BTreeMap::new(), file: Some(file) }
    }

    /// Seed, number of pages, number of entries: for the header.
    pub(crate) fn shape(&self) -> (u64, u64, u64) {
        (self.seed, self.pages, self.entries)
    }

    /// Writes the changed pages into the file; `None` when the table has outgrown it or never had one.
    pub(crate) fn write_in_place(&mut self, files: &impl Files) -> Option<io::Result<&File>> {
        let file = self.file.as_ref()?;
        for (number, page) in self.loaded.iter_mut().filter(|(_, page)| page.dirty) {
            let offset = (number + 1) * PAGE as u64;
            if let Err(error) = files.write_at(file, page.encode(*number, self.seed), offset) {
                return Some(Err(error));
            }
        }
        Some(Ok(file))
    }

    /// How many values a key has.
    pub(crate) fn count(&mut self, files: &impl Files, key: u128) -> Result<usize, Untrusted> {
        Ok(self.page(files, key)?.entries().filter(|entry| entry.0 == key).count())
    }

    /// All values of a key.
    pub(crate) fn values(&mut self, files: &impl Files, key: u128) -> Result<Vec<u128>, Untrusted> {
        let page = self.page(files, key)?;
        Ok(page.entries().filter(|entry| entry.0 == key).map(|entry| entry.1).collect())
    }

    /// The only value of a key.
    pub(crate) fn get(&mut self, files: &impl Files, key: u128) -> Result<Option<u128>, Untrusted> {
        let page = self.page(files, key)?;
        Ok(page.find(key, |_| true).map(|slot| page.value(slot)))
    }

    /// Makes `value` the only value of a key.
    pub(crate) fn set(&mut self, files: &impl Files, key: u128, value: u128) -> Result<(), Untrusted> {
        let page = self.page(files, key)?;
        match page.find(key, |_| true) {
            Some(slot) => {
                page.set_value(slot, value);
                Ok(())
            }
            None => self.insert(files, key, value),
        }
    }

    /// Adds a value to a key.
    pub(crate) fn insert(&mut self, files: &impl Files, key: u128, value: u128) -> Result<(), Untrusted> {
        if self.entries >= self.pages * (SLOTS as u64 * 3 / 5) {
            self.grow(files)?;
        }
        while !self.page(files, key)?.push(key, value) {
            self.grow(files)?;
        }
        self.entries += 1;
        Ok(())
    }

    /// Removes one entry; absent is fine.
    pub(crate) fn remove(
        &mut self,
        files: &impl Files,
        key: u128,
        matches: impl Fn(u128) -> bool,
    ) -> Result<(), Untrusted> {
        let page = self.page(files, key)?;
        if let Some(slot) = page.find(key, matches) {
            page.remove(slot);
            self.entries = self.entries.saturating_sub(1);
        }
        Ok(())
    }

    /// Every page in memory, in the order of the file.
    pub(crate) fn images(&mut self) -> impl Iterator<Item = &[u8; PAGE]> {
        let seed = self.seed;
        self.loaded.iter_mut().map(move |(number, page)| page.encode(*number, seed))
    }

    /// Every entry; the count in the header must be right.
    #[cfg(test)]
    pub(crate) fn all(&mut self, files: &impl Files) -> Result<Vec<(u128, u128)>, Untrusted> {
        for number in 0..self.pages {
            self.load(files, number)?;
        }
        let all: Vec<_> = self.loaded.values().flat_map(Page::entries).collect();
        assert_eq!(all.len() as u64, self.entries);
        Ok(all)
    }

    fn page(&mut self, files: &impl Files, key: u128) -> Result<&mut Page, Untrusted> {
        let number = self.home(key);
        self.load(files, number)?;
        self.loaded.get_mut(&number).ok_or(Untrusted)
    }

    fn load(&mut self, files: &impl Files, number: u64) -> Result<(), Untrusted> {
        if self.loaded.contains_key(&number) {
            return Ok(());
        }
        let file = self.file.as_ref().ok_or(Untrusted)?;
        let mut bytes = Box::new([0; PAGE]);
        files.read_at(file, &mut bytes[..], (number + 1) * PAGE as u64).map_err(|_| Untrusted)?;
        let page = Page::decode(bytes, number, self.seed).ok_or(Untrusted)?;
        self.loaded.insert(number, page);
        Ok(())
    }

    /// The page that a key lives in: the high bits of its hash, so that doubling splits each page in two.
    fn home(&self, key: u128) -> u64 {
        let hash = mix(mix(mix(self.seed, key as u64), (key >> 64) as u64), self.seed);
        ((u128::from(hash) * u128::from(self.pages)) >> 64) as u64
    }

    /// Twice the pages, all in memory. Costs as much as the table is large, once in each doubling.
    fn grow(&mut self, files: &impl Files) -> Result<(), Untrusted> {
        if self.pages >= MOST_PAGES || self.pages * SLOTS as u64 > 64 * (self.entries + SLOTS as u64) {
            return Err(Untrusted);
        }
        for number in 0..self.pages {
            self.load(files, number)?;
        }
        let old = std::mem::take(&mut self.loaded);
        self.file = None;
        self.pages *= 2;
        self.loaded = (0..self.pages).map(|number| (number, Page::empty())).collect();
        for (key, value) in old.values().flat_map(Page::entries) {
            let home = self.home(key);
            // Each new page takes from one old page only: there is room.
            if !self.loaded.get_mut(&home).is_some_and(|page| page.push(key, value)) {
                return Err(Untrusted);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Disk;

    #[test]
    fn it_grows_and_keeps_everything() {
        let mut table = Table::new(99, 0);
        for key in 0..20_000_u128 {
            table.insert(&Disk, key, key + 1).expect("works");
        }
        for key in (0..20_000).step_by(2) {
            table.remove(&Disk, key, |value| value == key + 1).expect("works");
        }
        table.set(&Disk, 7, 70).expect("works");
        assert_eq!(table.shape().2, 10_000);
        assert_eq!(table.get(&Disk, 7), Ok(Some(70)));
        assert_eq!(table.get(&Disk, 8), Ok(None));
        assert_eq!(table.get(&Disk, 19_999), Ok(Some(20_000)));
        assert!(table.shape().1 * (SLOTS as u64) < 20_000 * 4);
    }

    #[test]
    fn a_crowd_of_equal_keys_gives_up_instead_of_growing_for_ever() {
        let mut table = Table::new(1, 0);
        let refused = (0..=SLOTS as u128).find(|value| table.insert(&Disk, 5, *value).is_err());
        assert_eq!(refused, Some(SLOTS as u128));
    }
}
