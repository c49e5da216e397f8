// SPDX-License-Identifier: GPL-2.0

//! Pages by number: from a pfn to a `struct page` that exists and stays.
//!
//!   pfn -> section present? online? -> struct page -> zone, pageblock, free block
//!   Reader::frame(pfn) is none for holes, offline sections, device memory and what is past the end
//!
//! # Locking     a [`Frame`] lives as long as its [`Reader`]. Its fields are those of whoever owns
//!               the page and may change at any moment; what a lock protects takes the guard.
//! # Cost        O(1).
//! # Limits      a page of a hole inside of an online section has a `struct page`, is reserved, and
//!               counts to the zone beside it.
//! # Reference   `mm/memory_hotplug.c`: `pfn_to_online_page()`.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::bindings;

use super::{
    ffi,
    hotplug::Reader,
    pageblock,
    zone::{
        LockedZone,
        Zone, //
    },
};
use crate::algo::{
    snapshot::{
        PageGroup,
        Section, //
    },
    units::{
        u64_from,
        Order,
        Pfn, //
    },
};

/// A page that is online.
///
/// # Invariants
///
/// `page` is the `struct page` of `pfn`, initialised, and there for `'a`.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    page: NonNull<bindings::page>,
    pfn: Pfn,
    _reader: PhantomData<&'a Reader>,
}

impl Reader {
    /// The page with this number, if it is online.
    pub(super) fn frame(&self, pfn: Pfn) -> Option<Frame<'_>> {
        // SAFETY: Takes any number; by the invariant of `Reader` what is online stays.
        let page = unsafe { ffi::oxmm_pfn_to_online_page(pfn.get()) };
        // INVARIANT: see above; pages of online sections are initialised.
        Some(Frame {
            page: NonNull::new(page)?,
            pfn,
            _reader: PhantomData,
        })
    }
}

/// The section that a pfn would be in; `None` where there are no sections.
pub(super) fn section(pfn: Pfn) -> Option<Section> {
    let (mut nr, mut block) = (0, 0);
    // SAFETY: Takes any number; the other two are locals.
    let state = unsafe { ffi::oxmm_section(pfn.get(), &mut nr, &mut block) };
    let is = |bit: u32| state & (1 << bit) != 0;
    is(0).then_some(Section {
        nr,
        block: is(4).then_some(block),
        present: is(1),
        online: is(2),
        early: is(3),
    })
}

/// Whether there is a `struct page` for this pfn, initialised or not.
pub(super) fn is_present(pfn: Pfn) -> bool {
    // SAFETY: Takes any number.
    unsafe { ffi::oxmm_pfn_valid(pfn.get()) }
}

impl<'a> Frame<'a> {
    /// The C page.
    pub(super) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Its number.
    pub(super) fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// The zone that it is in.
    pub(super) fn zone(&self) -> Option<Zone> {
        // SAFETY: By the invariant the page is initialised.
        let zone = NonNull::new(unsafe { ffi::oxmm_page_zone(self.as_ptr()) })?;
        // SAFETY: `page_zone()` returns one of `node_zones` of the page's node, which has been
        // online since its pages are.
        Some(unsafe { Zone::from_raw(zone) })
    }

    /// The bits of its pageblock.
    pub(super) fn pageblock_bits(&self) -> Option<u32> {
        let order = pageblock::order()?.get();
        // SAFETY: By the invariant the page is online, and so are its section and the bits.
        let bits = unsafe { ffi::oxmm_pageblock_bits(self.as_ptr(), self.pfn.get(), order) };
        u32::try_from(bits).ok()
    }

    /// The order of the free block that starts here, if one does; the guard is that of the page's
    /// zone.
    pub(super) fn free_order(&self, locked: &LockedZone<'_>) -> Option<Order> {
        debug_assert!(self.zone().is_some_and(|zone| locked.is_of(&zone)));
        // SAFETY: By the invariant the page is there; its zone is locked, so that the order and
        // the mark belong together.
        let order = unsafe { ffi::oxmm_buddy_order(self.as_ptr()) };
        Order::new(u32::try_from(order).ok()?)
    }

    /// A copy of the page, and of the first page of the compound it is in.
    pub(super) fn copy(&self) -> ffi::PageCopy {
        let mut copy = ffi::PageCopy::default();
        // SAFETY: By the invariant the page is there; `copy` is a local.
        unsafe { ffi::oxmm_copy_page(self.as_ptr(), &mut copy) };
        copy
    }

    /// The group that the page is charged to; its path goes into `path`, without a NUL.
    pub(super) fn group(&self, path: &mut [u8]) -> Option<PageGroup> {
        if path.is_empty() {
            return None;
        }
        let mut online = false;
        // SAFETY: By the invariant the page is there, and its `Reader` has RCU read-locked; `path`
        // has room for one byte at least, and the other is a local.
        let ino = unsafe {
            ffi::oxmm_page_cgroup(
                self.as_ptr(),
                path.as_mut_ptr().cast(),
                path.len(),
                &mut online,
            )
        };
        let end = path.iter().position(|&byte| byte == 0);
        (ino != 0).then_some(PageGroup {
            ino: u64_from(ino),
            online,
            path: end.unwrap_or(0),
        })
    }
}
