// SPDX-License-Identifier: GPL-2.0

//! Ranges of frames that are no power of two: taken exactly, or found where they fit; and freed.
//!
//!   free     . . 2 3 4 5 6 7 8 9 . .       7 frames, aligned to 2: from 2 on
//!   blocks       1-- 2------ 0             given out as the largest aligned blocks of the range: each
//!                                          may be freed alone, `free_range` frees them all
//!
//! # Locking     one region at a time (rank 5), for as long as its part of the range is taken. A
//!               range over several regions that fails in a later one gives the earlier back.
//! # Cost        alloc_range O(blocks); alloc_contig O(words) of what it looks at, a region's lock
//!               for each pageblock.
//! # Limits      the first place that fits, not the one that fits best; where the kernel allocates
//!               the next power of two and gives the tail back, no more than the range is taken.
//!               Watermarks are the caller's business.
//! # Reference   mm/page_alloc.c: alloc_contig_range(), alloc_contig_pages(), free_contig_range(),
//!               alloc_pages_exact(), make_alloc_exact().

use super::{
    super::{
        account::Account,
        frame::{
            State,
            WrongFree, //
        },
        mark::Mark,
        region::{
            Pageblock,
            Region, //
        },
        span::{
            frame,
            Span, //
        },
        FRAMES,
        PAGEBLOCK_ORDER, //
    },
    signed,
    Memory,
    Miss,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NrPages,
    Order, //
};
use crate::seam::Relaxed;

/// From which end frames are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The lowest that fit.
    BottomUp,
    /// The highest that fit.
    TopDown,
}

/// Where a run of frames may be.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Inside of these frames.
    pub within: Span,
    /// At a multiple of this many frames.
    pub align: Order,
    /// From which end on.
    pub direction: Direction,
    /// Also in CMA areas.
    pub may_cma: bool,
}

impl Place {
    /// The run of so many frames that is looked at first, if there is room for one.
    pub fn first(&self, frames: NrPages) -> Option<Span> {
        aligned(self.within, frames, self)
    }

    /// What is left of the place behind a frame that is in the way of a run of it, for runs without
    /// that frame; a pageblock that begins before the run counts as the run's first frame.
    pub fn behind(&self, run: Span, obstacle: FrameIdx) -> Option<Span> {
        let obstacle = obstacle.index();
        match self.direction {
            Direction::BottomUp => {
                let from = obstacle.max(run.start()) + 1;
                self.within.part(from, self.within.end())
            }
            Direction::TopDown => {
                let end = obstacle.min(run.end() - 1);
                self.within.part(self.within.start(), end)
            }
        }
    }

    /// Says whether free frames of a pageblock may be taken.
    fn allows(&self, pageblock: &Pageblock) -> bool {
        !pageblock.is_isolated()
            && match pageblock.migratetype() {
                Migratetype::HighAtomic | Migratetype::Isolate => false,
                Migratetype::Cma => self.may_cma,
                _ => true,
            }
    }
}

impl<M: Memory> Zone<M> {
    /// Allocates exactly these frames, isolated or not, all of which have to be free.
    ///
    /// # Errors
    ///
    /// [`Miss::Empty`] if one is not, [`Miss::NotReady`], [`Miss::Corrupt`]; nothing is taken then,
    /// but for the block that is corrupt.
    pub fn alloc_range(&self, span: Span, migratetype: Migratetype) -> Result<(), Miss> {
        if span.regions().end > self.memory.regions().len() {
            return Err(Miss::Empty);
        }
        let mut blocks = span.blocks(self.max_order);
        let is_ready = |at, order| self.memory.state_of(at, order).is_some();
        if let Some((at, _)) = blocks.find(|&(at, order)| !is_ready(at, order)) {
            return Err(Miss::NotReady(at.region()));
        }
        for region in span.regions() {
            let (start, end) = (region * FRAMES, (region + 1) * FRAMES);
            let Some(part) = span.part(start, end) else {
                continue;
            };
            if self.on_region(region, |it| self.take_part(it, part)) != Some(true) {
                if let Some(taken) = span.part(0, start) {
                    self.give_span(taken);
                }
                return Err(Miss::Empty);
            }
        }
        self.hand_out_span(span, migratetype)
    }

