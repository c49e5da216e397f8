// SPDX-License-Identifier: GPL-2.0

//! A zone: regions of frames, the lists of each CPU before them, and the rules between the two.
//!
//!   alloc ---> list of the CPU ---> regions: own type ---> CMA ---> claim ---> steal
//!   free  ---> list of the CPU ---> regions, when the list is long enough
//!
//! # Locking     page lists of a CPU (rank 4), then one region at a time (rank 5). The rest are atomics:
//!               counters are exact when nobody works; summaries and the index are hints, proved by
//!               the lock of the region they describe, under which they are written.
//! # Cost        a list that holds a block: one lock, which no other CPU takes but to drain, and the
//!               frame's state byte. One refill or drain in `batch` or more takes a region's lock and
//!               adds to the zone's counter, the only lines that CPUs share.
//! # Limits      a block is the best fit of its region, not of the zone: regions are searched from where
//!               the CPU found something last, those with a broken pageblock that fits before others.
//! # Reference   `mm/page_alloc.c`: `rmqueue()`, `rmqueue_bulk()`, `free_frozen_page_commit()`.

mod accounts;
mod bulk;
mod check;
pub mod compact;
mod damage;
mod events;
mod fallback;
mod figures;
mod free;
pub mod isolate;
mod memory;
mod moving;
pub mod range;
mod reserve;
mod search;
mod settle;
mod used;

pub use accounts::{
    Noted,
    Owned, //
};
pub use check::Violation;
pub use figures::{
    flag,
    Apart,
    Figures, //
};

pub use memory::Memory;

use events::{
    note_alloc,
    note_list, //
};

use super::{
    account::Account,
    frame::State,
    guarded::Guarded,
    pcp::{
        Event,
        ListIdx,
        Pcp,
        Pressure, //
    },
    FRAMES,
    PAGEBLOCK_ORDER, //
};
use crate::algo::{
    units::{
        u64_from,
        FrameIdx,
        Migratetype,
        NrPages,
        Order, //
    },
    watermark::{
        AllocFlag,
        AllocFlags, //
    },
};
use crate::seam::Relaxed;

/// How many words [`Memory::index`] has for so many regions.
pub const fn index_words(regions: usize) -> usize {
    search::ROWS * regions.div_ceil(64)
}

/// What is wanted of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    order: Order,
    migratetype: Migratetype,
    flags: AllocFlags,
    /// The list that it comes from.
    list: ListIdx,
    /// What is noted of the frame.
    state: State,
    /// Who is to have the block.
    pub account: Account,
    /// Whether the zone's node is the one that was preferred.
    pub is_hit: bool,
}

impl Want {
    /// A block of the preferred node, for nobody who is known.
    pub const fn new(order: Order, migratetype: Migratetype, flags: AllocFlags) -> Self {
        Self {
            order,
            migratetype,
            flags,
            list: ListIdx::at(order, ListIdx::place_of(migratetype)),
            state: State::given(order, migratetype),
            account: Account::NONE,
            is_hit: true,
        }
    }

    /// The order.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// The type.
    pub const fn migratetype(&self) -> Migratetype {
        self.migratetype
    }

    /// What the attempt may do.
    pub const fn flags(&self) -> AllocFlags {
        self.flags
    }
}

/// Why a zone gives no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// It has none that the request may use.
    Empty,
    /// The states of this region must be allocated first: see [`Memory::states`].
    NotReady(usize),
    /// There are no lists for this CPU.
    NoCpu,
    /// A frame that was free by all lists and regions is in use: it is left alone from now on.
    Corrupt(FrameIdx),
}

/// A zone.
pub struct Zone<M> {
    memory: M,
    figures: Figures,
    max_order: Order,
}

impl<M: Memory> Zone<M> {
    /// A zone without frames; `memory` is as it was allocated.
    pub fn new(memory: M, max_order: Order) -> Self {
        Self {
            memory,
            figures: Figures::default(),
            max_order,
        }
    }

    /// Its storage.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Its numbers.
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The largest order.
    pub const fn max_order(&self) -> Order {
        self.max_order
    }

