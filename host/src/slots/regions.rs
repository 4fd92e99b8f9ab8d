//! Memories that all begin as the same snapshot.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    process::{Resource, getrlimit},
};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::{Free, mapping::Mapping, written::Written};

/// Of a memory that grew this much stays with its region, and what was written there is zeroed; the rest goes back to
/// the kernel.
const KEPT_BYTES: usize = 2 << 20;

/// How a memory begins.
pub(crate) struct Snapshot {
    /// Mapped by every region: pages that no run wrote are the same memory for all of them. `None` where there may be no
    /// file of this size; then each region has a copy, all of which is put back.
    file: Option<OwnedFd>,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// `bytes` is a whole number of pages.
    pub fn new(bytes: Vec<u8>) -> Self {
        let file = in_a_file(&bytes);
        let file =
            file.inspect_err(|error| tracing::warn!(%error, "the JavaScript engine's memory is copied")).ok();
        Self { file, bytes }
    }
}

fn in_a_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    // A limit for the size of files counts for those in memory, and passing it ends the process.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| most < bytes.len() as u64) {
        return Err(io::Error::other("files may not be as large"));
    }
    let file = memfd_create("argus-snapshot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut left = bytes;
    while !left.is_empty() {
        left = &left[rustix::io::write(&file, left)?..];
    }
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// Makes the memories of one engine.
pub(crate) struct Regions(Arc<Shared>);

struct Shared {
    snapshot: Snapshot,
    written: Written,
    free: Free<Region>,
}

impl Regions {
    /// Keeps up to `free_max` regions that nobody uses.
    pub fn new(snapshot: Snapshot, free_max: usize) -> Self {
        Self(Arc::new(Shared { snapshot, written: Written::new(), free: Free::new(free_max) }))
    }

    fn lease(&self, reserved: usize, guard: usize) -> io::Result<Lease> {
        let region = match self.0.free.take() {
            Some(region) => region,
            None => Region::new(&self.0.snapshot, reserved, guard)?,
        };
        Ok(Lease { size: region.open, region: Some(region), home: self.0.clone() })
    }
}

// SAFETY: a region is leased to one memory at a time and its address never moves. Past the memory's size, to the end of
// the reservation and of its guard, nothing can be accessed. Its content is not zero but the snapshot, which is what the
// one module of this engine that has a memory counts on: it has no data of its own.
#[expect(unsafe_code, reason = "the promise to wasmtime")]
unsafe impl MemoryCreator for Regions {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let has = self.0.snapshot.bytes.len();
        let Some(reserved) = reserved.filter(|reserved| *reserved >= has && minimum == has) else {
            return Err(format!("{minimum} bytes of {reserved:?} are asked for, the snapshot has {has}"));
        };
        let lease = self.lease(reserved, guard).map_err(|e| format!("no memory for a script: {e}"))?;
        Ok(Box::new(lease))
    }
}

/// A region while a run has it.
struct Lease {
    /// `None` only while it is dropped.
    region: Option<Region>,
    size: usize,
    home: Arc<Shared>,
}

// SAFETY: as of `Regions`.
#[expect(unsafe_code, reason = "the promise to wasmtime")]
unsafe impl LinearMemory for Lease {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.region.as_ref().map_or(0, |region| region.reserved)
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        let region = self.region.as_mut().ok_or_else(|| wasmtime::Error::msg("the region is gone"))?;
        region.open_to(size)?;
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.region.as_ref().map_or(std::ptr::null_mut(), |region| region.mapping.address(region.base))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut region) = self.region.take() else { return };
        match region.reset(&self.home.snapshot, &self.home.written) {
            Ok(()) => {
                debug_assert!(region.bytes() == self.home.snapshot.bytes, "a run left something behind");
                self.home.free.give(region);
            }
            // Dropped, not used again.
            Err(error) => tracing::warn!(%error, "a script's memory could not be reset"),
        }
    }
}

