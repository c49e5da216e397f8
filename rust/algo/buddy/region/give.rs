// SPDX-License-Identifier: GPL-2.0

//! Giving blocks back to a region.
//!
//!   word     1101....      give bit 5:   1111....      the block that bit 5 is in now: order 2
//!   a block of order 6 may fill a pair of words, a pair of pairs, the pageblock: then it is whole
//!
//! # Locking     `&mut self`, see the region.
//! # Cost        O(words of the block); more only where a word becomes full.
//! # Limits      tells that a frame is free already, not who gave it: that is the frame table's.
//! # Reference   mm/page_alloc.c: __free_one_page(), free_pages_prepare().

use super::super::place::{
    Offset,
    PageblockIdx, //
};
use super::super::words::{
    self,
    WORD_ORDER, //
};
use super::super::PAGEBLOCKS;
use super::{
    Region,
    SIZE,
    WHOLE, //
};
use crate::algo::units::{
    Migratetype,
    Order, //
};

/// Why a block was not taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveError {
    /// A frame of it is free already.
    Free,
    /// A frame of it was never added.
    Unmanaged,
    /// It is not aligned to its order, or not inside of the region.
    Misplaced,
}

impl Region {
    /// Gives a block back; returns the type that it counts as: that of its first pageblock, or
    /// `Isolate`.
    ///
    /// # Errors
    ///
    /// Nothing changes if a frame of it is free or was never added, or it is no block.
    #[inline]
    pub fn give(&mut self, at: Offset, order: Order) -> Result<Migratetype, GiveError> {
        if !at.is_aligned(order) {
            return Err(GiveError::Misplaced);
        }
        let pageblock = at.pageblock();
        match order.get() {
            0..WORD_ORDER => {
                let bits = words::block(at.bit(), order.get());
                let word = self.set(pageblock, at.bit() / 64, bits)?;
                let largest = words::order_at(word, at.bit() & 63);
                let frames = order.nr_pages().get();
                Ok(self.given(pageblock, at.bit() / 64, largest, frames))
            }
            WORD_ORDER..WHOLE => self.give_words(at, order),
            _ => self.give_whole(pageblock, order.get() - WHOLE),
        }
    }

    /// Gives frames of one word back, all or none: bit i of `mask` is frame 64 * `word` + i.
    /// Returns the type that they count as.
    ///
    /// # Errors
    ///
    /// Nothing changes if one of them is free or was never added, or there is no such word.
    #[inline]
    pub fn give_word(&mut self, word: usize, mask: u64) -> Result<Migratetype, GiveError> {
        let first = Offset::new(word.saturating_mul(64)).ok_or(GiveError::Misplaced)?;
        let pageblock = first.pageblock();
        let place = first.bit() / 64;
        let after = self.set(pageblock, place, mask)?;
        // Those that were free before are not above what is known of the pageblock already.
        match words::largest(after) {
            Some(largest) => Ok(self.given(pageblock, place, largest, words::ones(mask))),
            None => Ok(self.types.kind(pageblock)),
        }
    }

    /// Sets bits of a word, if they are clear and of frames that exist; returns the word.
    #[inline]
    fn set(&mut self, pageblock: PageblockIdx, place: u32, bits: u64) -> Result<u64, GiveError> {
        let word = &mut self.words[pageblock.get()][words::place(place)];
        if self.whole & pageblock.mask() != 0 && bits != 0 || *word & bits != 0 {
            return Err(GiveError::Free);
        }
        if self.complete & pageblock.mask() == 0 {
            let first = Offset::of(pageblock, place * 64).get();
            if self.managed.word(first) & bits != bits {
                return Err(GiveError::Unmanaged);
            }
        }
        *word |= bits;
        Ok(*word)
    }

    /// Gives back a block of order 6 to 8.
    fn give_words(&mut self, at: Offset, order: Order) -> Result<Migratetype, GiveError> {
        let pageblock = at.pageblock();
        let end = at.get() + order.nr_pages().get();
        if self.whole & pageblock.mask() != 0 {
            return Err(GiveError::Free);
        }
        let complete = self.complete & pageblock.mask() != 0;
        let is_managed = complete || self.managed.contains(at.get(), end);
        let line = &mut self.words[pageblock.get()];
        if words::parts(at.bit(), order.get()).any(|(place, _)| line[place & 7] != 0) {
            return Err(GiveError::Free);
        }
        if !is_managed {
            return Err(GiveError::Unmanaged);
        }
        for (place, bits) in words::parts(at.bit(), order.get()) {
            line[place & 7] = bits;
        }
        let frames = order.nr_pages().get();
        Ok(self.given(pageblock, at.bit() / 64, WORD_ORDER, frames))
    }

    /// Counts frames that were set in a word, whose largest block is now of order `largest`, and
    /// notes what became larger.
    #[inline]
    fn given(
        &mut self,
        pageblock: PageblockIdx,
        place: u32,
        largest: u32,
        frames: usize,
    ) -> Migratetype {
        let kind = self.types.kind(pageblock);
        self.count_in(kind, frames);
        let largest = match largest {
            0..WORD_ORDER => largest,
            _ => WORD_ORDER + words::order_at(words::full(self.line(pageblock)), place),
        };
        if largest >= WHOLE {
            self.became_whole(pageblock, kind);
        } else if self.at_least(largest) & pageblock.mask() == 0 {
            // INVARIANT: broken, for frames of it are free and others are not.
            for (_, pageblocks) in (0..=largest).zip(&mut self.at_least) {
                *pageblocks |= pageblock.mask();
            }
            self.raise_broken(kind, largest);
        }
        kind
    }

    /// Notes that all frames of a pageblock are free.
    fn became_whole(&mut self, pageblock: PageblockIdx, kind: Migratetype) {
        *self.line_mut(pageblock) = [0; 8];
        for pageblocks in &mut self.at_least {
            *pageblocks &= !pageblock.mask();
        }
        self.whole |= pageblock.mask();
        if kind != Migratetype::Isolate {
            self.lower_broken(kind);
            self.raise_whole(pageblock);
        }
    }

    /// Gives back `1 << order` whole pageblocks.
    fn give_whole(&mut self, first: PageblockIdx, order: u32) -> Result<Migratetype, GiveError> {
        let pageblocks = words::block(first.bit(), order);
        if (self.whole | self.at_least(0)) & pageblocks != 0 {
            return Err(GiveError::Free);
        }
        if self.complete & pageblocks != pageblocks {
            return Err(GiveError::Unmanaged);
        }
        self.whole |= pageblocks;
        if order == 0 {
            self.count_in(self.types.kind(first), SIZE);
            self.raise_whole(first);
        } else {
            for place in (0..PAGEBLOCKS).filter_map(PageblockIdx::new) {
                if pageblocks & place.mask() != 0 {
                    self.count_in(self.types.kind(place), SIZE);
                }
            }
            self.summarize();
        }
        Ok(self.types.kind(first))
    }
}
