// SPDX-License-Identifier: GPL-2.0

//! Pageblocks of a zone: migratetype, isolation, and free pages, without page_owner.
//!
//!   pfn      0x800          0xa00          0xc00         one item a pageblock of the zone
//!            [ F F . . F . ][ F F F F F F ][ . . . . . ]  F in a free block, . not
//!   bits     type 3 | skip 1 | isolate 1 (8 with CONFIG_MEMORY_ISOLATION, else 4) for each
//!
//! # Locking     the zone lock with interrupts off, once for each pageblock; [`Reader`] around it.
//! # Cost        one `struct page` read for each page that is not free, one for each free block:
//!               at most 2^pageblock_order (512 with 4 KiB pages) in one lock hold, some 50 us. Of
//!               a whole machine up to 16 GiB are read for each TiB, which takes seconds; whole
//!               sections that are not there cost one step each.
//! # Limits      pages of a hole inside of an online section count as pages of the block.
//! # Reference   `include/linux/pageblock-flags.h`; `mm/page_alloc.c`: `get_pfnblock_migratetype()`;
//!               `mm/vmstat.c`: `pagetypeinfo_showblockcount_print()`.

use super::{
    ffi,
    frame::Frame,
    hotplug::Reader,
    zone::{
        type_of_index,
        LockedZone,
        Zone, //
    },
};
use crate::algo::{
    snapshot::Pageblock,
    units::{
        Migratetype,
        NrPages,
        Order,
        Pfn, //
    },
};

/// `PAGEBLOCK_MIGRATETYPE_MASK`: the lowest bits, in every configuration.
const TYPE_MASK: u32 = 7;
/// `PB_compact_skip`.
const SKIP: u32 = 1 << 3;
/// `PB_migrate_isolate`; where it does not exist, there is no bit above `SKIP` at all.
const ISOLATE: u32 = 1 << 4;

/// The order of a pageblock.
pub(super) fn order() -> Option<Order> {
    // SAFETY: Takes nothing and returns a number.
    Order::new(unsafe { ffi::oxmm_pageblock_order() })
}

/// What the bits of a pageblock say.
pub(super) struct Bits {
    /// Its migratetype; an isolated block keeps it.
    pub(super) migratetype: Option<Migratetype>,
    /// Whether it is isolated.
    pub(super) isolated: bool,
    /// Whether compaction skips it.
    pub(super) skipped: bool,
}

impl Bits {
    /// Takes the bits apart.
    pub(super) fn new(bits: u32) -> Self {
        Self {
            migratetype: type_of_index(bits & TYPE_MASK),
            isolated: bits & ISOLATE != 0,
            skipped: bits & SKIP != 0,
        }
    }
}

impl Zone {
    /// The zone's pageblocks, from low to high, each of one moment; gives way after each.
    pub fn pageblocks(&self) -> impl Iterator<Item = Pageblock> {
        let (start, end) = self.span();
        let zone = *self;
        let mut next = start;
        core::iter::from_fn(move || {
            while next < end {
                let part = part_of_block(next, end)?;
                let reader = Reader::new();
                let frame = reader.frame(next).filter(|frame| zone.owns(frame));
                let block = frame.and_then(|frame| zone.pageblock(&reader, &frame, part));
                next = match (block, reader.frame(next)) {
                    // Nothing of this section is there.
                    (None, None) => next_section(next)?,
                    _ => next.checked_add(part)?,
                };
                drop(reader);
                super::cond_resched();
                if block.is_some() {
                    return block;
                }
            }
            None
        })
    }

    fn owns(&self, frame: &Frame<'_>) -> bool {
        frame
            .zone()
            .is_some_and(|zone| zone.as_ptr() == self.as_ptr())
    }

    /// The pageblock that starts with this page, `pages` long.
    fn pageblock(&self, reader: &Reader, first: &Frame<'_>, pages: NrPages) -> Option<Pageblock> {
        let locked = self.lock();
        let free = self.free_in(reader, &locked, first.pfn(), pages);
        let bits = Bits::new(first.pageblock_bits()?);
        drop(locked);
        Some(Pageblock {
            start: first.pfn(),
            pages,
            free,
            migratetype: bits.migratetype,
            isolated: bits.isolated,
            skipped: bits.skipped,
        })
    }

