//! Memory for a process that lives a millisecond: allocations come one after the other out of a fixed block and are given
//! back when the process ends. What does not fit comes from the system's allocator, so memory stays bounded.
//!
//! Measured on an ADD of the bridge plugin (musl): 451,000 instructions and 153 system calls become 271,000 and 125.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An allocator over a block of `SIZE` bytes. In a `static` the block costs nothing until it is touched.
#[derive(Debug)]
pub struct Arena<const SIZE: usize> {
    /// Bytes of the block that are given out.
    used: AtomicUsize,
    /// The most that there ever were: behind them the block is as it was, zero.
    touched: AtomicUsize,
    block: UnsafeCell<MaybeUninit<[u8; SIZE]>>,
}

impl<const SIZE: usize> Arena<SIZE> {
    /// An empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is made for statics, where Default cannot be called")]
    pub const fn new() -> Self {
        let block = UnsafeCell::new(MaybeUninit::zeroed());
        Self { used: AtomicUsize::new(0), touched: AtomicUsize::new(0), block }
    }

    fn base(&self) -> *mut u8 {
        self.block.get().cast()
    }

    fn owns(&self, pointer: *mut u8) -> bool {
        (self.base().addr()..self.base().addr() + SIZE).contains(&pointer.addr())
    }

    /// Takes a piece of the block: where it begins, and from where on nobody has ever had its bytes.
    fn take(&self, layout: Layout) -> Option<(usize, usize)> {
        let base = self.base().addr();
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            let end = start.checked_add(layout.size()).filter(|&end| end <= SIZE)?;
            match self.used.compare_exchange_weak(used, end, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some((start, self.touched.fetch_max(end, Ordering::AcqRel))),
                Err(now) => used = now,
            }
        }
    }

    /// The offset behind an allocation that the block holds.
    fn end(&self, pointer: *mut u8, size: usize) -> usize {
        pointer.addr() - self.base().addr() + size
    }
}

// SAFETY: the block is only ever handed out in pieces that do not overlap: `used` grows by compare-and-swap past each
// piece before its pointer is returned, and shrinks only by the owner of the last piece, in the same way. Nobody can have
// bytes of the block that `touched` does not count: it grows before a piece is given out, and never shrinks.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

