// SPDX-License-Identifier: GPL-2.0

//! Emptying a range: all of its blocks move, the largest first, and nothing comes in meanwhile.
//!
//!   look     | M . M M . . U . |     not movable, on a list, or as large as the range: not this one
//!   isolate, look again            what is found now stays, but for frees
//!   room?    | . . | . |            enough free blocks elsewhere for each size: else not this one
//!   move     largest blocks first  so that small ones do not take the places of large ones
//!   undo     the range is free, and may be allocated
//!
//! # Locking     see compact.rs.
//! # Cost        a state for each block, once for each order that blocks have, and twice before.
//! # Limits      a block whose holder does not let it go ends the attempt; those that moved before it
//!               stay where they are now.
//! # Reference   mm/compaction.c: isolate_migratepages_block(), compaction_alloc();
//!               mm/migrate.c: migrate_pages(); mm/page_alloc.c: alloc_contig_range().

use core::ops::ControlFlow;

use super::{
    super::{
        super::{
            span::{
                frame,
                Span, //
            },
            PAGEBLOCKS, //
        },
        isolate::{
            NotIsolated,
            Unmovable, //
        },
        moving::{Moved, Mover},
        used::{
            Given,
            Used, //
        },
        Memory,
        Miss,
        Zone,
        PAGEBLOCK_ORDER, //
    },
    Budget,
    Count,
    Counts,
    Scope,
    Task,
    Work, //
};
use crate::algo::units::{
    Migratetype,
    Order, //
};

/// Orders of blocks that can be moved.
const ORDERS: usize = 16;

/// What is in the way of an exact range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeMiss {
    /// It cannot be isolated.
    NotIsolated(NotIsolated),
    /// There is not enough free memory elsewhere, or the holder of a block does not let it go.
    NotEmptied,
    /// Something came in between, see [`Miss`].
    Missed(Miss),
}

impl<M: Memory> Zone<M> {
    /// Allocates exactly these frames, after what is movable among them was moved away; returns
    /// what that took.
    ///
    /// # Errors
    ///
    /// See [`RangeMiss`]; nothing is taken then, but some blocks may have moved.
    pub fn alloc_range_moving(
        &self,
        span: Span,
        migratetype: Migratetype,
        mover: &mut impl Mover,
    ) -> Result<Counts, RangeMiss> {
        self.isolate_range(span, Unmovable::Refuse)
            .map_err(RangeMiss::NotIsolated)?;
        let task = Task {
            order: Order::ZERO,
            migratetype: Migratetype::Movable,
            may_cma: true,
            scope: Scope::All,
            budget: Budget {
                pageblocks: usize::MAX,
                frames: usize::MAX,
            },
        };
        let mut work = Work::new(self, &task, mover);
        let result = match work.empty_isolated(span, Order::MAX) {
            true => self
                .alloc_range(span, migratetype)
                .map_err(RangeMiss::Missed),
            false => Err(RangeMiss::NotEmptied),
        };
        let counts = work.counts;
        self.undo_isolation(span);
        result.map(|()| counts)
    }
}

impl<M: Memory, V: Mover> Work<'_, M, V> {
    /// Empties the range of the wanted order that starts at this frame; says whether that was done.
    pub(super) fn empty_block(&mut self, from: usize) -> bool {
        let order = self.task.order;
        let Some(span) = Span::block(frame(from), order) else {
            return false;
        };
        // Most of those that cannot be emptied are found out here, without isolation.
        if self.needed(span, order).is_none() {
            return false;
        }
        let isolated = self.zone.isolate_range(span, Unmovable::Accept);
        if isolated.is_err() {
            return false;
        }
        let is_empty = self.empty_isolated(span, order);
        self.zone.undo_isolation(span);
        if is_empty {
            self.counts.add(Count::Emptied, 1);
        }
        is_empty
    }

    /// Moves all blocks of a span, whose pageblocks are isolated, elsewhere; blocks are to be below
    /// order `most`.
    fn empty_isolated(&mut self, span: Span, most: Order) -> bool {
        let Some(needed) = self.needed(span, most) else {
            return false;
        };
        let (has_room, regions) = self.zone.has_room(&needed, &self.targets);
        self.counts.add(Count::Looked, regions * PAGEBLOCKS);
        if !has_room {
            return false;
        }
        // `needed` counts blocks of larger orders too.
        let mut above = 0;
        for (order, &frames) in needed.iter().enumerate().rev() {
            let order = u32::try_from(order).ok().and_then(Order::new);
            if frames > above && !order.is_some_and(|it| self.move_all(span, it)) {
                return false;
            }
            above = frames;
        }
        true
    }

    /// Counts the frames that have to move: of blocks of each order and above. `None` if one cannot
    /// move, or nobody knows what it is.
    fn needed(&mut self, span: Span, most: Order) -> Option<[usize; ORDERS]> {
        let mut needed = [0; ORDERS];
        self.counts.add(Count::MigrateScanned, span.frames().get());
        let found = self.zone.each_used(span, |used| match used {
            Used::Given(it) if it.is_movable && it.order < most && it.order.index() < ORDERS => {
                let up_to = it.order.index() + 1;
                let frames = it.order.nr_pages().get();
                needed.iter_mut().take(up_to).for_each(|sum| *sum += frames);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        });
        found.is_continue().then_some(needed)
    }

    /// Moves the blocks of one order.
    fn move_all(&mut self, span: Span, order: Order) -> bool {
        let zone = self.zone;
        let moved = zone.each_used(span, |used| match used {
            Used::Given(it) if it.order == order && !self.move_block(it) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        moved.is_continue()
    }

    /// Moves a block; `false` if it stays.
    fn move_block(&mut self, given: Given) -> bool {
        let frames = given.order.nr_pages().get();
        let targets = &mut self.targets;
        let moved = self
            .zone
            .move_one(given.head, given.order, targets, self.mover);
        let isolated = match moved {
            Moved::Changed => return true,
            Moved::NoTarget => frames,
            Moved::Done | Moved::Refused => {
                self.counts.add(
                    Count::FreeScanned,
                    PAGEBLOCK_ORDER.nr_pages().get().max(frames),
                );
                2 * frames
            }
        };
        self.counts.add(Count::Isolated, isolated);
        let is_done = moved == Moved::Done;
        self.counts
            .add(if is_done { Count::Moved } else { Count::Failed }, frames);
        is_done
    }
}
