// SPDX-License-Identifier: GPL-2.0

//! The free frames of a region, and where its free blocks are.
//!
//!   pageblock     0   1   2   3   4 ...
//!   whole         x   .   .   x   x        entirely free: its words are 0, and mean nothing
//!   at_least[0]   .   x   x   .   .        broken: some frames are free, and the words say which
//!   at_least[3]   .   .   x   .   .        broken, with a free block of order 3 or above
//!   type          U   U   M   M   H        three bits each, in three masks
//!   isolated      .   .   .   .   x        free frames that nobody may have
//!
//! A search is a look at masks: of the broken pageblocks of a type those with a block that fits,
//! the one with the smallest such block first; whole pageblocks last. Only then a line of words is
//! looked at.
//!
//! # Locking     `&mut self`; `private` wraps it in a lock of rank 5, taken inside of a pcp's
//!               (rank 4), never the reverse. `summary` is for a copy that is read without it.
//! # Cost        4480 bytes. Taking and giving cost O(words touched), and O(orders) where the
//!               largest block of a pageblock changed.
//! # Limits      at most 32 runs of frames that exist; `add` refuses more. The types of pageblocks
//!               stay as they are where blocks above order 9 merge: the block counts as of the type
//!               of its first pageblock, where the kernel gives the others the type of the frames
//!               that came last. `HighAtomic`, `CMA` and isolated pageblocks merge among themselves
//!               only, as the kernel's.
//! # Reference   mm/page_alloc.c: __free_one_page(), __rmqueue_smallest(), expand();
//!               include/linux/mmzone.h: migratetype_is_mergeable().

mod check;
mod give;
mod managed;
mod pageblock;
mod state;
mod summary;
mod take;
#[cfg(test)]
mod tests;
mod types;
mod view;

use self::managed::Managed;
use self::state::State;
use self::types::Types;
use super::place::{
    Offset,
    PageblockIdx, //
};
use super::words::{
    self,
    Line, //
};
use super::{
    FRAMES,
    PAGEBLOCKS, //
};
use crate::algo::units::{
    usize_from,
    Migratetype, //
};

pub use self::check::Violation;
pub use self::give::GiveError;
pub use self::pageblock::Pageblock;
pub use self::summary::Summary;

/// The order of a pageblock.
const WHOLE: u32 = super::PAGEBLOCK_ORDER.get();

/// Frames of a pageblock.
const SIZE: usize = super::PAGEBLOCK_ORDER.nr_pages().get();

/// The free frames of a region.
///
/// All bytes zero is a valid region: the one that `new` makes, without any frame.
///
/// # Invariants
///
/// - A pageblock is whole, or broken, or has no free frame. Its words are 0 unless it is broken,
///   and then neither all 0 nor all set.
/// - `at_least[k]` has the broken pageblocks with a free block of order k or above.
/// - `free` counts the free frames by the type of their pageblock, or as of `Isolate`.
/// - `summary` is what `at_least`, `whole` and `types` say.
/// - `states` says the same of each pageblock.
/// - Free frames are managed; `complete` has the pageblocks that are managed entirely.
#[repr(C, align(64))]
#[derive(Clone)]
pub struct Region {
    /// First, so that each pageblock's are a cache line.
    words: [Line; PAGEBLOCKS],
    whole: u64,
    complete: u64,
    types: Types,
    summary: Summary,
    free: [u32; 8],
    at_least: [u64; usize_from(WHOLE)],
    states: [State; PAGEBLOCKS],
    managed: Managed,
}

/// What is known of a region is to stay below 40 KiB for each GiB.
const _: () = assert!(size_of::<Region>() == 4480 && size_of::<Region>() * 8 <= 40 << 10);

impl Default for Region {
    fn default() -> Self {
        Self::new()
    }
}

impl Region {
    /// Makes a region without frames, whose pageblocks are all unmovable.
    pub const fn new() -> Self {
        Self {
            words: [[0; 8]; PAGEBLOCKS],
            whole: 0,
            complete: 0,
            types: Types::new(),
            summary: Summary::EMPTY,
            free: [0; 8],
            at_least: [0; usize_from(WHOLE)],
            states: [State::NONE; PAGEBLOCKS],
            managed: Managed::new(),
        }
    }

    /// Adds the frames `from..to`, which exist and are free from now on, and gives each pageblock
    /// that they touch this type, unless it is `Isolate`.
    ///
    /// Returns whether they were added: not if there are none, some of them were added before, or
    /// there would be too many runs of frames.
    pub fn add(&mut self, from: usize, to: usize, migratetype: Migratetype) -> bool {
        if !self.managed.add(from, to) {
            return false;
        }
        let (first, end) = (from.div_ceil(SIZE), to / SIZE);
        if first < end {
            self.add_pageblocks(words::range(first, end), migratetype);
        }
        let mut at = from;
        while let (true, Some(frame)) = (at < to, Offset::new(at)) {
            let pageblock = frame.pageblock();
            let start = pageblock.first().get();
            let end = to.min(start + SIZE);
            if end - at < SIZE {
                self.set_migratetype(pageblock, migratetype);
                self.add_part(pageblock, at - start, end - start);
            }
            at = end;
        }
        self.summarize();
        true
    }

