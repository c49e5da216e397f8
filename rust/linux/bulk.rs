// SPDX-License-Identifier: GPL-2.0

//! Single pages by the array: one trip to the per-CPU lists for many of them.
//!
//!   slots   [ - P - - P - ]   fill -> [ P P P P P - ]     3 new, and then there was no more
//!           a slot that has a page keeps it; slots are filled from the front
//!
//! Two ways to ask: [`Single::fill`] takes what it gets and says how much that is,
//! [`Singles::alloc`] wants all or nothing. Each page frees itself when it is dropped.
//!
//! ```ignore
//! // As many of 64 pages as node 1 can give without reclaim.
//! let mut slots = [const { None }; 64];
//! let got = Single::fill(&mut slots, Gfp::KERNEL | Gfp::THISNODE | Gfp::NOWARN, Node::get(one))?;
//! for page in slots.iter().flatten() {
//!     pr_info!("pfn {}\n", page.pfn());
//! }
//!
//! // A thousand pages, or ENOMEM and none.
//! let pages = Singles::alloc(1000, Gfp::KERNEL, None)?;
//! ```
//!
//! # Locking     none of its own; with `__GFP_DIRECT_RECLAIM` it may sleep. Linux fills a call's slots
//!               with preemption off, so that a call is given at most [`BATCH`] of them.
//! # Cost        a page pops off a list; with page owner or `__GFP_ACCOUNT` Linux allocates page by
//!               page. 8 bytes a slot.
//! # Limits      without a node the local one is asked first, whatever the task's memory policy:
//!               `alloc_pages_bulk_mempolicy_noprof()` is not exported.
//! # Reference   `mm/page_alloc.c`: `alloc_pages_bulk_noprof()`.

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

use super::{
    cond_resched,
    ffi,
    gfp::Gfp,
    node::Node,
    pages::Pages,
    quietly, //
};
use crate::algo::units::{
    Order,
    Pfn, //
};

/// The most slots of one call, which is as many pages as are allocated with preemption off.
const BATCH: usize = 128;

/// An owned page of order 0.
///
/// `Option<Single>` is laid out as C's `struct page *`, null for `None`, so that C fills an array of
/// them in place.
///
/// # Invariants
///
/// The page was allocated with order 0, and nobody else owns it.
#[repr(transparent)]
#[must_use = "dropping the page frees it"]
pub struct Single(NonNull<bindings::page>);

// SAFETY: A page may be freed by another task than the one that allocated it.
unsafe impl Send for Single {}

// SAFETY: `&Single` only reads the place of the page, which stays as it is while it is allocated.
unsafe impl Sync for Single {}

impl Single {
    /// Puts a page into each empty slot, from the front, for as long as there are pages: from `node`
    /// first when one is named, else from the local one. Returns how many it added.
    ///
    /// All may be filled, or some, or none, and that is no error: what is there stays, and the
    /// caller decides whether it is enough.
    ///
    /// # Errors
    ///
    /// EINVAL if `gfp` breaks a rule of [`Gfp::check`]; nothing is added then.
    pub fn fill(slots: &mut [Option<Self>], gfp: Gfp, node: Option<Node>) -> Result<usize> {
        gfp.check().map_err(|_| EINVAL)?;
        let mut added = 0;
        for part in slots.chunks_mut(BATCH) {
            while let Some(empty) = part.iter().position(Option::is_none) {
                let Some(rest) = part.get_mut(empty..) else {
                    break;
                };
                let more = Self::fill_once(rest, gfp, node);
                if more == 0 {
                    return Ok(added);
                }
                added += more;
                cond_resched();
            }
        }
        Ok(added)
    }

    /// One call of Linux's; returns how many pages it added.
    fn fill_once(slots: &mut [Option<Self>], gfp: Gfp, node: Option<Node>) -> usize {
        let filled = |slots: &[Option<Self>]| slots.iter().flatten().count();
        let before = filled(slots);
        let nid = node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int());
        let count = c_int::try_from(slots.len()).unwrap_or(c_int::MAX);
        // SAFETY:
        // - `slots` has room for `count` pointers: `Option<Single>` is one, see there.
        // - What is not null in it stays; what Linux stores is a page of order 0 that is now ours,
        //   which is the invariant of `Single`.
        // - The flags are ones that Linux takes, and a `Node` has a `pglist_data`. Process context:
        //   callers of this room may sleep.
        unsafe { ffi::oxmm_alloc_pages_bulk(nid, gfp.as_raw(), count, slots.as_mut_ptr().cast()) };
        filled(slots).saturating_sub(before)
    }

    /// Its frame number.
    pub fn pfn(&self) -> Pfn {
        // SAFETY: By the invariant this is a page, and it is ours.
        Pfn::new(unsafe { ffi::oxmm_page_to_pfn(self.0.as_ptr()) })
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        // SAFETY: By the invariant the page has order 0 and nobody else frees it.
        unsafe { bindings::__free_pages(self.0.as_ptr(), 0) };
    }
}

