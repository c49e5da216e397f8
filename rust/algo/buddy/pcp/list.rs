// SPDX-License-Identifier: GPL-2.0

//! Which lists a CPU keeps of a zone, and where they lie in its array.
//!
//!   0   1   2   3   4        11  12   13
//!   U0  M0  R0  U1  M1  ...  R3  UR9  M9
//!
//! # Locking     none: numbers.
//! # Cost        tables that are made by the compiler.
//! # Limits      there are no lists of orders 4 to 8 and above 9.
//! # Reference   `mm/page_alloc.c`: `order_to_pindex()`, `pcp_allowed_order()`.

use super::super::PAGEBLOCK_ORDER;
use crate::algo::{
    snapshot::PcpTypes,
    units::{
        Migratetype,
        Order, //
    },
};

/// The largest of the low orders that have lists (PAGE_ALLOC_COSTLY_ORDER).
const LOW_ORDERS: usize = 4;

/// Types that have lists of their own.
pub(super) const TYPES: usize = 3;

/// Blocks that a list of each order holds; the last is for pageblocks.
const CAPACITY: [usize; LOW_ORDERS + 1] = [1024, 128, 64, 64, 32];

/// The place of a type among those with lists: the movable is also that of all others.
pub(super) const fn type_index(migratetype: Migratetype) -> usize {
    match migratetype {
        Migratetype::Unmovable => 0,
        Migratetype::Reclaimable => 2,
        _ => 1,
    }
}

const fn capacity(list: usize) -> usize {
    CAPACITY[if list < LISTS - 2 {
        list / TYPES
    } else {
        LOW_ORDERS
    }]
}

/// Where each list starts, and where the last one ends.
pub(super) const START: [usize; LISTS + 1] = {
    let mut start = [0; LISTS + 1];
    let mut list = 0;
    while list < LISTS {
        start[list + 1] = start[list] + capacity(list);
        list += 1;
    }
    start
};

/// How many lists there are.
pub const LISTS: usize = LOW_ORDERS * TYPES + 2;

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
    pub const fn of(order: Order, migratetype: Migratetype) -> Option<Self> {
        let migratetype = type_index(migratetype) as u8;
        // CAST: small numbers, see below.
        // INVARIANT: at most 3 * 3 + 2, and 12 or 13.
        match order.get() {
            order @ 0..=3 => Some(Self((order * 3) as u8 + migratetype)),
            order if order == PAGEBLOCK_ORDER.get() => Some(Self(12 + (migratetype == 1) as u8)),
            _ => None,
        }
    }

    /// Every list, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        // CAST: 14.
        // INVARIANT: the range ends below `LISTS`.
        (0..LISTS as u8).map(Self)
    }

    /// The number.
    pub const fn index(self) -> usize {
        // CAST: widens.
        self.0 as usize
    }

    /// The order of its blocks.
    pub fn order(self) -> Order {
        match self.index() {
            list if list < LISTS - 2 => Order::new(u32::from(self.0) / 3).unwrap_or_default(),
            _ => PAGEBLOCK_ORDER,
        }
    }

    /// The types it holds.
    pub const fn types(self) -> PcpTypes {
        match self.0 {
            12 => PcpTypes::NotMovable,
            13 => PcpTypes::Movable,
            list => match list % 3 {
                0 => PcpTypes::Unmovable,
                1 => PcpTypes::Movable,
                _ => PcpTypes::Reclaimable,
            },
        }
    }

    /// The most blocks it holds.
    pub const fn capacity(self) -> usize {
        capacity(self.index())
    }
}
