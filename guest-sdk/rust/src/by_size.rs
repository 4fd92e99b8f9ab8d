//! Small pieces of memory, kept by their size once they are free: looking for the best place costs more than most that
//! scripts do with them. What once was of one size stays of it.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
};

/// Sizes are multiples of this.
const STEP: usize = 16;
/// So many of them are kept.
const SIZES: usize = 32;
/// Pieces are cut from pieces of this size.
const CUT_FROM: usize = 4 << 10;

/// An allocator that has small pieces beside those of another one, for one thread.
pub struct BySize<A> {
    all: A,
    small: UnsafeCell<Small>,
}

// SAFETY: a script has one thread.
unsafe impl<A> Sync for BySize<A> {}

struct Small {
    /// By size, the first that is free; it holds where the next one is.
    free: [*mut u8; SIZES],
    /// What is not cut up yet.
    rest: *mut u8,
    left: usize,
}

impl<A> BySize<A> {
    /// Cuts small pieces from those of this one.
    pub const fn new(all: A) -> Self {
        let small = Small { free: [ptr::null_mut(); SIZES], rest: ptr::null_mut(), left: 0 };
        Self { all, small: UnsafeCell::new(small) }
    }
}

/// Which size a piece has, if it is a small one: counted in steps, from zero.
fn size_of(layout: Layout) -> Option<usize> {
    let index = layout.size().wrapping_sub(1) / STEP;
    (index < SIZES && layout.align() <= STEP).then_some(index)
}

// SAFETY: what is not small is the other allocator's, which keeps this trait's contract. What is small is a part of what
// that one gave, of its own size, which is asked for and given back under the same layout; nothing else is in it. It is
// entered by one thread, and never from within itself.
unsafe impl<A: GlobalAlloc> GlobalAlloc for BySize<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(index) = size_of(layout) else { return unsafe { self.all.alloc(layout) } };
        let small = unsafe { &mut *self.small.get() };
        let first = small.free[index];
        if !first.is_null() {
            small.free[index] = unsafe { first.cast::<*mut u8>().read() };
            return first;
        }
        let size = (index + 1) * STEP;
        if small.left < size {
            let rest = unsafe { self.all.alloc(Layout::from_size_align_unchecked(CUT_FROM, STEP)) };
            if rest.is_null() {
                return rest;
            }
            (small.rest, small.left) = (rest, CUT_FROM);
        }
        let piece = small.rest;
        small.rest = piece.wrapping_add(size);
        small.left -= size;
        piece
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if size_of(layout).is_none() {
            return unsafe { self.all.alloc_zeroed(layout) };
        }
        let piece = unsafe { self.alloc(layout) };
        if !piece.is_null() {
            unsafe { piece.write_bytes(0, layout.size()) }
        }
        piece
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let Some(index) = size_of(layout) else { return unsafe { self.all.dealloc(at, layout) } };
        let small = unsafe { &mut *self.small.get() };
        unsafe { at.cast::<*mut u8>().write(small.free[index]) };
        small.free[index] = at;
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (size_of(layout), size_of(new)) {
            (None, None) => unsafe { self.all.realloc(at, layout, size) },
            (old, new) if old == new => at,
            _ => {
                let to = unsafe { self.alloc(new) };
                if !to.is_null() {
                    unsafe {
                        to.copy_from_nonoverlapping(at, layout.size().min(size));
                        self.dealloc(at, layout);
                    }
                }
                to
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use super::*;

    /// A piece and the byte that fills it.
    struct Piece(*mut u8, Layout, u8);

    impl Piece {
        fn is_whole(&self, len: usize) -> bool {
            unsafe { std::slice::from_raw_parts(self.0, len) }.iter().all(|byte| *byte == self.2)
        }
    }

    #[test]
    fn pieces_of_all_sizes_are_apart_aligned_and_keep_what_they_hold() {
        let heap = BySize::new(System);
        let mut seed = 1u64;
        let mut below = |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % most
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for round in 0..40_000 {
            let fill = (round % 251) as u8 + 1;
            let size = 1 + if below(4) == 0 { below(3_000) } else { below(600) };
            match below(5) {
                0 | 1 => {
                    let layout = Layout::from_size_align(size, 1 << below(6)).expect("a layout");
                    let at = unsafe { heap.alloc(layout) };
                    assert!(!at.is_null() && at.addr() % layout.align() == 0);
                    unsafe { at.write_bytes(fill, size) };
                    pieces.push(Piece(at, layout, fill));
                }
                2 => {
                    let layout = Layout::from_size_align(size, 8).expect("a layout");
                    let piece = Piece(unsafe { heap.alloc_zeroed(layout) }, layout, 0);
                    assert!(piece.is_whole(size), "{size} bytes are not all zero");
                    unsafe { piece.0.write_bytes(fill, size) };
                    pieces.push(Piece(piece.0, layout, fill));
                }
                3 if !pieces.is_empty() => {
                    let Piece(at, old, filled) = pieces.swap_remove(below(pieces.len()));
                    let at = unsafe { heap.realloc(at, old, size) };
                    let new = Layout::from_size_align(size, old.align()).expect("a layout");
                    let piece = Piece(at, new, filled);
                    assert!(piece.is_whole(old.size().min(size)) && at.addr() % new.align() == 0);
                    unsafe { at.write_bytes(filled, size) };
                    pieces.push(piece);
                }
                _ if !pieces.is_empty() => {
                    let piece = pieces.swap_remove(below(pieces.len()));
                    assert!(piece.is_whole(piece.1.size()), "somebody else wrote into {} bytes", piece.1.size());
                    unsafe { heap.dealloc(piece.0, piece.1) };
                }
                _ => {}
            }
        }
        for piece in pieces {
            assert!(piece.is_whole(piece.1.size()));
            unsafe { heap.dealloc(piece.0, piece.1) };
        }
        let freed = unsafe { heap.alloc(Layout::new::<[u8; 48]>()) };
        unsafe { heap.dealloc(freed, Layout::new::<[u8; 48]>()) };
        assert_eq!(unsafe { heap.alloc(Layout::new::<[u8; 40]>()) }, freed, "the one given back last is given first");
    }
}
