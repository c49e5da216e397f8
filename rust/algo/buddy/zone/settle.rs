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
//!               refill while its own is emptier than a 32nd. A guest takes a lock of another CPU's,
//!               where else a pageblock would be kept from running empty.
//! # Limits      the bit is a hint: of two CPUs in a region the one that goes takes it along, and one
//!               that is idle keeps others out as long as there are other regions.
//! # Reference   none: the kernel's CPUs share the lists of a zone. LLFree reserves trees.

use core::ops::ControlFlow;

use super::{
    super::{
        guarded::Guarded,
        region::Summary,
        FRAMES,
        PAGEBLOCK_ORDER, //
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

impl<'a> Search<'a> {
    pub(super) const fn new(want: &'a Want, blocks: usize, at: u32) -> Self {
        Self {
            want,
            blocks,
            taken: 0,
            at,
            waits: false,
            skipped: false,
            miss: None,
        }
    }

    /// Says whether a region is another CPU's, and there may be others yet.
    pub(super) fn leaves_out(&self, region: usize, summary: Summary) -> bool {
        summary.is_settled() && !self.waits && region != usize_from(self.at)
    }
}

/// Of how many regions the fullest is searched.
const LOOKED_AT: usize = 16;

/// How many more free frames of a region are not many.
const FEW: usize = FRAMES / 32;

/// The frames of a pageblock: as many as are scattered where one is broken up after the other.
const PAGEBLOCK: usize = PAGEBLOCK_ORDER.nr_pages().get();

impl<M: Memory> Zone<M> {
    /// Takes from broken pageblocks, those of the fullest region first.
    pub(super) fn take_broken(&self, search: &mut Search<'_>, out: &mut impl FnMut(u32)) {
        let mut before = None;
        while search.taken < search.blocks && before != Some(search.taken) {
            before = Some(search.taken);
            let Some((region, is_guest)) = self.next_broken(search) else {
                break;
            };
            let home = core::mem::replace(&mut search.at, region);
            let _ = self.take_in(Row::Broken(search.want.migratetype), search, out);
            if is_guest {
                search.at = home;
            }
        }
    }

    /// Takes from a whole pageblock of the region where the search is, or else of the fullest that
    /// has one.
    pub(super) fn take_whole(&self, search: &mut Search<'_>, out: &mut impl FnMut(u32)) {
        let row = Row::Whole(search.want.migratetype);
        let home = search.at;
        if search.want.order < PAGEBLOCK_ORDER {
            let has_whole = |it: Summary| it.has_whole(search.want.migratetype);
            if !has_whole(self.summary(usize_from(home))) {
                let [fullest, _] = self.fullest(row, search, has_whole);
                search.at = fullest.map_or(home, |(region, _)| region);
            }
        }
        let _ = self.take_in(row, search, out);
        if search.taken == 0 {
            search.at = home;
        }
    }

    /// Says whether a request is served without a whole pageblock being broken up.
    pub(super) fn has_broken(&self, want: &Want, hint: u32) -> bool {
        self.next_broken(&mut Search::new(want, 0, hint)).is_some()
    }

    /// The region to take broken pageblocks' frames from, and whether as a guest, who does not stay:
    /// of those that come next the one with the fewest free frames. A search stays where it is while
    /// that is not much emptier: to stay longer would fill up what had better run empty.
    ///
    /// So the fullest regions are filled up, and the others run empty. Where hardly anything is left
    /// but what others have settled in, and there is more there than they are at, that comes first.
    fn next_broken(&self, search: &mut Search<'_>) -> Option<(u32, bool)> {
        let (want, at) = (search.want, search.at);
        let fits = |it: Summary| it.largest_broken(want.migratetype) >= Some(want.order);
        let here = self.summary(usize_from(at));
        // However few free frames others have: their summaries are on lines that others write.
        if fits(here) && here.free() <= FEW {
            return Some((at, false));
        }
        let [best, host] = self.fullest(Row::Broken(want.migratetype), search, fits);
        let fewest = best.map_or(usize::MAX, |(_, best)| best.free());
        let best = match fits(here) && here.free() <= fewest.saturating_add(FEW) {
            true => Some((at, here)),
            false => best,
        };
        // To be a guest is to wait for each other: not for the sake of a region that is in use.
        let is_nearly_empty = |it: Summary, host: Summary| {
            it.scattered() <= PAGEBLOCK && it.free() > host.free().saturating_add(FEW)
        };
        match (best, host) {
            (Some((_, best)), Some((host, it))) if is_nearly_empty(best, it) => Some((host, true)),
            (Some((best, _)), _) => Some((best, false)),
            (None, host) => host.map(|(host, _)| (host, true)),
        }
    }

    /// Of the regions of a row that come next, and are as they should be, the one with the fewest
    /// free frames; and of those that are left out the one with the fewest where more lies scattered
    /// than who has settled there is at.
    fn fullest(
        &self,
        row: Row,
        search: &mut Search<'_>,
        fits: impl Fn(Summary) -> bool,
    ) -> [Option<(u32, Summary)>; 2] {
        let mut fullest = [None; 2];
        let mut looked_at = 0;
        let _ = self.each_region(row, usize_from(search.at), |region, summary| {
            let is_left_out = search.leaves_out(region, summary);
            if fits(summary) {
                search.skipped |= is_left_out;
                let place = &mut fullest[usize::from(is_left_out)];
                let is_fuller = |(_, it): (u32, Summary)| summary.free() < it.free();
                let counts = !is_left_out || summary.scattered() > PAGEBLOCK;
                if counts && place.is_none_or(is_fuller) {
                    *place = u32::try_from(region).ok().map(|region| (region, summary));
                }
            }
            looked_at += 1;
            match looked_at < LOOKED_AT {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        fullest
    }

    /// The summary of a region.
    pub(super) fn summary(&self, region: usize) -> Summary {
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
