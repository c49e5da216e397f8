// SPDX-License-Identifier: GPL-2.0

//! Whether compaction is worth its while: enough free frames to move blocks to, and fragmentation
//! rather than lack of memory as the reason why there is no block.
//!
//! # Locking     numbers of the zone are atomics; blocks are counted one region at a time.
//! # Cost        O(1), and O(words of the zone) for orders above 3.
//! # Limits      the lowmem reserve is part of the mark that the caller passes.
//! # Reference   mm/compaction.c: __compaction_suitable(), compaction_suitable();
//!               include/linux/compaction.h: compact_gap().

use super::super::{
    super::guarded::Guarded,
    Memory,
    Zone, //
};
use crate::algo::{
    fragmentation::fragmentation_index,
    units::{
        named,
        NrPages,
        Order, //
    }, //
};
use crate::seam::Relaxed;

/// The largest order for which compaction is tried whatever the index says
/// (PAGE_ALLOC_COSTLY_ORDER).
const COSTLY: u32 = 3;

/// Up to this index, in thousandths, a failure is for lack of memory (sysctl_extfrag_threshold).
const EXTFRAG_THRESHOLD: i32 = 500;

/// The most frames that compaction holds at a time in the kernel (COMPACT_CLUSTER_MAX).
const CLUSTER: usize = 32;

named! {
    /// Whether compaction may help, spelled as in the kernel's trace events.
    pub enum Suitable {
        /// It may.
        Continue = "continue",
        /// There is too little free memory to move blocks to.
        Skipped = "skipped",
        /// The lack of memory is the reason, not fragmentation.
        NotSuitable = "not_suitable_zone",
    }
}

/// The frames that are to be free above the mark (compact_gap()).
pub fn gap(order: Order) -> NrPages {
    NrPages::new((2 * order.nr_pages().get()).min(CLUSTER))
}

impl<M: Memory> Zone<M> {
    /// Says whether compaction for an order may help, above a mark in frames: that of the request
    /// with the lowmem reserve, and for orders above 3 the distance of the low mark from the min
    /// mark on top.
    pub fn compaction_suitable(&self, order: Order, mark: NrPages) -> Suitable {
        let figures = self.figures();
        let usable = figures.free.load(Relaxed) - figures.free_highatomic.load(Relaxed);
        let needed = mark.checked_add(gap(order));
        let usable = usize::try_from(usable).map_or(NrPages::ZERO, NrPages::new);
        if needed.is_none_or(|needed| usable <= needed) {
            return Suitable::Skipped;
        }
        if order.get() > COSTLY {
            let index = fragmentation_index(&self.count_blocks(), order).thousandths();
            if (0..=EXTFRAG_THRESHOLD).contains(&index) {
                return Suitable::NotSuitable;
            }
        }
        Suitable::Continue
    }

    /// Counts the free blocks of each order up to the largest, isolated or not.
    pub fn count_blocks(&self) -> [usize; Order::COUNT] {
        let mut blocks = [0; Order::COUNT];
        for region in self.memory().regions() {
            region.with(|it| {
                it.count_blocks(self.max_order(), |_, order, more| {
                    if let Some(sum) = blocks.get_mut(order.index()) {
                        *sum += more;
                    }
                });
            });
        }
        blocks
    }
}
