//! The standard library's allocator, but for where it begins: with what the module's memory has left behind its data.
//! The standard library asks for another page at once, which is a good part of what a small script's run costs. So is
//! every piece, and small ones are kept by their size.

use std::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32::{memory_grow, memory_size},
    cell::{Cell, UnsafeCell},
    ptr,
};

use dlmalloc::{Allocator, Dlmalloc};

use crate::by_size::BySize;

const PAGE: usize = 64 << 10;

#[global_allocator]
static HEAP: BySize<Heap> = BySize::new(Heap(UnsafeCell::new(heap())));

/// What is asked for is rounded up to this: not to pages, of which a small module has no whole one left.
const GRAIN: usize = 4 << 10;

const fn heap() -> Dlmalloc<Pages> {
    let mut heap = Dlmalloc::new_with_allocator(Pages { is_begun: Cell::new(false) });
    assert!(heap.set_granularity(GRAIN));
    heap
}

unsafe extern "C" {
    /// Where the linker placed nothing any more. It has an address and no value.
    static __heap_base: u8;
}

struct Heap(UnsafeCell<Dlmalloc<Pages>>);

// SAFETY: a script has one thread.
unsafe impl Sync for Heap {}

/// What the heap grows by.
struct Pages {
    is_begun: Cell<bool>,
}

// SAFETY: a script has one thread.
unsafe impl Send for Pages {}

// SAFETY: what is given is the module's own, and nobody else's: the rest of its first memory once, and pages that were
// not there before.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if !self.is_begun.replace(true) {
            let base = &raw const __heap_base;
            let left = (memory_size(0) * PAGE).saturating_sub(base.addr());
            if left >= size {
                return (base.cast_mut(), left, 0);
            }
        }
        let pages = size.div_ceil(PAGE);
        match memory_grow(0, pages) {
            usize::MAX => (ptr::null_mut(), 0, 0),
            // The last byte that can be addressed is left out: no pointer may lie behind it.
            before if before + pages == usize::MAX / PAGE + 1 => {
                (ptr::without_provenance_mut(before * PAGE), size - 16, 0)
            }
            before => (ptr::without_provenance_mut(before * PAGE), pages * PAGE, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

// SAFETY: dlmalloc keeps this trait's contract; it is entered by one thread, and never from within itself.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(at, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(at, layout.size(), layout.align(), size) }
    }
}
