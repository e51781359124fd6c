//! Which addresses are taken, so that the next free one is found at once however full the pool is.
//!
//! A tree of bitmaps, 128 bits a node, kept sparsely in the table: on level 0 a bit is an address that is taken, on each
//! level above a node below that is full. Only nodes with a bit set exist, so the size follows the reservations and not
//! the pool, and a search climbs only past full nodes: one look-up as a rule, two a level at most.

use crate::address::Address;
use crate::files::Files;

use super::table::Table;
use super::{Untrusted, node_key};

/// Addresses have 128 bits, each level takes seven.
const LEVELS: u32 = 19;

/// Marks an address as taken.
pub(crate) fn take(table: &mut Table, files: &impl Files, address: Address) -> Result<(), Untrusted> {
    let mut index = address.0;
    for level in 0..LEVELS {
        let key = node_key(level, index >> 7);
        let old = table.get(files, key)?.unwrap_or(0);
        let new = old | 1 << (index & 127);
        if new == old {
            return Ok(());
        }
        table.set(files, key, new)?;
        if new != u128::MAX {
            return Ok(());
        }
        index >>= 7;
    }
    Ok(())
}

/// Marks an address as free.
pub(crate) fn give(table: &mut Table, files: &impl Files, address: Address) -> Result<(), Untrusted> {
    let mut index = address.0;
    for level in 0..LEVELS {
        let key = node_key(level, index >> 7);
        let old = table.get(files, key)?.unwrap_or(0);
        let new = old & !(1 << (index & 127));
        if new == old {
            return Ok(());
        }
        if new == 0 {
            table.remove(files, key, |_| true)?;
        } else {
            table.set(files, key, new)?;
        }
        if old != u128::MAX {
            return Ok(());
        }
        index >>= 7;
    }
    Ok(())
}

/// The first free address from `from` up to and including `to`.
pub(crate) fn next_free(
    table: &mut Table,
    files: &impl Files,
    from: Address,
    to: Address,
) -> Result<Option<Address>, Untrusted> {
    let found = next_clear(table, files, 0, from.0, to.0)?;
    Ok(found.filter(|index| *index <= to.0).map(Address))
}

/// The first clear bit of a level at or after `index`; `None` when there is none up to the address `to`.
fn next_clear(
    table: &mut Table,
    files: &impl Files,
    level: u32,
    index: u128,
    to: u128,
) -> Result<Option<u128>, Untrusted> {
    if level >= LEVELS || index > to >> (7 * level) {
        return Ok(None);
    }
    let node = index >> 7;
    if let Some(bit) = clear_from(table.get(files, node_key(level, node))?, index & 127) {
        return Ok(Some(node << 7 | bit));
    }
    let Some(next) = next_clear(table, files, level + 1, node + 1, to)? else { return Ok(None) };
    let bits = table.get(files, node_key(level, next))?;
    // A node that its parent does not call full has a clear bit; anything else is a broken index.
    clear_from(bits, 0).map(|bit| Some(next << 7 | bit)).ok_or(Untrusted)
}

/// The first clear bit of a node at or after `from`.
fn clear_from(bits: Option<u128>, from: u128) -> Option<u128> {
    let taken = bits.unwrap_or(0) | ((1 << from) - 1);
    (taken != u128::MAX).then(|| u128::from(taken.trailing_ones()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::files::Disk;

    #[test]
    fn a_long_occupied_run_costs_a_few_look_ups() {
        let mut table = Table::new(5, 0);
        let base = 0xffff_0a00_0000;
        for offset in 0..40_000 {
            take(&mut table, &Disk, Address(base + offset)).expect("works");
        }
        let next = |table: &mut Table, from: u128| next_free(table, &Disk, Address(from), Address(base + 50_000));
        assert_eq!(next(&mut table, base), Ok(Some(Address(base + 40_000))));
        assert_eq!(next_free(&mut table, &Disk, Address(base), Address(base + 39_999)), Ok(None));
        give(&mut table, &Disk, Address(base + 12_345)).expect("works");
        assert_eq!(next(&mut table, base + 3), Ok(Some(Address(base + 12_345))));
        assert_eq!(next(&mut table, base + 12_346), Ok(Some(Address(base + 40_000))));
    }

    #[test]
    fn the_ends_of_all_numbers_are_no_special_case() {
        let mut table = Table::new(5, 0);
        for last in 0..300 {
            take(&mut table, &Disk, Address(u128::MAX - last)).expect("works");
        }
        let end = Address(u128::MAX);
        assert_eq!(next_free(&mut table, &Disk, Address(u128::MAX - 299), end), Ok(None));
        let before = Address(u128::MAX - 300);
        assert_eq!(next_free(&mut table, &Disk, before, end), Ok(Some(before)));
        give(&mut table, &Disk, end).expect("works");
        assert_eq!(next_free(&mut table, &Disk, Address(u128::MAX - 299), end), Ok(Some(end)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(
            steps in prop::collection::vec((any::<bool>(), 0_u128..600), 0..1500),
            from in 0_u128..700,
            length in 0_u128..700,
        ) {
            let mut table = Table::new(3, 0);
            let mut model = BTreeSet::new();
            // Runs make full nodes likely.
            for (add, start) in steps {
                for index in start..start + 9 {
                    if add {
                        take(&mut table, &Disk, Address(index)).expect("works");
                        model.insert(index);
                    } else if index % 3 == 0 {
                        give(&mut table, &Disk, Address(index)).expect("works");
                        model.remove(&index);
                    }
                }
            }
            let want = (from..=from + length).find(|index| !model.contains(index)).map(Address);
            prop_assert_eq!(next_free(&mut table, &Disk, Address(from), Address(from + length)), Ok(want));
        }
    }
}
