// SPDX-License-Identifier: GPL-2.0

//! The invariants of a region, recounted the slow way.
//!
//! # Locking     `&self`, under the region's lock.
//! # Cost        O(frames), or O(words * runs) where they are looked for.
//! # Limits      the first violation is named, not all.
//! # Reference   none.

use core::fmt;

use super::super::place::PageblockIdx;
use super::super::words;
use super::{
    Region,
    SIZE,
    WHOLE, //
};
use crate::algo::units::{
    usize_from,
    Migratetype, //
};

/// What is wrong with a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The runs of frames that exist overlap, or are out of order.
    Runs,
    /// A pageblock's type is none.
    Types,
    /// The words of a pageblock contradict what it is: whole, broken or without a free frame.
    Words(PageblockIdx),
    /// What is noted of a pageblock is not what the masks say.
    State(PageblockIdx),
    /// A pageblock's largest block is not the one that is noted.
    Largest(PageblockIdx),
    /// A frame of a pageblock is free and does not exist, or is thought not to.
    Unmanaged(PageblockIdx),
    /// The free frames of a type are not as many as counted.
    Count(Migratetype),
    /// The summary is not that of the region.
    Summary,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs => f.write_str("the runs of frames overlap or are out of order"),
            Self::Types => f.write_str("a pageblock has no type"),
            Self::Words(at) => write!(f, "pageblock {}: the words contradict its state", at.get()),
            Self::State(at) => write!(f, "pageblock {}: not what the masks say", at.get()),
            Self::Largest(at) => write!(f, "pageblock {}: another largest block", at.get()),
            Self::Unmanaged(at) => write!(f, "pageblock {}: other frames exist", at.get()),
            Self::Count(kind) => write!(f, "{kind}: the free frames are not as many as counted"),
            Self::Summary => f.write_str("the summary is another's"),
        }
    }
}

impl Region {
    /// Recounts everything.
    ///
    /// # Errors
    ///
    /// Returns the first invariant that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        if !self.managed.is_consistent() {
            return Err(Violation::Runs);
        }
        if !self.types.is_consistent() {
            return Err(Violation::Types);
        }
        let mut free = [0; Migratetype::COUNT];
        for pageblock in PageblockIdx::all() {
            self.check_state(pageblock)?;
            self.check_words(pageblock)?;
            self.check_largest(pageblock)?;
            self.check_managed(pageblock)?;
            let kind = self.types.kind(pageblock);
            if let Some(free) = free.get_mut(kind.index()) {
                *free += self.free_in(pageblock);
            }
        }
        for (kind, free) in Migratetype::ALL.iter().zip(free) {
            if self.free_of(*kind) != free {
                return Err(Violation::Count(*kind));
            }
        }
        if self.summary != self.recounted() {
            return Err(Violation::Summary);
        }
        Ok(())
    }

    /// The byte says what the masks say.
    fn check_state(&self, pageblock: PageblockIdx) -> Result<(), Violation> {
        let is_set = |mask: u64| mask & pageblock.mask() != 0;
        let broken = self.at_least.iter().filter(|it| is_set(**it)).count();
        let orders = if is_set(self.whole) { 10 } else { broken };
        let state = self.state(pageblock);
        let is_right = usize_from(state.orders()) == orders
            && state.is_complete() == is_set(self.complete)
            && state.kind() == self.types.kind(pageblock);
        is_right.then_some(()).ok_or(Violation::State(pageblock))
    }

    /// Whole, broken or without a free frame; and the words accordingly.
    fn check_words(&self, pageblock: PageblockIdx) -> Result<(), Violation> {
        let is_whole = self.whole & pageblock.mask() != 0;
        let is_broken = self.at_least(0) & pageblock.mask() != 0;
        let frames = words::frames(self.line(pageblock));
        let is_right = match frames {
            0 => !is_broken,
            SIZE.. => false,
            _ => is_broken && !is_whole,
        };
        is_right.then_some(()).ok_or(Violation::Words(pageblock))
    }

    /// The largest block, found by trying each.
    fn check_largest(&self, pageblock: PageblockIdx) -> Result<(), Violation> {
        let line = self.line(pageblock);
        for order in 0..WHOLE {
            let mut starts = (0..512u32).step_by(1 << order);
            let has = starts.any(|bit| words::is_block_free(line, bit, order));
            if has != (self.at_least(order) & pageblock.mask() != 0) {
                return Err(Violation::Largest(pageblock));
            }
        }
        Ok(())
    }

    /// Free frames exist, and a pageblock of which all do is known as such.
    fn check_managed(&self, pageblock: PageblockIdx) -> Result<(), Violation> {
        let first = pageblock.first().get();
        let mut is_complete = true;
        for (start, word) in (first..).step_by(64).zip(self.line(pageblock)) {
            let exists = self.managed.word(start);
            is_complete &= exists == u64::MAX;
            if *word & !exists != 0 {
                return Err(Violation::Unmanaged(pageblock));
            }
        }
        let is_whole = self.whole & pageblock.mask() != 0;
        let is_noted = self.complete & pageblock.mask() != 0;
        let is_right = is_complete == is_noted && (is_complete || !is_whole);
        is_right
            .then_some(())
            .ok_or(Violation::Unmanaged(pageblock))
    }
}
