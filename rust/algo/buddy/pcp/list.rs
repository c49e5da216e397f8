// SPDX-License-Identifier: GPL-2.0

//! Which lists a CPU keeps of a zone, and where they lie in its array.
//!
//!   0   1   2   3   4        25  26  27   28
//!   U0  M0  R0  U1  M1  ...  M8  R8  UR9  M9
//!
//! # Locking     none: numbers.
//! # Cost        tables that are made by the compiler.
//! # Limits      there are no lists above order 9.
//! # Reference   `mm/page_alloc.c`: `order_to_pindex()`, `pcp_allowed_order()`, which leave orders 4
//!               to 8 to the zone's lock: there Linux is slowest, and two CPUs wait for each other.

use super::super::PAGEBLOCK_ORDER;
use crate::algo::{
    snapshot::PcpTypes,
    units::{
        Migratetype,
        Order, //
    },
};

/// Orders below that of a pageblock.
const LOW_ORDERS: usize = PAGEBLOCK_ORDER.index();

/// Types that have lists of their own.
pub(super) const TYPES: usize = 3;

/// Blocks that a list of each order holds; the last is for pageblocks.
const CAPACITY: [u16; LOW_ORDERS + 1] = [1024, 128, 64, 64, 32, 16, 8, 8, 4, 32];

/// How many lists there are.
pub const LISTS: usize = LOW_ORDERS * TYPES + 2;

/// The list of pageblocks that do not move; that of those which do is the next.
const HUGE: usize = LISTS - 2;

/// Blocks that all lists hold together.
pub(super) const ENTRIES: usize = {
    let mut sum = 0;
    let mut list = 0;
    while list < LISTS {
        sum += CAPACITY[order(list)] as usize;
        list += 1;
    }
    sum
};

/// The place of a type among those with lists: the movable is also that of all others.
pub(super) const fn type_index(migratetype: Migratetype) -> usize {
    match migratetype {
        Migratetype::Unmovable => 0,
        Migratetype::Reclaimable => 2,
        _ => 1,
    }
}

const fn order(list: usize) -> usize {
    if list < HUGE {
        list / TYPES
    } else {
        LOW_ORDERS
    }
}

/// One list: where it lies, what it holds, and how often it was used.
#[derive(Clone, Copy)]
pub(super) struct List {
    /// Blocks in it.
    pub(super) length: u16,
    /// The most there can be.
    pub(super) capacity: u16,
    /// Where they start.
    pub(super) start: u16,
    /// The order of each.
    pub(super) order: u16,
    /// Blocks that were allocated through it.
    pub(super) allocs: u64,
    /// Blocks that were freed through it.
    pub(super) frees: u64,
}

/// The lists when they are empty.
pub(super) const EMPTY: [List; LISTS] = {
    let mut lists = [List {
        length: 0,
        capacity: 0,
        start: 0,
        order: 0,
        allocs: 0,
        frees: 0,
    }; LISTS];
    let (mut list, mut start) = (0, 0);
    while list < LISTS {
        lists[list].capacity = CAPACITY[order(list)];
        lists[list].start = start;
        // CAST: at most 9.
        lists[list].order = order(list) as u16;
        start += CAPACITY[order(list)];
        list += 1;
    }
    lists
};

/// Which list.
///
/// # Invariants
///
/// The number is below `LISTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListIdx(u8);

impl ListIdx {
    /// The list for blocks of this order and type; `None` for an order without lists.
    ///
    /// What is neither unmovable nor reclaimable is kept with the movable.
    #[inline]
    pub const fn of(order: Order, migratetype: Migratetype) -> Option<Self> {
        Self::of_place(order, Self::place_of(migratetype))
    }

    /// The place of a type among those with lists.
    #[inline]
    pub(in crate::algo::buddy) const fn place_of(migratetype: Migratetype) -> u8 {
        // CAST: below 3.
        type_index(migratetype) as u8
    }

    /// The list for blocks of this order and the type at a place below 3.
    #[inline]
    pub(in crate::algo::buddy) const fn of_place(order: Order, place: u8) -> Option<Self> {
        // CAST: small numbers.
        // INVARIANT: at most 3 * 8 + 2, and the last two.
        if place as usize >= TYPES {
            None
        } else if order.index() < LOW_ORDERS {
            Some(Self((order.index() * TYPES) as u8 + place))
        } else if order.index() == LOW_ORDERS {
            Some(Self(HUGE as u8 + (place == 1) as u8))
        } else {
            None
        }
    }

    /// Every list, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        // CAST: 29.
        // INVARIANT: the range ends below `LISTS`.
        (0..LISTS as u8).map(Self)
    }

    /// The number.
    #[inline]
    pub const fn index(self) -> usize {
        // CAST: widens.
        self.0 as usize
    }

    /// Whether its blocks are pageblocks.
    #[inline]
    pub const fn is_huge(self) -> bool {
        self.index() >= HUGE
    }

    /// The order of its blocks.
    pub fn order(self) -> Order {
        // CAST: at most 9.
        Order::new(order(self.index()) as u32).unwrap_or_default()
    }

    /// The types it holds.
    pub const fn types(self) -> PcpTypes {
        match self.index() {
            HUGE => PcpTypes::NotMovable,
            list if list > HUGE => PcpTypes::Movable,
            list => match list % TYPES {
                0 => PcpTypes::Unmovable,
                1 => PcpTypes::Movable,
                _ => PcpTypes::Reclaimable,
            },
        }
    }

    /// The most blocks it holds.
    pub const fn capacity(self) -> usize {
        // CAST: widens.
        CAPACITY[order(self.index())] as usize
    }
}
