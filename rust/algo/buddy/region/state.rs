// SPDX-License-Identifier: GPL-2.0

//! What is known of one pageblock, in a byte: the masks of the region, read the other way.
//!
//!   bit 7       6..4                   3..0
//!   complete    counts as this type    orders of its free blocks: 0, 1..9 broken, 10 whole
//!
//! To give a frame back needs all of it and changes none of it, as a rule: one load in place of
//! eight.
//!
//! # Locking     part of a region.
//! # Cost        a byte for each pageblock.
//! # Limits      none.
//! # Reference   include/linux/mmzone.h: pageblock_flags.

use super::super::place::PageblockIdx;
use super::{
    Region,
    WHOLE, //
};
use crate::algo::units::Migratetype;

/// What is known of a pageblock; 0 is one that has no frames and is unmovable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u8);

impl State {
    /// No frames, unmovable.
    pub(super) const NONE: Self = Self(0);

    /// Returns how many orders its free blocks have: one more than the largest.
    #[inline]
    pub(super) fn orders(self) -> u32 {
        u32::from(self.0 & 15)
    }

    /// Returns the order of its largest free block.
    pub(super) fn largest(self) -> Option<u32> {
        self.orders().checked_sub(1)
    }

    #[inline]
    pub(super) fn is_whole(self) -> bool {
        self.orders() > WHOLE
    }

    /// Says whether all of its frames exist.
    #[inline]
    pub(super) fn is_complete(self) -> bool {
        self.0 & 128 != 0
    }

    /// Says whether all of its frames exist, and it is not whole.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        (self.0 & (128 | 15)) ^ 128 <= 9
    }

    /// Returns the type as which its free frames count.
    #[inline]
    pub(super) fn kind(self) -> Migratetype {
        match self.0 >> 4 & 7 {
            0 => Migratetype::Unmovable,
            1 => Migratetype::Movable,
            2 => Migratetype::Reclaimable,
            3 => Migratetype::HighAtomic,
            4 => Migratetype::Cma,
            _ => Migratetype::Isolate,
        }
    }

    /// Returns the place of that type in an array of eight.
    #[inline]
    pub(super) fn place(self) -> usize {
        usize::from(self.0 >> 4 & 7)
    }

    pub(super) fn set_orders(&mut self, orders: u32) {
        // CAST: loses nothing, 4 bits are left.
        self.0 = self.0 & !15 | (orders & 15) as u8;
    }

    pub(super) fn set_kind(&mut self, kind: Migratetype) {
        // CAST: loses nothing, 3 bits are left.
        self.0 = self.0 & !(7 << 4) | ((kind.index() & 7) as u8) << 4;
    }

    pub(super) fn set_complete(&mut self) {
        self.0 |= 128;
    }
}

impl Region {
    /// Returns what is known of a pageblock.
    #[inline]
    pub(super) fn state(&self, pageblock: PageblockIdx) -> State {
        self.states[pageblock.get()]
    }

    /// Returns what is known of a pageblock.
    #[inline]
    pub(super) fn state_mut(&mut self, pageblock: PageblockIdx) -> &mut State {
        &mut self.states[pageblock.get()]
    }
}
