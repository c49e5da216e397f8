// SPDX-License-Identifier: GPL-2.0

//! Finding a region that has what is wanted, without a lock.
//!
//!   index     broken, Movable   0110 0001 ...    a bit a region: it may have a broken pageblock
//!             whole,  Movable   1111 1110 ...    of that type with free frames, or a whole one
//!   summary   of each region    how large the largest are
//!
//! # Locking     bits and summaries are stored under the lock of their region and read without it:
//!               what they say is tried under the lock, and may have gone by then. A region that
//!               gets free frames during a search may be missed by it, as if the search had been
//!               over before.
//! # Cost        a load for 64 regions (8 GiB), and one for each region that is looked at.

use core::ops::ControlFlow;

use super::{
    super::{
        guarded::Guarded,
        region::{
            Region,
            Summary, //
        },
        Offset,
        FRAMES,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    settle::Search,
    signed,
    Memory,
    Miss,
    Want,
    Zone, //
};
use crate::algo::{
    units::{
        usize_from,
        FrameIdx,
        Migratetype,
        Order, //
    },
    watermark::AllocFlag, //
};
use crate::seam::Relaxed;

/// What a row of the index is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Broken pageblocks of this type.
    Broken(Migratetype),
    /// Whole pageblocks of this type.
    Whole(Migratetype),
}

/// Types that frames can be allocated from.
pub(super) const TYPES: [Migratetype; 5] = [
    Migratetype::Unmovable,
    Migratetype::Movable,
    Migratetype::Reclaimable,
    Migratetype::HighAtomic,
    Migratetype::Cma,
];

/// Rows of the index.
pub(super) const ROWS: usize = 2 * TYPES.len();

impl Row {
    const fn number(self) -> usize {
        match self {
            Self::Broken(migratetype) => migratetype.index(),
            Self::Whole(migratetype) => TYPES.len() + migratetype.index(),
        }
    }
}

impl<M: Memory> Zone<M> {
    /// Works on a region and then says anew what is in it.
    pub(super) fn on_region<R>(
        &self,
        region: usize,
        work: impl FnOnce(&mut Region) -> R,
    ) -> Option<R> {
        let guarded = self.memory.regions().get(region)?;
        Some(guarded.with(|it| {
            let result = work(it);
            self.publish(region, it.noted());
            result
        }))
    }

    /// The same if nobody else is at it.
    fn try_on_region<R>(&self, region: usize, work: impl FnOnce(&mut Region) -> R) -> Option<R> {
        let guarded = self.memory.regions().get(region)?;
        guarded.try_with(|it| {
            let result = work(it);
            self.publish(region, it.noted());
            result
        })
    }

    /// Stores the summary of a region, whose lock is held, and its bits of the index.
    fn publish(&self, region: usize, now: Summary) {
        let Some(place) = self.memory.summaries().get(region) else {
            return;
        };
        let before = Summary::new(place.load(Relaxed));
        let now = now.with_settled(before.is_settled());
        if before == now {
            return;
        }
        place.store(now.get(), Relaxed);
        if before.has_same_blocks(now) {
            return;
        }
        for migratetype in TYPES {
            let broken = |it: Summary| it.has_broken(migratetype);
            let whole = |it: Summary| it.has_whole(migratetype);
            if broken(before) != broken(now) {
                self.mark(Row::Broken(migratetype), region, broken(now));
            }
            if whole(before) != whole(now) {
                self.mark(Row::Whole(migratetype), region, whole(now));
            }
        }
    }

    fn mark(&self, row: Row, region: usize, has: bool) {
        let words = self.memory.regions().len().div_ceil(64);
        let index = self.memory.index();
        let Some(word) = index.get(row.number() * words + region / 64) else {
            return;
        };
        // Other regions share the word.
        match has {
            true => drop(word.fetch_or(1 << (region % 64), Relaxed)),
            false => drop(word.fetch_and(!(1 << (region % 64)), Relaxed)),
        }
    }

