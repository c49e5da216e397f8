// SPDX-License-Identifier: GPL-2.0

//! The state byte of a block while it is moved: who may end the move when others free the block.
//!
//!   byte            what it says                                   who stores it
//!   given           held; the block may be freed, or its move begun  who takes or frees it
//!   TOKEN           a move is under way                            the mover, in place of `given`
//!   TOKEN | GONE    and it was freed meanwhile                     that free
//!   ENDED           the mover is done, somebody has the token      the mover
//!   ENDED | GONE    and the block is not here any longer           the mover
//!   none            somebody has all of it and is about to deposit
//!
//! A free swaps the byte for none before it looks at it. So it may carry the token off, and has to
//! deposit what it holds; so has the mover once it is done. To deposit is to put it where nothing
//! is, or else to take what is there and hold both. Whoever comes to hold `TOKEN` and `ENDED`
//! concludes: nobody else can, and somebody does, for each of the two is either in the byte or in
//! the hand of one who is about to deposit it. If the two say `GONE`, the block is given back to
//! its region, once; else it is `given` again, in one exchange with what is there: whoever holds
//! the block may free it in that moment, and would be refused if there was nothing.
//!
//! # Locking     none: exchanges of one byte. Nobody waits; a deposit is tried again only if another
//!               free of the same block, of which all but one are wrong, came in between.
//! # Cost        two exchanges for the end of a move; nothing for frees of blocks that stay.
//! # Limits      orders up to 15. A free that comes before the end of a move is taken for right,
//!               though the block has moved: it comes to nothing.
//! # Reference   mm/migrate.c: folio_migrate_mapping(): the kernel freezes the reference count of a
//!               page for the same end.

use super::frame::State;
use crate::algo::units::{
    Migratetype,
    Order, //
};
use crate::seam::{
    AtomicU8,
    Relaxed, //
};

/// What the state byte says of a block that is moved, or a part of that.
///
/// # Invariants
///
/// Bit 7 is not set, and one of `TOKEN` and `ENDED` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u8);

impl Mark {
    const TOKEN: u8 = 1 << 6;
    const GONE: u8 = 1 << 5;
    const ENDED: u8 = 1 << 4;
    const ORDER: u8 = 15;

    /// A block of this order, at most 15, is moved.
    pub(super) fn moving(order: Order) -> Option<Self> {
        Self::of(Self::TOKEN, order)
    }

    /// The mover is done; `is_gone` if the block is not held here any longer.
    pub(super) fn ended(order: Order, is_gone: bool) -> Option<Self> {
        Self::of(Self::ENDED | if is_gone { Self::GONE } else { 0 }, order)
    }

    fn of(bits: u8, order: Order) -> Option<Self> {
        let order = u8::try_from(order.get()).ok()?;
        // INVARIANT: `bits` has one of the two, and neither has bit 7.
        (order <= Self::ORDER).then_some(Self(bits | order))
    }

    /// The mark that a byte is, if it is one.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        let is_mark = byte & 1 << 7 == 0 && byte & (Self::TOKEN | Self::ENDED) != 0;
        // INVARIANT: checked.
        is_mark.then_some(Self(byte))
    }

    /// The byte to store.
    pub(super) const fn byte(self) -> u8 {
        self.0
    }

    /// The block's order.
    pub(super) fn order(self) -> Order {
        Order::new(u32::from(self.0 & Self::ORDER)).unwrap_or_default()
    }

    /// Says whether a block is held here: a free of its order is right.
    pub(super) const fn is_held(self) -> bool {
        self.0 & (Self::TOKEN | Self::GONE) == Self::TOKEN
    }

    /// The same of a block that was freed.
    pub(super) const fn freed(self) -> Self {
        Self(self.0 | Self::GONE)
    }

    /// Says whether the block is to be given back to its region.
    pub(super) const fn is_gone(self) -> bool {
        self.0 & Self::GONE != 0
    }

    /// Says whether nobody has a part of it any more.
    const fn is_complete(self) -> bool {
        self.0 & (Self::TOKEN | Self::ENDED) == Self::TOKEN | Self::ENDED
    }

    /// The block is given again.
    fn given(self) -> State {
        // What moves was given out as movable.
        State::given(self.order(), Migratetype::Movable)
    }

    /// Deposits a mark; `Some` if that made it complete, and whoever calls has to give the block
    /// back to its region.
    pub(super) fn deposit(self, place: &AtomicU8) -> Option<Self> {
        let none = State::NONE.byte();
        let (mut mine, mut there) = (self, none);
        loop {
            // INVARIANT: what is there is none, or a part of the same mark.
            let all = Self(mine.0 | there);
            let (next, is_deposited) = match (all.is_complete(), all.is_gone()) {
                (true, false) => (all.given().byte(), true),
                (true, true) => (none, true),
                (false, _) if there == none => (all.byte(), true),
                // Put there in the next round, unless another free comes in between.
                (false, _) => (none, false),
            };
            match place.compare_exchange(there, next, Relaxed, Relaxed) {
                Ok(_) if is_deposited => return (next == none).then_some(all),
                Ok(_) => (mine, there) = (all, none),
                Err(other) => there = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: u32) -> Order {
        Order::new(number).unwrap()
    }

    #[test]
    fn marks_are_neither_none_nor_given() {
        for number in 0..=15 {
            for mark in [
                Mark::moving(order(number)).unwrap(),
                Mark::moving(order(number)).unwrap().freed(),
                Mark::ended(order(number), false).unwrap(),
                Mark::ended(order(number), true).unwrap(),
            ] {
                assert_eq!(Mark::from_byte(mark.byte()), Some(mark));
                assert_eq!(mark.order(), order(number));
                assert_eq!(State::from_byte(mark.byte()).order(), None);
            }
        }
        assert_eq!(Mark::moving(order(16)), None);
        assert_eq!(Mark::from_byte(State::NONE.byte()), None);
    }

    /// Token in the byte: the mover concludes. Token carried off: who deposits last does.
    #[test]
    fn whoever_holds_both_parts_concludes() {
        let token = Mark::moving(order(3)).unwrap();
        let moved = Mark::ended(order(3), true).unwrap();
        let stayed = Mark::ended(order(3), false).unwrap();
        let place = AtomicU8::new(token.byte());
        assert!(moved.deposit(&place).unwrap().is_gone());
        assert_eq!(place.load(Relaxed), 0);

        assert_eq!(stayed.deposit(&place), None);
        assert_eq!(token.deposit(&place), None);
        let given = State::given(order(3), Migratetype::Movable).byte();
        assert_eq!(place.swap(0, Relaxed), given);

        assert_eq!(token.freed().deposit(&place), None);
        assert!(stayed.deposit(&place).unwrap().is_gone());
        assert_eq!(place.load(Relaxed), 0);
    }

    /// Two frees hold a part each, and the byte is none: the second to deposit concludes.
    #[test]
    fn parts_in_two_hands_meet() {
        let place = AtomicU8::new(0);
        let token = Mark::moving(order(0)).unwrap();
        let ended = Mark::ended(order(0), true).unwrap();
        assert_eq!(token.deposit(&place), None);
        assert!(ended.deposit(&place).is_some());
        assert_eq!(place.load(Relaxed), 0);
    }
}
