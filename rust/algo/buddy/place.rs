// SPDX-License-Identifier: GPL-2.0

//! Places in a region: a frame's and a pageblock's.
//!
//!   Offset   14..9         8..6   5..0
//!            pageblock     word   bit
//!
//! # Locking     none: plain `Copy` values.
//! # Cost        O(1); the only conversions between the widths in which places are kept.
//! # Limits      none.
//! # Reference   none.

use super::{
    FRAMES,
    PAGEBLOCKS,
    PAGEBLOCK_ORDER,
    REGION_ORDER, //
};
use crate::algo::units::Order;

/// Position of a frame in its region.
///
/// # Invariants
///
/// The number is below `FRAMES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u16);

impl Offset {
    /// The first frame.
    pub const ZERO: Self = Self(0);

    /// Makes a position, or `None` from `FRAMES` on.
    pub const fn new(number: usize) -> Option<Self> {
        if number >= FRAMES {
            return None;
        }
        // CAST: loses nothing, `number` is below 2^15.
        // INVARIANT: checked above.
        Some(Self(number as u16))
    }

    /// Makes a position of the low bits of a number.
    pub const fn new_masked(number: usize) -> Self {
        // CAST: loses nothing, 15 bits are left.
        // INVARIANT: `FRAMES` is 2^15.
        Self((number & (FRAMES - 1)) as u16)
    }

    /// Returns the number.
    pub const fn get(self) -> usize {
        // CAST: widens. The mask changes nothing, and tells the compiler of the invariant.
        self.0 as usize & (FRAMES - 1)
    }

    /// Returns the first frame of the block of this order that this frame is in.
    pub const fn align_down(self, order: Order) -> Self {
        // CAST: widens, and loses nothing: the number becomes smaller.
        // INVARIANT: so it stays below `FRAMES`.
        Self((self.0 as u32 & (u32::MAX << order.get())) as u16)
    }

    /// Says whether a block of this order may start here, and ends in the region.
    pub const fn is_aligned(self, order: Order) -> bool {
        self.align_down(order).0 == self.0 && order.get() <= REGION_ORDER.get()
    }

    /// Returns the pageblock that the frame is in.
    pub const fn pageblock(self) -> PageblockIdx {
        // CAST: loses nothing: 15 bits less 9.
        // INVARIANT: `FRAMES` >> 9 is `PAGEBLOCKS`.
        PageblockIdx((self.0 >> 9) as u8)
    }

    /// Returns the pageblocks of the block of this order, of 9 or above, that the frame is in, as
    /// bits of a mask.
    pub(super) const fn pageblocks(self, order: Order) -> u64 {
        let first = self.align_down(order).pageblock();
        match order.get().checked_sub(PAGEBLOCK_ORDER.get()) {
            Some(part @ 0..6) => (u64::MAX >> (64 - (1 << part))) << first.bit(),
            Some(_) => u64::MAX,
            None => first.mask(),
        }
    }

    /// Returns the frame's position in its pageblock.
    pub(super) const fn bit(self) -> u32 {
        // CAST: widens.
        self.0 as u32 & 511
    }

    /// Returns the frame of a pageblock; of `bit` the 9 low bits count.
    pub(super) const fn of(pageblock: PageblockIdx, bit: u32) -> Self {
        // CAST: loses nothing, 9 bits are left.
        // INVARIANT: 6 bits of a pageblock, and 9.
        Self((pageblock.0 as u16 & 63) << 9 | (bit & 511) as u16)
    }
}

/// Position of a pageblock in its region.
///
/// # Invariants
///
/// The number is below `PAGEBLOCKS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageblockIdx(u8);

impl PageblockIdx {
    /// Makes a position, or `None` from `PAGEBLOCKS` on.
    pub const fn new(number: usize) -> Option<Self> {
        if number >= PAGEBLOCKS {
            return None;
        }
        // CAST: loses nothing, `number` is below 64.
        // INVARIANT: checked above.
        Some(Self(number as u8))
    }

    /// Returns the number.
    pub const fn get(self) -> usize {
        // CAST: widens. The mask changes nothing, and tells the compiler of the invariant.
        self.0 as usize & (PAGEBLOCKS - 1)
    }

    /// Walks all pageblocks of a region.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PAGEBLOCKS).filter_map(Self::new)
    }

    /// Returns the first frame.
    pub const fn first(self) -> Offset {
        Offset::of(self, 0)
    }

    /// Returns the pageblock of this number; the 6 low bits count.
    pub(super) const fn of(number: u32) -> Self {
        // CAST: loses nothing, 6 bits are left.
        // INVARIANT: 6 bits.
        Self((number & 63) as u8)
    }

    /// Returns the pageblock's bit in a mask of pageblocks.
    pub(super) const fn mask(self) -> u64 {
        1 << (self.0 & 63)
    }

    /// Returns the position of that bit.
    pub(super) const fn bit(self) -> u32 {
        // CAST: widens.
        self.0 as u32 & 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_is_put_together_from_its_parts() {
        let last = Offset::new(FRAMES - 1).unwrap();
        assert_eq!((last.pageblock().get(), last.bit()), (63, 511));
        let some = Offset::new(5 * 512 + 7).unwrap();
        assert_eq!(Offset::of(some.pageblock(), some.bit()), some);
        assert_eq!(some.pageblock().first().get(), 5 * 512);
    }

    /// Pageblock 5, the pair 4 and 5, the four from 4 on, and the region.
    #[test]
    fn a_block_has_the_pageblocks_that_it_covers() {
        let frame = Offset::new(5 * 512 + 7).unwrap();
        for (order, mask) in [
            (8, 1 << 5),
            (9, 1 << 5),
            (10, 3 << 4),
            (11, 15 << 4),
            (15, u64::MAX),
        ] {
            assert_eq!(frame.pageblocks(Order::new(order).unwrap()), mask);
        }
    }

    #[test]
    fn places_end_with_the_region() {
        assert_eq!(Offset::new(FRAMES), None);
        assert_eq!(PageblockIdx::new(PAGEBLOCKS), None);
        assert_eq!(PageblockIdx::all().count(), PAGEBLOCKS);
    }
}
