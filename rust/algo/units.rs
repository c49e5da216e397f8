// SPDX-License-Identifier: GPL-2.0

//! Units of memory management as types: pfn, frame, pages, order, node, zone, migratetype, bytes,
//! address.
//!
//!   Pfn + NrPages = Pfn        a position moved by an offset
//!   Pfn - Pfn     = NrPages    the offset between two positions
//!   Pfn + Pfn                  does not compile
//!
//! The operators saturate, which a debug build reports; numbers that come from outside go through
//! the `checked_` functions.
//!
//! # Locking     none: plain `Copy` values.
//! # Cost        each type is as wide as its number; every function is O(1), names O(number of
//!               names).
//! # Limits      64-bit kernels. `HighMem` does not exist there and is not a `ZoneKind`.
//! # Reference   include/linux/mmzone.h: enum zone_type, enum migratetype; mm/page_alloc.c:
//!               zone_names[].

mod frame;
mod nodemask;
mod phys;
#[cfg(test)]
mod tests;

pub use nodemask::NodeMask;

use core::fmt;
use core::ops::{
    Add,
    AddAssign,
    Sub, //
};

pub use frame::FrameIdx;
pub use phys::{
    PhysAddr,
    PhysRange, //
};

/// Defines an enum whose values have a spelling, used alike by views, commands and arrays.
///
/// A value that needs more documentation than its spelling brings its own.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $Type:ident { $($(#[$note:meta])* $Value:ident = $name:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Type { $(#[doc = concat!("Spelled `", $name, "`.")] $(#[$note])* $Value,)+ }

        impl $Type {
            /// Every value, in the order of `index`.
            pub const ALL: &'static [Self] = &[$(Self::$Value,)+];

            /// The size of an array that is indexed by `index`.
            pub const COUNT: usize = Self::ALL.len();

            /// Returns the spelling.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Value => $name,)+ }
            }

            /// Returns the position in `ALL`.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// Finds the value that is spelled exactly so.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl core::fmt::Display for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// A zone of a node, spelled as the kernel prints it, from low addresses to high.
    pub enum ZoneKind {
        Dma = "DMA",
        Dma32 = "DMA32",
        Normal = "Normal",
        Movable = "Movable",
        Device = "Device",
    }
}

named! {
    /// What a pageblock is used for, spelled and ordered as in /proc/pagetypeinfo.
    pub enum Migratetype {
        Unmovable = "Unmovable",
        Movable = "Movable",
        Reclaimable = "Reclaimable",
        HighAtomic = "HighAtomic",
        Cma = "CMA",
        Isolate = "Isolate",
    }
}

/// Widens a number for indexing; `usize` has at least 32 bits wherever the kernel runs.
pub const fn usize_from(number: u32) -> usize {
    // CAST: loses nothing, see above.
    number as usize
}

/// Widens a number for sums of 64 bits; `usize` has at most 64 bits wherever the kernel runs.
pub const fn u64_from(number: usize) -> u64 {
    // CAST: loses nothing, see above.
    number as u64
}

/// Position of a page frame in the physical address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(usize);

impl Pfn {
    /// Makes a position; every number is one.
    pub const fn new(number: usize) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> usize {
        self.0
    }