    /// How many of these pages of one pageblock are in free blocks.
    fn free_in(
        &self,
        reader: &Reader,
        locked: &LockedZone<'_>,
        start: Pfn,
        pages: NrPages,
    ) -> NrPages {
        // A free block that starts earlier and reaches in here covers the whole pageblock, for
        // both are aligned to their size.
        if self
            .free_block(reader, locked, start)
            .is_some_and(|(head, _)| head < start)
        {
            return pages;
        }
        let (mut free, mut at) = (0, 0);
        while at < pages.get() {
            let frame = reader.frame(start + NrPages::new(at));
            // Zones may interleave; only this one's lock is held.
            let order = frame
                .filter(|frame| self.owns(frame))
                .and_then(|frame| frame.free_order(locked));
            let step = order.map_or(1, |order| order.nr_pages().get());
            free += if order.is_some() { step } else { 0 };
            at += step;
        }
        NrPages::new(free.min(pages.get()))
    }

    /// The free block that a page of this zone is in: its first page and its order.
    pub(super) fn free_block(
        &self,
        reader: &Reader,
        locked: &LockedZone<'_>,
        pfn: Pfn,
    ) -> Option<(Pfn, Order)> {
        Order::up_to(super::pages::MAX_ORDER).find_map(|order| {
            let head = pfn.align_down(order);
            let frame = reader.frame(head).filter(|frame| self.owns(frame))?;
            let found = frame.free_order(locked).filter(|&found| found >= order)?;
            Some((head, found))
        })
    }
}

/// How many pages there are from here to the end of the pageblock or of the zone.
fn part_of_block(pfn: Pfn, end: Pfn) -> Option<NrPages> {
    let order = order()?;
    let next = pfn.align_down(order).checked_add(order.nr_pages())?;
    next.min(end).checked_sub(pfn)
}

/// The first page of the next section.
fn next_section(pfn: Pfn) -> Option<Pfn> {
    // SAFETY: Takes nothing and returns a number.
    let pages = unsafe { ffi::oxmm_pfns_per_section() };
    let section = pfn.get().checked_div(pages)?.checked_add(1)?;
    section.checked_mul(pages).map(Pfn::new)
}

#[kernel::prelude::kunit_tests(oxmm_pageblock)]
mod tests {
    use super::*;
    use crate::linux::node::Node;

    /// Blocks follow each other inside of the zone, and no more is free in one than it has.
    #[test]
    fn blocks_are_in_order_and_hold_what_is_free() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let (mut next, end) = zone.span();
            for block in zone.pageblocks() {
                assert!(block.start >= next && block.free <= block.pages);
                next = block.start + block.pages;
                assert!(block.migratetype.is_some());
            }
            assert!(next <= end);
        }
    }

    /// A page in a free block leads to the first page of that block, from wherever it is looked
    /// at.
    #[test]
    fn every_page_of_a_free_block_leads_to_its_head() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let Some(block) = zone.pageblocks().find(|block| block.free > NrPages::ZERO) else {
                continue;
            };
            let reader = Reader::new();
            let locked = zone.lock();
            for at in 0..block.pages.get() {
                let pfn = block.start + NrPages::new(at);
                let Some((head, order)) = zone.free_block(&reader, &locked, pfn) else {
                    continue;
                };
                assert!(head <= pfn && pfn < head + order.nr_pages());
                assert!(zone.free_block(&reader, &locked, head) == Some((head, order)));
            }
        }
    }

    /// The bits mean what their names say.
    #[test]
    fn bits_are_taken_apart() {
        let bits = Bits::new(1 | SKIP);
        assert_eq!(bits.migratetype, Some(Migratetype::Movable));
        assert!(bits.skipped && !bits.isolated);
        assert!(Bits::new(ISOLATE).isolated);
        assert_eq!(Bits::new(TYPE_MASK).migratetype, None);
    }
}
