// SPDX-License-Identifier: GPL-2.0

//! Isolation of a range: nothing is allocated from its pageblocks, and what is freed stays there.
//!
//!   pageblock    | M . . M | . M U . | . . . . |       range from the first to the third:
//!   isolated     | x       | refused |         |       undone, and the block U is named
//!
//! # Locking     one region at a time, see zone.rs. Blocks are looked for once the pageblock is
//!               isolated, so that only what a CPU's list holds can come up later.
//! # Cost        a region's lock twice a pageblock, and a state for each block in use.
//! # Limits      CMA pageblocks are isolated like others, for whatever purpose. A block that the
//!               range cuts is not split, nor has it to be movable at the other end.
//! # Reference   mm/page_isolation.c: start_isolate_page_range(), undo_isolate_page_range(),
//!               has_unmovable_pages().

use core::fmt;
use core::ops::ControlFlow;

use super::{
    super::{
        guarded::Guarded,
        span::Span,
        FRAMES,
        PAGEBLOCK_ORDER, //
    },
    used::Used,
    Memory,
    Zone, //
};
use crate::algo::units::FrameIdx;

/// What to do with pageblocks that hold blocks which cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmovable {
    /// Refuse to isolate them.
    Refuse,
    /// Isolate them as well.
    Accept,
}

/// Why a range was not isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIsolated {
    /// This frame does not exist.
    NotManaged(FrameIdx),
    /// The pageblock of this frame is isolated already.
    Isolated(FrameIdx),
    /// The block that starts at this frame was not given out as movable.
    Unmovable(FrameIdx),
}

impl fmt::Display for NotIsolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotManaged(at) => write!(f, "frame {at} does not exist"),
            Self::Isolated(at) => write!(f, "the pageblock at frame {at} is isolated already"),
            Self::Unmovable(at) => write!(f, "the block at frame {at} cannot be moved"),
        }
    }
}

impl<M: Memory> Zone<M> {
    /// Isolates the pageblocks that a span touches.
    ///
    /// # Errors
    ///
    /// What stands against it; no pageblock is isolated then that was not before.
    pub fn isolate_range(&self, span: Span, unmovable: Unmovable) -> Result<(), NotIsolated> {
        for block in span.pageblocks() {
            let start = block << PAGEBLOCK_ORDER.get();
            let end = start + PAGEBLOCK_ORDER.nr_pages().get();
            let Some(part) = span.part(start, end) else {
                continue;
            };
            let isolated = match self.exists(part.from()) || unmovable == Unmovable::Accept {
                false => Err(NotIsolated::NotManaged(part.from())),
                true if !self.isolate(block, true) => Err(NotIsolated::Isolated(part.from())),
                true if unmovable == Unmovable::Accept => Ok(()),
                true => self.all_can_move(part).inspect_err(|_| {
                    self.isolate(block, false);
                }),
            };
            if isolated.is_err() {
                // Those before this one are ours; the last first.
                for block in (span.pageblocks().start..block).rev() {
                    self.isolate(block, false);
                }
                return isolated;
            }
        }
        Ok(())
    }

    /// Ends the isolation of the pageblocks that a span touches; returns of how many.
    pub fn undo_isolation(&self, span: Span) -> usize {
        let mut blocks = span.pageblocks();
        let mut undone = 0;
        while let Some(block) = blocks.next_back() {
            undone += usize::from(self.isolate(block, false));
        }
        undone
    }

    fn exists(&self, at: FrameIdx) -> bool {
        let region = self.memory.regions().get(at.index() / FRAMES);
        region.is_some_and(|it| it.with(|it| it.is_managed(at.offset())))
    }

    fn all_can_move(&self, span: Span) -> Result<(), NotIsolated> {
        let found = self.each_used(span, |used| match used {
            Used::Given(given) if !given.is_movable => {
                ControlFlow::Break(NotIsolated::Unmovable(given.head))
            }
            Used::Unknown(at) if !self.exists(at) => {
                ControlFlow::Break(NotIsolated::NotManaged(at))
            }
            _ => ControlFlow::Continue(()),
        });
        match found {
            ControlFlow::Break(why) => Err(why),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}
