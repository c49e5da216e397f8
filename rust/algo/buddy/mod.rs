// SPDX-License-Identifier: GPL-2.0

//! The buddy of the private manager: a bit for each frame, set while the frame is free.
//!
//!   zone     |        region        |        region        | ...     128 MiB and a lock each
//!   region   | pageblock 0 | pageblock 1 | ... | pageblock 63 |      2 MiB and a type each
//!   pageblock| word 0 | word 1 | ... | word 7 |                      64 frames each
//!
//! A block of order k is free if the 2^k bits of its frames are set, which start at a multiple of
//! 2^k. So blocks merge when their bits are set and split when some are cleared: nothing is linked,
//! and nothing is written into a page.
//!
//! What CPUs share, by tools/scaling: lines handed over for 1000 operations of 256 CPUs at work in
//! one zone of 256 GiB, and of 2 CPUs; a pair of any order hands over none.
//!
//!   line           who writes it, and when                   alloc o0   free o0   alloc o3   free o3
//!   count          each refill and drain, once                2.4, 2.0  2.4, 2.2   19,  19    31,  31
//!   marks, flags   a 64th of the zone was taken or given      0,   0    0,   0    1.0,   0   1.0,   0
//!   index          a region gets or loses its last broken     5.8, 3.2    0,   0    11,   4    31,   1
//!                  or whole pageblock; 512 regions a line
//!   summaries      each visit of a region; 8 regions a line,   38, 2.3  0.2, 0.1    57,   6     0,   0
//!                  read while a region is chosen
//!   region, lock   each visit; others leave out a region        0,   0    0,   0     0,   0     0,   0
//!                  where a CPU has settled
//!   states, types  the CPU that has the block                   0,   0    0,   0     0,   0     0,   0
//!   lists          their CPU                                    0,   0    0,   0     0,   0     0,   0
//!
//! A block that another CPU frees takes its lines along: 16 of states for 1000 frames, 125 for 1000
//! blocks of order 3, and 3 or 7 of regions. Random frees hand over what frees in a row do. Of order
//! 9 an allocation of 256 CPUs hands over 0.6 lines, most of the index, whose bits a CPU changes with
//! each 64 blocks; of order 10 two, for the marks are looked at in detail. All CPUs on one machine of
//! several nodes share less: each node has its zones.
//!
//! # Locking     `&mut Region`: the caller holds the region's lock (rank 5).
//! # Cost        the bits and what is known of them: 35 KiB per GiB of 4 KiB pages.
//! # Limits      pageblocks of order 9 whatever the architecture's are; blocks above order 15 span
//!               regions, and are the zone's to put together.
//! # Reference   mm/page_alloc.c: struct free_area, __free_one_page(), expand(): the same blocks,
//!               by other means.

pub mod account;
pub mod compact_list;
pub mod frame;
pub mod guarded;
mod mark;
pub mod pcp;
mod place;
pub mod poison;
pub mod region;
pub mod slow;
pub mod span;
pub mod walk;
mod words;
pub mod zone;

use super::units::Order;

pub use place::{
    Offset,
    PageblockIdx, //
};
pub use region::{
    GiveError,
    Region,
    Summary,
    Violation, //
};

/// The order of a pageblock, the unit that has a type.
pub const PAGEBLOCK_ORDER: Order = order(9);

/// The order of a region.
pub const REGION_ORDER: Order = order(15);

/// Pageblocks of a region.
pub const PAGEBLOCKS: usize = 64;

/// Frames of a region.
pub const FRAMES: usize = 32_768;

const _: () = assert!(FRAMES == REGION_ORDER.nr_pages().get());
const _: () = assert!(FRAMES == PAGEBLOCKS * PAGEBLOCK_ORDER.nr_pages().get());

/// Makes an order of a number that is one; of others, the largest.
const fn order(number: u32) -> Order {
    match Order::new(number) {
        Some(order) => order,
        None => Order::MAX,
    }
}