    /// Takes frames of a region, whose lock is held, all or none.
    fn take_part(&self, region: &mut Region, part: Span) -> bool {
        for (at, order) in part.blocks(PAGEBLOCK_ORDER) {
            let pageblock = region.pageblock(at.offset().pageblock());
            if region.take_at(at.offset(), order) {
                self.count_free(counts_as(&pageblock), -signed(order.nr_pages().get()));
                continue;
            }
            // The lock is still held: nobody saw that they were taken.
            let taken = part.part(part.start(), at.index());
            for (at, order) in taken.iter().flat_map(|it| it.blocks(PAGEBLOCK_ORDER)) {
                if let Ok(migratetype) = region.give(at.offset(), order) {
                    self.count_free(migratetype, signed(order.nr_pages().get()));
                }
            }
            return false;
        }
        true
    }

    /// Gives frames back to their regions.
    fn give_span(&self, span: Span) {
        for (at, order) in span.blocks(PAGEBLOCK_ORDER) {
            self.give_block(at, order);
        }
    }

    /// Notes that the blocks of a span, which was taken, are given out.
    fn hand_out_span(&self, span: Span, migratetype: Migratetype) -> Result<(), Miss> {
        let is_none = |at, order| {
            let state = self.memory.state_of(at, order);
            state.map(|it| it.load(Relaxed)) == Some(State::NONE.byte())
        };
        let mut blocks = span.blocks(self.max_order);
        if let Some((corrupt, _)) = blocks.find(|&(at, order)| !is_none(at, order)) {
            for (at, order) in span.blocks(self.max_order) {
                if is_none(at, order) {
                    self.give_block(at, order);
                }
            }
            return Err(Miss::Corrupt(corrupt));
        }
        for (at, order) in span.blocks(self.max_order) {
            // Whose it is the caller notes: see `set_account`.
            self.note_account(at, order, Account::NONE);
            if let Some(state) = self.memory.state_of(at, order) {
                state.store(State::given(order, migratetype).byte(), Relaxed);
            }
        }
        Ok(())
    }

    /// Frees the blocks that a span consists of, as `alloc_range` gave them out.
    ///
    /// # Errors
    ///
    /// What is wrong with the first block that is not to be freed so; nothing is freed then, unless
    /// somebody else frees blocks of the span in the same moment: then the rest is.
    pub fn free_range(&self, span: Span) -> Result<(), (FrameIdx, WrongFree)> {
        let mut blocks = span.blocks(self.max_order);
        let wrong = blocks.find(|&(at, order)| !self.is_held(at, order));
        if let Some((at, order)) = wrong {
            return Err((at, self.why_wrong(at, order)));
        }
        let mut result = Ok(());
        for (at, order) in span.blocks(self.max_order) {
            let freed = self.free_direct(at, order);
            result = result.and(freed.map_err(|wrong| (at, wrong)));
        }
        result
    }

    /// Says whether a block of this order that was given out starts here, moved or not.
    fn is_held(&self, at: FrameIdx, order: Order) -> bool {
        let Some(state) = self.memory.state_of(at, order) else {
            return false;
        };
        let byte = state.load(Relaxed);
        let moving = Mark::from_byte(byte).filter(|mark| mark.is_held());
        match moving {
            Some(mark) => mark.order() == order,
            None => State::from_byte(byte).is_given(order),
        }
    }