    /// Hands frames over, at boot: they are free from now on, and their pageblocks have this type.
    pub fn add(&self, from: FrameIdx, frames: NrPages, migratetype: Migratetype) {
        let (mut at, end) = (from.index(), from.index().saturating_add(frames.get()));
        while at < end {
            let (region, start) = (at / FRAMES, at % FRAMES);
            let stop = FRAMES.min(start + (end - at));
            self.on_region(region, |it| it.add(start, stop, migratetype));
            let last = at + (stop - start) - 1;
            for block in at >> PAGEBLOCK_ORDER.get()..=last >> PAGEBLOCK_ORDER.get() {
                self.set_type(block, migratetype, false);
            }
            self.figures.managed.fetch_add(stop - start, Relaxed);
            self.count_free(migratetype, signed(stop - start));
            at += stop - start;
        }
    }

    /// How the zone stands.
    #[inline]
    fn pressure(&self) -> Pressure {
        let flags = self.figures.flags.load(Relaxed);
        Pressure {
            is_below_high: flags & flag::BELOW_HIGH != 0,
            is_reclaiming: flags & flag::RECLAIM_ACTIVE != 0,
        }
    }

    /// Adds to the numbers of free frames, of those whose pageblocks have this type.
    fn count_free(&self, migratetype: Migratetype, change: isize) {
        let figures = &self.figures;
        match migratetype {
            Migratetype::Isolate => return,
            Migratetype::Cma => drop(figures.free_cma.fetch_add(change, Relaxed)),
            Migratetype::HighAtomic => drop(figures.free_highatomic.fetch_add(change, Relaxed)),
            _ => {}
        }
        figures.add_free(change);
    }

    /// Allocates a block for a CPU.
    ///
    /// # Errors
    ///
    /// See [`Miss`].
    #[inline]
    pub fn alloc(&self, cpu: usize, want: &Want) -> Result<FrameIdx, Miss> {
        match self.alloc_listed(cpu, want) {
            Some(frame) => Ok(frame),
            None => self.alloc_slow(cpu, want),
        }
    }

    /// Allocates a block that lies on a list of a CPU and is as it should be.
    #[inline(always)]
    pub(super) fn alloc_listed(&self, cpu: usize, want: &Want) -> Option<FrameIdx> {
        self.memory.lists(cpu)?.with(|pcp| {
            let frame = FrameIdx::new(pcp.peek(want.list)?);
            let noted = self.memory.noted(frame, want.order)?;
            if noted.state.load(Relaxed) != State::NONE.byte() {
                return None;
            }
            noted.give(want);
            pcp.pop_recent(want.list);
            note_list(pcp, want);
            Some(frame)
        })
    }

    /// Allocates a block whose list is empty, or of an order without lists.
    #[cold]
    #[inline(never)]
    fn alloc_slow(&self, cpu: usize, want: &Want) -> Result<FrameIdx, Miss> {
        let lists = self.memory.lists(cpu).ok_or(Miss::NoCpu)?;
        if want.list.exists() {
            let taken = lists.with(|pcp| {
                let frame = match pcp.pop(want.list) {
                    Some(frame) => frame,
                    None => {
                        self.settle_down(pcp, cpu);
                        self.refill(pcp, want.list, want)?
                    }
                };
                note_list(pcp, want);
                Ok(frame)
            });
            match taken {
                Ok(frame) => return self.hand_out(frame, want),
                Err(Miss::Empty) => {}
                Err(miss) => return Err(miss),
            }
        }
        match self.alloc_direct(cpu, lists, want) {
            Err(Miss::Empty) => self.alloc_cold(lists, want),
            done => done,
        }
    }

    /// Allocates a frame that is on its way back, which may be the last there is.
    ///
    /// Of those for other requests it takes none, as it would of their lists.
    fn alloc_cold(&self, lists: &M::Lists, want: &Want) -> Result<FrameIdx, Miss> {
        let frame = lists.with(|pcp| {
            let frame = pcp.pop_cold(|it| self.is_listed(it, want.list))?;
            note_list(pcp, want);
            Some(frame)
        });
        self.hand_out(frame.ok_or(Miss::Empty)?, want)
    }

    /// Says whether a frame is one for this list, cold or not.
    fn is_listed(&self, frame: FrameIdx, list: ListIdx) -> bool {
        self.list_for(frame, Order::ZERO) == list
    }

    /// Says whether a CPU has a frame for a request that is on its way back.
    pub fn has_cold(&self, cpu: usize, order: Order, migratetype: Migratetype) -> bool {
        let list = ListIdx::of(order, migratetype);
        let both = list.zip(self.memory.lists(cpu));
        both.is_some_and(|(list, lists)| {
            lists.with(|pcp| pcp.cold().any(|it| self.is_listed(it, list)))
        })
    }

