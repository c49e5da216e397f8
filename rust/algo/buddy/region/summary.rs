// SPDX-License-Identifier: GPL-2.0

//! What a search needs to know of a region without its lock: the largest blocks of each type.
//!
//!   bit     47: a CPU is at work here, in a zone; 46..40, in a zone: whole pageblocks
//!   bits    39..32  31..24  23..16  15..8   7..0        and 63..48 in a zone: free frames
//!           CMA     HighA   Recl    Mov     Unmov       and of each byte
//!                                           7..4        orders from 9 on, of whole pageblocks: 0..7
//!                                           3..0        orders from 0 on, of broken ones: 0..9
//!
//! # Locking     part of a region. A zone keeps a copy in an atomic of its own, which may be behind:
//!               it says where to look, not what is there.
//! # Cost        8 bytes. To take can only lower it, to give can only raise it, but for a pageblock
//!               that becomes whole: O(orders) where that happens, else one comparison.
//! # Limits      a block above order 9 counts for each type that one of its aligned parts of that
//!               order, or a smaller one, starts with.
//! # Reference   none: the kernel holds the zone's lock while it searches.

use super::super::place::PageblockIdx;
use super::super::words;
use super::{
    Region,
    SIZE,
    WHOLE, //
};
use crate::algo::units::{
    u64_from,
    Migratetype,
    Order, //
};

/// Orders of whole pageblocks that there are: 9 to 15.
const WHOLE_ORDERS: u32 = super::super::REGION_ORDER.get() - WHOLE + 1;

/// Where the number of free frames begins.
const FREE: u32 = 48;

/// A CPU allocates from the region.
const SETTLED: u64 = 1 << (FREE - 1);

/// Where the number of whole pageblocks begins: up to 64 of them.
const NR_WHOLE: u32 = 40;

/// The bits that are about blocks.
const BLOCKS: u64 = (1 << NR_WHOLE) - 1;

/// The largest free blocks of each type.
///
/// Any number is a summary, if not a true one: a copy may come out of an atomic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary(u64);

impl Summary {
    /// Nothing is free.
    pub const EMPTY: Self = Self(0);

    /// Makes a summary of what `get` returned.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the same with a number of free frames, and of the whole pageblocks among them.
    #[inline]
    fn with_free(self, frames: usize, pageblocks: usize) -> Self {
        // At most 2^15, and 2^6.
        let (frames, pageblocks) = (u64_from(frames), u64_from(pageblocks));
        Self(self.0 & (BLOCKS | SETTLED) | frames << FREE | pageblocks << NR_WHOLE)
    }

    /// Returns the same with a note that a CPU allocates from the region, or none does.
    #[inline]
    pub const fn with_settled(self, is_settled: bool) -> Self {
        match is_settled {
            true => Self(self.0 | SETTLED),
            false => Self(self.0 & !SETTLED),
        }
    }

    /// Says whether that is noted.
    #[inline]
    pub const fn is_settled(self) -> bool {
        self.0 & SETTLED != 0
    }

    /// Returns the number of free frames, if it was noted: see [`Region::noted`].
    #[inline]
    pub const fn free(self) -> usize {
        // CAST: 16 bits are left.
        (self.0 >> FREE) as usize
    }

    /// Returns the number of those that are not in whole pageblocks.
    #[inline]
    pub const fn scattered(self) -> usize {
        // CAST: 7 bits are left.
        let whole = (self.0 >> NR_WHOLE & 127) as usize;
        self.free().saturating_sub(whole * SIZE)
    }

    /// Says whether the blocks are the same as in another summary, whatever the number of frames.
    #[inline]
    pub const fn has_same_blocks(self, other: Self) -> bool {
        (self.0 ^ other.0) & BLOCKS == 0
    }

    /// Returns the summary as a number, to be kept in an atomic.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the order of the largest free block of a type.
    pub fn largest(self, migratetype: Migratetype) -> Option<Order> {
        match self.whole(migratetype) {
            0 => self.largest_broken(migratetype),
            orders => Order::new(WHOLE - 1 + orders),
        }
    }

    /// Returns the order of the largest free block in pageblocks that are not entirely free.
    pub fn largest_broken(self, migratetype: Migratetype) -> Option<Order> {
        Order::new(self.broken(migratetype).checked_sub(1)?)
    }

    /// Says whether a type has free frames in pageblocks that are not entirely free.
    #[inline]
    pub fn has_broken(self, migratetype: Migratetype) -> bool {
        self.broken(migratetype) != 0
    }

    /// Says whether a type has pageblocks that are entirely free.
    #[inline]
    pub fn has_whole(self, migratetype: Migratetype) -> bool {
        self.whole(migratetype) != 0
    }

    /// Returns how many orders there are in broken pageblocks.
    pub(super) fn broken(self, migratetype: Migratetype) -> u32 {
        field(self.0, shift(migratetype))
    }

    /// Returns how many orders there are in whole pageblocks.
    pub(super) fn whole(self, migratetype: Migratetype) -> u32 {
        field(self.0, shift(migratetype) + 4)
    }

    fn set_broken(&mut self, migratetype: Migratetype, orders: u32) {
        self.set(shift(migratetype), orders);
    }

