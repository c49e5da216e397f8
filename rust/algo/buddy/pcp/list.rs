// SPDX-License-Identifier: GPL-2.0

//! Which lists a CPU keeps of a zone, and where they lie in its array.
//!
//!   0   1   2   3   4        25  26  27   28  29    30   31
//!   U0  M0  R0  U1  M1  ...  M8  R8  UR9  M9  UR10  M10  UMR0, the cold one
//!
//! # Locking     none: numbers.
//! # Cost        tables that are made by the compiler.
//! # Limits      there are no lists above order 10.
//! # Reference   `mm/page_alloc.c`: `order_to_pindex()`, `pcp_allowed_order()`, which leave orders 4
//!               to 8 and 10 to the zone's lock: there Linux is slowest, and two CPUs wait for each
//!               other.

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

/// Orders from that of a pageblock on that have lists.
const HUGE_ORDERS: usize = 2;

/// The list of frames that are not to be allocated again: see [`ListIdx::COLD`].
const COLD: usize = LISTS - 1;

/// Blocks that a list of each order holds; the last two are for pageblocks and pairs of them.
const CAPACITY: [u16; LOW_ORDERS + HUGE_ORDERS] = [832, 124, 64, 64, 32, 16, 8, 8, 4, 128, 16];

/// How many lists there are.
pub const LISTS: usize = LOW_ORDERS * TYPES + 2 * HUGE_ORDERS + 1;

/// Places for lists: a power of two, so that a number of six bits needs no check.
pub(super) const PLACES: usize = 64;

const _: () = assert!(LISTS < PLACES);

/// The list of pageblocks that do not move; that of those which do is the next, and then come the
/// two of larger blocks.
const HUGE: usize = LOW_ORDERS * TYPES;

/// Frames that are kept to be given back.
const COLD_CAPACITY: u16 = 352;

/// Blocks that a list holds.
const fn capacity(list: usize) -> u16 {
    if list == COLD {
        COLD_CAPACITY
    } else {
        CAPACITY[order(list)]
    }
}

/// Blocks that all lists hold together: a power of two, for the same reason.
pub(super) const ENTRIES: usize = {
    let mut sum = 0;
    let mut list = 0;
    while list < LISTS {
        sum += capacity(list) as usize;
        list += 1;
    }
    sum
};

const _: () = assert!(ENTRIES.is_power_of_two());

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
    } else if list == COLD {
        0
    } else {
        LOW_ORDERS + (list - HUGE) / 2
    }
}

/// One list: where it lies, what it holds, and how often it was used.
///
/// # Invariants
///
/// `start <= top <= end <= ENTRIES`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct List {
    /// Where the next block goes: behind the latest.
    pub(super) top: u16,
    /// Where the oldest is.
    pub(super) start: u16,
    /// Where there is no more room.
    pub(super) end: u16,
    /// Frames of a block, as they count for `high`: pageblocks do not.
    pub(super) weight: u16,
    /// Blocks that were allocated through it.
    pub(super) allocs: u64,
    /// Blocks that came from the zone, less those that went back there; it wraps.
    pub(super) moved: u64,
}

impl List {
    /// Blocks in it.
    #[inline]
    pub(super) const fn length(&self) -> u16 {
        self.top.wrapping_sub(self.start)
    }

    /// Blocks that were freed through it: what came must be there, or have gone.
    pub(super) fn frees(&self) -> u64 {
        let there = self.allocs.wrapping_add(self.length().into());
        there.wrapping_sub(self.moved)
    }
}

/// The lists when they are empty.
pub(super) const EMPTY: [List; PLACES] = {
    let mut lists = [List {
        top: 0,
        start: 0,
        end: 0,
        weight: 0,
        allocs: 0,
        moved: 0,
    }; PLACES];
    let (mut list, mut start) = (0, 0);
    while list < LISTS {
        lists[list].top = start;
        lists[list].start = start;
        start += capacity(list);
        lists[list].end = start;
        if order(list) < LOW_ORDERS {
            lists[list].weight = 1 << order(list);
        }
        list += 1;
    }
    lists
};

