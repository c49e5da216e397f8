// SPDX-License-Identifier: GPL-2.0

//! Where a CPU allocates from: a region that it settles in, and then the fullest of those where
//! nobody has.
//!
//!   region    0            1              2              3
//!             CPU 0 here   fuller, free   CPU 1 here     whole
//!   next      as long as   then this      if nothing     before that
//!             it has any                  else is left
//!
//! # Locking     that a CPU is here is a bit of the region's summary, stored under the region's lock;
//!               to clear it takes the lock of the region that is left, when no other is held.
//! # Cost        two locks when a CPU goes to another region; the summaries of up to 16 regions for a
//!               refill while its own is emptier than a quarter.
//! # Limits      the bit is a hint: of two CPUs in a region the one that goes takes it along, and one
//!               that is idle keeps others out as long as there are other regions.
//! # Reference   none: the kernel's CPUs share the lists of a zone. LLFree reserves trees.

use core::ops::ControlFlow;

use super::{
    super::{
        guarded::Guarded,
        region::Summary,
        FRAMES, //
    },
    search::Row,
    Memory,
    Miss,
    Want,
    Zone, //
};
use crate::algo::units::usize_from;
use crate::seam::Relaxed;

/// Where a search begins that is nobody's who will search again.
pub(super) const NOWHERE: u32 = u32::MAX;

/// How far a search has come.
pub(super) struct Search<'a> {
    pub(super) want: &'a Want,
    pub(super) blocks: usize,
    pub(super) taken: usize,
    /// The region that gave something last.
    pub(super) at: u32,
    /// Whether it waits for locks.
    pub(super) waits: bool,
    /// Whether a region was left out because another CPU was at it.
    pub(super) skipped: bool,
    pub(super) miss: Option<Miss>,
}

impl Search<'_> {
    /// Says whether a region is another CPU's, and there may be others yet.
    pub(super) fn leaves_out(&self, region: usize, summary: Summary) -> bool {
        summary.is_settled() && !self.waits && region != usize_from(self.at)
    }
}

impl<M: Memory> Zone<M> {
    /// Takes from broken pageblocks, those of the fullest region first.
    pub(super) fn take_broken(&self, search: &mut Search<'_>, out: &mut impl FnMut(u32)) {
        let mut before = None;
        while search.taken < search.blocks && before != Some(search.taken) {
            before = Some(search.taken);
            let Some(fullest) = self.fullest(search) else {
                break;
            };
            search.at = fullest;
            let _ = self.take_in(Row::Broken(search.want.migratetype), search, out);
        }
    }

    /// The region to take broken pageblocks' frames from: of those that come next the one with the
    /// fewest free frames. A search stays where it is while that is not much emptier: to stay longer
    /// would leave fewer pageblocks whole.
    ///
    /// So the fullest regions are filled up, and the others run empty.
    fn fullest(&self, search: &mut Search<'_>) -> Option<u32> {
        /// Of how many.
        const LOOKED_AT: usize = 16;
        /// How many more free frames are not many.
        const FEW: usize = FRAMES / 4;
        let (want, at) = (search.want, search.at);
        let row = Row::Broken(want.migratetype);
        let fits = |it: Summary| it.largest_broken(want.migratetype) >= Some(want.order);
        let here = self.summary(usize_from(at));
        // However few free frames others have: their summaries are on lines that others write.
        if fits(here) && here.free() <= FEW {
            return Some(at);
        }
        let (mut best, mut fewest, mut looked_at) = (None, usize::MAX, 0);
        let _ = self.each_region(row, usize_from(at), |region, summary| {
            if !fits(summary) {
            } else if search.leaves_out(region, summary) {
                search.skipped = true;
            } else if summary.free() < fewest {
                best = u32::try_from(region).ok();
                fewest = summary.free();
            }
            looked_at += 1;
            match looked_at < LOOKED_AT {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        match fits(here) && here.free() <= fewest.saturating_add(FEW) {
            true => Some(at),
            false => best,
        }
    }

    /// The summary of a region.
    fn summary(&self, region: usize) -> Summary {
        let summary = self.memory.summaries().get(region);
        summary.map_or(Summary::EMPTY, |it| Summary::new(it.load(Relaxed)))
    }

    /// Notes that a CPU has gone from one region to another.
    pub(super) fn settle(&self, before: u32, now: u32) {
        if before == NOWHERE || self.summary(usize_from(now)).is_settled() {
            return;
        }
        if before != now {
            self.note_settled(usize_from(before), false);
        }
        self.note_settled(usize_from(now), true);
    }

    /// Stores whether a CPU has settled in a region.
    #[cold]
    fn note_settled(&self, region: usize, is_settled: bool) {
        let (regions, summaries) = (self.memory.regions(), self.memory.summaries());
        if let (Some(guarded), Some(place)) = (regions.get(region), summaries.get(region)) {
            // Under its lock, as all that is stored there.
            guarded.with(|_| {
                let summary = Summary::new(place.load(Relaxed));
                place.store(summary.with_settled(is_settled).get(), Relaxed);
            });
        }
    }
}