    fn set_whole(&mut self, migratetype: Migratetype, orders: u32) {
        self.set(shift(migratetype) + 4, orders);
    }

    fn set(&mut self, shift: u32, orders: u32) {
        self.0 = self.0 & !(15 << shift) | u64::from(orders & 15) << shift;
    }
}

/// Returns where the byte of a type starts.
fn shift(migratetype: Migratetype) -> u32 {
    // CAST: loses nothing, there are 6 types.
    8 * migratetype.index() as u32
}

/// Returns the number of four bits at `shift`.
fn field(bits: u64, shift: u32) -> u32 {
    // CAST: loses nothing, 4 bits are left.
    (bits >> shift & 15) as u32
}

/// The types that blocks are allocated of.
pub(super) const TYPES: [Migratetype; 5] = [
    Migratetype::Unmovable,
    Migratetype::Movable,
    Migratetype::Reclaimable,
    Migratetype::HighAtomic,
    Migratetype::Cma,
];

impl Region {
    /// Returns what a zone keeps of the region: the summary, and how many frames are free.
    #[inline]
    pub fn noted(&self) -> Summary {
        self.summary.with_free(self.free(), words::ones(self.whole))
    }

    /// Makes the summary anew.
    pub(super) fn summarize(&mut self) {
        self.summary = self.recounted();
    }

    /// Returns what the summary should be.
    pub(super) fn recounted(&self) -> Summary {
        let mut summary = Summary::EMPTY;
        for migratetype in TYPES {
            summary.set_broken(migratetype, self.broken_orders(migratetype, WHOLE));
            summary.set_whole(migratetype, self.whole_orders(migratetype, WHOLE_ORDERS));
        }
        summary
    }

    /// Counts the orders in broken pageblocks of a type, at most `bound`.
    fn broken_orders(&self, migratetype: Migratetype, bound: u32) -> u32 {
        let of_type = self.types.allocatable(migratetype);
        let mut orders = bound;
        while orders > 0 && self.at_least(orders - 1) & of_type == 0 {
            orders -= 1;
        }
        orders
    }

    /// Counts the orders in whole pageblocks of a type, at most `bound`.
    fn whole_orders(&self, migratetype: Migratetype, bound: u32) -> u32 {
        let of_type = self.types.allocatable(migratetype);
        let whole = self.whole & self.types.merging_with(migratetype);
        if bound > 0 && words::starts(whole, bound - 1) & of_type != 0 {
            return bound;
        }
        words::orders(whole, of_type)
    }

    /// Takes notice that broken pageblocks of a type lost blocks.
    pub(super) fn lower_broken(&mut self, migratetype: Migratetype) {
        let before = self.summary.broken(migratetype);
        let now = self.broken_orders(migratetype, before);
        if now != before {
            self.summary.set_broken(migratetype, now);
        }
    }

    /// Takes notice that there are fewer whole pageblocks.
    pub(super) fn lower_whole(&mut self) {
        for migratetype in TYPES {
            let before = self.summary.whole(migratetype);
            if before > 0 {
                let now = self.whole_orders(migratetype, before);
                self.summary.set_whole(migratetype, now);
            }
        }
    }

    /// Takes notice that a broken pageblock of a type has blocks up to an order.
    #[inline]
    pub(super) fn raise_broken(&mut self, kind: Migratetype, order: u32) {
        if kind != Migratetype::Isolate && self.summary.broken(kind) <= order {
            self.summary.set_broken(kind, order + 1);
        }
    }

    /// Takes notice that a pageblock became whole.
    pub(super) fn raise_whole(&mut self, pageblock: PageblockIdx) {
        let kind = self.state(pageblock).kind();
        if kind == Migratetype::Isolate {
            return;
        }
        let whole = self.whole & self.types.merging_with(kind);
        let are_others = whole & !self.types.allocatable(kind) != 0;
        if !are_others && !words::is_in_block(whole, pageblock.bit(), self.summary.whole(kind)) {
            return;
        }
        for order in 0..=words::order_at(whole, pageblock.bit()) {
            // Each larger block may start in a pageblock of another type.
            let start = PageblockIdx::of(pageblock.bit() & (u32::MAX << order));
            let migratetype = self.types.get(start);
            if self.summary.whole(migratetype) <= order {
                self.summary.set_whole(migratetype, order + 1);
            }
        }
    }

    /// Takes notice that these pageblocks became whole.
    pub(super) fn raise_wholes(&mut self, pageblocks: u64) {
        if pageblocks & pageblocks.wrapping_sub(1) == 0 {
            if let Some(pageblock) = words::first(pageblocks) {
                self.raise_whole(PageblockIdx::of(pageblock));
            }
            return;
        }
        for migratetype in TYPES {
            // Blocks that start with another type's pageblock may have grown too.
            if self.whole & self.types.allocatable(migratetype) != 0 {
                // INVARIANT: as recounted.
                let whole = self.whole & self.types.merging_with(migratetype);
                let orders = words::orders_of_all(whole, self.types.allocatable(migratetype));
                self.summary.set_whole(migratetype, orders);
            }
        }
    }
}
