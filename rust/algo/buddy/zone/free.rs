// SPDX-License-Identifier: GPL-2.0

//! Freeing: the checks that every free passes, the list of the CPU, and the way back to regions.
//!
//! # Locking     see zone.rs. A drain takes the lock of a region for as many blocks in a row as lie
//!               in it.
//! # Cost        an exchange of the state of the frame and a push; a drain writes one word
//!               for up to 64 frames that were freed one beside the other.
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
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    signed,
    Memory,
    Zone, //
};
use crate::algo::units::{
    usize_from,
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

/// The bits of the table that say which lists blocks of the pageblock go to.
const LIST: u8 = 3;

/// What the table of types says of a pageblock.
fn type_byte(migratetype: Migratetype, is_isolated: bool) -> u8 {
    // CAST: one of six.
    let number = (migratetype.index() as u8) << 2;
    number | ListIdx::place_of(migratetype) | if is_isolated { ISOLATED } else { 0 }
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
    fn list_for(&self, frame: FrameIdx, order: Order) -> Option<ListIdx> {
        let block = frame.index() >> PAGEBLOCK_ORDER.get();
        let byte = self.memory.types().get(block)?.load(Relaxed);
        match byte & ISOLATED {
            0 => ListIdx::of_place(order, byte & LIST),
            _ => None,
        }
    }

    /// Frees a block, on any CPU.
    ///
    /// # Errors
    ///
    /// What is wrong; nothing was done then.
    #[inline]
    pub fn free(&self, cpu: usize, frame: FrameIdx, order: Order) -> Result<(), WrongFree> {
        if let Err(wrong) = self.take_back(frame, order) {
            return self.not_taken(cpu, order, wrong);
        }
        let lists = self.memory.lists(cpu);
        match (lists, self.list_for(frame, order)) {
            (Some(lists), Some(list)) => {
                lists.with(|pcp| self.put(pcp, list, frame));
                Ok(())
            }
            (lists, _) => {
                self.give_block(frame, order);
                if let Some(lists) = lists {
                    lists.with(|pcp| pcp.note(Event::Free, 1 << order.get()));
                }
                Ok(())
            }
        }
    }

    /// Puts a block on a list whose lock is held, and drains what is too much.
    #[inline]
    fn put(&self, pcp: &mut Pcp, list: ListIdx, frame: FrameIdx) {
        pcp.note_free(list);
        if !pcp.push(list, frame.get()) {
            self.make_room(pcp, list, frame);
        }
        let excess = pcp.excess(list, self.pressure());
        if excess > 0 {
            self.drain_some(pcp, list, excess);
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&self, pcp: &mut Pcp, list: ListIdx, frame: FrameIdx) {
        let half = list.capacity() / 2;
        self.drain_some(pcp, list, half << list.order().get());
        if !pcp.push(list, frame.get()) {
            self.give_block(frame, list.order());
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
        let mut rest = blocks;
        while let Some(&first) = rest.first() {
            let region = FrameIdx::new(first).region();
            let here = gather(rest, region);
            let (now, later) = rest.split_at_mut(here);
            rest = later;
            self.on_region(region, |it| match order {
                Order::ZERO => give_frames(it, now, &mut change),
                _ => give_blocks(it, order, now, &mut change),
            });
        }
        for (&migratetype, &frames) in Migratetype::ALL.iter().zip(&change) {
            if frames > 0 {
                self.count_free(migratetype, signed(frames));
            }
        }
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

    /// Checks a free and takes note of it.
    ///
    /// The state is swapped before it is looked at, for the exchange costs less than to look first.
    ///
    /// # Errors
    ///
    /// What is wrong, or `None` if it is right and whoever moves the block gives it back.
    #[inline]
    pub(super) fn take_back(&self, frame: FrameIdx, order: Order) -> Result<(), Option<WrongFree>> {
        let Some(place) = self.memory.state(frame) else {
            return Err(Some(self.why_wrong(frame, order)));
        };
        let before = place.swap(State::NONE.byte(), Relaxed);
        match State::from_byte(before).is_given(order) {
            true => Ok(()),
            false => Err(self.refuse(place, before, frame, order)),
        }
    }

    /// Puts back what a wrong free has swapped, and says what is wrong with it.
    #[cold]
    #[inline(never)]
    fn refuse(
        &self,
        place: &AtomicU8,
        before: u8,
        frame: FrameIdx,
        order: Order,
    ) -> Option<WrongFree> {
        if let Some(mark) = Mark::from_byte(before) {
            let is_right = self.free_moving(mark, frame, order);
            return (!is_right).then(|| self.why_wrong(frame, order));
        }
        if before != State::NONE.byte() {
            // Whoever frees it rightly meanwhile is refused, for it is freed twice at once.
            place.store(before, Relaxed);
        }
        Some(self.why_wrong(frame, order))
    }

    /// Ends a free that left nothing to give back.
    #[cold]
    #[inline(never)]
    fn not_taken(
        &self,
        cpu: usize,
        order: Order,
        wrong: Option<WrongFree>,
    ) -> Result<(), WrongFree> {
        if let (None, Some(lists)) = (wrong, self.memory.lists(cpu)) {
            lists.with(|pcp| pcp.note(Event::Free, 1 << order.get()));
        }
        wrong.map_or(Ok(()), Err)
    }

    /// What is wrong with a free that did not pass.
    #[cold]
    #[inline(never)]
    pub(super) fn why_wrong(&self, frame: FrameIdx, order: Order) -> WrongFree {
        let given = |at| {
            let state = self.memory.state(at)?.load(Relaxed);
            let moving = Mark::from_byte(state).filter(|mark| mark.is_held());
            moving.map_or(State::from_byte(state).order(), |mark| Some(mark.order()))
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

/// How far behind each other blocks of a region may lie to be given back together.
const WINDOW: usize = 128;

/// Moves blocks of this region to the front, from the first ones at least; returns how many.
///
/// Without a branch on the region: of frames freed at random none could be foretold.
fn gather(blocks: &mut [u32], region: usize) -> usize {
    let end = blocks.len().min(WINDOW);
    let mut here = 0;
    for at in 0..end {
        let is_here = blocks.get(at).map(|&it| FrameIdx::new(it).region()) == Some(region);
        // What is not ours changes places with what is not ours either.
        blocks.swap(at, here);
        here += usize::from(is_here);
    }
    here
}

/// Gives single frames of a region back, those of a word in one go.
fn give_frames(region: &mut Region, frames: &[u32], change: &mut [usize; Migratetype::COUNT]) {
    let mut rest = frames
        .iter()
        .map(|&it| FrameIdx::new(it).offset().get())
        .peekable();
    while let Some(first) = rest.next() {
        let (word, mut mask) = (first / 64, 1u64 << (first % 64));
        while let Some(next) = rest.next_if(|&next| next / 64 == word) {
            mask |= 1 << (next % 64);
        }
        if let Ok(migratetype) = region.give_word(word, mask) {
            count(change, migratetype, usize_from(mask.count_ones()));
        }
    }
}

fn give_blocks(
    region: &mut Region,
    order: Order,
    blocks: &[u32],
    change: &mut [usize; Migratetype::COUNT],
) {
    // Pageblocks of a larger block may have changed their types apart from each other.
    let part = order.min(PAGEBLOCK_ORDER);
    let size = part.nr_pages().get();
    for first in blocks.iter().map(|&it| FrameIdx::new(it).offset().get()) {
        for at in (first..first + order.nr_pages().get()).step_by(size) {
            if let Ok(migratetype) = region.give(Offset::new_masked(at), part) {
                count(change, migratetype, size);
            }
        }
    }
}

fn count(change: &mut [usize; Migratetype::COUNT], migratetype: Migratetype, frames: usize) {
    if let Some(sum) = change.get_mut(migratetype.index()) {
        *sum += frames;
    }
}
