//! Bounded waiting.

use std::sync::atomic::{AtomicU32, Ordering};

/// One of those that wait for something; gone when dropped.
pub(crate) struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    /// `None` where `max` wait already.
    pub fn enter(count: &'a AtomicU32, max: u32) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
