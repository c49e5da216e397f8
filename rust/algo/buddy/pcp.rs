// SPDX-License-Identifier: GPL-2.0

//! Page lists of one CPU and zone: stacks of free blocks, and how large they may grow.
//!
//!   list     U0 M0 R0  U1 M1 R1  U2 M2 R2  U3 M3 R3  UR9 M9
//!   entries  [ oldest ... latest |          ]      push and pop at the end; a drain takes the
//!                                                  oldest, which are cold
//!
//! # Locking     `&mut self`; lock rank 4, see guarded.rs. Regions are locked inside.
//! # Cost        push and pop O(1); a drain moves what stays, at most 4 KiB; 16 KiB a CPU and zone.
//! # Limits      a list is an array: it holds at most [`ListIdx::capacity`] blocks, where Linux's
//!               are bounded by `high` alone, and `high` is cut to what the arrays can hold.
//!               There are no lists of orders 4 to 8 and above 9.
//! # Reference   `mm/page_alloc.c`: `order_to_pindex()`, `nr_pcp_alloc()`, `nr_pcp_free()`,
//!               `nr_pcp_high()`, `free_frozen_page_commit()`, `decay_pcp_high()`.

mod list;
#[cfg(test)]
mod tests;
mod tuning;

use crate::algo::units::{
    named,
    usize_from,
    Migratetype,
    Order, //
};

use list::{
    type_index,
    START,
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

/// The page lists of a CPU and zone.
pub struct Pcp {
    tuning: Tuning,
    /// How many frames the lists may hold before some go back.
    high: u32,
    /// How many they hold.
    count: u32,
    /// How often `batch` is doubled for the next refill.
    alloc_factor: u32,
    /// Frames freed in a row.
    free_count: u32,
    /// The last free was one of a high order (PCPF_PREV_FREE_HIGH_ORDER).
    freed_high_order: bool,
    /// Where the last refill found something: the next one starts there.
    hint: [u32; TYPES],
    events: [u64; Event::COUNT],
    length: [u16; LISTS],
    entries: [u32; START[LISTS]],
}

impl Pcp {
    /// Lists that are empty.
    pub const fn new(tuning: Tuning) -> Self {
        Self {
            tuning,
            high: tuning.high_min,
            count: 0,
            alloc_factor: 0,
            free_count: 0,
            freed_high_order: false,
            hint: [0; TYPES],
            events: [0; Event::COUNT],
            length: [0; LISTS],
            entries: [0; START[LISTS]],
        }
    }

    /// Sets what the lists are tuned by.
    pub fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
        self.high = self.clamped();
    }

    /// Frames in all lists.
    pub const fn count(&self) -> u32 {
        self.count
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
        self.length.get(list.index()).map_or(0, |&it| it.into())
    }

    /// The blocks of a list, oldest first.
    pub fn entries(&self, list: ListIdx) -> &[u32] {
        let start = START[list.index()];
        let range = start..start + self.length(list);
        self.entries.get(range).unwrap_or(&[])
    }

    /// Where the last refill for this type found something.
    pub const fn hint(&self, migratetype: Migratetype) -> u32 {
        self.hint[type_index(migratetype)]
    }

    /// Notes where the next refill for this type is to start.
    pub fn set_hint(&mut self, migratetype: Migratetype, hint: u32) {
        self.hint[type_index(migratetype)] = hint;
    }

    /// The frames in all lists, counted; `None` if `count` says something else.
    pub fn recount(&self) -> Option<usize> {
        let frames = |list: ListIdx| self.length(list) << list.order().get();
        let sum = ListIdx::all().map(frames).sum();
        (sum == usize_from(self.count)).then_some(sum)
    }

    /// How often something happened, or to how many frames.
    pub fn event(&self, event: Event) -> u64 {
        self.events.get(event.index()).copied().unwrap_or(0)
    }

    /// Counts an event.
    #[inline]
    pub fn note(&mut self, event: Event, times: u64) {
        if let Some(count) = self.events.get_mut(event.index()) {
            *count = count.wrapping_add(times);
        }
    }

    /// Takes the latest block of a list.
    #[inline]
    pub fn pop(&mut self, list: ListIdx) -> Option<u32> {
        let length = self.length.get_mut(list.index())?;
        *length = length.checked_sub(1)?;
        self.count = self.count.wrapping_sub(1 << list.order().get());
        let at = START[list.index()] + usize::from(*length);
        self.entries.get(at).copied()
    }

    /// Adds a block to a list; `false` if that is full.
    #[inline]
    pub fn push(&mut self, list: ListIdx, frame: u32) -> bool {
        let Some(length) = self.length.get_mut(list.index()) else {
            return false;
        };
        if usize::from(*length) >= list.capacity() {
            return false;
        }
        let at = START[list.index()] + usize::from(*length);
        let Some(place) = self.entries.get_mut(at) else {
            return false;
        };
        *place = frame;
        *length += 1;
        self.count = self.count.wrapping_add(1 << list.order().get());
        true
    }

    /// Turns the latest `count` blocks of a list round, so that they come out as they went in.
    pub fn reverse_latest(&mut self, list: ListIdx, count: usize) {
        let end = START[list.index()] + self.length(list);
        let start = end - count.min(self.length(list));
        if let Some(latest) = self.entries.get_mut(start..end) {
            latest.reverse();
        }
    }

    /// Takes the oldest blocks of the lists, from this list on, until they come to `frames` or none
    /// is left; `give` gets them list by list.
    pub fn drain(&mut self, from: ListIdx, frames: u32, mut give: impl FnMut(Order, &[u32])) {
        let mut left = frames;
        let lists = ListIdx::all()
            .skip(from.index())
            .chain(ListIdx::all().take(from.index()));
        for list in lists {
            if left == 0 {
                break;
            }
            let (start, length) = (START[list.index()], self.length(list));
            if length == 0 {
                continue;
            }
            let order = list.order().get();
            // CAST: rounds up to at least one.
            let wanted = usize_from(left.div_ceil(1 << order)).min(length);
            let Some(entries) = self.entries.get_mut(start..start + length) else {
                continue;
            };
            let Some(oldest) = entries.get(..wanted) else {
                continue;
            };
            give(list.order(), oldest);
            entries.copy_within(wanted.., 0);
            let Some(place) = self.length.get_mut(list.index()) else {
                continue;
            };
            // CAST: a list has at most 1024 entries.
            *place -= wanted as u16;
            let drained = (wanted as u32) << order;
            self.count = self.count.wrapping_sub(drained);
            left = left.saturating_sub(drained);
        }
    }
}
