// SPDX-License-Identifier: GPL-2.0

//! How large the lists of a CPU may grow: more under load, less under pressure and with time.
//!
//! # Locking     part of the lists, see pcp.rs.
//! # Cost        O(1); a free that stays below `high` is a few comparisons.
//! # Limits      as in pcp.rs. Refills of orders 1 to 8 grow too, and of what is freed in a row half
//!               a list may stay where the kernel lets a batch: there the zone's lock costs more
//!               the more CPUs take it.
//! # Reference   `mm/page_alloc.c`: `nr_pcp_alloc()`, `nr_pcp_free()`, `nr_pcp_high()`,
//!               `free_frozen_page_commit()`, `decay_pcp_high()`.

use super::{
    super::PAGEBLOCK_ORDER,
    ListIdx,
    Pcp, //
};
use crate::algo::{
    figures::PcpBounds,
    units::{
        usize_from,
        Order, //
    },
};

/// A number of blocks of a list.
fn narrow(blocks: usize) -> u32 {
    u32::try_from(blocks).unwrap_or(u32::MAX)
}

/// What the lists are tuned by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Frames that are taken from the zone, or given back, at a time.
    pub batch: u32,
    /// The least that `high` is tuned down to.
    pub high_min: u32,
    /// The most that `high` is tuned up to.
    pub high_max: u32,
    /// The CPU's cache is large: a batch of high-order blocks may stay (PCPF_FREE_HIGH_BATCH).
    pub keeps_high_batch: bool,
}

impl Tuning {
    /// What a zone's lists go by, of the numbers worked out for it.
    pub const fn new(bounds: PcpBounds, keeps_high_batch: bool) -> Self {
        Self {
            batch: bounds.batch,
            high_min: bounds.high_min,
            high_max: bounds.high_max,
            keeps_high_batch,
        }
    }

    /// How many pageblocks a list may hold: with all CPUs' no more than an eighth of the zone, which
    /// is what `high_max` is made of; and how many of the blocks above: half of that, and none where
    /// one is more than the CPU's share.
    pub(super) const fn huge_limit(self) -> [u32; 2] {
        let share = self.high_max >> (PAGEBLOCK_ORDER.get() + 1);
        [
            match share {
                0 => 1,
                blocks @ 1..HUGE_MAX => blocks,
                _ => HUGE_MAX,
            },
            match share {
                0 => 0,
                1..4 => 1,
                share if share >> 2 < LARGER_MAX => share >> 2,
                _ => LARGER_MAX,
            },
        ]
    }
}

/// How the zone stands, as the tuning wants to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Free frames are below the high mark (ZONE_BELOW_HIGH).
    pub is_below_high: bool,
    /// Reclaim is at work (ZONE_RECLAIM_ACTIVE).
    pub is_reclaiming: bool,
}

/// The most pageblocks that a list may hold: that of them a drain of half gives several to a region.
const HUGE_MAX: u32 = 127;

/// The same of blocks above that.
const LARGER_MAX: u32 = 15;

/// `CONFIG_PCP_BATCH_SCALE_MAX`.
const BATCH_SCALE_MAX: u32 = 5;

impl Pcp {
    pub(super) fn clamped(&self) -> u32 {
        let Tuning {
            high_min, high_max, ..
        } = self.tuning;
        self.high.min(high_max).max(high_min)
    }

    const fn is_tuned(&self) -> bool {
        self.tuning.high_min != self.tuning.high_max
    }

    /// An allocation is tried: what is drained at a time gets smaller.
    #[inline]
    pub fn note_alloc(&mut self) {
        self.free_count >>= 1;
    }

    /// How many blocks to take from the zone for an empty list.
    pub fn refill_blocks(&mut self, list: ListIdx, pressure: Pressure) -> usize {
        if list.is_huge() {
            let blocks = 2 << self.huge_factor;
            self.huge_factor = (self.huge_factor + 1).min(5);
            return blocks.min(self.most_huge(list)).max(1);
        }
        let base = self.tuning.batch;
        self.high = self.clamped();
        if self.high < base {
            return 1;
        }
        let order = list.order().get();
        if pressure.is_below_high {
            // Larger blocks are few where frames are.
            self.order_factor = 0;
        }
        let factor = match order {
            0 => self.alloc_factor,
            _ => self.order_factor,
        };
        let least = if base > 1 { 2 } else { 1 };
        let first = match order {
            0 => base,
            _ => (base >> order).max(least) << order,
        };
        let frames = first << factor;
        if self.is_tuned() && !pressure.is_below_high {
            self.high = (self.high + frames).min(self.tuning.high_max);
        }
        let most = self.high.saturating_sub(self.count).saturating_sub(base);
        let most = most.max(first);
        // In a row without a free in between each refill is twice the one before.
        if frames <= most && factor < BATCH_SCALE_MAX {
            match order {
                0 => self.alloc_factor += 1,
                _ => self.order_factor += 1,
            }
        }
        usize_from(frames.min(most) >> order).min(list.capacity())
    }