    /// The first region of a row in `from..to`.
    pub(super) fn seek(&self, row: Row, from: usize, to: usize) -> Option<usize> {
        let words = self.memory.regions().len().div_ceil(64);
        let index = self.memory.index();
        let row = index.get(row.number() * words..(row.number() + 1) * words)?;
        let mut at = from;
        while at < to {
            let left = row.get(at / 64)?.load(Relaxed) >> (at % 64);
            if left != 0 {
                let found = at + usize_from(left.trailing_zeros());
                return (found < to).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    /// Says whether there is a free block of this type, or a larger one.
    pub fn has_block(&self, migratetype: Migratetype, order: Order) -> bool {
        if !TYPES.contains(&migratetype) {
            return false;
        }
        if order > REGION_ORDER {
            return self.has_regions(migratetype, order);
        }
        let rows = [Row::Whole(migratetype), Row::Broken(migratetype)];
        rows.into_iter().any(|row| {
            self.each_region(row, 0, |_, summary| {
                match summary.largest(migratetype) >= Some(order) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
            .is_break()
        })
    }

    /// Says whether there is a free block of this type that spans regions.
    fn has_regions(&self, migratetype: Migratetype, order: Order) -> bool {
        let span = regions_of(order);
        let starts = (0..self.memory.regions().len()).step_by(span);
        let mut blocks = starts.map(|start| start..start + span);
        blocks.any(|mut block| block.all(|region| self.is_whole(region, migratetype)))
    }

    /// Says whether a region is free and of one type, as far as its summary tells.
    pub(super) fn is_whole(&self, region: usize, migratetype: Migratetype) -> bool {
        let summary = self.memory.summaries().get(region);
        let summary = summary.map_or(0, |it| it.load(Relaxed));
        Summary::new(summary).largest(migratetype) == Some(REGION_ORDER)
    }

    /// Says whether there is a whole free pageblock of an ordinary type, as far as the first 512
    /// regions tell.
    #[inline]
    pub(in crate::algo::buddy) fn has_whole(&self) -> bool {
        let words = self.memory.regions().len().div_ceil(64);
        let row = |migratetype| {
            let start = Row::Whole(migratetype).number() * words;
            self.memory.index().get(start..start + words.min(8))
        };
        // Most zones have most of their free pageblocks there.
        [
            Migratetype::Movable,
            Migratetype::Unmovable,
            Migratetype::Reclaimable,
        ]
        .into_iter()
        .filter_map(row)
        .flatten()
        .any(|word| word.load(Relaxed) != 0)
    }

    /// Visits the regions of a row, from `hint` on and then from the start.
    pub(super) fn each_region(
        &self,
        row: Row,
        hint: usize,
        mut visit: impl FnMut(usize, Summary) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let end = self.memory.regions().len();
        let hint = hint.min(end);
        for (from, to) in [(hint, end), (0, hint)] {
            let mut at = from;
            while let Some(region) = self.seek(row, at, to) {
                let summary = self.memory.summaries().get(region);
                let summary = summary.map_or(0, |it| it.load(Relaxed));
                visit(region, Summary::new(summary))?;
                at = region + 1;
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes up to `blocks` blocks, from wherever the request may (__rmqueue()).
    ///
    /// # Errors
    ///
    /// [`Miss::Empty`] if there is none, [`Miss::NotReady`].
    pub(super) fn take_many(
        &self,
        want: &Want,
        blocks: usize,
        hint: &mut u32,
        out: &mut impl FnMut(u32),
    ) -> Result<usize, Miss> {
        let cma = Want {
            migratetype: Migratetype::Cma,
            ..*want
        };
        let may_cma = want.flags.has(AllocFlag::Cma);
        if may_cma {
            let free = self.figures.free.load(Relaxed);
            if self.figures.free_cma.load(Relaxed) > free / 2 {
                let taken = self.take_type(&cma, blocks, hint, out)?;
                if taken > 0 {
                    return Ok(taken);
                }
            }
        }
        let mut taken = self.take_type(want, blocks, hint, out)?;
        if taken == 0 && may_cma {
            taken = self.take_type(&cma, blocks, hint, out)?;
        }
        if taken == 0 && self.claim(want, hint)? {
            taken = self.take_type(want, blocks, hint, out)?;
        }
        if taken == 0 && !want.flags.has(AllocFlag::NoFragment) {
            taken = self.steal(want, blocks, out)?;
        }
        match taken {
            0 => Err(Miss::Empty),
            _ => Ok(taken),
        }
    }

    /// Takes up to `blocks` blocks from pageblocks of the wanted type (__rmqueue_smallest()).
    ///
    /// Broken pageblocks come first, wherever they are; then one whole pageblock is broken up. A
    /// region whose lock another CPU holds, or that one has settled in, is left out while there are
    /// others.
    pub(super) fn take_type(
        &self,
        want: &Want,
        blocks: usize,
        hint: &mut u32,
        out: &mut impl FnMut(u32),
    ) -> Result<usize, Miss> {
        if want.order > REGION_ORDER {
            return self.take_regions(want, out);
        }
        let mut search = Search::new(want, blocks, *hint);
        let mut may_claim = true;
        loop {
            if want.order < PAGEBLOCK_ORDER {
                self.take_broken(&mut search, out);
            }
            if search.taken == 0 {
                self.take_whole(&mut search, out);
            }
            // Before two CPUs share a region the states of another are made ready.
            if search.taken > 0 || search.waits || !search.skipped || search.miss.is_some() {
                break;
            }
            search.waits = !core::mem::take(&mut may_claim) || !self.claim_apart(want, *hint);
        }
        if search.taken > 0 {
            self.settle(*hint, search.at);
        }
        *hint = search.at;
        match (search.taken, search.miss) {
            (0, Some(miss)) => Err(miss),
            (taken, _) => Ok(taken),
        }
    }

    pub(super) fn take_in(
        &self,
        row: Row,
        search: &mut Search<'_>,
        out: &mut impl FnMut(u32),
    ) -> ControlFlow<()> {
        let want = search.want;
        let (migratetype, order) = (want.migratetype, want.order);
        let may_break = matches!(row, Row::Whole(_));
        let hint = search.at;
        self.each_region(row, usize_from(hint), |region, summary| {
            if search.leaves_out(region, summary) {
                search.skipped = true;
                return ControlFlow::Continue(());
            }
            let largest = match may_break {
                true => summary.largest(migratetype),
                false => summary.largest_broken(migratetype),
            };
            if largest < Some(order) {
                return ControlFlow::Continue(());
            }
            if order < PAGEBLOCK_ORDER && self.memory.states(region).is_none() {
                search.miss.get_or_insert(Miss::NotReady(region));
                // To go on would be to stay with another CPU, whose region is ready.
                return match region == usize_from(hint) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                };
            }
            let left = search.blocks - search.taken;
            let mut give = |at: Offset| out(FrameIdx::at(region, at).get());
            let take = |it: &mut Region| match order {
                Order::ZERO => it.take_frames(migratetype, left, may_break, &mut give),
                _ => it.take_blocks(migratetype, order, left, may_break, &mut give),
            };
            let taken = match search.waits {
                true => self.on_region(region, take),
                false => self.try_on_region(region, take),
            };
            match taken {
                None => search.skipped = true,
                Some(0) => {}
                Some(taken) => {
                    search.taken += taken;
                    search.at = u32::try_from(region).unwrap_or(0);
                    self.count_free(migratetype, -signed(taken << order.get()));
                }
            }
            match taken {
                None | Some(0) => ControlFlow::Continue(()),
                // Where to look for more is not for this search to say.
                _ => ControlFlow::Break(()),
            }
        })
    }

    /// Takes a block of several regions, each of them whole.
    fn take_regions(&self, want: &Want, out: &mut impl FnMut(u32)) -> Result<usize, Miss> {
        let span = regions_of(want.order);
        let end = self.memory.regions().len();
        let start = (0..end).step_by(span).find(|&start| {
            let all = start..start + span;
            let taken = all.take_while(|&it| self.take_region(it, want.migratetype));
            let taken = taken.count();
            if taken < span {
                self.give_regions(start, taken);
            }
            taken == span
        });
        let Some(start) = start else { return Ok(0) };
        out(FrameIdx::at(start, Offset::default()).get());
        Ok(1)
    }

    /// Takes a region that is free and of one type.
    fn take_region(&self, region: usize, migratetype: Migratetype) -> bool {
        let take = |it: &mut Region| {
            let largest = it.summary().largest(migratetype);
            largest == Some(REGION_ORDER) && it.take_at(Offset::default(), REGION_ORDER)
        };
        let taken =
            self.is_whole(region, migratetype) && self.on_region(region, take) == Some(true);
        if taken {
            self.count_free(migratetype, -signed(FRAMES));
        }
        taken
    }

    /// Gives regions back that were taken; a pageblock may have become another in the meantime.
    fn give_regions(&self, start: usize, count: usize) {
        for region in start..start + count {
            self.give_block(FrameIdx::at(region, Offset::default()), REGION_ORDER);
        }
    }
}

/// How many regions a block of an order above theirs has.
pub(super) const fn regions_of(order: Order) -> usize {
    1 << (order.get() - REGION_ORDER.get())
}
