// SPDX-License-Identifier: GPL-2.0

//! Whose blocks are: the account of each, noted when it is given out, and found again.
//!
//!   states     -  -  g1 -  -  g0       given: order 1 at 2, order 0 at 5
//!   accounts   4  .  7  .  .  4        the first is who had a block there that is free now
//!
//! # Locking     an atomic number a block. Whoever gives a block out notes the account before the
//!               state that says so, and nobody notes another until it is free again, but who moves
//!               it: that one takes the number to where it bears a mark, before its holder knows of
//!               the place. Stores are relaxed: who looks at a block that it does not hold may see
//!               the owner before on machines that reorder stores.
//! # Cost        a store for each block that is given out, nothing for one that is freed. A recount
//!               is a load for each frame that begins a block or is free.
//! # Limits      blocks that are being moved are at neither of their ends.
//! # Reference   mm/page_owner.c: __set_page_owner(), __folio_copy_owner(), __reset_page_owner().

use super::{
    super::{
        account::Account,
        frame::State,
        span::{
            frame,
            Span, //
        },
        FRAMES,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER, //
    },
    Memory,
    Want,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    NrPages,
    Order, //
};
use crate::seam::{
    AtomicU16,
    AtomicU8,
    Relaxed, //
};

/// What is noted of a block, by its first frame.
pub struct Noted<'a> {
    /// Whether it was given out.
    pub state: &'a AtomicU8,
    /// To whom, or to whom it was the last time.
    pub account: &'a AtomicU16,
}

impl Noted<'_> {
    /// Notes that the block is given out: first who has it, then that somebody has.
    #[inline(always)]
    pub(super) fn give(&self, want: &Want) {
        self.account.store(want.account.get(), Relaxed);
        self.state.store(want.state.byte(), Relaxed);
    }
}

/// A block that was given out, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Its first frame.
    pub head: FrameIdx,
    /// Its order.
    pub order: Order,
    /// Who has it.
    pub account: Account,
}

impl<M: Memory> Zone<M> {
    /// Notes who has a block.
    #[inline]
    pub(super) fn note_account(&self, head: FrameIdx, order: Order, account: Account) {
        if let Some(place) = self.memory.account_of(head, order) {
            place.store(account.get(), Relaxed);
        }
    }

    /// Notes that a block has the owner that another one has.
    pub(super) fn take_account(&self, from: FrameIdx, to: FrameIdx, order: Order) {
        self.note_account(to, order, self.account_at(from, order));
    }

    /// Who has a block, or had it last.
    pub fn account_at(&self, head: FrameIdx, order: Order) -> Account {
        let place = self.memory.account_of(head, order);
        place.map_or(Account::NONE, |it| Account::new(it.load(Relaxed)))
    }

    /// Notes who has the blocks that a span consists of, which the caller has allocated.
    pub fn set_account(&self, span: Span, account: Account) {
        for (head, order) in span.blocks(self.max_order) {
            self.note_account(head, order, account);
        }
    }

    /// The block that was given out around a frame.
    pub fn owned(&self, at: FrameIdx) -> Option<Owned> {
        Order::up_to(self.max_order).find_map(|order| {
            let found = self.owned_from(at.align_down(order))?;
            let end = found.head.index() + found.order.nr_pages().get();
            (at.index() < end).then_some(found)
        })
    }

    /// The block that was given out and starts with this frame.
    fn owned_from(&self, head: FrameIdx) -> Option<Owned> {
        let of = |order| {
            let state = self.memory.state_of(head, order)?.load(Relaxed);
            let order = State::from_byte(state).order()?;
            let account = self.account_at(head, order);
            Some(Owned {
                head,
                order,
                account,
            })
        };
        of(Order::ZERO).or_else(|| of(PAGEBLOCK_ORDER))
    }

    /// Visits the blocks of a region that were given out, from low to high.
    pub fn each_owned(&self, region: usize, mut visit: impl FnMut(Owned)) {
        let start = region * FRAMES;
        let is_ready = self.memory.states(region).is_some();
        // Without states of frames there are blocks of whole pageblocks alone.
        let step = match is_ready {
            true => 1,
            false => FRAMES / PAGEBLOCKS,
        };
        let mut at = start;
        while at < start + FRAMES {
            at += match self.owned_from(frame(at)) {
                Some(owned) => {
                    visit(owned);
                    owned.order.nr_pages().get()
                }
                None => step,
            };
        }
    }

    /// How many pages were given out, by a walk over all regions; `account` alone, if there is one.
    pub fn pages_of(&self, account: Option<Account>) -> NrPages {
        let mut pages = NrPages::ZERO;
        for region in 0..self.memory.regions().len() {
            self.each_owned(region, |it| {
                if account.is_none_or(|account| account == it.account) {
                    pages += it.order.nr_pages();
                }
            });
        }
        pages
    }
}
