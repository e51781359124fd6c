//! The first page of the index file: whether the rest may be believed.

use crate::files::Stat;

use super::page::{PAGE, checksum, number};

/// Changes with every change of the format.
const MAGIC: u64 = u64::from_le_bytes(*b"cnmIPA\0\x01");
const FIELDS: usize = 13;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// Mixed into every hash, so that nobody can choose container ids that crowd one page.
    pub(crate) seed: u64,
    /// Pages of the table: a power of two.
    pub(crate) pages: u64,
    /// Entries of the table, of all kinds.
    pub(crate) entries: u64,
    /// Reservations whose content is not the usual pair: legacy and foreign content.
    pub(crate) unusual: u64,
    /// Some owner has more addresses than the table lists.
    pub(crate) crowded: bool,
    /// No reservation's file is older (nanoseconds since the epoch).
    pub(crate) oldest: i64,
    /// When the table was last made from the directory (nanoseconds since the epoch).
    pub(crate) built: i64,
    /// The boot that this was written in.
    pub(crate) boot: i64,
    /// The directory that it describes.
    pub(crate) device: u64,
    /// The directory that it describes.
    pub(crate) inode: u64,
    /// The modification time that the directory got with this header.
    pub(crate) stamp: i64,
}

impl Header {
    /// Whether this describes the directory as it is now.
    pub(crate) fn describes(&self, dir: &Stat) -> bool {
        self.device == dir.device && self.inode == dir.inode && self.stamp == dir.modified
    }

    /// As it goes into the file.
    pub(crate) fn encode(&self) -> Box<[u8; PAGE]> {
        let fields: [u64; FIELDS - 1] = [
            MAGIC,
            self.seed,
            self.pages,
            self.entries,
            self.unusual,
            self.oldest as u64,
            self.built as u64,
            self.boot as u64,
            self.device,
            self.inode,
            self.stamp as u64,
            u64::from(self.crowded),
        ];
        let mut bytes = Box::new([0; PAGE]);
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let sum = checksum(&bytes[..(FIELDS - 1) * 8]);
        bytes[(FIELDS - 1) * 8..FIELDS * 8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// From the file; `None` when this is no header.
    pub(crate) fn decode(bytes: &[u8; PAGE]) -> Option<Self> {
        let field = |index: usize| number(&bytes[index * 8..]);
        let pages = field(2);
        if field(0) != MAGIC || field(FIELDS - 1) != checksum(&bytes[..(FIELDS - 1) * 8]) || !pages.is_power_of_two() {
            return None;
        }
        Some(Self {
            seed: field(1),
            pages,
            entries: field(3),
            unusual: field(4),
            oldest: field(5) as i64,
            built: field(6) as i64,
            boot: field(7) as i64,
            device: field(8),
            inode: field(9),
            stamp: field(10) as i64,
            crowded: field(11) != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_file() {
        let header =
            Header { seed: 1, pages: 8, entries: 3, oldest: -4, boot: i64::MAX, stamp: 9, ..Header::default() };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        bytes[40] ^= 1;
        assert_eq!(Header::decode(&bytes), None);
        assert_eq!(Header::decode(&[0; PAGE]), None);
    }
}