/// The numbers of the lists of an order, by the place of their type.
static NUMBERS: [[u8; 4]; PLACES] = {
    // INVARIANT: below `LISTS`, but for the last place, where no list is: that one has no room.
    let mut numbers = [[PLACES as u8 - 1; 4]; PLACES];
    let mut list = 0;
    while list < HUGE {
        // CAST: at most 31.
        numbers[list / TYPES][list % TYPES] = list as u8;
        list += 1;
    }
    while list < COLD {
        // CAST: as above.
        let (fixed, movable) = (list as u8, list as u8 + 1);
        numbers[order(list)] = [fixed, movable, fixed, PLACES as u8 - 1];
        list += 2;
    }
    numbers
};

/// Which list.
///
/// # Invariants
///
/// The number is below `PLACES`, and below `LISTS` wherever it is public; the order is that of the
/// list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListIdx {
    number: u8,
    order: Order,
}

impl ListIdx {
    /// The list for blocks of this order and type; `None` for an order without lists.
    ///
    /// What is neither unmovable nor reclaimable is kept with the movable.
    #[inline]
    pub const fn of(order: Order, migratetype: Migratetype) -> Option<Self> {
        let list = Self::at(order, Self::place_of(migratetype));
        if list.exists() {
            Some(list)
        } else {
            None
        }
    }

    /// The place of a type among those with lists.
    #[inline]
    pub(in crate::algo::buddy) const fn place_of(migratetype: Migratetype) -> u8 {
        // CAST: below 3.
        type_index(migratetype) as u8
    }

    /// The list for blocks of this order and the type at a place below 3.
    ///
    /// Of other places, and orders without lists, one that is always both empty and full: who gets
    /// it has one case less to tell apart.
    #[inline]
    pub(in crate::algo::buddy) const fn at(order: Order, place: u8) -> Self {
        // CAST: widens.
        let number = NUMBERS[order.index() & (PLACES - 1)][place as usize & 3];
        Self { number, order }
    }

    /// The list with a number, which [`ListIdx::number`] gave of a list of this order.
    #[inline]
    pub(super) const fn from_number(number: u8, order: Order) -> Self {
        // INVARIANT: the caller's word; of another order's number, or 0, nobody has any use but to
        // compare.
        Self { number, order }
    }

    /// The number as it is kept.
    #[inline]
    pub(super) const fn number(self) -> u8 {
        self.number
    }

    /// Whether there is such a list.
    #[inline]
    pub(in crate::algo::buddy) const fn exists(self) -> bool {
        self.index() < LISTS
    }

    /// The list of frames on their way back, of all types.
    ///
    /// A frame that is freed far from where the CPU allocates goes there: were it allocated next,
    /// holes would stay where they are for ever. It is allocated from when there is nothing else.
    pub(in crate::algo::buddy) const COLD: Self = Self {
        // CAST: 31.
        number: COLD as u8,
        order: Order::ZERO,
    };

    /// Whether it is a list of single frames.
    #[inline]
    pub(in crate::algo::buddy) const fn is_single(self) -> bool {
        self.index() < TYPES
    }

    /// Every list, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        // CAST: 32, and at most 10.
        // INVARIANT: the range ends below `LISTS`.
        (0..LISTS as u8).filter_map(|number| {
            let order = Order::new(order(number.into()) as u32)?;
            Some(Self { number, order })
        })
    }

    /// The number.
    #[inline]
    pub const fn index(self) -> usize {
        // CAST: widens. The mask changes nothing, and tells the compiler of the invariant.
        self.number as usize & (PLACES - 1)
    }

    /// Whether its blocks are pageblocks, or larger.
    #[inline]
    pub const fn is_huge(self) -> bool {
        self.order.index() >= LOW_ORDERS
    }

    /// The order of its blocks.
    #[inline]
    pub const fn order(self) -> Order {
        self.order
    }

    /// The types it holds.
    pub const fn types(self) -> PcpTypes {
        match self.index() {
            COLD => PcpTypes::All,
            list if list >= HUGE => match (list - HUGE) % 2 {
                0 => PcpTypes::NotMovable,
                _ => PcpTypes::Movable,
            },
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
        capacity(self.index()) as usize
    }
}
