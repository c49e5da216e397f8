// SPDX-License-Identifier: GPL-2.0

//! Runs of pages that are no power of two: a block that is split, and its tail given back.
//!
//!   block of order 3   | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |     5 pages wanted
//!   split, order 0     | kept ............. | free again |
//!
//! # Locking     none of its own; with `__GFP_DIRECT_RECLAIM` the allocation may sleep.
//! # Cost        alloc_pages() of the whole block, and __free_pages() of each page.
//! # Limits      up to the largest block of Linux, which has to be there as a whole.
//! # Reference   `mm/page_alloc.c`: `split_page()`, `alloc_pages_exact_noprof()`, which takes no node.

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    gfp::Gfp,
    node::Node,
    pages::Pages, //
};
use crate::algo::{
    gfp::Flag,
    units::{
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};

/// An owned run of pages.
///
/// # Invariants
///
/// `first` is the first of `count` pages of order 0 that follow each other in one block of the page
/// allocator and that nobody else owns; there is one at least.
#[must_use = "dropping the pages frees them"]
pub struct ExactPages {
    first: Pages,
    count: NrPages,
}

impl ExactPages {
    /// Allocates `count` pages out of a block of an order that has them, at its alignment; from
    /// `node` first when one is named, else by the task's memory policy.
    ///
    /// # Errors
    ///
    /// EINVAL if the block has not so many, for none, for `__GFP_COMP`, whose pages cannot be parted,
    /// and as [`Pages::alloc`]; ENOMEM.
    pub fn alloc(order: Order, count: NrPages, gfp: Gfp, node: Option<Node>) -> Result<Self> {
        let is_compound = gfp.flags().contains(Flag::Comp);
        if count == NrPages::ZERO || count > order.nr_pages() || is_compound {
            return Err(EINVAL);
        }
        let block = ManuallyDrop::new(Pages::alloc(order, gfp, node)?);
        // SAFETY: The block is ours alone, has this order, and is not compound: `__GFP_COMP` was not
        // asked for.
        unsafe { bindings::split_page(block.as_ptr(), order.get()) };
        // SAFETY: By the invariant of `Pages` it is a page.
        let first = unsafe { NonNull::new_unchecked(block.as_ptr()) };
        // SAFETY: All pages of the block have order 0 now, and `block` is not dropped.
        let first = unsafe { Pages::from_raw(first, Order::ZERO) };
        // INVARIANT: the block has so many.
        let mut all = Self {
            first,
            count: order.nr_pages(),
        };
        all.free_from(count);
        // INVARIANT: those were freed just now.
        all.count = count;
        Ok(all)
    }

    /// Frees the pages from this one on, which is not the first; they are not ours any longer.
    fn free_from(&mut self, from: NrPages) {
        for number in from.get()..self.count.get() {
            // SAFETY: By the invariant there are so many pages; those of a block follow each other in
            // memory, whatever the memory model is.
            let page = unsafe { self.first.as_ptr().add(number) };
            // SAFETY: By the invariant the page is ours and has order 0.
            unsafe { bindings::__free_pages(page, 0) };
        }
    }

    /// The first page's frame number.
    pub fn pfn(&self) -> Pfn {
        self.first.pfn()
    }

    /// The node that the pages are on.
    pub fn node(&self) -> Option<NodeId> {
        self.first.node()
    }

    /// The zone that the pages are in.
    pub fn zone(&self) -> Option<ZoneKind> {
        self.first.zone()
    }

    /// How many pages there are.
    pub fn nr_pages(&self) -> NrPages {
        self.count
    }
}

impl Drop for ExactPages {
    fn drop(&mut self) {
        // The first one frees itself.
        self.free_from(NrPages::new(1));
    }
}

#[kunit_tests(oxmm_exact)]
mod tests {
    use super::*;
    use crate::{
        algo::snapshot::PagePlace,
        linux::{
            gfp::Gfp,
            page, //
        },
    };

    /// Of 5 pages of 8 each is allocated, and the run is aligned as the block was.
    #[test]
    fn exactly_so_many_pages_are_kept() {
        let (order, count) = (Order::new(3).unwrap_or_default(), NrPages::new(5));
        let pages = ExactPages::alloc(order, count, Gfp::KERNEL, None);
        assert!(pages.is_ok());
        let Ok(pages) = pages else { return };
        assert!(pages.pfn().is_aligned(order));
        assert_eq!(pages.nr_pages(), count);
        assert!(pages.node().is_some() && pages.zone().is_some());
        for number in 0..5 {
            let pfn = pages.pfn() + NrPages::new(number);
            let place = page::look(pfn, &mut []).online.map(|it| it.place);
            assert!(matches!(place, Some(PagePlace::Allocated)));
        }
    }

    /// What could not be split, or is not in the block, is refused before.
    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |order: u32, count, gfp| {
            let order = Order::new(order).unwrap_or_default();
            let pages = ExactPages::alloc(order, NrPages::new(count), gfp, None);
            assert_eq!(pages.err(), Some(EINVAL));
        };
        refused(2, 0, Gfp::KERNEL);
        refused(2, 5, Gfp::KERNEL);
        let compound = Gfp::of(&[Flag::GfpKernel, Flag::Comp]).unwrap_or(Gfp::KERNEL);
        refused(2, 3, compound);
    }
}
