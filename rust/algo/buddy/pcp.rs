// SPDX-License-Identifier: GPL-2.0

//! Page lists of one CPU and zone: stacks of free blocks, and how large they may grow.
//!
//!   list     U0 M0 R0  U1 M1 R1  ...  U8 M8 R8  UR9 M9  UR10 M10  cold
//!   entries  [ oldest ... latest |          ]      push and pop at the end; a drain takes the
//!                                                  oldest, which are cold
//!
//! # Locking     `&mut self`; lock rank 4, see guarded.rs. Regions are locked inside.
//! # Cost        push and pop O(1); a drain moves what stays, at most 4 KiB; 18 KiB a CPU and zone.
//! # Limits      a list is an array: it holds at most [`ListIdx::capacity`] blocks, where Linux's
//!               are bounded by `high` alone, and `high` is cut to what the arrays can hold.
//!               Pageblocks and larger blocks, whose lists are drained apart, do not count for `high`.
//! # Reference   `mm/page_alloc.c`: `order_to_pindex()`, `nr_pcp_alloc()`, `nr_pcp_free()`,
//!               `nr_pcp_high()`, `free_frozen_page_commit()`, `decay_pcp_high()`.

mod list;
#[cfg(test)]
mod tests;
mod tuning;

use super::PAGEBLOCK_ORDER;
use crate::algo::units::{
    named,
    usize_from,
    FrameIdx,
    Migratetype,
    Order, //
};

use list::{
    type_index,
    List,
    EMPTY,
    ENTRIES,
    PLACES,
    TYPES, //
};
pub use list::{
    ListIdx,
    LISTS, //
};
pub use tuning::{
    Pressure,
    Tuning, //
};

named! {
    /// What a CPU counts of a zone, spelled as in /proc/vmstat and /proc/zoneinfo.
    pub enum Event {
        /// Frames that were allocated.
        Alloc = "pgalloc",
        /// Frames that were freed.
        Free = "pgfree",
        /// Blocks that came from the node that was preferred.
        NumaHit = "numa_hit",
        /// Blocks that came from here though another node was preferred.
        NumaMiss = "numa_miss",
        /// Blocks that came from elsewhere though this node was preferred.
        NumaForeign = "numa_foreign",
        /// Blocks that came from the node whose turn it was to be preferred.
        NumaInterleave = "numa_interleave",
        /// Blocks that a CPU of this node took.
        NumaLocal = "numa_local",
        /// Blocks that a CPU of another node took.
        NumaOther = "numa_other",
        /// Times that a list was empty and was filled from the zone.
        Refill = "pcp_refill",
        /// Times that lists were too long and were drained to the zone.
        Drain = "pcp_drain",
    }
}

/// Places for orders with lists: a power of two, so that a number needs no check.
const ORDERS: usize = 16;

/// The page lists of a CPU and zone.
///
/// What each operation needs comes first, on two cache lines.
#[repr(C, align(64))]
pub struct Pcp {
    /// How many they hold, in blocks smaller than pageblocks.
    count: u32,
    /// How many frames the lists may hold before some go back, in blocks smaller than pageblocks.
    high: u32,
    /// How often `batch` is doubled for the next refill.
    alloc_factor: u32,
    /// Frames freed in a row.
    free_count: u32,
    /// How often the batch is doubled for the next refill with blocks of orders 1 to 8.
    order_factor: u32,
    /// How often two is doubled for the next refill with pageblocks or larger blocks.
    huge_factor: u32,
    /// How many pageblocks a list may hold, and how many of the blocks above.
    huge_limit: [u32; 2],
    /// The last free was one of a high order (PCPF_PREV_FREE_HIGH_ORDER).
    freed_high_order: bool,
    tuning: Tuning,
    /// The CPU is one of another node.
    is_remote: bool,
    /// A refill was tried, and `hint` says where to start.
    has_settled: bool,
    /// The list that a block of each order was last allocated from.
    recent: [u8; ORDERS],
    /// Where the last refill found something: the next one starts there.
    hint: [u32; TYPES],
    events: [u64; Event::COUNT],
    lists: [List; PLACES],
    entries: [u32; ENTRIES],
}

