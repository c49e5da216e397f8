// SPDX-License-Identifier: GPL-2.0

//! Blocks whose contents matter when nobody has them: wiped on the way back, parted if damaged.
//!
//!   retire      given --> none --- wipe ---> given --> free      nobody else frees or moves it
//!   keep_out    block of order 3:   o o o o o X o o              a frame stays, the rest is free
//!   free after:                     2------ 0 . 1--
//!
//! # Locking     the state byte: of those that free the same block at a time one gets past the
//!               exchange, and only that one writes to the pages. A block that is moved has a mark
//!               instead; whoever holds it may write to its pages, for the mover then finds that it
//!               is gone and makes no use of what it copied.
//! # Cost        two exchanges more for a free; an order at most to part a block.
//! # Limits      frees of one block by two users at once are told apart unless it is moved too.
//! # Reference   mm/page_poison.c; mm/memory-failure.c: take_page_off_buddy(), which parts a free
//!               block the same way.

use super::{
    super::{
        account::Account,
        frame::{
            State,
            WrongFree, //
        },
        mark::Mark, //
    },
    Memory,
    Miss,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    Order, //
};
use crate::seam::Relaxed;

impl<M: Memory> Zone<M> {
    /// Has the pages of a block written to that is about to be freed by its holder.
    ///
    /// # Errors
    ///
    /// Why it may not be freed; it is not wiped then.
    pub fn retire(
        &self,
        head: FrameIdx,
        order: Order,
        wipe: impl FnOnce(),
    ) -> Result<(), WrongFree> {
        let Some(place) = self.memory.state_of(head, order) else {
            return Err(self.why_wrong(head, order));
        };
        loop {
            let byte = place.load(Relaxed);
            let moving = Mark::from_byte(byte);
            if moving.is_some_and(|mark| mark.is_held() && mark.order() == order) {
                wipe();
                return Ok(());
            }
            if !State::from_byte(byte).is_given(order) {
                return Err(self.why_wrong(head, order));
            }
            let none = State::NONE.byte();
            if place.compare_exchange(byte, none, Relaxed, Relaxed).is_ok() {
                wipe();
                // A free that came meanwhile was refused, and left the byte as it is.
                place.store(byte, Relaxed);
                return Ok(());
            }
            // A move began or ended, or it was freed.
        }
    }

    /// Frees a block that was just allocated but for one frame, which is given to an account.
    ///
    /// # Errors
    ///
    /// [`Miss::NotReady`] if there is no state for the frame, [`Miss::Corrupt`] if no such block is
    /// given out, or the frame is not in it; nothing was done then.
    pub fn keep_out(
        &self,
        (head, order): (FrameIdx, Order),
        kept: FrameIdx,
        account: Account,
    ) -> Result<(), Miss> {
        if kept.align_down(order) != head {
            return Err(Miss::Corrupt(head));
        }
        let state = self.memory.state_of(kept, Order::ZERO);
        state.ok_or(Miss::NotReady(kept.region()))?;
        let place = self.memory.state_of(head, order);
        let place = place.ok_or(Miss::Corrupt(head))?;
        let (byte, none) = (place.load(Relaxed), State::NONE.byte());
        let is_given = State::from_byte(byte).is_given(order);
        if !is_given
            || place
                .compare_exchange(byte, none, Relaxed, Relaxed)
                .is_err()
        {
            return Err(Miss::Corrupt(head));
        }
        self.keep_taken((head, order), kept, account)
    }

    /// The same for a block that was taken and is not given out.
    ///
    /// # Errors
    ///
    /// As [`Self::keep_out`].
    pub(super) fn keep_taken(
        &self,
        (head, order): (FrameIdx, Order),
        kept: FrameIdx,
        account: Account,
    ) -> Result<(), Miss> {
        let state = self.memory.state_of(kept, Order::ZERO);
        let state = state.ok_or(Miss::NotReady(kept.region()))?;
        if kept.align_down(order) != head {
            return Err(Miss::Corrupt(head));
        }
        self.note_account(kept, Order::ZERO, account);
        let given = State::given(Order::ZERO, Migratetype::Unmovable);
        state.store(given.byte(), Relaxed);
        for half in (0..order.get()).rev().filter_map(Order::new) {
            // Of each pair of halves the one without the frame.
            let own = kept.align_down(half);
            self.give_block(FrameIdx::new(own.get() ^ 1 << half.get()), half);
        }
        Ok(())
    }
}
