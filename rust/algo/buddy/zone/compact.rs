// SPDX-License-Identifier: GPL-2.0

//! Compaction: pageblocks that are nearly empty are emptied, so that large blocks come free.
//!
//!   before   | M . . . | M M . M | U . M . |      wanted: a block of the size of a pageblock
//!   cost       1         3         cannot          the first is the cheapest: isolate, move, undo
//!   after    | . . . . | M M M M | U . M . |
//!
//! # Locking     none over a step: regions are locked one at a time (rank 5) to look at a pageblock,
//!               to isolate it, and to take and give single blocks. While a holder copies a block no
//!               lock is held and both ends bear a mark, see `moving`. Drain the lists of all CPUs
//!               first: a pageblock with frames on lists is left alone.
//! # Cost        80 bytes copied under a lock for each pageblock looked at, once and then again for
//!               each 16 pageblocks that were tried in vain; bounded by the budget. For a GiB of
//!               which every other frame is in use, about 20 microseconds to look at it, and 0.2 for
//!               each frame that is moved, without the copy.
//! # Limits      orders 1 to 15. The cheapest of each 16 regions is taken, not that of the zone.
//!               Targets are the best fit of their region, in pageblocks other than those that are
//!               being emptied, whole ones last; the kernel's scanners meet instead. All of a zone
//!               is compacted in pageblocks, and those that are not complete are left as they are.
//! # Reference   mm/compaction.c: compact_zone(), isolate_migratepages_block(),
//!               suitable_migration_source(), suitable_migration_target(), compact_finished().

mod choose;
mod empty;
mod suitable;

pub use self::empty::RangeMiss;
pub use self::suitable::{
    gap,
    Suitable, //
};
pub use super::moving::Mover;

use core::ops::Range;

use self::choose::{
    Candidate,
    Choice, //
};
use super::{
    super::{
        PAGEBLOCKS,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    moving::Targets,
    Memory,
    Zone, //
};
use crate::algo::units::{
    named,
    u64_from,
    Migratetype,
    Order, //
};
use crate::seam::Relaxed;

/// How many regions are looked at before the cheapest is emptied.
const WINDOW: usize = 16;

named! {
    /// What compaction counts, spelled as in /proc/vmstat where that counts it.
    pub enum Count {
        /// Frames whose states were looked at.
        MigrateScanned = "compact_migrate_scanned",
        /// Frames of pageblocks that targets were taken from.
        FreeScanned = "compact_free_scanned",
        /// Frames taken to be moved, and those taken to move them to.
        Isolated = "compact_isolated",
        /// Frames moved.
        Moved = "pgmigrate_success",
        /// Frames that could not be moved.
        Failed = "pgmigrate_fail",
        /// Pageblocks looked at for what it costs to empty them, and for room elsewhere.
        Looked = "compact_pageblocks",
        /// Ranges that were emptied.
        Emptied = "compact_emptied",
        /// Blocks of the wanted order that came of it.
        Made = "compact_made",
    }
}

/// What compaction did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Count::COUNT]);

impl Counts {
    /// Returns one number.
    pub fn get(&self, count: Count) -> u64 {
        self.0.get(count.index()).copied().unwrap_or(0)
    }

    /// Adds what another compaction did.
    pub fn add_all(&mut self, more: &Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum = sum.saturating_add(more);
        }
    }

    fn add(&mut self, count: Count, more: usize) {
        if let Some(sum) = self.0.get_mut(count.index()) {
            *sum = sum.saturating_add(u64_from(more));
        }
    }
}

named! {
    /// How compaction ended, spelled as in the kernel's trace events.
    pub enum Outcome {
        /// The order is none that can be compacted for.
        Skipped = "skipped",
        /// All was looked at: there is no such block, or no more of them can be made.
        Complete = "complete",
        /// The budget was used up before all was looked at.
        Partial = "partial_skipped",
        /// There is a block of the order.
        Success = "success",
    }
}

/// What compaction may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Pageblocks to look at.
    pub pageblocks: usize,
    /// Frames to move.
    pub frames: usize,
}

