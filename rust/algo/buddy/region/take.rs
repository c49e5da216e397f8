// SPDX-License-Identifier: GPL-2.0

//! Taking blocks out of a region.
//!
//!   want order 2 of type M
//!   broken, M, largest block   2: take there | 3: else there | ... | 8 | whole pageblocks: last
//!   in the line                a block of order 2, else one inside of the next larger
//!
//! # Locking     `&mut self`, see the region.
//! # Cost        O(orders) for the pageblock, O(words of it) for the block; many in one go share
//!               that, down to a few instructions a frame.
//! # Limits      blocks of up to order 15, from pageblocks that are not isolated, but for `take_at`.
//! # Reference   mm/page_alloc.c: __rmqueue_smallest(), expand(), rmqueue_bulk(). The kernel takes
//!               the first block of a list, which one is an accident of history; here it is one of
//!               the pageblock that is most broken already.

use super::super::place::{
    Offset,
    PageblockIdx, //
};
use super::super::words::{
    self,
    WORD_ORDER, //
};
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
    /// Takes up to `want` frames from pageblocks of a type: broken ones first, and whole ones only
    /// if `may_break`. Returns how many it gave to `out`.
    pub fn take_frames(
        &mut self,
        migratetype: Migratetype,
        want: usize,
        may_break: bool,
        out: impl FnMut(Offset),
    ) -> usize {
        self.take_small(migratetype, 0, want, may_break, out)
    }

    /// Takes up to `want` blocks of an order: from the pageblocks whose largest block is the
    /// smallest that fits, and whole ones only if `may_break`; from order 9 on that is all the
    /// same. Returns how many it gave to `out`.
    pub fn take_blocks(
        &mut self,
        migratetype: Migratetype,
        order: Order,
        want: usize,
        may_break: bool,
        out: impl FnMut(Offset),
    ) -> usize {
        if order.get() < WHOLE {
            self.take_small(migratetype, order.get(), want, may_break, out)
        } else {
            self.take_whole(migratetype, order, want, out)
        }
    }

    /// Takes a block of an order out of the smallest that fits: from the pageblock whose largest
    /// block is the smallest that fits, and whole ones only if `may_break`, as far as order 8.
    pub fn take(
        &mut self,
        migratetype: Migratetype,
        order: Order,
        may_break: bool,
    ) -> Option<Offset> {
        if order.get() >= WHOLE {
            let mut taken = None;
            self.take_whole(migratetype, order, 1, |at| taken = Some(at));
            return taken;
        }
        let (pageblock, bound) = self.pageblock_for(migratetype, order.get(), may_break)?;
        let line = self.line_mut(pageblock);
        let (bit, size) = words::best_fit_of_line(line, order.get())?;
        clear(line, bit, order.get());
        self.count_out(migratetype, order.nr_pages().get());
        if size >= bound {
            self.settle(pageblock, bound);
            self.lower_broken(migratetype);
        }
        Some(Offset::of(pageblock, bit))
    }

    /// Takes this block, isolated or not, if all of it is free; says whether it was.
    pub fn take_at(&mut self, at: Offset, order: Order) -> bool {
        if !at.is_aligned(order) || !self.is_block_free(at, order) {
            return false;
        }
        let pageblock = at.pageblock();
        if order.get() >= WHOLE {
            let pageblocks = words::block(pageblock.bit(), order.get() - WHOLE);
            self.remove_whole(pageblocks);
            self.count_out_whole(self.state(pageblock).kind(), pageblocks);
            self.lower_whole();
            return true;
        }
        let state = self.state(pageblock);
        let bound = match state.largest() {
            Some(bound) if bound < WHOLE => bound,
            _ => self.break_up(pageblock),
        };
        let kind = state.kind();
        clear(self.line_mut(pageblock), at.bit(), order.get());
        self.count_out(kind, order.nr_pages().get());
        self.settle(pageblock, bound);
        if kind != Migratetype::Isolate {
            self.lower_broken(kind);
        }
        true
    }

    /// Takes up to `want` blocks of an order below 9.
    #[inline]
    fn take_small(
        &mut self,
        migratetype: Migratetype,
        order: u32,
        want: usize,
        may_break: bool,
        mut out: impl FnMut(Offset),
    ) -> usize {
        let mut taken = 0;
        while taken < want {
            let found = self.pageblock_for(migratetype, order, may_break);
            let Some((pageblock, bound)) = found else {
                break;
            };
            let put = |bit: u32| out(Offset::of(pageblock, bit));
            taken += drain(self.line_mut(pageblock), order, want - taken, put);
            self.settle(pageblock, bound);
        }
        if taken > 0 {
            self.count_out(migratetype, taken << order);
            self.lower_broken(migratetype);
        }
        taken
    }

    /// Finds the pageblock to take a block of an order below 9 from, and a bound of its blocks.
    ///
    /// It has such a block: the caller takes it, and settles the pageblock.
    #[inline]
    fn pageblock_for(
        &mut self,
        migratetype: Migratetype,
        order: u32,
        may_break: bool,
    ) -> Option<(PageblockIdx, u32)> {
        if migratetype == Migratetype::Isolate {
            return None;
        }
        let of_type = self.types.allocatable(migratetype);
        let mut fitting = self.at_least(order) & of_type;
        let mut bound = order;
        while fitting & fitting.wrapping_sub(1) != 0 {
            // More than one fits: those without a larger block first.
            bound += 1;
            let larger = self.at_least(bound) & fitting;
            if larger != fitting {
                fitting &= !larger;
                break;
            }
        }
        if fitting != 0 {
            let pageblock = PageblockIdx::of(fitting.trailing_zeros());
            return Some((pageblock, self.state(pageblock).largest()?));
        }
        if !may_break {
            return None;
        }
        let whole = self.whole & self.types.merging_with(migratetype);
        let (bit, _) = words::best_fit(whole, whole & of_type, 0)?;
        let pageblock = PageblockIdx::of(bit);
        Some((pageblock, self.break_up(pageblock)))
    }

    /// Turns a whole pageblock into a broken one, though all of it is still free; returns the bound
    /// of its blocks once something was taken.
    fn break_up(&mut self, pageblock: PageblockIdx) -> u32 {
        self.whole &= !pageblock.mask();
        *self.line_mut(pageblock) = [u64::MAX; 8];
        self.set_orders(pageblock, WHOLE);
        self.raise_broken(self.state(pageblock).kind(), WHOLE - 1);
        self.lower_whole();
        WHOLE - 1
    }

    /// Takes up to `want` blocks of an order from 9 on.
    fn take_whole(
        &mut self,
        migratetype: Migratetype,
        order: Order,
        want: usize,
        mut out: impl FnMut(Offset),
    ) -> usize {
        if order > REGION_ORDER || migratetype == Migratetype::Isolate {
            return 0;
        }
        let order = order.get() - WHOLE;
        let of_type = self.types.allocatable(migratetype);
        let merging = self.types.merging_with(migratetype);
        let mut taken = 0;
        while taken < want {
            let whole = self.whole & merging;
            let starts = words::starts(whole, order) & of_type;
            let found = words::best_fit(whole, starts, order);
            let Some((bit, size)) = found else { break };
            let mut rest = starts & words::block(bit, size);
            let mut gone = 0;
            while rest != 0 && taken < want {
                let start = rest.trailing_zeros();
                out(PageblockIdx::of(start).first());
                gone |= words::block(start, order);
                rest &= rest - 1;
                taken += 1;
            }
            self.remove_whole(gone);
            self.count_out_whole(migratetype, gone);
        }
        if taken > 0 {
            self.lower_whole();
        }
        taken
    }

    /// Takes these pageblocks, which are whole.
    fn remove_whole(&mut self, pageblocks: u64) {
        // INVARIANT: no free frame, and words of 0 as before.
        self.whole &= !pageblocks;
        let mut rest = pageblocks;
        while rest != 0 {
            self.state_mut(PageblockIdx::of(rest.trailing_zeros()))
                .set_orders(0);
            rest &= rest - 1;
        }
    }

    /// Counts the frames of pageblocks out that were whole, of which most if not all are of
    /// `usual`.
    fn count_out_whole(&mut self, usual: Migratetype, pageblocks: u64) {
        let mut rest = pageblocks;
        let others = Migratetype::ALL.iter().filter(|kind| **kind != usual);
        for kind in core::iter::once(&usual).chain(others) {
            if rest == 0 {
                break;
            }
            let gone = rest & self.types.counted_as(*kind);
            self.count_out(*kind, words::ones(gone) * SIZE);
            rest &= !gone;
        }
    }
}

/// Takes up to `want` blocks of an order below 9 out of a line; returns how many.
///
/// Words that are free entirely come last.
#[inline]
fn drain(
    line: &mut words::Line,
    order: u32,
    want: usize,
    mut out: impl FnMut(u32), //
) -> usize {
    let mut taken = 0;
    if order < WORD_ORDER {
        for (first, word) in (0..).step_by(64).zip(&mut *line) {
            if *word != 0 && *word != u64::MAX && taken < want {
                taken += words::drain(word, order, want - taken, |bit| out(first + bit));
            }
        }
        for (first, word) in (0..).step_by(64).zip(&mut *line) {
            if *word == u64::MAX && taken < want {
                taken += words::drain(word, order, want - taken, |bit| out(first + bit));
            }
        }
        return taken;
    }
    let mut full = words::full(line);
    words::drain(&mut full, order - WORD_ORDER, want, |place| {
        clear(line, place * 64, order);
        out(place * 64);
    })
}

/// Takes a block of an order below 9 out of a line.
#[inline]
fn clear(line: &mut words::Line, bit: u32, order: u32) {
    for (place, bits) in words::parts(bit, order) {
        line[place & 7] &= !bits;
    }
}
