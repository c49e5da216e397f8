// SPDX-License-Identifier: GPL-2.0

//! The highatomic reserve: pageblocks kept for high-order requests that cannot wait; and isolation
//! of pageblocks.
//!
//! # Locking     one region at a time, see zone.rs.
//! # Cost        a pageblock, but [`Zone::unreserve_highatomic`]: up to the first region with free
//!               frames of the reserve.
//! # Reference   `mm/page_alloc.c`: `reserve_highatomic_pageblock()`,
//!               `unreserve_highatomic_pageblock()`; `mm/page_isolation.c`.

use core::ops::ControlFlow;

use super::{
    super::{
        PageblockIdx,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER, //
    },
    search::Row,
    signed,
    Memory,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    Order, //
};
use crate::seam::Relaxed;

/// Frames of a pageblock.
const PAGEBLOCK: usize = 1 << 9;

impl<M: Memory> Zone<M> {
    /// Reserves the pageblocks around a block that was just given out, up to about 1 % of the zone.
    pub(super) fn reserve_highatomic(&self, frame: FrameIdx, order: Order) {
        let percent = self.figures.managed.load(Relaxed) / 100;
        if percent < PAGEBLOCK {
            return;
        }
        let most = percent.next_multiple_of(PAGEBLOCK);
        let first = frame.index() >> PAGEBLOCK_ORDER.get();
        let blocks = 1 << order.get().saturating_sub(PAGEBLOCK_ORDER.get());
        for block in first..first + blocks {
            let reserved = &self.figures.highatomic;
            let grow = |it: usize| (it < most).then_some(it + PAGEBLOCK);
            if reserved.fetch_update(Relaxed, Relaxed, grow).is_err() {
                return;
            }
            if !self.retype(block, Migratetype::HighAtomic, is_mergeable) {
                reserved.fetch_sub(PAGEBLOCK, Relaxed);
            }
        }
    }

    /// Gives a pageblock of the reserve to another type, for a request that would fail; the last
    /// one only if `force`. Returns whether there was one.
    pub fn unreserve_highatomic(&self, migratetype: Migratetype, force: bool) -> bool {
        let reserved = &self.figures.highatomic;
        if !force && reserved.load(Relaxed) <= PAGEBLOCK {
            return false;
        }
        for row in [
            Row::Broken(Migratetype::HighAtomic),
            Row::Whole(Migratetype::HighAtomic),
        ] {
            let mut found = None;
            let _ = self.each_region(row, 0, |region, _| {
                let block = self.on_region(region, |it| it.largest(Migratetype::HighAtomic));
                found = block
                    .flatten()
                    .map(|(at, _)| region * PAGEBLOCKS + at.pageblock().get());
                match found {
                    Some(_) => ControlFlow::Break(()),
                    None => ControlFlow::Continue(()),
                }
            });
            let is_reserve = |it| it == Migratetype::HighAtomic;
            if found.is_some_and(|block| self.retype(block, migratetype, is_reserve)) {
                reserved.fetch_sub(PAGEBLOCK, Relaxed);
                return true;
            }
        }
        false
    }

    /// Changes the type of a pageblock if it has one that may change.
    fn retype(&self, block: usize, to: Migratetype, may: impl Fn(Migratetype) -> bool) -> bool {
        let Some(at) = PageblockIdx::new(block % PAGEBLOCKS) else {
            return false;
        };
        let region = block / PAGEBLOCKS;
        let changed = self.on_region(region, |it| {
            let changes = may(it.migratetype(at)) && !it.is_isolated(at);
            if changes {
                self.convert(it, region, at, to);
            }
            changes
        });
        changed == Some(true)
    }

    /// Isolates a pageblock, so that nothing is allocated from it and what is freed stays, or takes
    /// that back; `false` if it is so already.
    pub fn isolate(&self, block: usize, isolated: bool) -> bool {
        let Some(at) = PageblockIdx::new(block % PAGEBLOCKS) else {
            return false;
        };
        let changed = self.on_region(block / PAGEBLOCKS, |it| {
            if it.is_isolated(at) == isolated {
                return false;
            }
            let migratetype = it.migratetype(at);
            let moved = signed(it.set_isolated(at, isolated));
            self.set_type(block, migratetype, isolated);
            self.count_free(migratetype, if isolated { -moved } else { moved });
            true
        });
        changed == Some(true)
    }
}

/// Says whether pageblocks of this type merge with others (migratetype_is_mergeable()).
fn is_mergeable(migratetype: Migratetype) -> bool {
    matches!(
        migratetype,
        Migratetype::Unmovable | Migratetype::Movable | Migratetype::Reclaimable
    )
}