impl From<Single> for Pages {
    fn from(single: Single) -> Self {
        // The run owns the page from here on.
        let single = ManuallyDrop::new(single);
        // SAFETY: By the invariant the page was allocated with order 0 and is ours alone.
        unsafe { Self::from_raw(single.0, Order::ZERO) }
    }
}

/// As many single pages as were asked for.
///
/// # Invariants
///
/// No slot is empty.
pub struct Singles(KVVec<Option<Single>>);

impl Singles {
    /// Allocates `count` pages, all of them or none; from `node` first when one is named, else from
    /// the local one.
    ///
    /// # Errors
    ///
    /// ENOMEM if there are fewer, EINVAL as [`Single::fill`]; what was allocated is free again.
    pub fn alloc(count: usize, gfp: Gfp, node: Option<Node>) -> Result<Self> {
        let mut slots = KVVec::with_capacity(count, quietly())?;
        for _ in 0..count {
            slots.push(None, quietly())?;
        }
        if Single::fill(&mut slots, gfp, node)? < count {
            return Err(ENOMEM);
        }
        // INVARIANT: `fill` added one for each slot.
        Ok(Self(slots))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pages, in no order of place.
    pub fn iter(&self) -> impl Iterator<Item = &Single> {
        // By the invariant nothing is left out.
        self.0.iter().flatten()
    }
}

#[kunit_tests(oxmm_bulk)]
mod tests {
    use super::*;
    use crate::algo::{
        gfp::{
            Flag,
            Gfp as Expression, //
        },
        snapshot::PagePlace, //
    };
    use crate::linux::page;

    fn quiet() -> Gfp {
        Gfp::KERNEL | Gfp::NOWARN
    }

    /// Empty slots get pages of their own; a slot that has one keeps it.
    #[test]
    fn empty_slots_are_filled_and_others_kept() {
        let mut slots = [const { None }; 5];
        assert!(matches!(
            Single::fill(&mut slots[1..2], quiet(), None),
            Ok(1)
        ));
        let kept = slots[1].as_ref().map(Single::pfn);
        assert!(matches!(Single::fill(&mut slots, quiet(), None), Ok(4)));
        assert_eq!(slots[1].as_ref().map(Single::pfn), kept);
        for (at, page) in slots.iter().enumerate() {
            let is = |other: &Option<Single>| {
                other.as_ref().map(Single::pfn) == page.as_ref().map(Single::pfn)
            };
            assert!(page.is_some() && slots.iter().position(is) == Some(at));
        }
        assert!(matches!(Single::fill(&mut slots, quiet(), None), Ok(0)));
    }

    /// More than one call's worth comes whole, and all of it goes back: each page is allocated while
    /// it is held.
    #[test]
    fn many_come_whole() {
        let pages = Singles::alloc(3 * BATCH + 1, quiet(), None);
        assert!(pages.is_ok());
        let Ok(pages) = pages else { return };
        assert_eq!(
            (pages.len(), pages.iter().count()),
            (3 * BATCH + 1, 3 * BATCH + 1)
        );
        for single in pages.iter() {
            let place = page::look(single.pfn(), &mut []).online.map(|it| it.place);
            assert!(matches!(place, Some(PagePlace::Allocated)));
        }
    }

    /// Pages of one node alone are on it; a node without memory gives none, and all or nothing is
    /// nothing.
    #[test]
    fn thisnode_stays_on_the_node() {
        for node in Node::online() {
            let gfp = quiet() | Gfp::THISNODE;
            let mut slots = [const { None }; 20];
            let added = Single::fill(&mut slots, gfp, Some(node));
            assert!(added.is_ok_and(|added| added == if node.has_memory() { 20 } else { 0 }));
            for single in slots.into_iter().flatten() {
                assert_eq!(Pages::from(single).node(), Some(node.id()));
            }
            assert_eq!(
                Singles::alloc(20, gfp, Some(node)).is_ok(),
                node.has_memory()
            );
        }
    }

    /// A page that became a run of order 0 is freed once, as that run.
    #[test]
    fn a_single_page_becomes_a_run() {
        let mut slot = [None];
        assert!(matches!(Single::fill(&mut slot, quiet(), None), Ok(1)));
        let [single] = slot;
        let pfn = single.as_ref().map(Single::pfn);
        let pages = single.map(Pages::from);
        assert_eq!(pages.as_ref().map(Pages::pfn), pfn);
        assert_eq!(pages.as_ref().map(Pages::order), Some(Order::ZERO));
    }

    /// Nothing asked for is nothing, and wrong flags are refused before.
    #[test]
    fn edges_are_answered() {
        assert!(matches!(Single::fill(&mut [], quiet(), None), Ok(0)));
        assert!(Singles::alloc(0, quiet(), None).is_ok_and(|none| none.is_empty()));
        let wrong = Gfp::new(Expression::from_flag(Flag::Nofail)).unwrap_or(quiet());
        let mut slots = [const { None }; 3];
        assert_eq!(Single::fill(&mut slots, wrong, None).err(), Some(EINVAL));
        assert!(slots.iter().all(Option::is_none));
    }
}
