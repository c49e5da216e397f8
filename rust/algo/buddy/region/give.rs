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
use super::state::State;
use super::{
    Region,
    SIZE,
    WHOLE, //
};
use crate::algo::units::{
    usize_from,
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
        match order.get() {
            0..WORD_ORDER => {
                let bits = words::block(at.bit(), order.get());
                let (state, word) = match self.set(at, bits) {
                    Some(done) => done,
                    None => return self.give_with_care(at, bits),
                };
                self.count_in(state, order.nr_pages().get());
                // Only a block of the next order makes a difference: is the bit in one?
                if words::is_in_block(word, at.bit(), state.orders()) {
                    return Ok(self.risen(at));
                }
                Ok(state.kind())
            }
            WORD_ORDER..WHOLE => self.give_words(at, order),
            _ => self.give_whole(at.pageblock(), order.get() - WHOLE),
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
        let (state, word) = match self.set(first, mask) {
            Some(done) => done,
            None => return self.give_with_care(first, mask),
        };
        self.count_in(state, words::ones(mask));
        if words::starts(word, state.orders().min(WORD_ORDER)) != 0 {
            return Ok(self.risen(first));
        }
        Ok(state.kind())
    }

    /// Gives blocks of an order below 9 back, each by the number of its first frame in the zone, of
    /// which the low bits are its place here; `count` is told the types that they count as, with the
    /// frames of each.
    ///
    /// A block of which a frame is free or was never added is left out. Blocks of a word that come
    /// in a row are given in one go.
    pub fn give_many(
        &mut self,
        order: Order,
        blocks: &[u32],
        mut count: impl FnMut(Migratetype, usize),
    ) {
        match order.get() {
            0 => self.give_words_of::<0>(blocks, count),
            1 => self.give_words_of::<1>(blocks, count),
            2 => self.give_words_of::<2>(blocks, count),
            3 => self.give_words_of::<3>(blocks, count),
            4 => self.give_words_of::<4>(blocks, count),
            5 => self.give_words_of::<5>(blocks, count),
            _ => {
                for first in blocks {
                    if let Ok(kind) = self.give(Offset::new_masked(usize_from(*first)), order) {
                        count(kind, order.nr_pages().get());
                    }
                }
            }
        }
    }

    /// Gives blocks of an order below 6 back: see `give_many`.
    fn give_words_of<const ORDER: u32>(
        &mut self,
        blocks: &[u32],
        mut count: impl FnMut(Migratetype, usize),
    ) {
        let block = u64::MAX >> (64 - (1u32 << ORDER));
        let mut rest = blocks;
        // What counts as of the same type is counted together.
        let (mut alike, mut nr_alike) = (State::NONE, 0);
        while let [first, after @ ..] = rest {
            let at = Offset::new_masked(usize_from(*first));
            let mut bits = block << (first % 64);
            rest = after;
            while let [next, after @ ..] = rest {
                if (next ^ first) >= 64 {
                    break;
                }
                bits |= block << (next % 64);
                rest = after;
            }
            let is_single = bits == block << (first % 64);
            let nr = if is_single {
                1 << ORDER
            } else {
                words::ones(bits)
            };
            let Some((state, word)) = self.set(at, bits) else {
                if let Ok(kind) = self.give_with_care(at, bits) {
                    count(kind, nr);
                }
                continue;
            };
            if state.place() != alike.place() {
                self.count_in(alike, nr_alike);
                count(alike.kind(), nr_alike);
                nr_alike = 0;
            }
            (alike, nr_alike) = (state, nr_alike + nr);
            let has_risen = match is_single {
                true => words::is_in_block(word, at.bit(), state.orders()),
                false => words::starts(word, state.orders().min(WORD_ORDER)) != 0,
            };
            if has_risen {
                self.risen(at);
            }
        }
        self.count_in(alike, nr_alike);
        count(alike.kind(), nr_alike);
    }

    /// Sets bits of a frame's word; returns what was known of its pageblock before, and the word.
    /// `None`, and nothing is set, if one was set already, or it takes a second look to know.
    #[inline]
    fn set(&mut self, at: Offset, bits: u64) -> Option<(State, u64)> {
        let state = self.state(at.pageblock());
        let word = &mut self.words[at.pageblock().get()][words::place(at.bit() / 64)];
        if *word & bits != 0 || !state.is_plain() {
            return None;
        }
        *word |= bits;
        Some((state, *word))
    }

    /// Gives frames of one word back to a pageblock that is whole or has holes.
    ///
    /// Apart from the usual way, which then needs no register saved.
    #[cold]
    #[inline(never)]
    fn give_with_care(&mut self, at: Offset, bits: u64) -> Result<Migratetype, GiveError> {
        let pageblock = at.pageblock();
        let place = at.bit() / 64;
        let state = self.state(pageblock);
        let word = &mut self.words[pageblock.get()][words::place(place)];
        if *word & bits != 0 || state.is_whole() && bits != 0 {
            return Err(GiveError::Free);
        }
        let exists = self.managed.word(Offset::of(pageblock, place * 64).get());
        if !state.is_complete() && exists & bits != bits {
            return Err(GiveError::Unmanaged);
        }
        *word |= bits;
        self.count_in(state, words::ones(bits));
        Ok(self.risen(at))
    }

    /// Gives back a block of order 6 to 8.
    fn give_words(&mut self, at: Offset, order: Order) -> Result<Migratetype, GiveError> {
        let pageblock = at.pageblock();
        let end = at.get() + order.nr_pages().get();
        let state = self.state(pageblock);
        if state.is_whole() {
            return Err(GiveError::Free);
        }
        let is_managed = state.is_complete() || self.managed.contains(at.get(), end);
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
        self.count_in(state, order.nr_pages().get());
        Ok(self.risen(at))
    }

    /// Looks for larger blocks than are known of, after frames of this one's word were given;
    /// returns the type that they count as.
    #[inline(never)]
    fn risen(&mut self, at: Offset) -> Migratetype {
        let pageblock = at.pageblock();
        let state = self.state(pageblock);
        let line = self.line(pageblock);
        let place = at.bit() / 64;
        let orders = match words::orders(line[words::place(place)], u64::MAX) {
            orders @ 0..=WORD_ORDER => orders,
            _ => WORD_ORDER + 1 + words::order_at(words::full(line), place),
        };
        if orders <= state.orders() {
            return state.kind();
        }
        self.set_orders(pageblock, orders);
        if orders <= WHOLE {
            self.raise_broken(state.kind(), orders - 1);
        } else if state.kind() != Migratetype::Isolate {
            self.lower_broken(state.kind());
            self.raise_whole(pageblock);
        }
        state.kind()
    }

    /// Gives back `1 << order` whole pageblocks.
    fn give_whole(&mut self, first: PageblockIdx, order: u32) -> Result<Migratetype, GiveError> {
        let kind = self.state(first).kind();
        self.give_pageblocks(words::block(first.bit(), order), |_, _| {})?;
        Ok(kind)
    }

    /// Gives back pageblocks, all or none; `count` is told the types that they count as, with the
    /// pageblocks of each.
    ///
    /// # Errors
    ///
    /// Nothing changes if a frame of one is free or was never added.
    pub fn give_pageblocks(
        &mut self,
        pageblocks: u64,
        mut count: impl FnMut(Migratetype, usize),
    ) -> Result<(), GiveError> {
        if (self.whole | self.at_least(0)) & pageblocks != 0 {
            return Err(GiveError::Free);
        }
        if self.complete & pageblocks != pageblocks {
            return Err(GiveError::Unmanaged);
        }
        // INVARIANT: whole, for no frame was free and now all are; the words are 0 already.
        self.whole |= pageblocks;
        // What counts as of the same type is counted together.
        let (mut alike, mut nr_alike) = (State::NONE, 0);
        let mut rest = pageblocks;
        while rest != 0 {
            let state = self.state_mut(PageblockIdx::of(rest.trailing_zeros()));
            state.set_orders(WHOLE + 1);
            let state = *state;
            if state.place() != alike.place() {
                self.count_in(alike, nr_alike * SIZE);
                count(alike.kind(), nr_alike);
                nr_alike = 0;
            }
            (alike, nr_alike) = (state, nr_alike + 1);
            rest &= rest - 1;
        }
        self.count_in(alike, nr_alike * SIZE);
        count(alike.kind(), nr_alike);
        self.raise_wholes(pageblocks);
        Ok(())
    }
}