/// Which pageblocks compaction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Empty those of the request's type, fill those of movable memory (COMPACT_PRIO_ASYNC).
    Alike,
    /// Empty and fill all but the highatomic reserve (COMPACT_PRIO_SYNC_FULL).
    All,
}

/// What compaction is for.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The order that is wanted.
    pub order: Order,
    /// The type that it is wanted for.
    pub migratetype: Migratetype,
    /// Whether the request may have CMA memory (ALLOC_CMA).
    pub may_cma: bool,
    /// The pageblocks that may be changed for it.
    pub scope: Scope,
    /// What it may cost.
    pub budget: Budget,
}

impl Task {
    /// The types of pageblocks to empty, which are those whose blocks serve the request.
    const fn sources(&self) -> &'static [Migratetype] {
        use Migratetype::{
            Cma,
            Movable,
            Reclaimable,
            Unmovable, //
        };
        match (self.scope, self.may_cma, self.migratetype) {
            (Scope::All, false, _) => &[Movable, Unmovable, Reclaimable],
            (Scope::All, true, _) => &[Movable, Unmovable, Reclaimable, Cma],
            (Scope::Alike, true, Movable) => &[Movable, Cma],
            (Scope::Alike, _, Unmovable) => &[Unmovable],
            (Scope::Alike, _, Reclaimable) => &[Reclaimable],
            (Scope::Alike, _, _) => &[Movable],
        }
    }

    /// The types of pageblocks to fill.
    const fn targets(&self) -> &'static [Migratetype] {
        use Migratetype::{
            Cma,
            Movable,
            Reclaimable,
            Unmovable, //
        };
        match self.scope {
            Scope::Alike => &[Movable, Cma],
            Scope::All => &[Movable, Cma, Reclaimable, Unmovable],
        }
    }
}

/// What compaction came to.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// What it did.
    pub counts: Counts,
}

/// Compaction under way.
struct Work<'a, M, V> {
    zone: &'a Zone<M>,
    task: &'a Task,
    mover: &'a mut V,
    targets: Targets<'a>,
    counts: Counts,
    /// Whether to go on once there is a block.
    wants_all: bool,
}

impl<M: Memory> Zone<M> {
    /// Makes a free block of an order by moving blocks that were given out as movable; their holders
    /// are asked through `mover`.
    pub fn compact(&self, task: &Task, mover: &mut impl Mover) -> Done {
        let mut work = Work::new(self, task, mover);
        let outcome = work.run();
        Done {
            outcome,
            counts: work.counts,
        }
    }

    /// Empties every pageblock that can be emptied into broken ones, whatever the request might be
    /// that needs it (the zone's part of writing to /proc/sys/vm/compact_memory).
    pub fn compact_all(&self, budget: Budget, mover: &mut impl Mover) -> Done {
        let task = Task {
            order: PAGEBLOCK_ORDER,
            migratetype: Migratetype::Movable,
            may_cma: true,
            scope: Scope::All,
            budget,
        };
        let mut work = Work::new(self, &task, mover);
        work.wants_all = true;
        // To break up one pageblock so as to empty another would come to nothing.
        work.targets.may_break = false;
        let outcome = work.run_all();
        Done {
            outcome,
            counts: work.counts,
        }
    }
}

impl<'a, M: Memory, V: Mover> Work<'a, M, V> {
    fn new(zone: &'a Zone<M>, task: &'a Task, mover: &'a mut V) -> Self {
        Self {
            zone,
            task,
            mover,
            targets: Targets {
                types: task.targets(),
                may_break: true,
                hint: 0,
            },
            counts: Counts::default(),
            wants_all: false,
        }
    }

    fn run(&mut self) -> Outcome {
        let order = self.task.order;
        if order == Order::ZERO || order > self.zone.max_order().min(REGION_ORDER) {
            return Outcome::Skipped;
        }
        if self.is_served() {
            return Outcome::Success;
        }
        self.sweep()
    }

