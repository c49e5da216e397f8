// SPDX-License-Identifier: GPL-2.0

//! How much heap an allocator's state takes, whatever it says of itself.
//!
//! # Locking     one measurement at a time, in a program that does nothing else meanwhile.
//! # Cost        a load and a branch for each use of the heap while nothing is measured, an atomic
//!               add more while something is.
//! # Limits      bytes as they were asked for: the heap's own waste is not counted.

use std::alloc::{
    GlobalAlloc,
    Layout,
    System, //
};
use std::sync::atomic::{
    AtomicBool,
    AtomicUsize,
    Ordering, //
};

static COUNTING: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicUsize = AtomicUsize::new(0);
static GIVEN: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static HEAP: Counted = Counted;

struct Counted;

fn count(counter: &AtomicUsize, bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        counter.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's heap with what it was called with.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&TAKEN, layout.size());
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&TAKEN, layout.size());
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(&GIVEN, layout.size());
        // SAFETY: the caller's promise is the one that is asked for, and `at` is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

/// A measurement, from `start` until it is dropped.
pub struct Measurement(());

impl Measurement {
    /// Starts to count.
    pub fn start() -> Self {
        TAKEN.store(0, Ordering::Relaxed);
        GIVEN.store(0, Ordering::Relaxed);
        COUNTING.store(true, Ordering::Relaxed);
        Self(())
    }

    /// Returns how many bytes are held more than at the start.
    pub fn bytes(&self) -> usize {
        let taken = TAKEN.load(Ordering::Relaxed);
        taken.saturating_sub(GIVEN.load(Ordering::Relaxed))
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        COUNTING.store(false, Ordering::Relaxed);
    }
}