/// A guard, the memory, what it may grow by, and a guard.
struct Region {
    mapping: Mapping,
    /// Where the memory begins in the mapping.
    base: usize,
    /// From there on, how much is the memory's at most.
    reserved: usize,
    /// From there on, how much can be accessed: whole pages.
    open: usize,
}

impl Region {
    fn new(snapshot: &Snapshot, reserved: usize, guard: usize) -> io::Result<Self> {
        let len = guard.checked_mul(2).and_then(|guards| guards.checked_add(reserved));
        let len = len.ok_or_else(|| io::Error::other("more than the address space is asked for"))?;
        let mut mapping = Mapping::reserve(len)?;
        let open = snapshot.bytes.len();
        let range = guard..guard + open;
        match &snapshot.file {
            Some(file) => mapping.place(range, file.as_fd())?,
            None => mapping.open(range)?,
        }
        let mut region = Self { mapping, base: guard, reserved, open };
        if snapshot.file.is_none() {
            region.bytes_mut().copy_from_slice(&snapshot.bytes);
        }
        Ok(region)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: open, and mapped as long as this region is.
        #[expect(unsafe_code, reason = "a view of what it owns")]
        unsafe {
            std::slice::from_raw_parts(self.mapping.address(self.base), self.open)
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has it.
        #[expect(unsafe_code, reason = "a view of what it owns")]
        unsafe {
            std::slice::from_raw_parts_mut(self.mapping.address(self.base), self.open)
        }
    }

    /// Opens it up to `size` bytes.
    fn open_to(&mut self, size: usize) -> io::Result<()> {
        if size > self.reserved {
            return Err(io::Error::other("a memory grows beyond what is reserved for it"));
        }
        if size > self.open {
            self.mapping.open(self.base + self.open..self.base + size)?;
            self.open = size;
        }
        Ok(())
    }

    /// Closes it from `size` bytes on.
    fn close_from(&mut self, size: usize) -> io::Result<()> {
        if size < self.open {
            self.mapping.close(self.base + size..self.base + self.open)?;
            self.open = size;
        }
        Ok(())
    }

    /// Makes it what it was when it was new.
    fn reset(&mut self, snapshot: &Snapshot, written: &Written) -> io::Result<()> {
        let image = snapshot.bytes.as_slice();
        let kept = KEPT_BYTES.max(image.len());
        if kept < self.open {
            self.mapping.empty(self.base + kept..self.base + self.open)?;
            self.close_from(kept)?;
        }
        written.each(self.bytes_mut(), |bytes, stretch| {
            let middle = image.len().clamp(stretch.start, stretch.end);
            if stretch.start < middle {
                bytes[stretch.start..middle].copy_from_slice(&image[stretch.start..middle]);
            }
            // Of no bytes it is a masked store to a page that may not be written, which the processor resolves in microcode:
            // that was 2 % of a run.
            if middle < stretch.end {
                bytes[middle..stretch.end].fill(0);
            }
        })?;
        self.close_from(image.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;
    const RESERVED: usize = 16 << 20;
    const GUARD: usize = 1 << 20;

    fn snapshot(pages: usize) -> Snapshot {
        let bytes = (0..pages * PAGE).map(|i| if i / PAGE % 3 == 1 { 0 } else { (i % 251) as u8 }).collect();
        Snapshot::new(bytes)
    }

    fn regions(written: Written) -> Regions {
        let snapshot = snapshot(64);
        assert!(snapshot.file.is_some());
        Regions(Arc::new(Shared { snapshot, written, free: Free::new(4) }))
    }

    /// Where the kernel says what was written, where it does not, and where there may be no file.
    fn all() -> [Regions; 3] {
        let copied = Snapshot { file: None, ..snapshot(64) };
        let copied = Shared { snapshot: copied, written: Written::new(), free: Free::new(4) };
        [regions(Written::new()), regions(Written::everything()), Regions(Arc::new(copied))]
    }

    fn content(lease: &mut Lease) -> &mut [u8] {
        lease.region.as_mut().expect("a region").bytes_mut()
    }

    /// Numbers that look random, the same each time.
    fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        }
    }

    #[test]
    fn whatever_a_run_writes_the_next_one_finds_the_snapshot() {
        for regions in all() {
            let image = regions.0.snapshot.bytes.len();
            let mut below = numbers(7);
            for round in 0..300 {
                let mut lease = regions.lease(RESERVED, GUARD).expect("a region");
                assert!(content(&mut lease) == regions.0.snapshot.bytes, "round {round}");
                if below(3) == 0 {
                    let size = image + below(4 << 20).next_multiple_of(PAGE);
                    lease.grow_to(size).expect("room");
                    assert!(content(&mut lease)[image..].iter().all(|byte| *byte == 0), "round {round}");
                }
                let bytes = content(&mut lease);
                for _ in 0..below(200) {
                    let at = below(bytes.len());
                    bytes[at] = bytes[at].wrapping_add(1 + below(255) as u8);
                }
            }
            assert_eq!(regions.0.free.kept.lock().expect("a lock").len(), 1, "one region serves them all");
        }
    }

    /// Whether this machine has swap, which no test can give it.
    fn has_swap() -> bool {
        std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1)
    }

