// SPDX-License-Identifier: GPL-2.0

//! The types of a region's pageblocks, and which of them are isolated.
//!
//!   pageblock   0 1 2 3 4
//!   type        U M R H C
//!   planes[0]   . x . x .      a type is a number of three bits, and each bit has a mask: so the
//!   planes[1]   . . x x .      pageblocks of a type are found with five instructions
//!   planes[2]   . . . . x
//!
//! # Locking     part of a region.
//! # Cost        32 bytes; every look is O(1), a change of type recounts one pageblock.
//! # Limits      `Isolate` is not among the types: an isolated pageblock keeps its own.
//! # Reference   mm/page_alloc.c: set_pageblock_migratetype(), __move_freepages_block(),
//!               pageblock_isolate_and_move_free_pages().

use super::super::place::PageblockIdx;
use super::Region;
use crate::algo::units::Migratetype;

/// The types of pageblocks.
///
/// # Invariants
///
/// The three bits of a pageblock are the number of a type, and not that of `Isolate`.
#[derive(Clone)]
pub(super) struct Types {
    planes: [u64; 3],
    isolated: u64,
}

impl Types {
    /// Makes all pageblocks unmovable.
    pub(super) const fn new() -> Self {
        Self {
            planes: [0; 3],
            isolated: 0,
        }
    }

    /// Returns the pageblocks of a type, isolated or not.
    fn of(&self, migratetype: Migratetype) -> u64 {
        let [low, middle, high] = self.planes;
        let pick = |plane: u64, bit: usize| match migratetype.index() & bit {
            0 => !plane,
            _ => plane,
        };
        pick(low, 1) & pick(middle, 2) & pick(high, 4)
    }

    /// Returns the pageblocks of a type from which may be allocated.
    pub(super) fn allocatable(&self, migratetype: Migratetype) -> u64 {
        self.of(migratetype) & !self.isolated
    }

    /// Returns the pageblocks whose free frames count as of this type.
    pub(super) fn counted_as(&self, kind: Migratetype) -> u64 {
        match kind {
            Migratetype::Isolate => self.isolated,
            _ => self.allocatable(kind),
        }
    }

    /// Returns the pageblocks that merge with those that count as of this type.
    pub(super) fn merging_with(&self, kind: Migratetype) -> u64 {
        let [low, middle, high] = self.planes;
        match kind {
            Migratetype::Unmovable | Migratetype::Movable | Migratetype::Reclaimable => {
                !(low & middle) & !high & !self.isolated
            }
            kind => self.counted_as(kind),
        }
    }

    /// Returns the type of a pageblock, isolated or not.
    pub(super) fn get(&self, pageblock: PageblockIdx) -> Migratetype {
        let [low, middle, high] = self.planes.map(|plane| plane >> pageblock.bit() & 1);
        match low | middle << 1 | high << 2 {
            0 => Migratetype::Unmovable,
            1 => Migratetype::Movable,
            2 => Migratetype::Reclaimable,
            3 => Migratetype::HighAtomic,
            _ => Migratetype::Cma,
        }
    }

    /// Returns the type as which the free frames of a pageblock count.
    pub(super) fn kind(&self, pageblock: PageblockIdx) -> Migratetype {
        match self.is_isolated(pageblock) {
            true => Migratetype::Isolate,
            false => self.get(pageblock),
        }
    }

    fn is_isolated(&self, pageblock: PageblockIdx) -> bool {
        self.isolated & pageblock.mask() != 0
    }

    /// Gives pageblocks a type.
    pub(super) fn set(&mut self, pageblocks: u64, migratetype: Migratetype) {
        debug_assert!(migratetype != Migratetype::Isolate);
        // INVARIANT: the three bits of a type.
        for (bit, plane) in (0u32..).zip(&mut self.planes) {
            *plane &= !pageblocks;
            if migratetype.index() >> bit & 1 == 1 {
                *plane |= pageblocks;
            }
        }
    }

    /// Says whether each pageblock has a type.
    pub(super) fn is_consistent(&self) -> bool {
        let [low, middle, high] = self.planes;
        high & (low | middle) == 0
    }
}

impl Region {
    /// Returns the type of a pageblock, isolated or not.
    pub fn migratetype(&self, pageblock: PageblockIdx) -> Migratetype {
        self.types.get(pageblock)
    }

    /// Says whether nobody may have the free frames of a pageblock.
    pub fn is_isolated(&self, pageblock: PageblockIdx) -> bool {
        self.types.is_isolated(pageblock)
    }

    /// Gives a pageblock a type; returns how many free frames count as of it now and did not
    /// before.
    ///
    /// `Isolate` is none, and changes nothing. An isolated pageblock's frames stay `Isolate`.
    pub fn set_migratetype(&mut self, pageblock: PageblockIdx, migratetype: Migratetype) -> usize {
        if migratetype == Migratetype::Isolate || migratetype == self.migratetype(pageblock) {
            return 0;
        }
        self.move_pageblock(pageblock, |types| types.set(pageblock.mask(), migratetype))
    }

    /// Isolates a pageblock, or ends that; returns how many free frames that moved to or from
    /// `Isolate`.
    pub fn set_isolated(&mut self, pageblock: PageblockIdx, isolated: bool) -> usize {
        if isolated == self.is_isolated(pageblock) {
            return 0;
        }
        self.move_pageblock(pageblock, |types| types.isolated ^= pageblock.mask())
    }

    /// Changes the type of a pageblock and counts its free frames there.
    fn move_pageblock(
        &mut self,
        pageblock: PageblockIdx,
        change: impl FnOnce(&mut Types), //
    ) -> usize {
        let before = self.state(pageblock).kind();
        change(&mut self.types);
        let after = self.types.kind(pageblock);
        if before == after {
            return 0;
        }
        self.state_mut(pageblock).set_kind(after);
        let free = self.free_in(pageblock);
        self.count_out(before, free);
        self.count_in(self.state(pageblock), free);
        self.summarize();
        free
    }
}
