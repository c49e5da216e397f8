// SPDX-License-Identifier: GPL-2.0

//! One region of early memory: its bytes, its node, and who has it.
//!
//!   kind       memory        the machine has it
//!              reserved      somebody said that it is taken
//!              allocated     it was asked for and found
//!
//! # Locking     none: copies.
//! # Cost        40 bytes a region.
//! # Limits      of the kernel's flags only `MEMBLOCK_RSRV_KERN`, as a kind; hotplug, mirror, nomap
//!               and the others mark memory that no machine here has.
//! # Reference   `include/linux/memblock.h`: `struct memblock_region`, `enum memblock_flags`.

use core::fmt;

use crate::algo::units::{
    named,
    NodeId,
    PhysRange, //
};

named! {
    /// What a region is.
    pub enum RegionKind {
        /// There is memory.
        Memory = "memory",
        /// Taken, by who knew the place.
        Reserved = "reserved",
        /// Taken by an allocation that asked for any place, `MEMBLOCK_RSRV_KERN`.
        Allocated = "allocated",
    }
}

/// What a region was taken for, as one word.
///
/// # Invariants
///
/// Printable characters without blanks, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct What(&'static str);

impl What {
    /// Makes a name, or `None` of text that is no word.
    pub const fn new(text: &'static str) -> Option<Self> {
        let mut bytes = text.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        while let Some((byte, rest)) = bytes.split_first() {
            if !byte.is_ascii_graphic() {
                return None;
            }
            bytes = rest;
        }
        // INVARIANT: checked above.
        Some(Self(text))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Whose a region is: neighbours that agree in this are one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// What it is.
    pub kind: RegionKind,
    /// The node that was named for it.
    pub node: Option<NodeId>,
    /// What it was taken for, if that was said.
    pub what: Option<What>,
}

/// A run of bytes of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The bytes.
    pub range: PhysRange,
    /// Whose they are.
    pub owner: Owner,
}

impl Default for Region {
    /// What an entry of an array is before it is used.
    fn default() -> Self {
        Self {
            range: PhysRange::default(),
            owner: Owner {
                kind: RegionKind::Memory,
                node: None,
                what: None,
            },
        }
    }
}