// SAFETY: `alloc` returns pieces of the block that are aligned, large enough and nobody else's, or what the system's
// allocator returns; `dealloc` and `realloc` tell the two apart by address, which is exact.
unsafe impl<const SIZE: usize> GlobalAlloc for Arena<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            // SAFETY: the piece lies within the block.
            Some((start, _)) => unsafe { self.base().add(start) },
            // SAFETY: the caller's promise about `layout` is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    /// Zeroes only what somebody has had before: a large buffer of which little is used costs little.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((start, fresh)) = self.take(layout) else {
            // SAFETY: the caller's promise about `layout` is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // SAFETY: the piece lies within the block and is ours; at most its size is written.
        unsafe {
            let piece = self.base().add(start);
            piece.write_bytes(0, fresh.saturating_sub(start).min(layout.size()));
            piece
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !self.owns(pointer) {
            // SAFETY: it came from the system's allocator, with this layout.
            return unsafe { System.dealloc(pointer, layout) };
        }
        // Only the last piece can be taken back; any other stays until the end of the process.
        let end = self.end(pointer, layout.size());
        let _ = self.used.compare_exchange(end, end - layout.size(), Ordering::AcqRel, Ordering::Relaxed);
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.owns(pointer) {
            // SAFETY: it came from the system's allocator, with this layout.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        let end = self.end(pointer, layout.size());
        let grown = end - layout.size() + size;
        let last = grown <= SIZE && self.used.compare_exchange(end, grown, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if last {
            self.touched.fetch_max(grown, Ordering::AcqRel);
        }
        if last || size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller promises that `size` with this alignment makes a layout; the old piece stays valid while it is
        // copied, and the new one is another.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(pointer, new, layout.size());
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_apart_and_keep_their_bytes() {
        let arena = Arena::<4096>::new();
        let mut pieces: Vec<(*mut u8, usize, u8)> = Vec::new();
        for (number, (size, align)) in [(1, 1), (7, 8), (64, 64), (3, 2), (100, 16)].into_iter().enumerate() {
            let mark = u8::try_from(number).unwrap();
            // SAFETY: the layout is not empty, and the piece is `size` bytes long.
            let pointer = unsafe { arena.alloc(layout(size, align)) };
            assert!(arena.owns(pointer));
            assert_eq!(pointer.addr() % align, 0);
            // SAFETY: as above.
            unsafe { pointer.write_bytes(mark, size) };
            pieces.push((pointer, size, mark));
        }
        for (pointer, size, mark) in pieces {
            // SAFETY: the piece was written whole.
            let bytes = unsafe { std::slice::from_raw_parts(pointer, size) };
            assert!(bytes.iter().all(|&byte| byte == mark));
        }
    }

    #[test]
    fn the_last_piece_grows_shrinks_and_goes_in_place() {
        let arena = Arena::<256>::new();
        // SAFETY: every pointer is used with the layout that it was last given.
        unsafe {
            let first = arena.alloc(layout(16, 8));
            let last = arena.alloc(layout(16, 8));
            assert_eq!(arena.realloc(last, layout(16, 8), 64), last);
            assert_eq!(arena.realloc(last, layout(64, 8), 8), last);
            arena.dealloc(last, layout(8, 8));
            assert_eq!(arena.alloc(layout(8, 8)), last);
            // Not the last one: it moves and keeps its bytes.
            first.write_bytes(7, 16);
            let moved = arena.realloc(first, layout(16, 8), 32);
            assert_ne!(moved, first);
            assert!(std::slice::from_raw_parts(moved, 16).iter().all(|&byte| byte == 7));
        }
    }

    #[test]
    fn zeroed_pieces_are_zero_whoever_had_them_before() {
        let arena = Arena::<256>::new();
        // SAFETY: every pointer is used with the layout that it was last given.
        unsafe {
            let zero = |pointer: *mut u8, size| std::slice::from_raw_parts(pointer, size).iter().all(|&byte| byte == 0);
            let first = arena.alloc(layout(32, 8));
            first.write_bytes(7, 32);
            arena.dealloc(first, layout(32, 8));
            // Half of it was somebody's.
            let second = arena.alloc_zeroed(layout(64, 8));
            assert_eq!(second, first);
            assert!(zero(second, 64));
            let grown = arena.realloc(second, layout(64, 8), 96);
            grown.write_bytes(9, 96);
            arena.dealloc(grown, layout(96, 8));
            let third = arena.alloc_zeroed(layout(128, 8));
            assert_eq!(third, first);
            assert!(zero(third, 128));
            let large = arena.alloc_zeroed(layout(1000, 8));
            assert!(!arena.owns(large) && zero(large, 1000));
            arena.dealloc(large, layout(1000, 8));
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_system() {
        let arena = Arena::<64>::new();
        // SAFETY: every pointer is used with the layout that it was last given.
        unsafe {
            let small = arena.alloc(layout(32, 8));
            small.write_bytes(1, 32);
            let large = arena.realloc(small, layout(32, 8), 1000);
            assert!(!arena.owns(large) && *large == 1 && *large.add(31) == 1);
            let larger = arena.realloc(large, layout(1000, 8), 5000);
            assert_eq!(*larger, 1);
            arena.dealloc(larger, layout(5000, 8));
        }
    }

    #[test]
    fn threads_get_pieces_of_their_own() {
        static SHARED: Arena<{ 1 << 20 }> = Arena::new();
        let work = |mark: u8| {
            for _ in 0..1000 {
                // SAFETY: the piece is 64 bytes long and given back with its layout.
                unsafe {
                    let pointer = SHARED.alloc(layout(64, 8));
                    pointer.write_bytes(mark, 64);
                    assert!(std::slice::from_raw_parts(pointer, 64).iter().all(|&byte| byte == mark));
                    SHARED.dealloc(pointer, layout(64, 8));
                }
            }
        };
        std::thread::scope(|scope| {
            for mark in 1..=8 {
                scope.spawn(move || work(mark));
            }
        });
    }
}