    /// Adds pageblocks of which no frame was there.
    fn add_pageblocks(&mut self, pageblocks: u64, migratetype: Migratetype) {
        if migratetype != Migratetype::Isolate {
            self.types.set(pageblocks, migratetype);
        }
        // INVARIANT: whole, and in no other mask, for no frame of them was free; their words are 0.
        self.whole |= pageblocks;
        self.complete |= pageblocks;
        let added = |it: &PageblockIdx| pageblocks & it.mask() != 0;
        for pageblock in PageblockIdx::all().filter(added) {
            let kind = self.types.kind(pageblock);
            let state = self.state_mut(pageblock);
            state.set_kind(kind);
            state.set_orders(WHOLE + 1);
            state.set_complete();
            self.count_in(self.state(pageblock), SIZE);
        }
    }

    /// Adds the frames `from..to` of a pageblock, which are managed and were not free.
    fn add_part(&mut self, pageblock: PageblockIdx, from: usize, to: usize) {
        let state = self.state(pageblock);
        for (place, word) in (0..).zip(self.line_mut(pageblock)) {
            let below = |end: usize| end.saturating_sub(64 * place).min(64);
            *word |= words::range(below(from), below(to));
        }
        self.count_in(state, to - from);
        let start = pageblock.first().get();
        if self.managed.contains(start, start + SIZE) {
            self.complete |= pageblock.mask();
            self.state_mut(pageblock).set_complete();
        }
        self.settle(pageblock, WHOLE);
    }

    /// Returns how many frames were added.
    pub fn managed(&self) -> usize {
        self.managed.frames()
    }

    /// Returns how many frames are free and may be allocated.
    pub fn free(&self) -> usize {
        let [all @ .., _, _, _] = &self.free;
        usize_from(all.iter().sum())
    }

    /// Returns how many frames are free in pageblocks of a type; of `Isolate`: in isolated ones.
    pub fn free_of(&self, migratetype: Migratetype) -> usize {
        self.free
            .get(migratetype.index())
            .map_or(0, |free| usize_from(*free))
    }

    /// Returns what a search needs to know of the region.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Returns the words of a pageblock.
    fn line(&self, pageblock: PageblockIdx) -> &Line {
        &self.words[pageblock.get()]
    }

    /// Returns the words of a pageblock.
    fn line_mut(&mut self, pageblock: PageblockIdx) -> &mut Line {
        &mut self.words[pageblock.get()]
    }

    /// Returns the broken pageblocks with a free block of this order or above.
    fn at_least(&self, order: u32) -> u64 {
        self.at_least.get(usize_from(order)).copied().unwrap_or(0)
    }

    /// Counts frames that became free.
    #[inline]
    fn count_in(&mut self, state: State, frames: usize) {
        let free = &mut self.free[state.place()];
        debug_assert!(usize_from(*free) + frames <= FRAMES);
        // Does not overflow: no more than there are frames.
        *free = free.wrapping_add(narrow(frames));
    }

    /// Counts frames that are no longer free.
    fn count_out(&mut self, kind: Migratetype, frames: usize) {
        let free = &mut self.free[kind.index() & 7];
        debug_assert!(usize_from(*free) >= frames);
        *free = free.saturating_sub(narrow(frames));
    }

    /// Finds anew what a pageblock is, of which it is known that no block is above order `bound`.
    ///
    /// The summary is the caller's to bring up to date.
    #[inline]
    fn settle(&mut self, pageblock: PageblockIdx, bound: u32) {
        let largest = words::largest_of_line(self.line(pageblock), bound);
        let orders = largest.map_or(0, |order| order + 1);
        if orders != self.state(pageblock).orders() {
            self.set_orders(pageblock, orders);
        }
    }

    /// Notes how many orders the free blocks of a pageblock have: none, up to 9, or 10 if it is
    /// whole.
    fn set_orders(&mut self, pageblock: PageblockIdx, orders: u32) {
        let mask = pageblock.mask();
        self.state_mut(pageblock).set_orders(orders);
        // INVARIANT: broken with blocks of these orders; or without any free frame, and in no mask;
        // or whole, and then in that mask alone and with words of 0.
        let broken = match orders {
            0..=WHOLE => orders,
            _ => {
                *self.line_mut(pageblock) = [0; 8];
                self.whole |= mask;
                0
            }
        };
        for (order, pageblocks) in (0..).zip(&mut self.at_least) {
            *pageblocks &= !mask;
            if order < broken {
                *pageblocks |= mask;
            }
        }
    }
}

/// Narrows a number of frames; those of a region are below 2^16.
fn narrow(frames: usize) -> u32 {
    debug_assert!(frames <= FRAMES);
    // CAST: loses nothing, see above.
    frames as u32
}