    /// Looks at all regions until nothing comes of it any more: what was filled may be emptied again
    /// when others have been.
    fn run_all(&mut self) -> Outcome {
        if self.task.order > self.zone.max_order() {
            return Outcome::Skipped;
        }
        loop {
            let made = self.counts.get(Count::Made);
            let outcome = self.sweep();
            if outcome != Outcome::Complete || self.counts.get(Count::Made) == made {
                return outcome;
            }
        }
    }

    /// Looks at all regions, from where the last one ended.
    fn sweep(&mut self) -> Outcome {
        let regions = self.zone.memory().regions().len();
        let next = &self.zone.figures().compact_from;
        let start = next.load(Relaxed) % regions.max(1);
        for (from, end) in [(start, regions), (0, start)] {
            let mut at = from;
            while at < end {
                let most = (self.looks_left() / PAGEBLOCKS).clamp(1, WINDOW);
                let window = at..end.min(at + most);
                at = window.end;
                let outcome = self.run_window(window.clone());
                if outcome == Some(Outcome::Success) {
                    // There may be more that is as cheap.
                    next.store(window.start, Relaxed);
                } else {
                    next.store(window.end, Relaxed);
                }
                if let Some(outcome) = outcome {
                    return outcome;
                }
            }
        }
        Outcome::Complete
    }

    /// Empties ranges of some regions, the cheapest first; `Some` if that is to be the end.
    fn run_window(&mut self, window: Range<usize>) -> Option<Outcome> {
        let mut last = None;
        loop {
            if self.looks_left() < window.len() * PAGEBLOCKS {
                return Some(Outcome::Partial);
            }
            let mut choice = Choice::behind(last);
            for region in window.clone() {
                let looked = choice.look(self.zone, self.task, region);
                self.counts.add(Count::Looked, looked);
            }
            for candidate in choice.iter() {
                if candidate.used > self.frames_left() {
                    return Some(Outcome::Partial);
                }
                if self.empty_candidate(candidate) {
                    self.counts.add(Count::Made, 1);
                    if !self.wants_all {
                        return Some(Outcome::Success);
                    }
                }
            }
            last = Some(choice.last_if_full()?);
        }
    }

    /// Empties what a candidate stands for, the cheapest part first; says whether there is a block
    /// for the request now.
    fn empty_candidate(&mut self, candidate: Candidate) -> bool {
        if self.wants_all {
            return self.is_worth_it(candidate) && self.empty_block(candidate.from);
        }
        if self.task.order >= PAGEBLOCK_ORDER {
            return self.empty_block(candidate.from) && self.is_served();
        }
        let mut last = None;
        loop {
            let mut parts = Choice::behind(last);
            parts.look_into(self.zone, self.task, candidate.from);
            for part in parts.iter() {
                if part.used > self.frames_left() {
                    return false;
                }
                if self.empty_block(part.from) && self.is_served() {
                    return true;
                }
            }
            last = parts.last_if_full();
            if last.is_none() {
                return false;
            }
        }
    }

    /// Says whether a pageblock has something to be moved, and not more than when it was looked at:
    /// one that was filled meanwhile has its turn later.
    fn is_worth_it(&self, candidate: Candidate) -> bool {
        let pageblock = self.zone.pageblock(candidate.from >> PAGEBLOCK_ORDER.get());
        let used = pageblock.map_or(0, |it| it.used(0, PAGEBLOCK_ORDER));
        (1..=candidate.used).contains(&used)
    }

    fn looks_left(&self) -> usize {
        let looked = usize::try_from(self.counts.get(Count::Looked)).unwrap_or(usize::MAX);
        self.task.budget.pageblocks.saturating_sub(looked)
    }

    fn frames_left(&self) -> usize {
        let moved = usize::try_from(self.counts.get(Count::Moved)).unwrap_or(usize::MAX);
        self.task.budget.frames.saturating_sub(moved)
    }

    /// Says whether there is a block for the request.
    fn is_served(&self) -> bool {
        let mut types = self.task.sources().iter();
        types.any(|&it| self.zone.has_block(it, self.task.order))
    }
}
