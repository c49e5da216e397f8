// SPDX-License-Identifier: GPL-2.0

//! What is known of a frame: whether it was given out, as what, and why a free of it is wrong.
//!
//!   frame   0    1    2    3    4    5    6    7
//!   state   g2M  -    -    -    g0U  -    g1U  -       g: first frame of a block that was given out
//!   free(4, 0) is right, free(4, 1) has the wrong order, free(2, 0) is not the first frame,
//!   free(5, 0) is a double free or on a list of a CPU: its state does not say, the region does.
//!
//! # Locking     one atomic byte a frame. Whoever has taken a frame sets it and whoever frees
//!               clears it with an exchange: of two frees at once one is refused.
//! # Cost        a byte a frame.
//! # Reference   `mm/page_alloc.c`: `free_page_is_bad()`, which sees less.

use core::fmt;

use super::{
    Offset,
    FRAMES,
    REGION_ORDER, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    Order, //
};

impl FrameIdx {
    /// The frame at a place of a region; a zone's frames are counted in 32 bits.
    pub const fn at(region: usize, offset: Offset) -> Self {
        // CAST: a zone has at most 2^17 regions.
        Self::new((region << REGION_ORDER.get()) as u32 | offset.get() as u32)
    }

    /// The region it is in.
    pub const fn region(self) -> usize {
        self.index() >> REGION_ORDER.get()
    }

    /// Where in the region it is.
    pub const fn offset(self) -> Offset {
        Offset::new_masked(self.index() % FRAMES)
    }
}

/// The state of a frame.
///
/// # Invariants
///
/// Zero, or bit 7 with an order in bits 0 to 4 and one of three types in bits 5 and 6. Without bit 7,
/// any other is a [`Mark`](super::mark::Mark): the block is moved, and no state is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u8);

impl State {
    /// Not the first frame of a block that was given out.
    pub const NONE: Self = Self(0);

    const GIVEN: u8 = 1 << 7;

    /// The first frame of a block that was given out for this type; all types but the three of
    /// ordinary requests count as movable.
    pub const fn given(order: Order, migratetype: Migratetype) -> Self {
        let migratetype = match migratetype {
            Migratetype::Unmovable => 0,
            Migratetype::Reclaimable => 2,
            _ => 1,
        };
        // CAST: at most 18.
        // INVARIANT: an order is below 32, the type is below 3.
        Self(Self::GIVEN | migratetype << 5 | order.get() as u8)
    }

    /// The state of this byte.
    pub const fn from_byte(byte: u8) -> Self {
        // INVARIANT: bytes are stored through `byte` alone.
        Self(byte)
    }

    /// The byte of this state.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Says whether a block of this order that was given out starts here.
    #[inline]
    pub const fn is_given(self, order: Order) -> bool {
        // CAST: at most 18.
        self.0 & (Self::GIVEN | 31) == Self::GIVEN | order.get() as u8
    }

    /// The order of the block that starts here, if it was given out.
    pub fn order(self) -> Option<Order> {
        match self.0 & Self::GIVEN {
            0 => None,
            _ => Order::new(u32::from(self.0 & 31)),
        }
    }

    /// The type that it was given out for.
    pub fn migratetype(self) -> Option<Migratetype> {
        self.order()?;
        Some(match self.0 >> 5 & 3 {
            0 => Migratetype::Unmovable,
            1 => Migratetype::Movable,
            _ => Migratetype::Reclaimable,
        })
    }
}

/// What is wrong with a free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongFree {
    /// The zone has no such frame.
    NotManaged,
    /// A block of this order may not start there.
    Misaligned,
    /// It is free, in a block that starts there and has this order.
    Free(FrameIdx, Order),
    /// It was freed and lies on a CPU's list.
    OnList,
    /// It is inside of a block that starts there and has this order.
    Tail(FrameIdx, Order),
    /// It was given out with this order.
    Order(Order),
}

impl fmt::Display for WrongFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotManaged => f.write_str("no page of this manager"),
            Self::Misaligned => f.write_str("no block of that order may start there"),
            Self::Free(head, order) => {
                write!(
                    f,
                    "double free: in the free block of order {order} at frame {head}"
                )
            }
            Self::OnList => f.write_str("double free: on a list of a CPU"),
            Self::Tail(head, order) => {
                write!(f, "inside of the block of order {order} at frame {head}")
            }
            Self::Order(order) => write!(f, "allocated with order {order}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each order and type of an ordinary request comes back from its byte; none is `NONE`.
    #[test]
    fn a_state_keeps_order_and_type() {
        for order in Order::up_to(Order::MAX) {
            for migratetype in [
                Migratetype::Unmovable,
                Migratetype::Movable,
                Migratetype::Reclaimable,
            ] {
                let state = State::from_byte(State::given(order, migratetype).byte());
                assert_eq!(state.order(), Some(order));
                assert_eq!(state.migratetype(), Some(migratetype));
            }
        }
        assert_eq!(State::NONE.order(), None);
        assert_eq!(State::NONE.migratetype(), None);
    }
}
