// SPDX-License-Identifier: GPL-2.0

//! Moving one block that was given out as movable, while its holder may free it.
//!
//!   source   given ----> TOKEN ------ move_block() ----> gone, to its region  | given again
//!   target   free  ----> TOKEN ---------- says ----> true: given             | false: gone
//!
//! Both ends bear a mark from before the holder is asked until after it answered, see `mark`: so a
//! free of the source, and one of the target by a holder that was quick, find the block being
//! moved and leave it to the mover to give it back.
//!
//! # Locking     no lock is held while the holder copies; regions are locked one at a time (rank 5)
//!               to take the target and to give back what is free in the end.
//! # Cost        six exchanges of state bytes, a region's lock twice, and the copy.
//! # Limits      orders up to 15; blocks below a pageblock do not move to regions whose states are not allocated yet.
//! # Reference   mm/migrate.c: migrate_folio_unmap(), migrate_folio_move(): what they do to page
//!               tables and reference counts is the holder's here.

use core::ops::ControlFlow;

use super::{
    super::{
        account::Account,
        frame::State,
        mark::Mark,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    search::Row,
    signed,
    Memory,
    Zone, //
};
use crate::algo::units::{
    usize_from,
    FrameIdx,
    Migratetype,
    Order, //
};
use crate::seam::{
    AtomicU8,
    Relaxed, //
};

/// Who holds movable blocks, and can move their contents.
pub trait Mover {
    /// Copies a block and tells whoever holds it; `false`, and nothing was done, if it may not move
    /// now or nobody holds it.
    ///
    /// What happens to the block in this moment is between the holder and itself: a free of `from`
    /// that the holder has begun means `false`. After `true` nobody frees `from`, and `to` may be
    /// freed at once.
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool;

    /// A frame of a block that was free just now and is to be moved to, if it turns out that it cannot
    /// be used; and who is to have it then, for the rest is free again.
    fn unusable(&mut self, _to: FrameIdx, _order: Order) -> Option<(FrameIdx, Account)> {
        None
    }
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is elsewhere, and its place is free.
    Done,
    /// It was freed before, or another moves it.
    Changed,
    /// There is no place for it.
    NoTarget,
    /// Its holder does not let it go.
    Refused,
}

/// Where blocks may move.
pub(super) struct Targets<'a> {
    /// Types of pageblocks, those that are preferred first.
    pub(super) types: &'a [Migratetype],
    /// Whether a whole pageblock may be broken up if no broken one has place.
    pub(super) may_break: bool,
    /// The region that had the last one.
    pub(super) hint: usize,
}

impl<M: Memory> Zone<M> {
    /// Moves a block to free memory that is not isolated.
    pub(super) fn move_one(
        &self,
        from: FrameIdx,
        order: Order,
        targets: &mut Targets<'_>,
        mover: &mut impl Mover,
    ) -> Moved {
        let Some((place, mark)) = self.memory.state_of(from, order).zip(Mark::moving(order)) else {
            return Moved::Changed;
        };
        let given = State::given(order, Migratetype::Movable).byte();
        let begun = place.compare_exchange(given, mark.byte(), Relaxed, Relaxed);
        if begun.is_err() {
            return Moved::Changed;
        }
        let Some(to) = self.take_usable(order, mark, targets, mover) else {
            self.end_move(from, order, false);
            return Moved::NoTarget;
        };
        // Whoever holds the block finds its account at either end.
        self.take_account(from, to, order);
        let moved = mover.move_block(from, to, order);
        self.end_move(to, order, !moved);
        self.end_move(from, order, moved);
        match moved {
            true => Moved::Done,
            false => Moved::Refused,
        }
    }

    /// Takes note of a free of a block that is moved, whose mark the caller has swapped out;
    /// returns whether the free is right.
    pub(super) fn free_moving(&self, mark: Mark, frame: FrameIdx, order: Order) -> bool {
        let is_right = mark.is_held() && mark.order() == order;
        self.settle_move(frame, if is_right { mark.freed() } else { mark });
        is_right
    }

    /// Ends a move at one of its ends; `is_gone` if the block is not held there.
    fn end_move(&self, frame: FrameIdx, order: Order, is_gone: bool) {
        if let Some(mark) = Mark::ended(order, is_gone) {
            self.settle_move(frame, mark);
        }
    }

