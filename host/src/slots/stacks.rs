//! Stacks, each with a page below it that nothing can touch.

use std::{io, ops::Range, sync::Arc};

use rustix::param::page_size;
use wasmtime::{StackCreator, StackMemory};

use super::{Free, mapping::Mapping};

/// Makes the stacks of one engine.
pub(crate) struct Stacks(Arc<Free<Mapping>>);

impl Stacks {
    /// Keeps up to `free_max` stacks that nobody uses.
    pub fn new(free_max: usize) -> Self {
        Self(Arc::new(Free::new(free_max)))
    }
}

// SAFETY: a stack is leased to one run at a time, and its lowest page is a guard. What an earlier run left on it is not
// cleared, as in wasmtime's own pool: compiled code reads no slot that it has not written.
#[expect(unsafe_code, reason = "the promise to wasmtime")]
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        if zeroed {
            return Err(wasmtime::Error::msg("stacks are not zeroed here"));
        }
        let stack = match self.0.take() {
            Some(stack) => stack,
            None => new(size)?,
        };
        Ok(Box::new(Lease { stack: Some(stack), home: self.0.clone() }))
    }
}

/// A mapping whose lowest page stays closed.
fn new(size: usize) -> io::Result<Mapping> {
    let guard = page_size();
    let mut stack = Mapping::reserve(guard + size.next_multiple_of(guard))?;
    stack.open(guard..stack.len())?;
    Ok(stack)
}

/// A stack while a run has it.
struct Lease {
    /// `None` only while it is dropped.
    stack: Option<Mapping>,
    home: Arc<Free<Mapping>>,
}

impl Lease {
    /// First address of the guard and of the stack, and the one behind it.
    fn bounds(&self) -> [*mut u8; 3] {
        let at = |stack: &Mapping| [0, page_size(), stack.len()].map(|offset| stack.address(offset));
        self.stack.as_ref().map_or([std::ptr::null_mut(); 3], at)
    }
}

// SAFETY: as of `Stacks`.
#[expect(unsafe_code, reason = "the promise to wasmtime")]
unsafe impl StackMemory for Lease {
    fn top(&self) -> *mut u8 {
        let [_, _, end] = self.bounds();
        end
    }

    fn range(&self) -> Range<usize> {
        let [_, start, end] = self.bounds();
        start.addr()..end.addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let [guard, start, _] = self.bounds();
        guard..start
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            self.home.give(stack);
        }
    }
}
