// SPDX-License-Identifier: GPL-2.0

//! Which ranges are the cheapest to empty: those with the fewest frames in use.
//!
//!   pageblock   | 3 used | whole | 1 used | isolated |       order 9: 1, then 3
//!               | 3            | 1                   |       order 10: 3; not the second
//!
//! # Locking     a pageblock is copied under its region's lock and looked at without.
//! # Cost        a popcount of 8 words for each pageblock, or for each of its parts of the order; the
//!               16 cheapest pageblocks, or runs of them, are kept, in 384 bytes.
//! # Limits      the frames in use count, not whether they can be moved: that is looked at when a
//!               range is tried.
//! # Reference   mm/compaction.c: fast_find_migrateblock(), isolate_migratepages(): the kernel takes
//!               what comes next.

use super::{
    super::{
        super::{
            region::Pageblock,
            FRAMES,
            PAGEBLOCKS,
            PAGEBLOCK_ORDER, //
        },
        Memory,
        Zone, //
    },
    Task, //
};
use crate::algo::units::Migratetype;

/// How many ranges are kept.
const KEPT: usize = 16;

/// Frames of a pageblock.
const PAGEBLOCK: usize = PAGEBLOCK_ORDER.nr_pages().get();

/// A range of the wanted order that could be emptied; ordered by what that costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Frames in use.
    pub(super) used: usize,
    /// The number of its first frame.
    pub(super) from: usize,
}

/// The cheapest ranges.
///
/// # Invariants
///
/// `best` is sorted, without gaps, and all are behind `behind`.
pub(super) struct Choice {
    behind: Option<Candidate>,
    best: [Option<Candidate>; KEPT],
}

impl Choice {
    /// Nothing yet; nothing is kept that comes before a range that was tried, or is that.
    pub(super) const fn behind(tried: Option<Candidate>) -> Self {
        Self {
            behind: tried,
            best: [None; KEPT],
        }
    }

    /// The ranges, the cheapest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.best.iter().flatten().copied()
    }

    /// The last range if there may be more.
    pub(super) const fn last_if_full(&self) -> Option<Candidate> {
        self.best[KEPT - 1]
    }

    fn add(&mut self, candidate: Candidate) {
        if self.behind >= Some(candidate) {
            return;
        }
        // INVARIANT: what is larger moves up by one, and the largest falls out.
        let mut next = Some(candidate);
        for place in &mut self.best {
            if place.is_none() || next < *place {
                core::mem::swap(place, &mut next);
            }
            if next.is_none() {
                return;
            }
        }
    }

    /// Looks at all pageblocks of a region; returns how many there are.
    pub(super) fn look<M: Memory>(
        &mut self,
        zone: &Zone<M>,
        task: &Task,
        region: usize, //
    ) -> usize {
        match task.order < PAGEBLOCK_ORDER {
            true => self.look_inside(zone, task, region),
            false => self.look_across(zone, task, region),
        }
        PAGEBLOCKS
    }

    /// Looks at the cheapest part of each pageblock; a candidate stands for all parts of its own.
    fn look_inside<M: Memory>(&mut self, zone: &Zone<M>, task: &Task, region: usize) {
        for block in region * PAGEBLOCKS..(region + 1) * PAGEBLOCKS {
            if let Some(cheapest) = parts(zone, task, block).min() {
                self.add(Candidate {
                    used: cheapest.used,
                    from: block * PAGEBLOCK,
                });
            }
        }
    }

    /// Looks at the parts of the pageblock that a candidate stands for.
    pub(super) fn look_into<M: Memory>(&mut self, zone: &Zone<M>, task: &Task, from: usize) {
        parts(zone, task, from / PAGEBLOCK).for_each(|it| self.add(it));
    }

    /// Looks at runs of pageblocks.
    fn look_across<M: Memory>(&mut self, zone: &Zone<M>, task: &Task, region: usize) {
        let size = task.order.nr_pages().get();
        for from in (region * FRAMES..(region + 1) * FRAMES).step_by(size) {
            let mut cost = Some(0);
            let mut is_cma = None;
            for block in from / PAGEBLOCK..(from + size) / PAGEBLOCK {
                let pageblock = zone.pageblock(block);
                let pageblock = pageblock.filter(|it| it.is_complete() && may_empty(it, task));
                cost = cost.zip(pageblock).and_then(|(cost, it)| {
                    // Free blocks of CMA areas merge with their like only.
                    let alike = is_cma.get_or_insert(it.migratetype() == Migratetype::Cma);
                    let used = it.used(0, PAGEBLOCK_ORDER);
                    (*alike == (it.migratetype() == Migratetype::Cma)).then_some(cost + used)
                });
            }
            if let Some(used) = cost {
                self.add(Candidate { used, from });
            }
        }
    }
}

/// The parts of a pageblock that could be emptied.
fn parts<'a, M: Memory>(
    zone: &Zone<M>,
    task: &'a Task,
    block: usize,
) -> impl Iterator<Item = Candidate> + 'a {
    let pageblock = zone.pageblock(block).filter(|it| may_empty(it, task));
    pageblock.into_iter().flat_map(move |it| {
        let starts = (0..PAGEBLOCK).step_by(task.order.nr_pages().get());
        starts.map(move |at| Candidate {
            used: it.used(at, task.order),
            from: block * PAGEBLOCK + at,
        })
    })
}

/// Says whether a pageblock may be emptied for a task.
fn may_empty(pageblock: &Pageblock, task: &Task) -> bool {
    !pageblock.is_isolated() && task.sources().contains(&pageblock.migratetype())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(used: usize) -> Candidate {
        Candidate {
            used,
            from: 512 * used,
        }
    }

    #[test]
    fn the_cheapest_are_kept_in_order() {
        let mut choice = Choice::behind(None);
        for used in (0..40).map(|it| it * 17 % 40) {
            choice.add(candidate(used));
        }
        let used: Vec<_> = choice.iter().map(|it| it.used).collect();
        assert_eq!(used, (0..16).collect::<Vec<_>>());
        let mut next = Choice::behind(choice.last_if_full());
        for used in (0..20).rev() {
            next.add(candidate(used));
        }
        let used: Vec<_> = next.iter().map(|it| it.used).collect();
        assert_eq!(used, [16, 17, 18, 19]);
        assert_eq!(next.last_if_full(), None);
    }
}