    /// Returns the position `pages` further, or `None` past the end of the address space.
    pub const fn checked_add(self, pages: NrPages) -> Option<Self> {
        match self.0.checked_add(pages.0) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Returns the offset from `start`, or `None` if `start` comes later.
    pub const fn checked_sub(self, start: Self) -> Option<NrPages> {
        match self.0.checked_sub(start.0) {
            Some(number) => Some(NrPages(number)),
            None => None,
        }
    }

    /// Returns the first page of the block of this order that this page is in.
    pub const fn align_down(self, order: Order) -> Self {
        Self(self.0 & !(order.nr_pages().0 - 1))
    }

    /// Returns the first page, from this one on, where a block of this order may start; `None` past
    /// the end of the address space.
    pub const fn align_up(self, order: Order) -> Option<Self> {
        match self.0.checked_next_multiple_of(order.nr_pages().0) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Says whether a block of this order may start here.
    pub const fn is_aligned(self, order: Order) -> bool {
        self.0 & (order.nr_pages().0 - 1) == 0
    }
}

impl Add<NrPages> for Pfn {
    type Output = Self;

    fn add(self, pages: NrPages) -> Self {
        debug_assert!(self.checked_add(pages).is_some());
        Self(self.0.saturating_add(pages.0))
    }
}

impl Sub for Pfn {
    type Output = NrPages;

    fn sub(self, start: Self) -> NrPages {
        debug_assert!(self.checked_sub(start).is_some());
        NrPages(self.0.saturating_sub(start.0))
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives a number of things what all such numbers have; the functions are `const`.
macro_rules! amount {
    ($Type:ident, $thing:literal) => {
        impl $Type {
            #[doc = concat!("No ", $thing, ".")]
            pub const ZERO: Self = Self(0);

            #[doc = concat!("Makes a number of ", $thing, "s; every number is one.")]
            pub const fn new(number: usize) -> Self {
                Self(number)
            }

            /// Returns the number.
            pub const fn get(self) -> usize {
                self.0
            }

            /// Returns the sum, or `None` if it has no number.
            pub const fn checked_add(self, more: Self) -> Option<Self> {
                match self.0.checked_add(more.0) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Returns `factor` times as many, or `None` if it has no number.
            pub const fn checked_mul(self, factor: usize) -> Option<Self> {
                match self.0.checked_mul(factor) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
        }
    };
}

/// A number of pages: a size, or the offset between two positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NrPages(usize);

amount!(NrPages, "page");

impl NrPages {
    /// Returns the difference, or `None` if it is negative.
    pub const fn checked_sub(self, less: Self) -> Option<Self> {
        match self.0.checked_sub(less.0) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Returns half as many, rounded down.
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// Returns the size in bytes of pages of `1 << page_shift` bytes, or `None` if it has no
    /// number.
    pub fn bytes(self, page_shift: u32) -> Option<Bytes> {
        self.0
            .checked_mul(1usize.checked_shl(page_shift)?)
            .map(Bytes)
    }
}

impl Add for NrPages {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        debug_assert!(self.checked_add(more).is_some());
        Self(self.0.saturating_add(more.0))
    }
}

impl AddAssign for NrPages {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl Sub for NrPages {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        debug_assert!(self.checked_sub(less).is_some());
        Self(self.0.saturating_sub(less.0))
    }
}

impl fmt::Display for NrPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of bytes; it prints with the largest of K, M and G that leaves no rest, as commands
/// spell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(usize);

amount!(Bytes, "byte");

impl Bytes {
    /// Returns the sum, or the largest number.
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// Returns the difference, or none at all.
    pub const fn saturating_sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }

    /// Makes a size of MiB; more than there are numbers for is the largest number.
    pub fn from_mib(mib: u64) -> Self {
        Self(usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX))
    }

    /// Returns how many whole pages of `1 << page_shift` bytes fit.
    pub fn whole_pages(self, page_shift: u32) -> NrPages {
        NrPages(self.0.checked_shr(page_shift).unwrap_or(0))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, suffix) = match self.0.trailing_zeros() {
            _ if self.0 == 0 => (0, ""),
            30.. => (30, "G"),
            20.. => (20, "M"),
            10.. => (10, "K"),
            _ => (0, ""),
        };
        write!(f, "{}{}", self.0 >> shift, suffix)
    }
}

/// A virtual address of the kernel, as a number: nothing can be read through it.
///
/// It has no `Display`: a view prints it as `%p` does, through `linux::Hashed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(usize);

impl Address {
    /// Makes an address; every number is one.
    pub const fn new(number: usize) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Size of a block as a power of two of pages.
///
/// # Invariants
///
/// The number is at most `Order::MAX`. A manager may allow less: Linux's maximum is usually 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(u8);

impl Order {
    /// A single page.
    pub const ZERO: Self = Self(0);

    /// The largest order of any manager, inclusive: 1 GiB in pages of 4 KiB.
    pub const MAX: Self = Self(18);

    /// The size of an array that is indexed by order.
    pub const COUNT: usize = Self::MAX.index() + 1;

    /// Makes an order, or `None` above `Order::MAX`.
    pub const fn new(number: u32) -> Option<Self> {
        if number > Self::MAX.get() {
            return None;
        }
        // CAST: loses nothing, `number` is at most 18.
        // INVARIANT: checked above.
        Some(Self(number as u8))
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        // CAST: widens.
        self.0 as u32
    }

    /// Returns the number for indexing.
    pub const fn index(self) -> usize {
        usize_from(self.get())
    }

    /// Returns the number of pages in a block of this order.
    pub const fn nr_pages(self) -> NrPages {
        NrPages(1 << self.0)
    }

    /// Walks the orders from 0 to `max`, inclusive.
    pub fn up_to(max: Self) -> impl Iterator<Item = Self> {
        // INVARIANT: nothing in the range is above `max`, which is an order.
        (0..=max.0).map(Self)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a NUMA node.
///
/// # Invariants
///
/// The number is below `NodeId::COUNT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

impl NodeId {
    /// Node 0, which most machines have.
    pub const FIRST: Self = Self(0);

    /// How many nodes the largest kernel configuration has; a running kernel usually has less.
    pub const COUNT: usize = 1024;

    /// The highest number.
    pub const MAX: u32 = 1023;

    /// Makes a node number, or `None` from `NodeId::COUNT` on.
    pub const fn new(number: u32) -> Option<Self> {
        if usize_from(number) >= Self::COUNT {
            return None;
        }
        // CAST: loses nothing, `number` is below 1024.
        // INVARIANT: checked above.
        Some(Self(number as u16))
    }

    /// Makes a node number of the kernel's `int`; `None` for its `NUMA_NO_NODE` and all else that
    /// names no node.
    pub fn from_int(number: i32) -> Option<Self> {
        Self::new(u32::try_from(number).ok()?)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        // CAST: widens.
        self.0 as u32
    }

    /// Returns the number as the kernel's `int`.
    pub const fn int(self) -> i32 {
        // CAST: widens.
        self.0 as i32
    }

    /// Returns the number for indexing.
    pub const fn index(self) -> usize {
        usize_from(self.get())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
