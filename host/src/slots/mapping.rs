//! Address space that belongs to us.

use std::{ffi::c_void, io, ops::Range, os::fd::BorrowedFd, ptr::NonNull};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};

/// A mapping of whole pages, unmapped when it is dropped. Nothing of it can be accessed before it is opened.
pub(super) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: it owns what it points to.
#[expect(unsafe_code, reason = "a pointer to what it owns")]
unsafe impl Send for Mapping {}
// SAFETY: nothing is changed through a shared reference.
#[expect(unsafe_code, reason = "a pointer to what it owns")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Address space for `len` bytes, without memory behind it.
    pub fn reserve(len: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        #[expect(unsafe_code, reason = "mmap")]
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), flags)? };
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("a mapping at address zero"))?;
        Ok(Self { start, len })
    }

    /// The address `offset` bytes behind the start.
    pub fn address(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Puts a private copy of the start of a file there, open.
    pub fn place(&mut self, range: Range<usize>, file: BorrowedFd<'_>) -> io::Result<()> {
        let (at, len) = self.inside(&range)?;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: over a part of this mapping, which the caller has to himself.
        #[expect(unsafe_code, reason = "mmap")]
        unsafe {
            mmap(at, len, ProtFlags::READ | ProtFlags::WRITE, flags, file, 0)?;
        }
        Ok(())
    }

    /// Lets it be read and written.
    pub fn open(&mut self, range: Range<usize>) -> io::Result<()> {
        self.protect(&range, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Lets nothing touch it. What it holds stays.
    pub fn close(&mut self, range: Range<usize>) -> io::Result<()> {
        self.protect(&range, MprotectFlags::empty())
    }

    fn protect(&mut self, range: &Range<usize>, access: MprotectFlags) -> io::Result<()> {
        let (at, len) = self.inside(range)?;
        // SAFETY: a part of this mapping, which the caller has to himself.
        #[expect(unsafe_code, reason = "mprotect")]
        unsafe {
            mprotect(at, len, access)?;
        }
        Ok(())
    }

    /// Gives its memory back to the kernel: where no file lies there, zeros are read next.
    pub fn empty(&mut self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.inside(&range)?;
        // SAFETY: a part of this mapping, which the caller has to himself.
        #[expect(unsafe_code, reason = "madvise")]
        unsafe {
            madvise(at, len, Advice::LinuxDontNeed)?;
        }
        Ok(())
    }

    /// Asks the kernel to move its memory to swap.
    #[cfg(test)]
    pub fn page_out(&mut self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.inside(&range)?;
        // SAFETY: it changes nothing that anybody reads there.
        #[expect(unsafe_code, reason = "madvise")]
        unsafe {
            madvise(at, len, Advice::LinuxPageOut)?;
        }
        Ok(())
    }

    fn inside(&self, range: &Range<usize>) -> io::Result<(*mut c_void, usize)> {
        if range.start > range.end || range.end > self.len {
            return Err(io::Error::other(format!(
                "{range:?} is not inside the {} bytes of a mapping",
                self.len
            )));
        }
        Ok((self.address(range.start).cast(), range.len()))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: its own, and nobody uses it any more.
        #[expect(unsafe_code, reason = "munmap")]
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len) };
        if let Err(error) = unmapped {
            tracing::warn!(%error, "a mapping could not be given back");
        }
    }
}
