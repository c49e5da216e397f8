// SPDX-License-Identifier: GPL-2.0

//! What is in use among frames: blocks that were given out, and frames of which nobody knows.
//!
//!   free    1 1 0 0 1 0 0 0     given: order 1 at 2, movable
//!   states  - - g - - - g -     given: order 1 at 6; unknown: 5, which is on a CPU's list, or on its
//!                               way from or to one, or does not exist
//!
//! # Locking     the free frames of a pageblock are copied under its region's lock, states are read
//!               without: what is found is true for good only if the pageblock is isolated and the
//!               block bears a mark.
//! # Cost        a copy of 80 bytes for each pageblock, and a state for each block in use.
//! # Limits      none.
//! # Reference   mm/compaction.c: isolate_migratepages_block().

use core::ops::ControlFlow;

use super::{
    super::{
        frame::State,
        guarded::Guarded,
        region::Pageblock,
        span::{
            frame,
            Span, //
        },
        PageblockIdx,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER, //
    },
    Memory,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    Order, //
};
use crate::seam::Relaxed;

/// A block that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) head: FrameIdx,
    pub(super) order: Order,
    pub(super) is_movable: bool,
}

/// Something that is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// A block, which may begin before the frames that are looked at, and end after.
    Given(Given),
    /// A frame that no state tells of.
    Unknown(FrameIdx),
}

impl<M: Memory> Zone<M> {
    /// Copies what is known of a pageblock, by its number in the zone.
    pub(super) fn pageblock(&self, block: usize) -> Option<Pageblock> {
        let region = self.memory.regions().get(block / PAGEBLOCKS)?;
        let at = PageblockIdx::new(block % PAGEBLOCKS)?;
        Some(region.with(|it| it.pageblock(at)))
    }

    /// The block that was given out and starts here.
    fn given_at(&self, head: FrameIdx) -> Option<Given> {
        let of = |order| {
            let state = self.memory.state_of(head, order)?.load(Relaxed);
            let state = State::from_byte(state);
            Some(Given {
                head,
                order: state.order()?,
                is_movable: state.migratetype()? == Migratetype::Movable,
            })
        };
        of(Order::ZERO).or_else(|| of(PAGEBLOCK_ORDER))
    }

    /// The block that was given out before a frame and reaches into it.
    fn given_around(&self, at: FrameIdx) -> Option<Given> {
        let heads = Order::up_to(Order::MAX).map(|order| at.align_down(order));
        let mut found = heads
            .filter(|&it| it != at)
            .filter_map(|it| self.given_at(it));
        found.find(|it| it.head.align_down(it.order) == at.align_down(it.order))
    }

    /// Visits what is in use in a span, from low to high.
    pub(super) fn each_used<B>(
        &self,
        span: Span,
        mut visit: impl FnMut(Used) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut at = span.start();
        if let Some(given) = self.given_around(span.from()) {
            visit(Used::Given(given))?;
            at = given.head.index() + given.order.nr_pages().get();
        }
        for block in span.pageblocks() {
            let start = block << PAGEBLOCK_ORDER.get();
            let end = span.end().min(start + PAGEBLOCK_ORDER.nr_pages().get());
            at = at.max(start);
            let Some(pageblock) = self.pageblock(block) else {
                visit(Used::Unknown(frame(at)))?;
                continue;
            };
            while let (true, Some(used)) = (at < end, pageblock.next_used(at.saturating_sub(start)))
            {
                at = start + used;
                if at >= end {
                    break;
                }
                at += match self.given_at(frame(at)) {
                    Some(given) => {
                        visit(Used::Given(given))?;
                        given.order.nr_pages().get()
                    }
                    None => {
                        visit(Used::Unknown(frame(at)))?;
                        1
                    }
                };
            }
        }
        ControlFlow::Continue(())
    }
}