    /// A block was pushed: how many frames are to go back now, from its list on.
    #[inline]
    pub fn excess(&mut self, list: ListIdx, pressure: Pressure) -> usize {
        if list.is_huge() {
            return self.huge_excess(list, pressure);
        }
        let batch = self.tuning.batch;
        let order = list.order();
        let is_high = order > Order::ZERO;
        let mut frees_all = false;
        self.alloc_factor >>= 1;
        if is_high {
            self.order_factor >>= 1;
            // What goes back then is half a list or more: each time takes locks and lines of others.
            let half = || narrow(list.capacity() / 2) << order.get();
            frees_all = self.freed_high_order
                && self.free_count >= batch + self.tuning.high_min / 2
                && self.count >= half()
                && (!self.tuning.keeps_high_batch || self.count >= batch);
        }
        self.freed_high_order = is_high;
        if self.free_count < batch << BATCH_SCALE_MAX {
            self.free_count += 1 << order.get();
        }
        if self.count < self.high && !frees_all && !pressure.is_reclaiming {
            return 0;
        }
        self.excess_slow(frees_all, pressure)
    }

    /// How many blocks a list of pageblocks or larger blocks may hold.
    fn most_huge(&self, list: ListIdx) -> usize {
        let [pageblocks, larger] = self.huge_limit;
        usize_from(match list.order() {
            PAGEBLOCK_ORDER => pageblocks,
            _ => larger,
        })
    }

    /// Pageblocks go back when their list is full to its limit, three of four at a time.
    #[inline]
    fn huge_excess(&mut self, list: ListIdx, pressure: Pressure) -> usize {
        self.huge_factor = self.huge_factor.saturating_sub(1);
        let limit = match (self.most_huge(list), pressure.is_reclaiming) {
            (limit, false) => limit,
            (limit, true) => limit.min(1),
        };
        match self.length(list) {
            length if length > limit => (length.div_ceil(4) * 3).min(length) << list.order().get(),
            _ => 0,
        }
    }

    #[cold]
    fn excess_slow(&mut self, frees_all: bool, pressure: Pressure) -> usize {
        let batch = self.tuning.batch;
        let high = self.may_hold(frees_all, pressure);
        if self.count < high {
            return 0;
        }
        usize_from(if frees_all {
            self.count.min(batch << BATCH_SCALE_MAX)
        } else if high < batch {
            1
        } else {
            self.free_count.min(high - batch).max(batch)
        })
    }

    /// How many frames the lists may hold as things stand.
    fn may_hold(&mut self, frees_all: bool, pressure: Pressure) -> u32 {
        let Tuning {
            batch,
            high_min,
            high_max,
            ..
        } = self.tuning;
        self.high = self.clamped();
        let high = self.high;
        if high == 0 {
            return 0;
        }
        let freed = self.free_count.max(batch);
        if frees_all {
            self.high = high.saturating_sub(batch << BATCH_SCALE_MAX).max(high_min);
            return 0;
        }
        if pressure.is_reclaiming {
            self.high = high.saturating_sub(freed).max(high_min);
            return self.high.min(batch << 2);
        }
        if !self.is_tuned() {
            return high;
        }
        if pressure.is_below_high {
            self.high = high.saturating_sub(freed).max(high_min);
            return self.count.max(high_min);
        }
        let needed = self.free_count + batch;
        if self.count >= high && high < needed {
            self.high = needed.min(high_max).max(high_min);
        }
        high
    }

    /// Lets `high` sink with time; returns how many frames are to go back.
    pub fn decay(&mut self) -> u32 {
        let Tuning {
            batch, high_min, ..
        } = self.tuning;
        if self.high > high_min {
            let kept = self.count.saturating_sub(batch << BATCH_SCALE_MAX);
            self.high = kept.max(self.high - (self.high >> 3)).max(high_min);
        }
        self.count.saturating_sub(self.high)
    }
}
