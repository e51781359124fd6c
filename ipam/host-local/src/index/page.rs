//! One page of the table: 4 KiB, 127 slots, a foot with a checksum. Knows nothing of what keys and values mean.

/// Bytes of a page, and of the file's header.
pub(crate) const PAGE: usize = 4096;
/// Slots of a page.
pub(crate) const SLOTS: usize = 127;

const SLOT: usize = 32;
const USED: usize = SLOTS * SLOT;
const NUMBER: usize = USED + 8;
const SEED: usize = USED + 16;
const CHECKSUM: usize = PAGE - 8;

/// A page in memory. Slots `0..used` are filled, in no order.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    bytes: Box<[u8; PAGE]>,
    /// Differs from what the file has.
    pub(crate) dirty: bool,
}

impl Page {
    /// A page without entries.
    pub(crate) fn empty() -> Self {
        Self { bytes: Box::new([0; PAGE]), dirty: true }
    }

    /// A page from the file; `None` when it is not page `number` of the table with this seed, whole.
    pub(crate) fn decode(bytes: Box<[u8; PAGE]>, number: u64, seed: u64) -> Option<Self> {
        let page = Self { bytes, dirty: false };
        let sound = page.u64(CHECKSUM) == checksum(&page.bytes[..CHECKSUM])
            && page.u64(NUMBER) == number
            && page.u64(SEED) == seed
            && page.u64(USED) <= SLOTS as u64;
        sound.then_some(page)
    }

    /// The page as it goes into the file.
    pub(crate) fn encode(&mut self, number: u64, seed: u64) -> &[u8; PAGE] {
        self.set_u64(NUMBER, number);
        self.set_u64(SEED, seed);
        let sum = checksum(&self.bytes[..CHECKSUM]);
        self.set_u64(CHECKSUM, sum);
        &self.bytes
    }

    /// How many slots are filled.
    pub(crate) fn used(&self) -> usize {
        // `decode` has checked that it is no more than SLOTS.
        self.u64(USED) as usize
    }

    /// All entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u128, u128)> {
        (0..self.used()).map(|slot| (self.u128(slot * SLOT), self.u128(slot * SLOT + 16)))
    }

    /// The slot of an entry with this key for whose value `matches` holds.
    pub(crate) fn find(&self, key: u128, matches: impl Fn(u128) -> bool) -> Option<usize> {
        let key = key.to_le_bytes();
        let slots = self.bytes[..self.used() * SLOT].chunks_exact(SLOT);
        slots
            .enumerate()
            .find(|(slot, bytes)| bytes[..16] == key && matches(self.u128(slot * SLOT + 16)))
            .map(|it| it.0)
    }

    /// The value in a slot.
    pub(crate) fn value(&self, slot: usize) -> u128 {
        self.u128(slot * SLOT + 16)
    }

    /// Replaces the value in a slot.
    pub(crate) fn set_value(&mut self, slot: usize, value: u128) {
        self.set_u128(slot * SLOT + 16, value);
    }

    /// Adds an entry; false when the page is full.
    pub(crate) fn push(&mut self, key: u128, value: u128) -> bool {
        let slot = self.used();
        if slot == SLOTS {
            return false;
        }
        self.set_u128(slot * SLOT, key);
        self.set_u128(slot * SLOT + 16, value);
        self.set_u64(USED, slot as u64 + 1);
        true
    }

    /// Removes the entry in a slot; the last one takes its place.
    pub(crate) fn remove(&mut self, slot: usize) {
        let last = self.used() - 1;
        self.bytes.copy_within(last * SLOT..(last + 1) * SLOT, slot * SLOT);
        self.bytes[last * SLOT..(last + 1) * SLOT].fill(0);
        self.set_u64(USED, last as u64);
    }

    fn u64(&self, at: usize) -> u64 {
        number(&self.bytes[at..])
    }

    fn u128(&self, at: usize) -> u128 {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.bytes[at..at + 16]);
        u128::from_le_bytes(bytes)
    }

    fn set_u64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        self.dirty = true;
    }

    fn set_u128(&mut self, at: usize, value: u128) {
        self.bytes[at..at + 16].copy_from_slice(&value.to_le_bytes());
        self.dirty = true;
    }
}

/// The little-endian number that `bytes` begins with.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(eight)
}

/// Tells a page from garbage: not cryptographic, every bit counts.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0x6a09_e667_f3bc_c908, |sum, word| mix(sum, number(word)))
}

/// One step of a multiplicative hash, folding the high half of the product back.
pub(crate) fn mix(sum: u64, word: u64) -> u64 {
    let product = u128::from(sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u128::from(word.rotate_left(23));
    (product as u64) ^ ((product >> 64) as u64).rotate_left(32) ^ sum.rotate_left(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_survives_the_file_and_nothing_else_passes_for_one() {
        let mut page = Page::empty();
        for key in 1..=SLOTS as u128 {
            assert!(page.push(key, key * 2));
        }
        assert!(!page.push(1000, 0));
        page.remove(3);
        let image = *page.encode(7, 42);
        let read = Page::decode(Box::new(image), 7, 42).expect("works");
        assert_eq!(read.used(), SLOTS - 1);
        assert_eq!(read.find(4, |_| true), None);
        assert_eq!(read.find(127, |value| value == 254).map(|slot| read.value(slot)), Some(254));
        assert!(Page::decode(Box::new(image), 8, 42).is_none());
        assert!(Page::decode(Box::new(image), 7, 43).is_none());
        for bit in (0..PAGE * 8).step_by(13) {
            let mut torn = image;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(Page::decode(Box::new(torn), 7, 42).is_none(), "bit {bit}");
        }
        assert!(Page::decode(Box::new([0; PAGE]), 0, 0).is_none());
    }
}
