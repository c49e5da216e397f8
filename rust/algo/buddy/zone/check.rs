// SPDX-License-Identifier: GPL-2.0

//! Recounts a zone the slow way: regions, summaries, index, types, states of frames, numbers.
//!
//! # Locking     one region at a time, for as long as its frames are looked at; sums over regions
//!               and lists are right only while nobody allocates or frees.
//! # Cost        O(frames): about 50 microseconds a region.

use core::fmt;

use super::{
    super::{
        frame::State,
        guarded::Guarded,
        region::{
            Region,
            Summary,
            Violation as RegionViolation, //
        },
        Offset,
        PageblockIdx,
        FRAMES,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER, //
    },
    search::Row,
    search::TYPES,
    Memory,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    Order, //
};
use crate::seam::{
    AtomicU8,
    Relaxed, //
};

/// What is wrong with a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something inside of this region.
    Region(usize, RegionViolation),
    /// The summary of this region, or its bits of the index, say something else than it does.
    Summary(usize),
    /// The table that frees look at has another type for this pageblock.
    Type(usize),
    /// This frame is free and was given out.
    GivenAndFree(FrameIdx),
    /// This block was given out and has no place there.
    Misplaced(FrameIdx, Order),
    /// A number that is kept is not the sum of its parts: kept, recounted.
    Free(isize, isize),
    /// The same for free frames in CMA areas.
    FreeCma(isize, isize),
    /// The same for the highatomic reserve.
    FreeHighatomic(isize, isize),
    /// Frames are lost, or there twice: managed, accounted for.
    Managed(usize, usize),
    /// The lists of this CPU hold another number of frames than they say.
    Lists(usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region, violation) => write!(f, "region {region}: {violation}"),
            Self::Summary(region) => write!(f, "region {region}: summary or index are another's"),
            Self::Type(block) => write!(f, "pageblock {block}: frees see another type"),
            Self::GivenAndFree(frame) => write!(f, "frame {frame}: given out and free"),
            Self::Misplaced(frame, order) => {
                write!(f, "frame {frame}: no block of order {order} can be there")
            }
            Self::Free(kept, counted) => write!(f, "free: kept {kept}, counted {counted}"),
            Self::FreeCma(kept, counted) => write!(f, "free CMA: kept {kept}, counted {counted}"),
            Self::FreeHighatomic(kept, counted) => {
                write!(f, "free highatomic: kept {kept}, counted {counted}")
            }
            Self::Managed(managed, found) => write!(f, "managed {managed}, accounted for {found}"),
            Self::Lists(cpu) => write!(f, "lists of CPU {cpu}: count and entries differ"),
        }
    }
}

/// What was counted.
#[derive(Default)]
struct Sums {
    free: [usize; Migratetype::COUNT],
    managed: usize,
    given: usize,
    on_lists: usize,
}