    /// Deposits a mark, and gives the block back if that falls to us.
    fn settle_move(&self, frame: FrameIdx, mark: Mark) {
        let Some(place) = self.memory.state_of(frame, mark.order()) else {
            return;
        };
        if let Some(gone) = mark.deposit(place) {
            self.give_block(frame, gone.order());
        }
    }

    /// Takes free memory for a block, of which the mover has nothing to say against, and marks it.
    fn take_usable(
        &self,
        order: Order,
        mark: Mark,
        targets: &mut Targets<'_>,
        mover: &mut impl Mover,
    ) -> Option<FrameIdx> {
        loop {
            let (to, place) = self.take_target(order, targets)?;
            let Some((kept, account)) = mover.unusable(to, order) else {
                place.store(mark.byte(), Relaxed);
                return Some(to);
            };
            // Ends: each time around a frame less is free.
            if self.keep_taken((to, order), kept, account).is_err() {
                self.give_block(to, order);
                return None;
            }
        }
    }

    /// Takes free memory for a block, out of broken pageblocks if there are any.
    fn take_target(
        &self,
        order: Order,
        targets: &mut Targets<'_>, //
    ) -> Option<(FrameIdx, &AtomicU8)> {
        let broken = targets.types.iter().map(|&it| (it, false));
        let whole = targets.types.iter().map(|&it| (it, true));
        let mut ways = broken.chain(whole.filter(|_| targets.may_break));
        let hint = &mut targets.hint;
        let to = ways.find_map(|(migratetype, may_break)| {
            let row = match may_break {
                false => Row::Broken(migratetype),
                true => Row::Whole(migratetype),
            };
            self.take_target_in(row, migratetype, order, hint)
        })?;
        let place = self.memory.state_of(to, order)?;
        // What is free by the regions and held by its state is left alone, as by `hand_out`.
        if place.load(Relaxed) != State::NONE.byte() {
            return None;
        }
        Some((to, place))
    }

    fn take_target_in(
        &self,
        row: Row,
        migratetype: Migratetype,
        order: Order,
        hint: &mut usize,
    ) -> Option<FrameIdx> {
        let may_break = matches!(row, Row::Whole(_));
        let mut found = None;
        let _ = self.each_region(row, *hint, |region, summary| {
            let largest = match may_break {
                true => summary.largest(migratetype),
                false => summary.largest_broken(migratetype),
            };
            let is_ready = order >= PAGEBLOCK_ORDER || self.memory.states(region).is_some();
            if largest < Some(order) || !is_ready {
                return ControlFlow::Continue(());
            }
            let taken = self.on_region(region, |it| it.take(migratetype, order, may_break));
            let Some(at) = taken.flatten() else {
                return ControlFlow::Continue(());
            };
            *hint = region;
            found = Some(FrameIdx::at(region, at));
            ControlFlow::Break(())
        });
        if found.is_some() {
            self.count_free(migratetype, -signed(order.nr_pages().get()));
        }
        found
    }

    /// Says whether blocks may move that need so many frames in blocks of each order or above, and
    /// how many regions were looked at to know: `needed[k]` frames of order k and up.
    ///
    /// Sizes divide each other, so that the largest first, each into the smallest block that fits,
    /// finds place for all if there is one.
    pub(super) fn has_room(&self, needed: &[usize; 16], targets: &Targets<'_>) -> (bool, usize) {
        let mut has = [0usize; 16];
        let is_enough = |has: &[usize; 16]| needed.iter().zip(has).all(|(need, has)| need <= has);
        let [frames, ..] = *needed;
        if frames == 0 || signed(frames) > self.figures.free.load(Relaxed) {
            return (frames == 0, 0);
        }
        let regions = 0..self.memory.regions().len();
        // If any is smaller than a pageblock, where all of them may go is looked at alone.
        let are_huge = needed.get(PAGEBLOCK_ORDER.index()) == Some(&frames);
        let mut looked = 0;
        for region in regions.filter(|&it| are_huge || self.memory.states(it).is_some()) {
            looked += 1;
            self.on_region(region, |it| {
                it.count_blocks(REGION_ORDER, |migratetype, order, blocks| {
                    let may_take = targets.may_break || order < PAGEBLOCK_ORDER;
                    if may_take && targets.types.contains(&migratetype) {
                        let frames = blocks << order.get();
                        let up_to = usize_from(order.get()) + 1;
                        has.iter_mut().take(up_to).for_each(|sum| *sum += frames);
                    }
                });
            });
            if is_enough(&has) {
                return (true, looked);
            }
        }
        (false, looked)
    }
}
