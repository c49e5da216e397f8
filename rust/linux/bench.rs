// SPDX-License-Identifier: GPL-2.0

//! What benchmarks measure of Linux: its page allocator without a wrapper's table, and the floor.
//!
//! # Locking     none of its own; with `__GFP_DIRECT_RECLAIM` it may sleep.
//! # Cost        a call of a shim, 1 to 2 ns, on top of Linux's own.
//! # Limits      `free_pages_bulk()` is not exported: many pages are freed one by one.
//! # Reference   `mm/page_alloc.c`: `alloc_pages_noprof()`, `__free_pages()`,
//!               `alloc_pages_bulk_noprof()`.

use core::ptr::null_mut;

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_ulong, //
    },
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

use super::{
    ffi,
    gfp::Gfp,
    node::Node,
    pages::MAX_ORDER,
    quietly, //
};
use crate::algo::units::{
    u64_from,
    Order, //
};

/// A moment, to measure from.
pub struct Since(Instant<Monotonic>);

impl Since {
    /// This moment.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since then.
    pub fn nanoseconds(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(0)
    }
}

/// Linux's page allocator for one kind of request, with a place for each of many blocks.
///
/// # Invariants
///
/// Each of `pages` is null, or the first page of a block of `order` that is ours.
pub struct Slots {
    pages: KVVec<*mut bindings::page>,
    order: Order,
    gfp: Gfp,
    nid: c_int,
}

// SAFETY: A page may be freed by another task than the one that allocated it.
unsafe impl Send for Slots {}

impl Slots {
    /// Places for `count` blocks of this order, asked for with flags that may sleep, from a node or
    /// that of each CPU.
    ///
    /// # Errors
    ///
    /// EINVAL for an order or flags that Linux must not see, ENOMEM.
    pub fn new(count: usize, order: Order, gfp: Gfp, node: Option<Node>) -> Result<Self> {
        if order > MAX_ORDER || gfp.check().is_err() {
            return Err(EINVAL);
        }
        // INVARIANT: all null.
        Ok(Self {
            pages: KVVec::from_elem(null_mut(), count, quietly())?,
            order,
            gfp,
            nid: node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int()),
        })
    }

    /// Allocates a block into an empty place; `false` if there is none, or no such place.
    #[inline]
    pub fn alloc(&mut self, at: usize) -> bool {
        let Some(place) = self.pages.get_mut(at).filter(|it| it.is_null()) else {
            return false;
        };
        // SAFETY: Order and flags were checked, a `Node` has a `pglist_data`, and this may sleep.
        // INVARIANT: null, or a block that is ours.
        *place = unsafe { ffi::oxmm_alloc_pages(self.nid, self.gfp.as_raw(), self.order.get()) };
        !place.is_null()
    }

    /// Frees the block at a place, if it has one.
    #[inline]
    pub fn free(&mut self, at: usize) {
        let Some(place) = self.pages.get_mut(at) else {
            return;
        };
        // INVARIANT: null.
        let page = core::mem::replace(place, null_mut());
        if !page.is_null() {
            // SAFETY: By the invariant this was a block of ours, of this order.
            unsafe { bindings::__free_pages(page, self.order.get()) };
        }
    }

    /// Fills places, in one call if the blocks are single pages and Linux gives them all; `false` if not all of them have one then.
    #[inline]
    pub fn fill(&mut self, from: usize, to: usize) -> bool {
        if self.order > Order::ZERO {
            return (from..to).all(|at| self.alloc(at));
        }
        let Some(places) = self.pages.get_mut(from..to) else {
            return false;
        };
        let count = c_int::try_from(places.len()).unwrap_or(0);
        let mut filled = 0;
        // With one CPU Linux has no lists to fill from, and gives a page a call.
        while filled < places.len() {
            let before = filled;
            // SAFETY: `places` has room for `count`; flags and node as above.
            // INVARIANT: single pages, and this is their order.
            filled = unsafe {
                ffi::oxmm_alloc_pages_bulk(self.nid, self.gfp.as_raw(), count, places.as_mut_ptr())
            };
            if filled <= before {
                return false;
            }
        }
        true
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for at in 0..self.pages.len() {
            self.free(at);
        }
    }
}

/// What every figure stands on.
#[derive(Clone, Copy, Debug)]
pub enum Floor {
    /// Interrupts off and on.
    Irqsave,
    /// A spin lock that nobody else wants.
    Spinlock,
    /// A counter of the CPU.
    Count,
}

impl Floor {
    /// Nanoseconds for doing it so many times.
    pub fn nanoseconds(self, times: usize) -> u64 {
        // `usize` is what C calls unsigned long.
        let times: c_ulong = times;
        let since = Since::now();
        // SAFETY: Loops that leave nothing behind, for an even number of times.
        unsafe {
            match self {
                Self::Irqsave => ffi::oxmm_loop_irqsave(times),
                Self::Spinlock => ffi::oxmm_loop_spinlock(times),
                Self::Count => ffi::oxmm_loop_count(times & !1),
            }
        }
        since.nanoseconds()
    }
}

/// Nanoseconds for a locked add, done so many times.
pub fn locked_add(times: usize) -> u64 {
    let counter = kernel::sync::atomic::Atomic::new(0u64);
    let since = Since::now();
    for _ in 0..times {
        counter.fetch_add(1, kernel::sync::atomic::Relaxed);
    }
    let elapsed = since.nanoseconds();
    debug_assert!(counter.load(kernel::sync::atomic::Relaxed) == u64_from(times));
    elapsed
}