impl<M: Memory> Zone<M> {
    /// Recounts everything; nobody may allocate or free meanwhile.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn check(&self, cpus: usize) -> Result<(), Violation> {
        let mut sums = Sums::default();
        for (number, region) in self.memory().regions().iter().enumerate() {
            region.with(|it| self.check_region(number, it, &mut sums))?;
        }
        for cpu in 0..cpus {
            let Some(lists) = self.memory().lists(cpu) else {
                continue;
            };
            sums.on_lists += lists
                .with(|pcp| pcp.recount())
                .ok_or(Violation::Lists(cpu))?;
        }
        self.check_sums(&sums)
    }

    fn check_sums(&self, sums: &Sums) -> Result<(), Violation> {
        let figures = self.figures();
        let of = |it: Migratetype| sums.free.get(it.index()).copied().unwrap_or(0);
        let all: usize = TYPES.into_iter().map(of).sum();
        let kept = |number: &crate::seam::AtomicIsize| number.load(Relaxed);
        let (free, cma) = (super::signed(all), super::signed(of(Migratetype::Cma)));
        let highatomic = super::signed(of(Migratetype::HighAtomic));
        if kept(&figures.free) != free {
            return Err(Violation::Free(kept(&figures.free), free));
        }
        if kept(&figures.free_cma) != cma {
            return Err(Violation::FreeCma(kept(&figures.free_cma), cma));
        }
        if kept(&figures.free_highatomic) != highatomic {
            let kept = kept(&figures.free_highatomic);
            return Err(Violation::FreeHighatomic(kept, highatomic));
        }
        let there = all + of(Migratetype::Isolate) + sums.given + sums.on_lists;
        let managed = figures.managed.load(Relaxed);
        match managed == sums.managed && managed == there {
            true => Ok(()),
            false => Err(Violation::Managed(managed, there)),
        }
    }

    fn check_region(
        &self,
        number: usize,
        region: &Region,
        sums: &mut Sums,
    ) -> Result<(), Violation> {
        region.check().map_err(|it| Violation::Region(number, it))?;
        let now = region.noted();
        let kept = self.memory().summaries().get(number);
        let kept = kept.map_or(Summary::EMPTY, |it| Summary::new(it.load(Relaxed)));
        // Whether a CPU is at work there is no fact of the region.
        let kept = kept.with_settled(false);
        let in_row = |row| self.seek(row, number, number + 1).is_some();
        let agrees = TYPES.into_iter().all(|migratetype| {
            let whole = now.largest(migratetype) >= Some(super::PAGEBLOCK_ORDER);
            in_row(Row::Whole(migratetype)) == whole
                && in_row(Row::Broken(migratetype)) == now.largest_broken(migratetype).is_some()
        });
        if kept != now || !agrees {
            return Err(Violation::Summary(number));
        }
        for block in PageblockIdx::all() {
            let place = number * PAGEBLOCKS + block.get();
            let (migratetype, isolated) = (region.migratetype(block), region.is_isolated(block));
            if region.is_managed(block.first()) && !self.has_type(place, migratetype, isolated) {
                return Err(Violation::Type(place));
            }
        }
        for &migratetype in Migratetype::ALL {
            if let Some(sum) = sums.free.get_mut(migratetype.index()) {
                *sum += region.free_of(migratetype);
            }
        }
        sums.managed += region.managed();
        self.check_states(number, region, sums)
    }

    /// Blocks that were given out lie apart from each other and from what is free.
    fn check_states(
        &self,
        number: usize,
        region: &Region,
        sums: &mut Sums,
    ) -> Result<(), Violation> {
        let states = self.memory().states(number);
        let mut end = 0;
        for at in 0..FRAMES {
            let of_frame = states.and_then(|it| it.get(at));
            let of_block = match at % (1 << PAGEBLOCK_ORDER.get()) {
                0 => {
                    let block = at >> PAGEBLOCK_ORDER.get();
                    let huge = self.memory().huge_states();
                    huge.get(number * PAGEBLOCKS + block)
                }
                _ => None,
            };
            let order = |it: Option<&AtomicU8>| State::from_byte(it?.load(Relaxed)).order();
            let (small, huge) = (order(of_frame), order(of_block));
            let Some(order) = small.or(huge) else {
                continue;
            };
            let frame = FrameIdx::at(number, Offset::new_masked(at));
            let size = order.nr_pages().get();
            let is_in_place = match small {
                Some(order) => order < PAGEBLOCK_ORDER && huge.is_none(),
                None => order >= PAGEBLOCK_ORDER,
            };
            if at < end || !frame.is_aligned(order) || !is_in_place {
                return Err(Violation::Misplaced(frame, order));
            }
            end = at + size;
            sums.given += size;
            // A block above a region's order goes on in the next ones.
            let mut frames = (at..end.min(FRAMES)).filter_map(Offset::new);
            if frames.any(|it| region.is_free(it)) {
                return Err(Violation::GivenAndFree(frame));
            }
        }
        Ok(())
    }
}
