// SPDX-License-Identifier: GPL-2.0

//! The number of a page frame in its zone, as the private manager counts them.
//!
//!   Pfn         where in the physical address space, or in the imagined one
//!   FrameIdx    how many frames after the base of the zone
//!
//! # Locking     none: a plain `Copy` value.
//! # Cost        4 bytes; every function is O(1).
//! # Limits      zones of up to 2^32 frames: 16 TiB in pages of 4 KiB.
//! # Reference   none: the kernel has no number between the pfn and the `struct page`.

use core::fmt;

use super::{
    usize_from,
    NrPages,
    Order, //
};

/// Number of a page frame in its zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameIdx(u32);

impl FrameIdx {
    /// Makes a number; every one is one.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the number for indexing.
    pub const fn index(self) -> usize {
        usize_from(self.0)
    }

    /// Returns the frame `pages` further, or `None` if it has no number.
    pub const fn checked_add(self, pages: NrPages) -> Option<Self> {
        match self.index().checked_add(pages.get()) {
            Some(number) if number <= usize_from(u32::MAX) => {
                // CAST: loses nothing, see above.
                Some(Self(number as u32))
            }
            _ => None,
        }
    }

    /// Returns the first frame of the block of this order that this frame is in.
    pub const fn align_down(self, order: Order) -> Self {
        Self(self.0 & (u32::MAX << order.get()))
    }

    /// Says whether a block of this order may start here.
    pub const fn is_aligned(self, order: Order) -> bool {
        self.align_down(order).0 == self.0
    }
}

impl fmt::Display for FrameIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_moves_by_pages_to_the_last_number() {
        let last = FrameIdx::new(u32::MAX);
        let before = FrameIdx::new(u32::MAX - 3);
        assert_eq!(before.checked_add(NrPages::new(3)), Some(last));
        assert_eq!(before.checked_add(NrPages::new(4)), None);
        assert_eq!(last.checked_add(NrPages::new(usize::MAX)), None);
    }

    #[test]
    fn frame_is_aligned_to_the_blocks_that_may_start_there() {
        let order = |number| Order::new(number).unwrap();
        assert!(FrameIdx::new(0x18).is_aligned(order(3)));
        assert!(!FrameIdx::new(0x18).is_aligned(order(4)));
        assert_eq!(FrameIdx::new(0x1f).align_down(order(4)).get(), 0x10);
        assert_eq!(FrameIdx::new(0x3_ffff).align_down(Order::MAX).get(), 0);
    }
}
