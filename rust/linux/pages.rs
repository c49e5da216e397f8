// SPDX-License-Identifier: GPL-2.0

//! Runs of pages from Linux's page allocator: any order, any node, freed when dropped.
//!
//!   Pages::alloc(order 3, GFP_KERNEL, node 1)
//!     -> struct page of the first of 8 pages; node and zone are where it really came from
//!
//! `kernel::page::Page` has order 0 and no node; this has both.
//!
//! # Locking     none of its own; with `__GFP_DIRECT_RECLAIM` the allocation may sleep.
//! # Cost        alloc_pages() and __free_pages(); 16 bytes a run.
//! # Limits      pages are not mapped by `kmap`; contents.rs reaches those of the direct map.
//! # Reference   `mm/page_alloc.c`: `__alloc_pages_noprof()`, `__free_pages()`.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    ffi,
    gfp::Gfp,
    node::Node,
    zone, //
};
use crate::algo::units::{
    Address,
    NodeId,
    NodeMask,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};

/// The largest order that Linux's buddy holds (`MAX_PAGE_ORDER`).
pub const MAX_ORDER: Order = match Order::new(bindings::MAX_PAGE_ORDER) {
    Some(order) => order,
    None => Order::MAX,
};

/// An owned run of 2^order contiguous pages.
///
/// # Invariants
///
/// `page` is the first page of a run of `order` that `alloc_pages()` returned, or `split_page()` left
/// of one, and that nobody else owns.
#[must_use = "dropping the pages frees them"]
pub struct Pages {
    page: NonNull<bindings::page>,
    order: Order,
    _owned: PhantomData<bindings::page>,
}

// SAFETY: A page may be freed by another task than the one that allocated it.
unsafe impl Send for Pages {}

// SAFETY: `&Pages` only reads the place of the page, which stays as it is while it is allocated.
unsafe impl Sync for Pages {}

impl Pages {
    /// Allocates 2^`order` pages; from `node` first when one is named, else by the task's memory
    /// policy.
    ///
    /// # Errors
    ///
    /// EINVAL if `order` is above [`MAX_ORDER`] or `gfp` breaks a rule of [`Gfp::check`], ENOMEM.
    pub fn alloc(order: Order, gfp: Gfp, node: Option<Node>) -> Result<Self> {
        check(order, gfp)?;
        let nid = node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int());
        // SAFETY: The order is one that Linux has, the flags are ones it takes, and a `Node` has a
        // `pglist_data`. Process context: callers of this room may sleep.
        let page = unsafe { ffi::oxmm_alloc_pages(nid, gfp.as_raw(), order.get()) };
        let page = NonNull::new(page).ok_or(ENOMEM)?;
        // SAFETY: `alloc_pages()` returned this run of this order to us alone.
        Ok(unsafe { Self::from_raw(page, order) })
    }

    /// Allocates 2^`order` pages from these nodes alone, in the order of the list of `node`; a
    /// request that may use reserves and cannot wait is served from others, once they have nothing.
    ///
    /// # Errors
    ///
    /// As [`Pages::alloc`].
    pub fn alloc_on(order: Order, gfp: Gfp, node: Node, nodes: &NodeMask) -> Result<Self> {
        check(order, gfp)?;
        let (nid, words) = (node.id().int(), nodes.words());
        // SAFETY: As for `alloc`; the words are borrowed, and hold a bit for each number of a node.
        let page =
            unsafe { ffi::oxmm_alloc_pages_nodes(nid, gfp.as_raw(), order.get(), words.as_ptr()) };
        let page = NonNull::new(page).ok_or(ENOMEM)?;
        // SAFETY: `__alloc_pages()` returned this run of this order to us alone.
        Ok(unsafe { Self::from_raw(page, order) })
    }

    /// Takes over a run that C code allocated.
    ///
    /// # Safety
    ///
    /// `page` is the first page of a run of `order` that `alloc_pages()` returned, or `split_page()`
    /// left of one, and whoever owned it gives it up.
    pub(super) unsafe fn from_raw(page: NonNull<bindings::page>, order: Order) -> Self {
        // INVARIANT: the caller's promise.
        Self {
            page,
            order,
            _owned: PhantomData,
        }
    }

    /// The C page, which is ours by the invariant.
    pub(super) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// The first page's frame number.
    pub fn pfn(&self) -> Pfn {
        // SAFETY: By the invariant `page` is a page, and it is ours.
        Pfn::new(unsafe { ffi::oxmm_page_to_pfn(self.page.as_ptr()) })
    }

    /// Where the `struct page` of the first page is.
    pub fn struct_page(&self) -> Address {
        Address::new(self.page.as_ptr().addr())
    }

    /// The node that the pages are on.
    pub fn node(&self) -> Option<NodeId> {
        // SAFETY: By the invariant `page` is a page, and it is ours.
        NodeId::from_int(unsafe { ffi::oxmm_page_to_nid(self.page.as_ptr()) })
    }

    /// The zone that the pages are in.
    pub fn zone(&self) -> Option<ZoneKind> {
        // SAFETY: By the invariant `page` is a page, and it is ours.
        zone::kind_of_index(unsafe { ffi::oxmm_page_zonenum(self.page.as_ptr()) })
    }

    /// The order of the run.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many pages the run has.
    pub fn nr_pages(&self) -> NrPages {
        self.order.nr_pages()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the run that `alloc_pages()` gave, with its order, and
        // nobody else frees it.
        unsafe { bindings::__free_pages(self.page.as_ptr(), self.order.get()) };
    }
}