    /// Notes that a frame begins a block that was given out.
    #[inline]
    fn hand_out(&self, frame: u32, want: &Want) -> Result<FrameIdx, Miss> {
        let at = FrameIdx::new(frame);
        let Some(noted) = self.memory.noted(at, want.order) else {
            return Err(Miss::NotReady(at.region()));
        };
        if noted.state.load(Relaxed) != State::NONE.byte() {
            return Err(Miss::Corrupt(at));
        }
        noted.give(want);
        Ok(at)
    }

    /// Lets the first search of a CPU begin far from those of the others.
    fn settle_down(&self, pcp: &mut Pcp, cpu: usize) {
        if pcp.has_settled() {
            return;
        }
        // 0, then the middle, then the quarters: whatever the number of CPUs is.
        let part = u32::try_from(cpu).unwrap_or(0).reverse_bits();
        let regions = u64_from(self.memory.regions().len());
        // CAST: less than the number of regions, which is at most 2^17.
        pcp.settle(((u64::from(part) * regions) >> 32) as u32);
    }

    /// Fills an empty list from the regions, and takes one block of it.
    fn refill(&self, pcp: &mut Pcp, list: ListIdx, want: &Want) -> Result<u32, Miss> {
        // Lists that were filled would leave the reserve as it is, which may be needed soon.
        if want.flags.has(AllocFlag::HighAtomic) {
            return Err(Miss::Empty);
        }
        let blocks = pcp.refill_blocks(list, self.pressure());
        if blocks == 0 {
            // Nothing is to be claimed for it either.
            return Err(Miss::Empty);
        }
        let mut hint = pcp.hint(want.migratetype);
        self.drain_cold(pcp, want, blocks, hint);
        pcp.fill(list, blocks, |places| {
            let mut places = places.iter_mut();
            self.take_many(want, blocks, &mut hint, &mut |frame| {
                if let Some(place) = places.next() {
                    *place = frame;
                }
            })
        })?;
        pcp.set_hint(want.migratetype, hint);
        pcp.note(Event::Refill, 1);
        pcp.pop(list).ok_or(Miss::Empty)
    }

    /// Gives the frames on their way back to their regions if there are as many as a refill takes,
    /// or a whole pageblock would have to be broken up for it: what it takes is to be the holes that
    /// they leave.
    ///
    /// For others than those whom they would serve they stay where they are.
    fn drain_cold(&self, pcp: &mut Pcp, want: &Want, blocks: usize, hint: u32) {
        let cold = pcp.length(ListIdx::COLD);
        if cold == 0 || want.order > Order::ZERO {
            return;
        }
        let is_due = cold >= blocks || !self.has_broken(want, hint);
        if is_due && pcp.cold().any(|it| self.is_listed(it, want.list)) {
            self.drain_some(pcp, ListIdx::COLD, cold);
        }
    }

    /// Allocates a block past the lists (rmqueue_buddy()).
    fn alloc_direct(&self, cpu: usize, lists: &M::Lists, want: &Want) -> Result<FrameIdx, Miss> {
        let mut frame = None;
        let mut hint = lists.with(|pcp| {
            self.settle_down(pcp, cpu);
            pcp.hint(want.migratetype)
        });
        let mut out = |at| frame = Some(at);
        let reserve = Want {
            migratetype: Migratetype::HighAtomic,
            ..*want
        };
        let mut taken = 0;
        if want.flags.has(AllocFlag::HighAtomic) {
            taken = self.take_type(&reserve, 1, &mut hint, &mut out)?;
        }
        if taken == 0 {
            let may = want.flags.has(AllocFlag::NonBlock) || want.flags.has(AllocFlag::Oom);
            match self.take_many(want, 1, &mut hint, &mut out) {
                Ok(_) => {}
                Err(Miss::Empty) if may => {
                    self.take_type(&reserve, 1, &mut hint, &mut out)?;
                }
                Err(miss) => return Err(miss),
            }
        }
        let frame = frame.ok_or(Miss::Empty)?;
        let at = self.hand_out(frame, want)?;
        if want.flags.has(AllocFlag::HighAtomic) {
            self.reserve_highatomic(at, want.order);
        }
        lists.with(|pcp| {
            pcp.set_hint(want.migratetype, hint);
            note_alloc(pcp, want);
        });
        Ok(at)
    }
}

/// A number of frames as a change of a counter.
fn signed(frames: usize) -> isize {
    isize::try_from(frames).unwrap_or(isize::MAX)
}
