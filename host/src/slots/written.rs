//! Which pages of a mapping were written.

use std::{fs::File, io, ops::Range, os::fd::AsRawFd};

use rustix::param::page_size;

/// Tells which pages were written.
///
/// Of a private mapping of a file the kernel says `FILE` as long as a page is the file's own, which a write replaces by
/// a page of the process. Such a page is `PRESENT`, or it is `SWAPPED`, which stands for one that is being moved, too.
/// What was never touched is neither.
pub(super) struct Written {
    /// `None` where the kernel (before 6.7) or what stands between does not say: then everything counts as written.
    pagemap: Option<File>,
}

/// `PAGEMAP_SCAN` of linux/fs.h: its number, its argument, what it answers with, and the categories used here.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
/// Stretches per call.
const STRETCHES: usize = 64;

#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Stretch {
    start: u64,
    end: u64,
    categories: u64,
}

impl Written {
    pub fn new() -> Self {
        let found = Self { pagemap: File::open("/proc/self/pagemap").ok() };
        let mut probe = vec![1; 4 * page_size()];
        let mut seen = 0;
        let asked = found.each(&mut probe, |_, stretch| seen += stretch.len());
        if asked.is_err() || seen < probe.len() {
            return Self::everything();
        }
        found
    }

    /// Takes everything for written.
    pub fn everything() -> Self {
        Self { pagemap: None }
    }

    #[cfg(test)]
    pub fn is_everything(&self) -> bool {
        self.pagemap.is_none()
    }

    /// Calls `put_back` with every stretch of pages of `bytes` that may have been written.
    pub fn each(
        &self,
        bytes: &mut [u8],
        mut put_back: impl FnMut(&mut [u8], Range<usize>),
    ) -> io::Result<()> {
        let Some(pagemap) = &self.pagemap else {
            put_back(bytes, 0..bytes.len());
            return Ok(());
        };
        let page = page_size() as u64;
        let (base, end) = (bytes.as_ptr() as u64, bytes.as_ptr() as u64 + bytes.len() as u64);
        let mut from = base / page * page;
        while from < end {
            let mut stretches = [Stretch::default(); STRETCHES];
            let mut scan = ScanArg {
                size: size_of::<ScanArg>() as u64,
                start: from,
                end: end.next_multiple_of(page),
                vec: stretches.as_mut_ptr() as u64,
                vec_len: STRETCHES as u64,
                category_inverted: FILE,
                category_mask: FILE,
                category_anyof_mask: PRESENT | SWAPPED,
                ..ScanArg::default()
            };
            // SAFETY: the kernel reads and writes the argument and the vector that it names, both of these sizes.
            #[expect(unsafe_code, reason = "an ioctl that no library has")]
            let found = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
            let found = usize::try_from(found).map_err(|_| io::Error::last_os_error())?;
            for stretch in stretches.get(..found).unwrap_or_default() {
                let inside = |address: u64| (address.clamp(base, end) - base) as usize;
                put_back(bytes, inside(stretch.start)..inside(stretch.end));
            }
            if scan.walk_end <= from {
                return Err(io::Error::other("the kernel does not go on looking for written pages"));
            }
            from = scan.walk_end;
        }
        Ok(())
    }
}
