// SPDX-License-Identifier: GPL-2.0

//! Physical addresses, byte by byte, and ranges of them.
//!
//!   PhysRange::capped(base, size)    [base, base + size), cut where the address space ends
//!
//! # Locking     none: plain `Copy` values.
//! # Cost        O(1).
//! # Limits      64-bit kernels; the last byte of the address space is in no range, for its end
//!               would have no number.
//! # Reference   include/linux/types.h: phys_addr_t; mm/memblock.c: memblock_cap_size().

use core::fmt;

use super::Bytes;

/// A physical address; it prints in hexadecimal, as commands spell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(usize);

impl PhysAddr {
    /// Where the address space begins.
    pub const ZERO: Self = Self(0);

    /// The largest number, where the address space ends.
    pub const MAX: Self = Self(usize::MAX);

    /// Makes an address; every number is one.
    pub const fn new(number: usize) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> usize {
        self.0
    }

    /// Returns the address `size` further, or `None` past the end of the address space.
    pub fn checked_add(self, size: Bytes) -> Option<Self> {
        self.0.checked_add(size.get()).map(Self)
    }

    /// Returns the address `size` before, or `None` below 0.
    pub fn checked_sub(self, size: Bytes) -> Option<Self> {
        self.0.checked_sub(size.get()).map(Self)
    }

    /// Returns the nearest address from here down that is a multiple of `align`, a power of two.
    pub const fn align_down(self, align: Bytes) -> Self {
        Self(self.0 & !rest_of(align))
    }

    /// Returns the nearest address from here up that is a multiple of `align`, a power of two; or
    /// `None` past the end of the address space.
    pub const fn align_up(self, align: Bytes) -> Option<Self> {
        match self.0.checked_add(rest_of(align)) {
            Some(number) => Some(Self(number).align_down(align)),
            None => None,
        }
    }
}

/// The bits of an address that are 0 if it is aligned.
const fn rest_of(align: Bytes) -> usize {
    debug_assert!(align.get().is_power_of_two());
    align.get().saturating_sub(1)
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Addresses from a start up to an end, which is not one of them.
///
/// # Invariants
///
/// The start is not above the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PhysRange {
    start: PhysAddr,
    end: PhysAddr,
}

impl PhysRange {
    /// Makes a range, or `None` if it would end before it starts.
    pub fn new(start: PhysAddr, end: PhysAddr) -> Option<Self> {
        // INVARIANT: the condition.
        (start <= end).then_some(Self { start, end })
    }

    /// Makes a range of `size` bytes; what lies past the end of the address space is cut off.
    pub const fn capped(base: PhysAddr, size: Bytes) -> Self {
        // INVARIANT: an address that saturates is not below `base`.
        Self {
            start: base,
            end: PhysAddr(base.0.saturating_add(size.get())),
        }
    }

    /// Returns the first address.
    pub const fn start(self) -> PhysAddr {
        self.start
    }

    /// Returns the address after the last.
    pub const fn end(self) -> PhysAddr {
        self.end
    }

    /// Returns how many bytes there are.
    pub const fn size(self) -> Bytes {
        // By the invariant nothing saturates.
        Bytes::new(self.end.0.saturating_sub(self.start.0))
    }

    /// Says whether there is no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Says whether an address is one of these.
    pub fn contains(self, address: PhysAddr) -> bool {
        self.start <= address && address < self.end
    }

    /// Says whether the ranges meet; one without a byte does where it lies inside of the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Moves both ends to the nearest address of `window`.
    #[must_use]
    pub fn clamp(self, window: Self) -> Self {
        // INVARIANT: both ends move by a function that keeps their order.
        Self {
            start: self.start.clamp(window.start, window.end),
            end: self.end.clamp(window.start, window.end),
        }
    }
}

impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}
