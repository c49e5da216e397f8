// SPDX-License-Identifier: GPL-2.0

//! What is free in a region, looked at from outside: a frame, a block, a pageblock, all blocks.
//!
//! # Locking     `&self`, under the region's lock.
//! # Cost        O(orders) for a frame or a block; `count_blocks` O(words).
//! # Limits      none.
//! # Reference   mm/page_alloc.c: find_large_buddy(); mm/vmstat.c: pagetypeinfo_showfree_print().

use super::super::place::{
    Offset,
    PageblockIdx, //
};
use super::super::words;
use super::super::REGION_ORDER;
use super::{
    Region,
    SIZE,
    WHOLE, //
};
use crate::algo::units::{
    Migratetype,
    Order, //
};

impl Region {
    /// Finds the largest free block of a type, which a claim may take with `take_at`.
    pub fn largest(&self, migratetype: Migratetype) -> Option<(Offset, Order)> {
        let order = self.summary.largest(migratetype)?;
        let of_type = self.types.allocatable(migratetype);
        if order.get() >= WHOLE {
            let whole = self.whole & self.types.merging_with(migratetype);
            let starts = words::starts(whole, order.get() - WHOLE) & of_type;
            let first = words::first(starts)?;
            return Some((PageblockIdx::of(first).first(), order));
        }
        let pageblock = PageblockIdx::of(words::first(self.at_least(order.get()) & of_type)?);
        let (bit, _) = words::best_fit_of_line(self.line(pageblock), order.get())?;
        Some((Offset::of(pageblock, bit), order))
    }

    /// Says whether a frame is free, isolated or not.
    pub fn is_free(&self, at: Offset) -> bool {
        self.is_block_free(at, Order::ZERO)
    }

    /// Says whether a frame was added.
    pub fn is_managed(&self, at: Offset) -> bool {
        self.complete & at.pageblock().mask() != 0 || self.managed.contains(at.get(), at.get() + 1)
    }

    /// Says whether all frames of a block, which is aligned, are free.
    pub(super) fn is_block_free(&self, at: Offset, order: Order) -> bool {
        let pageblock = at.pageblock();
        if order.get() >= WHOLE {
            let pageblocks = words::block(pageblock.bit(), order.get() - WHOLE);
            return self.whole & pageblocks == pageblocks;
        }
        self.whole & pageblock.mask() != 0
            || words::is_block_free(self.line(pageblock), at.bit(), order.get())
    }

    /// Finds the free block that a frame is in and that is part of no larger one.
    pub fn free_block_of(&self, at: Offset) -> Option<(Offset, Order)> {
        if !self.is_free(at) {
            return None;
        }
        let pageblock = at.pageblock();
        let order = if self.whole & pageblock.mask() != 0 {
            let merging = self.types.merging_with(self.types.kind(pageblock));
            WHOLE + words::order_at(self.whole & merging, pageblock.bit())
        } else {
            words::order_at_of_line(self.line(pageblock), at.bit())
        };
        let order = Order::new(order)?;
        Some((at.align_down(order), order))
    }

    /// Counts the free frames of a pageblock, isolated or not.
    pub fn free_in(&self, pageblock: PageblockIdx) -> usize {
        if self.whole & pageblock.mask() != 0 {
            return SIZE;
        }
        words::frames(self.line(pageblock))
    }

    /// Counts the free blocks as the kernel's lists would hold them, those above order `max` as
    /// several of that order. `add` is told type, order and number, of a type and order more than
    /// once.
    pub fn count_blocks(&self, max: Order, mut add: impl FnMut(Migratetype, Order, usize)) {
        let max = max.min(REGION_ORDER);
        let mut put = |kind: Migratetype, order: u32, blocks: usize| {
            if let Some(order) = Order::new(order) {
                add(kind, order, blocks);
            }
        };
        self.count_whole(max, &mut put);
        for pageblock in PageblockIdx::all() {
            if self.at_least(0) & pageblock.mask() != 0 {
                let kind = self.types.kind(pageblock);
                let count = |order: u32, blocks: usize| put(kind, order, blocks);
                words::count_of_line(self.line(pageblock), max.get(), count);
            }
        }
    }

    /// Counts the blocks of whole pageblocks, each as of the type that its first one counts as.
    fn count_whole(&self, max: Order, put: &mut impl FnMut(Migratetype, u32, usize)) {
        for kind in Migratetype::ALL {
            let of_kind = self.types.counted_as(*kind);
            let whole = self.whole & self.types.merging_with(*kind);
            let Some(orders) = max.get().checked_sub(WHOLE) else {
                let parts = SIZE >> max.get();
                put(*kind, max.get(), words::ones(self.whole & of_kind) * parts);
                continue;
            };
            for order in 0..=orders {
                let blocks = words::maximal(whole, order, orders) & of_kind;
                if blocks != 0 {
                    put(*kind, order + WHOLE, words::ones(blocks));
                }
            }
        }
    }
}
