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
//! # Locking     `&mut Region`: the caller holds the region's lock (rank 5).
//! # Cost        the bits and what is known of them: 35 KiB per GiB of 4 KiB pages.
//! # Limits      pageblocks of order 9 whatever the architecture's are; blocks above order 15 span
//!               regions, and are the zone's to put together.
//! # Reference   mm/page_alloc.c: struct free_area, __free_one_page(), expand(): the same blocks,
//!               by other means.

pub mod compact_list;
pub mod frame;
pub mod guarded;
mod mark;
pub mod pcp;
mod place;
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
