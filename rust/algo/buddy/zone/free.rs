// SPDX-License-Identifier: GPL-2.0

//! Freeing: the checks that every free passes, the list of the CPU, and the way back to regions.
//!
//! # Locking     see zone.rs. A drain takes the lock of a region for as many blocks in a row as lie
//!               in it.
//! # Cost        an exchange of the state of the frame and a push; a drain writes one word
//!               for up to 64 frames that were freed one beside the other, and takes the lock of a
//!               region once for as many as lie in it.
//! # Reference   `mm/page_alloc.c`: `__free_frozen_pages()`, `free_pcppages_bulk()`,
//!               `free_one_page()`.

use super::{
    super::{
        frame::{
            State,
            WrongFree, //
        },
        guarded::Guarded,
        mark::Mark,
        pcp::{
            Event,
            ListIdx,
            Pcp, //
        },
        region::{
            Region, //
        },
        Offset,
        PageblockIdx,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    signed,
    Memory,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NrPages,
    Order, //
};
use crate::seam::{
    AtomicU8,
    Relaxed, //
};

/// Marks an isolated pageblock in the table of types.
const ISOLATED: u8 = 1 << 7;

/// The bits of the table that say which lists blocks of the pageblock go to; all of them for none.
const LIST: u8 = 3;

/// What the table of types says of a pageblock.
fn type_byte(migratetype: Migratetype, is_isolated: bool) -> u8 {
    // CAST: one of six.
    let number = (migratetype.index() as u8) << 2;
    number
        | match is_isolated {
            true => ISOLATED | LIST,
            false => ListIdx::place_of(migratetype),
        }
}

impl<M: Memory> Zone<M> {
    /// Notes the type of a pageblock where frees look for it.
    pub(super) fn set_type(&self, block: usize, migratetype: Migratetype, is_isolated: bool) {
        if let Some(place) = self.memory.types().get(block) {
            place.store(type_byte(migratetype, is_isolated), Relaxed);
        }
    }

    /// Says whether the table that frees look at has this for a pageblock.
    pub(super) fn has_type(&self, block: usize, migratetype: Migratetype, isolated: bool) -> bool {
        let place = self.memory.types().get(block);
        place.is_some_and(|it| it.load(Relaxed) == type_byte(migratetype, isolated))
    }

    /// The list that a block goes to: that of its pageblock's type, or none.
    #[inline]
    pub(super) fn list_for(&self, frame: FrameIdx, order: Order) -> ListIdx {
        let block = frame.index() >> PAGEBLOCK_ORDER.get();
        let types = self.memory.types();
        let byte = |block: usize| types.get(block).map_or(LIST, |it| it.load(Relaxed));
        let mut list = byte(block);
        if order > PAGEBLOCK_ORDER {
            // Above that there are lists of pairs alone. One pageblock that is to go to its region
            // takes the other with it, for `LIST` has all bits; so do a movable and a reclaimable.
            list |= byte(block + 1);
        }
        ListIdx::at(order, list & LIST)
    }

    /// Frees a block, on any CPU.
    ///
    /// # Errors
    ///
    /// What is wrong; nothing was done then.
    #[inline]
    pub fn free(&self, cpu: usize, frame: FrameIdx, order: Order) -> Result<(), WrongFree> {
        let Some(lists) = self.memory.lists(cpu) else {
            return self.free_direct(frame, order);
        };
        let Some(place) = self.memory.state_of(frame, order) else {
            return Err(self.why_wrong(frame, order));
        };
        lists.with(|pcp| match self.put(pcp, frame, order, place) {
            Ok(()) => Ok(()),
            Err(before) => self.not_put(pcp, frame, order, before),
        })
    }

    /// Takes note of a free; `Err` with the state before if it is a wrong one.
    ///
    /// The state is swapped before it is looked at, for the exchange costs less than to look first.
    #[inline]
    fn take_back(place: &AtomicU8, order: Order) -> Result<(), u8> {
        let before = M::exchange(place, State::NONE.byte());
        match State::from_byte(before).is_given(order) {
            true => Ok(()),
            false => Err(before),
        }
    }

    /// Puts a block on a list whose lock is held, and drains what is too much. If it is not there to
    /// be given back, for the free is wrong or it is moved, returns its state, which is `NONE` now.
    #[inline(always)]
    pub(super) fn put(
        &self,
        pcp: &mut Pcp,
        frame: FrameIdx,
        order: Order,
        place: &AtomicU8,
    ) -> Result<(), u8> {
        let recent = pcp.recent(order);
        if self.list_for(frame, order) != recent {
            return self.put_elsewhere(pcp, frame, order, place);
        }
        // Twice, so that where it goes is foretold and not waited for.
        match recent.is_single() && !pcp.is_near(recent, frame) {
            true => self.put_on(pcp, ListIdx::COLD, frame, place),
            false => self.put_on(pcp, recent, frame, place),
        }
    }

    /// Puts a block on another list than that which one like it was allocated from last.
    #[inline(never)]
    fn put_elsewhere(
        &self,
        pcp: &mut Pcp,
        frame: FrameIdx,
        order: Order,
        place: &AtomicU8,
    ) -> Result<(), u8> {
        let list = pcp.list_of(self.list_for(frame, order), frame);
        self.put_on(pcp, list, frame, place)
    }

    /// Puts a block on this list.
    ///
    /// It is put there before the exchange that says whether it may be: what comes before an
    /// exchange is done beside it, what comes behind has to wait for it.
    #[inline(always)]
    fn put_on(
        &self,
        pcp: &mut Pcp,
        list: ListIdx,
        frame: FrameIdx,
        place: &AtomicU8,
    ) -> Result<(), u8> {
        if !pcp.push(list, frame.get()) {
            return self.put_slow(pcp, list, frame, place);
        }
        if let Err(before) = Self::take_back(place, list.order()) {
            pcp.unpush(list);
            return Err(before);
        }
        let excess = pcp.excess(list, self.pressure());
        if excess > 0 {
            self.drain_some(pcp, list, excess);
        }
        Ok(())
    }

    /// Puts a block on a list that is full, half of which goes back; or gives it back, if there is
    /// no list for it.
    #[cold]
    #[inline(never)]
    fn put_slow(
        &self,
        pcp: &mut Pcp,
        list: ListIdx,
        frame: FrameIdx,
        place: &AtomicU8,
    ) -> Result<(), u8> {
        let order = list.order();
        Self::take_back(place, order)?;
        if list.exists() {
            let part = if list == ListIdx::COLD { 1 } else { 2 };
            self.drain_some(pcp, list, (list.capacity() / part) << order.get());
            if pcp.push(list, frame.get()) {
                let excess = pcp.excess(list, self.pressure());
                if excess > 0 {
                    self.drain_some(pcp, list, excess);
                }
                return Ok(());
            }
        }
        self.give_block(frame, order);
        pcp.note(Event::Free, 1 << order.get());
        Ok(())
    }

    /// Frees a block where there are no lists.
    #[cold]
    #[inline(never)]
    pub(super) fn free_direct(&self, frame: FrameIdx, order: Order) -> Result<(), WrongFree> {
        let Some(place) = self.memory.state_of(frame, order) else {
            return Err(self.why_wrong(frame, order));
        };
        match Self::take_back(place, order) {
            Ok(()) => {
                self.give_block(frame, order);
                Ok(())
            }
            Err(before) => self.refuse(frame, order, before),
        }
    }

    /// Drains so many frames, the oldest first, from this list on.
    #[cold]
    #[inline(never)]
    pub(super) fn drain_some(&self, pcp: &mut Pcp, from: ListIdx, frames: usize) {
        pcp.note(Event::Drain, 1);
        pcp.drain(from, frames, |order, blocks| self.give_back(order, blocks));
    }

    /// Drains the lists of a CPU; returns how many frames they held.
    pub fn drain(&self, cpu: usize) -> NrPages {
        let Some(lists) = self.memory.lists(cpu) else {
            return NrPages::ZERO;
        };
        lists.with(|pcp| {
            let count = pcp.count();
            if let (1.., Some(first)) = (count, ListIdx::all().next()) {
                self.drain_some(pcp, first, count);
            }
            NrPages::new(count)
        })
    }

    /// Gives blocks of the same order back to their regions, in whatever order.
    fn give_back(&self, order: Order, blocks: &mut [u32]) {
        let mut change = [0; Migratetype::COUNT];
        match order < PAGEBLOCK_ORDER {
            true => self.give_others(order, blocks, &mut change),
            false => self.give_pageblocks(order, blocks, &mut change),
        }
        for (&migratetype, &frames) in Migratetype::ALL.iter().zip(&change) {
            if frames > 0 {
                self.count_free(migratetype, signed(frames));
            }
        }
    }

    /// Gives blocks back that are smaller than a pageblock.
    fn give_others(&self, order: Order, blocks: &mut [u32], change: &mut Change) {
        for window in blocks.chunks_mut(WINDOW) {
            let mut rest = window;
            while let Some(&first) = rest.first() {
                let here = gather(rest, FrameIdx::new(first).region());
                let (now, later) = rest.split_at_mut(here);
                rest = later;
                let region = FrameIdx::new(first).region();
                self.on_region(region, |it| {
                    it.give_many(order, now, |migratetype, frames| {
                        count(change, migratetype, frames);
                    })
                });
            }
        }
    }

    /// Gives pageblocks back, or larger blocks: those of a region together, unless too many regions
    /// have some.
    fn give_pageblocks(&self, order: Order, blocks: &[u32], change: &mut Change) {
        let mut slots = [(0, 0u64); SLOTS];
        let mut give = |(region, mask): (usize, u64)| {
            if mask != 0 {
                self.on_region(region, |it| give_mask(it, mask, change));
            }
        };
        // Pageblocks of a larger block may have changed their types apart from each other.
        let mask_of = |it: FrameIdx| it.offset().pageblocks(order);
        let mut rest = blocks.iter().map(|&it| FrameIdx::new(it)).peekable();
        while let Some(first) = rest.next() {
            let region = first.region();
            let mut mask = mask_of(first);
            while let Some(next) = rest.next_if(|it| it.region() == region) {
                mask |= mask_of(next);
            }
            let slot = &mut slots[region % SLOTS];
            if slot.0 != region {
                give(core::mem::replace(slot, (region, 0)));
            }
            slot.1 |= mask;
        }
        slots.into_iter().for_each(give);
    }

    /// Gives one block back to its region or regions.
    pub(super) fn give_block(&self, frame: FrameIdx, order: Order) {
        if order <= REGION_ORDER {
            return self.give_back(order, &mut [frame.get()]);
        }
        let regions = 1 << (order.get() - REGION_ORDER.get());
        for region in (0..regions).map(|it| frame.region() + it) {
            let first = FrameIdx::at(region, Offset::default());
            self.give_back(REGION_ORDER, &mut [first.get()]);
        }
    }

    /// Ends a free that put nothing on a list: see `refuse`.
    #[cold]
    #[inline(never)]
    pub(super) fn not_put(
        &self,
        pcp: &mut Pcp,
        frame: FrameIdx,
        order: Order,
        before: u8,
    ) -> Result<(), WrongFree> {
        self.refuse(frame, order, before)?;
        pcp.note(Event::Free, 1 << order.get());
        Ok(())
    }

    /// Ends a free that swapped a state which is not that of a block to be given back.
    ///
    /// If the block is moved the free is right, and whoever moves it gives it back. Else what was
    /// there is put back.
    ///
    /// # Errors
    ///
    /// What is wrong.
    #[cold]
    #[inline(never)]
    fn refuse(&self, frame: FrameIdx, order: Order, before: u8) -> Result<(), WrongFree> {
        match (Mark::from_byte(before), self.memory.state_of(frame, order)) {
            (Some(mark), _) if self.free_moving(mark, frame, order) => return Ok(()),
            // Whoever frees it rightly meanwhile is refused, for it is freed twice at once.
            (None, Some(place)) if before != State::NONE.byte() => place.store(before, Relaxed),
            _ => {}
        }
        Err(self.why_wrong(frame, order))
    }

    /// What is wrong with a free that did not pass.
    #[cold]
    #[inline(never)]
    pub(super) fn why_wrong(&self, frame: FrameIdx, order: Order) -> WrongFree {
        let given = |at| {
            let of = |order| {
                let state = self.memory.state_of(at, order)?.load(Relaxed);
                let moving = Mark::from_byte(state).filter(|mark| mark.is_held());
                moving.map_or(State::from_byte(state).order(), |mark| Some(mark.order()))
            };
            of(Order::ZERO).or_else(|| of(PAGEBLOCK_ORDER))
        };
        let (region, at) = (frame.region(), frame.offset());
        let found = self
            .memory
            .regions()
            .get(region)
            .map(|it| it.with(|it: &mut Region| (it.is_managed(at), it.free_block_of(at))));
        match found {
            None | Some((false, _)) => return WrongFree::NotManaged,
            Some((true, Some((head, order)))) => {
                return WrongFree::Free(FrameIdx::at(region, head), order);
            }
            Some((true, None)) => {}
        }
        if let Some(given) = given(frame) {
            return WrongFree::Order(given);
        }
        if !frame.is_aligned(order) {
            return WrongFree::Misaligned;
        }
        let heads = Order::up_to(Order::MAX).map(|order| frame.align_down(order));
        let holder = heads.filter(|&head| head != frame).find_map(|head| {
            let order = given(head)?;
            let end = head.index() + order.nr_pages().get();
            (frame.index() < end).then_some(WrongFree::Tail(head, order))
        });
        holder.unwrap_or(WrongFree::OnList)
    }
}

/// How many blocks are sorted by region at a time.
const WINDOW: usize = 128;

/// Moves the blocks of this region to the front; returns how many there are.
///
/// Without a branch on the region: of frames freed at random none could be foretold.
fn gather(blocks: &mut [u32], region: usize) -> usize {
    let is_here = |block: u32| FrameIdx::new(block).region() == region;
    // Looked at first, many at a time: as a rule all are.
    if blocks.iter().fold(true, |all, &it| all & is_here(it)) {
        return blocks.len();
    }
    let mut here = 0;
    for at in 0..blocks.len() {
        let found = blocks.get(at).is_some_and(|&it| is_here(it));
        // What is not ours changes places with what is not ours either.
        blocks.swap(at, here);
        here += usize::from(found);
    }
    here
}

/// Of how many regions pageblocks are kept to be given back together.
const SLOTS: usize = 16;

/// Frames that were given back, by the type of their pageblocks.
type Change = [usize; Migratetype::COUNT];

/// Gives pageblocks of a region back; of those that are not all right, each that is.
fn give_mask(region: &mut Region, pageblocks: u64, change: &mut Change) {
    let size = PAGEBLOCK_ORDER.nr_pages().get();
    let given = region.give_pageblocks(pageblocks, |migratetype, nr| {
        count(change, migratetype, nr * size);
    });
    if given.is_err() {
        let wanted = |it: &PageblockIdx| pageblocks >> it.get() & 1 == 1;
        for at in PageblockIdx::all().filter(wanted) {
            if let Ok(migratetype) = region.give(at.first(), PAGEBLOCK_ORDER) {
                count(change, migratetype, size);
            }
        }
    }
}

fn count(change: &mut Change, migratetype: Migratetype, frames: usize) {
    if let Some(sum) = change.get_mut(migratetype.index()) {
        *sum += frames;
    }
}
