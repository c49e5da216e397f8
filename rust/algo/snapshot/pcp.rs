// SPDX-License-Identifier: GPL-2.0

//! The page lists that a CPU keeps of a zone: sizes, tuning state, a count for each list.
//!
//!   lists   U0 M0 R0  U1 M1 R1  U2 M2 R2  U3 M3 R3  UR9 M9      (Linux with huge pages of order 9)
//!
//! # Locking     none: copies.
//! # Cost        half a KiB.
//! # Limits      at most [`Pcp::MAX_LISTS`] lists.
//! # Reference   `include/linux/mmzone.h`: `struct per_cpu_pages`, `struct per_cpu_zonestat`;
//!               `mm/page_alloc.c`: `order_to_pindex()`.

use super::Count;
use crate::algo::units::{
    named,
    NrPages,
    Order, //
};

named! {
    /// What a CPU's lists have been through lately.
    pub enum PcpFlag {
        /// The last free was one of a high order.
        PrevFreeHighOrder = "prev_free_high_order",
        /// The cache is large enough to keep a batch when blocks of a high order are freed in a
        /// row.
        FreeHighBatch = "free_high_batch",
    }
}

named! {
    /// The migratetypes that share one list, by their first letters.
    pub enum PcpTypes {
        Unmovable = "U",
        Movable = "M",
        Reclaimable = "R",
        /// Of the huge pages, which have two lists.
        NotMovable = "UR",
        /// Of frames on their way back to the zone, which is allocated from last; the private
        /// manager's alone.
        All = "UMR",
    }
}

/// One list of a CPU.
#[derive(Clone, Copy, Debug)]
pub struct PcpList {
    /// The order of its blocks.
    pub order: Order,
    /// Which migratetypes it holds.
    pub types: PcpTypes,
    /// How many blocks it holds.
    pub blocks: Count,
}

/// What a CPU has not told the zone's counter of free pages yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// The most it keeps to itself, up or down.
    pub threshold: NrPages,
    /// What it keeps to itself now.
    pub free: i32,
}

/// The lists that a CPU keeps of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Pcp {
    /// Pages in all lists together.
    pub count: NrPages,
    /// How many it may hold before some go back.
    pub high: NrPages,
    /// How many are taken from the zone, or given back, at a time.
    pub batch: NrPages,
    /// The least that `high` is tuned down to.
    pub high_min: NrPages,
    /// The most that `high` is tuned up to.
    pub high_max: NrPages,
    /// By `PcpFlag::index`.
    pub flags: [bool; PcpFlag::COUNT],
    /// How often `batch` is doubled for the next refill, for allocations came in a row.
    pub alloc_factor: u32,
    /// Pages freed in a row, which makes the next drain larger.
    pub free_count: NrPages,
    /// Rounds of the counters' timer until the lists of a remote zone are drained; `None` where
    /// there are no remote zones.
    pub expire: Option<u32>,
    /// What the CPU's counters lack.
    pub drift: Drift,
    /// The lists.
    pub lists: [Option<PcpList>; Pcp::MAX_LISTS],
}

impl Pcp {
    /// More lists than any manager has.
    pub const MAX_LISTS: usize = 32;
}