impl Pcp {
    /// Lists that are empty.
    pub const fn new(tuning: Tuning) -> Self {
        Self {
            count: 0,
            high: tuning.high_min,
            alloc_factor: 0,
            free_count: 0,
            order_factor: 0,
            huge_factor: 0,
            huge_limit: tuning.huge_limit(),
            freed_high_order: false,
            tuning,
            is_remote: false,
            has_settled: false,
            recent: [0; ORDERS],
            hint: [0; TYPES],
            events: [0; Event::COUNT],
            lists: EMPTY,
            entries: [0; ENTRIES],
        }
    }

    /// Makes empty lists of zeroed memory, where a value as large as this one cannot be moved.
    pub fn init(&mut self, tuning: Tuning) {
        self.lists = EMPTY;
        self.tune(tuning);
    }

    /// Sets what the lists are tuned by.
    pub fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
        self.huge_limit = tuning.huge_limit();
        self.high = self.clamped();
    }

    /// Says whether the CPU is one of the zone's node, as lists are taken to be until then: every
    /// block of them is `NumaLocal`, or every one is `NumaOther`.
    pub fn set_local(&mut self, is_local: bool) {
        self.is_remote = !is_local;
    }

    /// Frames in all lists.
    pub fn count(&self) -> usize {
        let frames = |list: ListIdx| self.length(list) << list.order().get();
        ListIdx::all().map(frames).sum()
    }

    /// How many frames the lists may hold before some go back.
    pub const fn high(&self) -> u32 {
        self.high
    }

    /// What the lists are tuned by.
    pub const fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// How often the batch is doubled for the next refill.
    pub const fn alloc_factor(&self) -> u32 {
        self.alloc_factor
    }

    /// Frames freed in a row.
    pub const fn free_count(&self) -> u32 {
        self.free_count
    }

    /// Whether the last free was one of a high order, and whether a batch of those may stay.
    pub const fn flags(&self) -> [bool; 2] {
        [self.freed_high_order, self.tuning.keeps_high_batch]
    }

    /// Blocks in a list.
    pub fn length(&self, list: ListIdx) -> usize {
        self.lists[list.index()].length().into()
    }

    /// The blocks of a list, oldest first.
    pub fn entries(&self, list: ListIdx) -> &[u32] {
        let range = self.range(list);
        self.entries.get(range).unwrap_or(&[])
    }

    /// Where the blocks of a list are.
    fn range(&self, list: ListIdx) -> core::ops::Range<usize> {
        let list = &self.lists[list.index()];
        list.start.into()..list.top.into()
    }

    /// Whether it was said where the first refill is to start.
    pub const fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// Says where the first refill is to start.
    pub fn settle(&mut self, hint: u32) {
        self.has_settled = true;
        self.hint = [hint; TYPES];
    }

    /// Where the last refill for this type found something.
    pub const fn hint(&self, migratetype: Migratetype) -> u32 {
        self.hint[type_index(migratetype)]
    }

    /// Notes where the next refill for this type is to start.
    pub fn set_hint(&mut self, migratetype: Migratetype, hint: u32) {
        self.hint[type_index(migratetype)] = hint;
    }

    /// The frames in all lists; `None` if what is kept of them says something else.
    pub fn recount(&self) -> Option<usize> {
        let frames = |list: ListIdx| self.length(list) << list.order().get();
        let huge = ListIdx::all().filter(|list| list.is_huge());
        let huge = huge.map(frames).sum::<usize>();
        (self.count() == usize_from(self.count) + huge).then_some(self.count())
    }

    /// How often something happened, or to how many frames.
    pub fn event(&self, event: Event) -> u64 {
        let sum = |blocks: fn(&List) -> u64, in_frames: bool| -> u64 {
            let of_list = |list: ListIdx| match in_frames {
                true => blocks(&self.lists[list.index()]) << list.order().get(),
                false => blocks(&self.lists[list.index()]),
            };
            ListIdx::all().map(of_list).fold(0, u64::wrapping_add)
        };
        let allocs: fn(&List) -> u64 = |list| list.allocs;
        let counted = match event {
            Event::Alloc => sum(allocs, true),
            Event::Free => sum(List::frees, true),
            // Of all blocks those are taken off that came another way; `NumaHit` notes what did not
            // come through a list.
            Event::NumaHit => sum(allocs, false).wrapping_sub(self.event(Event::NumaMiss)),
            Event::NumaLocal | Event::NumaOther
                if self.is_remote == matches!(event, Event::NumaOther) =>
            {
                sum(allocs, false).wrapping_add(self.noted(Event::NumaHit))
            }
            _ => 0,
        };
        self.noted(event).wrapping_add(counted)
    }

    fn noted(&self, event: Event) -> u64 {
        self.events.get(event.index()).copied().unwrap_or(0)
    }

    /// Counts an event, to a block that did not come through a list.
    #[inline]
    pub fn note(&mut self, event: Event, times: u64) {
        if let Some(count) = self.events.get_mut(event.index()) {
            *count = count.wrapping_add(times);
        }
    }

    /// The latest block of a list, if it has one.
    #[inline]
    pub(in crate::algo::buddy) fn peek(&self, list: ListIdx) -> Option<u32> {
        let place = &self.lists[list.index()];
        let latest = self.entries[usize::from(place.top.wrapping_sub(1)) & (ENTRIES - 1)];
        (place.top != place.start).then_some(latest)
    }

    /// The list that a block of this order was last allocated from by [`Pcp::pop_recent`].
    ///
    /// As a rule what is freed goes to it, and to know so before it is known what is freed saves the
    /// time of three loads, each of which waits for the one before.
    #[inline]
    pub(in crate::algo::buddy) const fn recent(&self, order: Order) -> ListIdx {
        ListIdx::from_number(self.recent[order.index() & (ORDERS - 1)], order)
    }

    /// Takes what was peeked at.
    #[inline]
    pub(in crate::algo::buddy) fn pop_recent(&mut self, list: ListIdx) {
        self.recent[list.order().index() & (ORDERS - 1)] = list.number();
        self.lists[list.index()].allocs += 1;
        self.lift(list);
    }

    /// Takes the latest block of a list.
    #[inline]
    pub fn pop(&mut self, list: ListIdx) -> Option<u32> {
        let place = &mut self.lists[list.index()];
        if place.top == place.start {
            return None;
        }
        place.allocs += 1;
        Some(self.lift(list))
    }

    /// The frames on their way back, oldest first.
    pub(in crate::algo::buddy) fn cold(&self) -> impl Iterator<Item = FrameIdx> + '_ {
        self.entries(ListIdx::COLD)
            .iter()
            .map(|&it| FrameIdx::new(it))
    }

    /// Takes a frame that is on its way back, the oldest that is wanted.
    #[cold]
    pub(in crate::algo::buddy) fn pop_cold(
        &mut self,
        is_wanted: impl Fn(FrameIdx) -> bool,
    ) -> Option<u32> {
        let at = self.cold().position(is_wanted)?;
        let latest = self.pop(ListIdx::COLD)?;
        // What was the latest takes its place, unless it is the same.
        let at = self.range(ListIdx::COLD).start + at;
        let place = self.entries.get_mut(at)?;
        Some(core::mem::replace(place, latest))
    }

    /// Takes the latest blocks of a list, as many as there are places for; returns how many.
    pub fn pop_many(&mut self, list: ListIdx, out: &mut [FrameIdx]) -> usize {
        let nr = self.length(list).min(out.len());
        let range = self.range(list);
        let latest = self.entries.get(range.end - nr..range.end);
        for (place, &frame) in out.iter_mut().zip(latest.unwrap_or(&[]).iter().rev()) {
            *place = FrameIdx::new(frame);
        }
        let place = &mut self.lists[list.index()];
        // CAST: a list has at most 1024 entries.
        // INVARIANT: no more than there were.
        place.top -= nr as u16;
        place.allocs = place.allocs.wrapping_add(nr as u64);
        self.count = self.count.wrapping_sub(nr as u32 * u32::from(place.weight));
        nr
    }

    /// Counts blocks that were allocated as if they had come through a list.
    pub fn note_past(&mut self, list: ListIdx, blocks: usize) {
        let place = &mut self.lists[list.index()];
        // CAST: widens.
        place.allocs = place.allocs.wrapping_add(blocks as u64);
        place.moved = place.moved.wrapping_add(blocks as u64);
    }

    /// Takes the latest block of a list that is not empty.
    #[inline]
    fn lift(&mut self, list: ListIdx) -> u32 {
        let place = &mut self.lists[list.index()];
        // INVARIANT: above `start`, as the caller has found.
        place.top = place.top.wrapping_sub(1);
        let at = usize::from(place.top) & (ENTRIES - 1);
        self.count = self.count.wrapping_sub(place.weight.into());
        self.entries[at]
    }

    /// Adds a block to a list; `false` if that is full.
    #[inline]
    pub fn push(&mut self, list: ListIdx, frame: u32) -> bool {
        let place = &mut self.lists[list.index()];
        if place.top >= place.end {
            return false;
        }
        self.entries[usize::from(place.top) & (ENTRIES - 1)] = frame;
        // INVARIANT: below `end` before.
        place.top += 1;
        self.count = self.count.wrapping_add(place.weight.into());
        true
    }

    /// Takes back a push, as if it had not been.
    #[inline]
    pub fn unpush(&mut self, list: ListIdx) {
        if self.length(list) > 0 {
            self.lift(list);
        }
    }

    /// Adds blocks to an empty list so that they come out in the order in which `fill` gives them;
    /// `fill` gets the place for so many of them, and says how many there are.
    pub fn fill<E>(
        &mut self,
        list: ListIdx,
        blocks: usize,
        fill: impl FnOnce(&mut [u32]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.range(list).start;
        let end = start + blocks.min(list.capacity());
        let Some(place) = self.entries.get_mut(start..end) else {
            return Ok(());
        };
        let filled = fill(place)?.min(place.len());
        if let Some(filled) = place.get_mut(..filled) {
            filled.reverse();
        }
        let place = &mut self.lists[list.index()];
        // CAST: a list has at most 1024 entries.
        // INVARIANT: no more than the list has room for.
        place.top = place.start + filled as u16;
        place.moved = place.moved.wrapping_add(filled as u64);
        self.count += filled as u32 * u32::from(place.weight);
        Ok(())
    }

    /// The list that a block goes to which was freed: a frame stays for the next allocation if it
    /// lies in the pageblock of the one that was allocated from its place; others are cold.
    #[inline]
    pub(in crate::algo::buddy) fn list_of(&self, list: ListIdx, frame: FrameIdx) -> ListIdx {
        match list.is_single() && !self.is_near(list, frame) {
            true => ListIdx::COLD,
            false => list,
        }
    }

    /// Whether a frame lies in the pageblock of the one that was allocated from its place.
    #[inline]
    pub(in crate::algo::buddy) fn is_near(&self, list: ListIdx, frame: FrameIdx) -> bool {
        // What was popped last is still there.
        let top = usize::from(self.lists[list.index()].top) & (ENTRIES - 1);
        (self.entries[top] ^ frame.get()) >> PAGEBLOCK_ORDER.get() == 0
    }

    /// Takes the oldest blocks of the lists, those on their way back and then from this list on, until
    /// they come to `frames` or none is left; `give` gets them list by list, and may change their order.
    pub fn drain(&mut self, from: ListIdx, frames: usize, mut give: impl FnMut(Order, &mut [u32])) {
        let mut left = frames;
        let lists = core::iter::once(ListIdx::COLD)
            .chain(ListIdx::all().skip(from.index()))
            .chain(ListIdx::all().take(from.index()));
        for list in lists {
            let (range, order) = (self.range(list), list.order());
            let wanted = left.div_ceil(order.nr_pages().get()).min(range.len());
            let Some(entries) = self.entries.get_mut(range) else {
                continue;
            };
            if left == 0 {
                break;
            }
            let Some(oldest) = entries.get_mut(..wanted).filter(|it| !it.is_empty()) else {
                continue;
            };
            give(order, oldest);
            entries.copy_within(wanted.., 0);
            let drained = wanted << order.get();
            left = left.saturating_sub(drained);
            let place = &mut self.lists[list.index()];
            // CAST: a list has at most 1024 entries.
            // INVARIANT: no more than there were.
            place.top -= wanted as u16;
            place.moved = place.moved.wrapping_sub(wanted as u64);
            self.count = self
                .count
                .wrapping_sub(wanted as u32 * u32::from(place.weight));
        }
    }
}