    /// Allocates frames that follow each other, wherever a place allows.
    ///
    /// # Errors
    ///
    /// [`Miss::Empty`] if there is none, and see [`Zone::alloc_range`].
    pub fn alloc_contig(
        &self,
        frames: NrPages,
        place: &Place,
        migratetype: Migratetype,
    ) -> Result<Span, Miss> {
        let mut within = place.within;
        loop {
            let span = aligned(within, frames, place).ok_or(Miss::Empty)?;
            let obstacle = match place.direction {
                Direction::BottomUp => self.last_obstacle(span, place),
                Direction::TopDown => self.first_obstacle(span, place),
            };
            let obstacle = match obstacle {
                Some(obstacle) => obstacle,
                None => match self.alloc_range(span, migratetype) {
                    Ok(()) => return Ok(span),
                    // Somebody was faster.
                    Err(Miss::Empty) => match place.direction {
                        Direction::BottomUp => span.start(),
                        Direction::TopDown => span.end() - 1,
                    },
                    Err(miss) => return Err(miss),
                },
            };
            let rest = match place.direction {
                Direction::BottomUp => within.part(obstacle + 1, within.end()),
                Direction::TopDown => within.part(within.start(), obstacle),
            };
            within = rest.ok_or(Miss::Empty)?;
        }
    }

    /// The last frame of a span that may not be taken.
    fn last_obstacle(&self, span: Span, place: &Place) -> Option<usize> {
        let mut blocks = span.pageblocks().rev();
        blocks.find_map(|block| {
            let (start, part) = part_of(span, block)?;
            let last = part.end() - 1 - start;
            let found = match self.pageblock(block).filter(|it| place.allows(it)) {
                Some(pageblock) => pageblock.last_used(last + 1)?,
                None => last,
            };
            Some(start + found).filter(|&it| it >= part.start())
        })
    }

    /// The first frame of a span that may not be taken.
    fn first_obstacle(&self, span: Span, place: &Place) -> Option<usize> {
        span.pageblocks().find_map(|block| {
            let (start, part) = part_of(span, block)?;
            let first = part.start() - start;
            let found = match self.pageblock(block).filter(|it| place.allows(it)) {
                Some(pageblock) => pageblock.next_used(first)?,
                None => first,
            };
            Some(start + found).filter(|&it| it < part.end())
        })
    }
}

/// The type that the free frames of a pageblock count as.
fn counts_as(pageblock: &Pageblock) -> Migratetype {
    match pageblock.is_isolated() {
        true => Migratetype::Isolate,
        false => pageblock.migratetype(),
    }
}

/// Where a pageblock starts, and the part of a span in it.
fn part_of(span: Span, block: usize) -> Option<(usize, Span)> {
    let start = block << PAGEBLOCK_ORDER.get();
    let end = start + PAGEBLOCK_ORDER.nr_pages().get();
    Some((start, span.part(start, end)?))
}

/// The first or last run of so many frames in a span that is aligned.
fn aligned(within: Span, frames: NrPages, place: &Place) -> Option<Span> {
    let align = place.align.nr_pages().get();
    let start = match place.direction {
        Direction::BottomUp => within.start().checked_next_multiple_of(align)?,
        Direction::TopDown => within.end().checked_sub(frames.get())? / align * align,
    };
    let end = start.checked_add(frames.get())?;
    let is_inside = start >= within.start() && end <= within.end();
    Span::new(frame(start), frames).filter(|_| is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u32, frames: usize) -> Span {
        Span::new(FrameIdx::new(from), NrPages::new(frames)).unwrap()
    }

    /// Behind an obstacle no run has that frame, from either end, until there is no room.
    #[test]
    fn what_is_behind_an_obstacle_leaves_it_out() {
        let place = |direction| Place {
            within: span(10, 100),
            align: Order::new(2).unwrap(),
            direction,
            may_cma: false,
        };
        let frames = NrPages::new(9);
        let up = place(Direction::BottomUp);
        let first = up.first(frames);
        assert_eq!(first, Some(span(12, 9)));
        let behind = |obstacle| up.behind(span(12, 9), FrameIdx::new(obstacle));
        assert_eq!(behind(20), Some(span(21, 89)));
        assert_eq!(behind(3), Some(span(13, 97)));
        assert_eq!(behind(109), None);

        let down = place(Direction::TopDown);
        assert_eq!(down.first(frames), Some(span(100, 9)));
        let behind = |obstacle| down.behind(span(100, 9), FrameIdx::new(obstacle));
        assert_eq!(behind(104), Some(span(10, 94)));
        assert_eq!(behind(96), Some(span(10, 86)));
        assert_eq!(behind(200), Some(span(10, 98)));
        assert_eq!(behind(10), None);
    }
}