/// What Linux would warn about is refused before.
fn check(order: Order, gfp: Gfp) -> Result {
    match order <= MAX_ORDER && gfp.check().is_ok() {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// The frame that an address of the kernel's linear mapping is in.
///
/// # Safety
///
/// `addr` is in memory that the buddy gave out, and that is not given back meanwhile.
pub(super) unsafe fn pfn_of(addr: NonNull<u8>) -> Pfn {
    // SAFETY: The caller's promise: the address has a page.
    Pfn::new(unsafe { ffi::oxmm_page_to_pfn(ffi::oxmm_virt_to_page(addr.as_ptr().cast())) })
}

/// The node that an address of the kernel's linear mapping is on.
///
/// # Safety
///
/// As for [`pfn_of`].
pub(super) unsafe fn node_of(addr: NonNull<u8>) -> Option<NodeId> {
    // SAFETY: The caller's promise: the address has a page.
    NodeId::from_int(unsafe { ffi::oxmm_page_to_nid(ffi::oxmm_virt_to_page(addr.as_ptr().cast())) })
}

/// The zone that an address of the kernel's linear mapping is in.
///
/// # Safety
///
/// As for [`pfn_of`].
pub(super) unsafe fn zone_of(addr: NonNull<u8>) -> Option<ZoneKind> {
    // SAFETY: The caller's promise: the address has a page.
    zone::kind_of_index(unsafe {
        ffi::oxmm_page_zonenum(ffi::oxmm_virt_to_page(addr.as_ptr().cast()))
    })
}

#[kunit_tests(oxmm_pages)]
mod tests {
    use super::*;

    /// Every order up to the largest is given, aligned to its size, with node and zone.
    #[test]
    fn every_order_is_aligned_and_placed() {
        for order in Order::up_to(MAX_ORDER) {
            let Ok(pages) = Pages::alloc(order, Gfp::KERNEL | Gfp::NOWARN, None) else {
                // The largest orders may be gone on a machine that has run for long.
                continue;
            };
            assert!(pages.pfn().is_aligned(order));
            assert_eq!(pages.order(), order);
            assert!(pages.node().is_some());
            assert!(pages.zone().is_some());
        }
    }

    /// A run from the no-fallback list of a node lies on that node, or there is none.
    #[test]
    fn thisnode_stays_on_the_node() {
        for node in Node::online() {
            let gfp = Gfp::KERNEL | Gfp::THISNODE | Gfp::NOWARN;
            let pages = Pages::alloc(Order::ZERO, gfp, Some(node));
            assert_eq!(pages.is_ok(), node.has_memory());
            if let Ok(pages) = pages {
                assert_eq!(pages.node(), Some(node.id()));
            }
        }
    }

    /// A nodemask keeps a run on its nodes, whichever node's list is walked; one without memory
    /// serves nobody.
    #[test]
    fn nodemask_holds() {
        let gfp = Gfp::KERNEL | Gfp::NOWARN;
        for node in Node::online() {
            for only in Node::online() {
                let nodes = NodeMask::EMPTY.with(only.id());
                let pages = Pages::alloc_on(Order::ZERO, gfp, node, &nodes);
                assert_eq!(pages.is_ok(), only.has_memory());
                if let Ok(pages) = pages {
                    assert_eq!(pages.node(), Some(only.id()));
                }
            }
        }
    }

    /// What Linux would answer with a WARN is refused before.
    #[test]
    fn too_large_an_order_is_refused() {
        assert_eq!(
            Pages::alloc(Order::MAX, Gfp::KERNEL, None).err(),
            Some(EINVAL)
        );
    }
}
