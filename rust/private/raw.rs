// SPDX-License-Identifier: GPL-2.0

//! What the compiler cannot see: zeroed state is valid, and a block's pages belong to one user.
//!
//! The only file of the room with `unsafe`. Regions and page lists of a CPU have kibibytes: made
//! as values they would pass over the kernel's stack, of which a third would be gone, so that they
//! begin as zeroed memory instead. The bytes of a block are written where Linux has them, for a
//! reference to them would have to outlive the block.
//!
//! # Locking     none.
//! # Cost        `zero` writes every byte of the block.
//! # Reference   Linux `rust/pin-init/src/lib.rs`: `Zeroable`; `mm/page_alloc.c`:
//!               `kernel_init_pages()`.

use pin_init::Zeroable;

use crate::algo::{
    buddy::{
        pcp::Pcp,
        Region, //
    },
    units::NrPages, //
};
use crate::linux::pages::Pages;

// SAFETY: A region is plain numbers, of which all zero are the empty region, as its documentation
// says.
unsafe impl Zeroable for Region {}

// SAFETY: Page lists are plain numbers and flags, for all of which zero is a value.
unsafe impl Zeroable for Pcp {}

/// Zeroes `count` pages of a run, from the page `from` on, for a block that was just allocated.
///
/// Nobody else looks at them: a block has one user, and its pages are no other block's.
pub(super) fn zero(run: &Pages, from: NrPages, count: NrPages) {
    // SAFETY: The pages are those of a block that the zone has just given out, which it does once
    // until it is freed.
    unsafe { run.zero_part(from, count) };
}