    #[test]
    fn what_the_kernel_has_taken_away_counts_as_written() {
        if !has_swap() {
            println!("SKIPPED: no page of this machine can be swapped out: `swapon` a file first");
            return;
        }
        let regions = regions(Written::new());
        let mut lease = regions.lease(RESERVED, GUARD).expect("a region");
        let region = lease.region.as_mut().expect("a region");
        region.bytes_mut().fill(9);
        let (base, open) = (region.base, region.open);
        region.mapping.page_out(base..base + open).expect("advice");
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        assert!(!status.contains("VmSwap:\t       0 kB"), "nothing was swapped out");
        drop(lease);
        let mut lease = regions.lease(RESERVED, GUARD).expect("a region");
        assert!(content(&mut lease) == regions.0.snapshot.bytes);
    }

    #[test]
    fn pages_that_were_only_read_stay_shared_and_are_not_put_back() {
        let regions = regions(Written::new());
        if regions.0.written.is_everything() {
            println!("SKIPPED: this kernel does not tell which pages were written");
            return;
        }
        let mut lease = regions.lease(RESERVED, GUARD).expect("a region");
        let bytes = content(&mut lease);
        assert_ne!(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 0);
        bytes[5 * PAGE] = 1;
        bytes[9 * PAGE + 17] = 1;
        let mut put_back = Vec::new();
        regions.0.written.each(bytes, |_, stretch| put_back.push(stretch)).expect("a scan");
        assert_eq!(put_back, [5 * PAGE..6 * PAGE, 9 * PAGE..10 * PAGE]);
    }

    #[test]
    fn nothing_can_be_touched_past_a_memory_s_size() {
        let regions = regions(Written::new());
        let mut lease = regions.lease(RESERVED, GUARD).expect("a region");
        let image = regions.0.snapshot.bytes.len();
        lease.grow_to(image + 8 * PAGE).expect("room");
        assert!(lease.grow_to(RESERVED + PAGE).is_err());
        let open = open_bytes(lease.as_ptr());
        assert_eq!(open, image + 8 * PAGE);
        drop(lease);
        let lease = regions.lease(RESERVED, GUARD).expect("a region");
        assert_eq!(lease.byte_size(), image);
        assert_eq!(open_bytes(lease.as_ptr()), image, "what an earlier run grew by is closed again");
        assert_eq!(open_bytes(lease.as_ptr().wrapping_sub(PAGE)), 0, "a guard lies before it");
    }

    /// Bytes from an address on that can be written, as the kernel lists them.
    fn open_bytes(address: *const u8) -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let mut at = address.addr();
        for line in maps.lines() {
            let mut words = line.split(' ');
            let (range, access) = (words.next().expect("a range"), words.next().expect("an access"));
            let (from, to) = range.split_once('-').expect("two addresses");
            let number = |text| usize::from_str_radix(text, 16).expect("an address");
            if (number(from)..number(to)).contains(&at) && access.starts_with("rw") {
                at = number(to);
            }
        }
        at - address.addr()
    }
}
