// SPDX-License-Identifier: GPL-2.0

//! What whoever makes a zone gives it to keep its state in.
//!
//! # Locking     that of the regions and lists is theirs; the rest are atomics.
//! # Limits      what is kept of frames may come later, see [`Memory::states`].

use super::{
    super::{
        guarded::Guarded,
        pcp::Pcp,
        region::Region,
        PAGEBLOCK_ORDER, //
    },
    Noted, //
};
use crate::algo::units::{
    FrameIdx,
    Order, //
};
use crate::seam::{
    AtomicU16,
    AtomicU64,
    AtomicU8,
    Relaxed, //
};

/// Where a zone keeps its state; whoever makes the zone allocates it.
pub trait Memory {
    /// A region behind its lock.
    type Region: Guarded<Region>;
    /// The lists of a CPU behind their lock.
    type Lists: Guarded<Pcp>;

    /// The regions, from the zone's base on.
    fn regions(&self) -> &[Self::Region];

    /// The summary of each region.
    fn summaries(&self) -> &[AtomicU64];

    /// [`super::index_words`] words, zero at first.
    fn index(&self) -> &[AtomicU64];

    /// A byte for each pageblock.
    fn types(&self) -> &[AtomicU8];

    /// A byte for each frame of a region, zero at first; `None` until they are allocated.
    fn states(&self, region: usize) -> Option<&[AtomicU8]>;

    /// The byte of one frame.
    #[inline]
    fn state(&self, frame: FrameIdx) -> Option<&AtomicU8> {
        self.states(frame.region())?.get(frame.offset().get())
    }

    /// A byte for each pageblock, zero at first: the states of blocks that are not smaller.
    ///
    /// Beside each other, for those of frames are half a kilobyte apart, and each would have a line
    /// of the cache for itself.
    fn huge_states(&self) -> &[AtomicU8];

    /// The byte of a block that starts with this frame.
    #[inline]
    fn state_of(&self, frame: FrameIdx, order: Order) -> Option<&AtomicU8> {
        if order < PAGEBLOCK_ORDER {
            return self.state(frame);
        }
        // No block of this order starts inside of a pageblock.
        if !frame.is_aligned(PAGEBLOCK_ORDER) {
            return None;
        }
        let block = frame.index() >> PAGEBLOCK_ORDER.get();
        self.huge_states().get(block)
    }

    /// A number for each frame of a region, zero at first: the account of the block that starts there,
    /// or started there last; as long as [`Memory::states`], and `None` when that is.
    fn accounts(&self, region: usize) -> Option<&[AtomicU16]>;

    /// A number for each pageblock, zero at first: the accounts of blocks that are not smaller.
    fn huge_accounts(&self) -> &[AtomicU16];

    /// State and account of one frame: found together, they cost little more than one of them.
    #[inline]
    fn noted_at(&self, frame: FrameIdx) -> Option<Noted<'_>> {
        Some(Noted {
            state: self.state(frame)?,
            account: self.account_of(frame, Order::ZERO)?,
        })
    }

    /// State and account of a block that starts with this frame.
    #[inline]
    fn noted(&self, frame: FrameIdx, order: Order) -> Option<Noted<'_>> {
        if order < PAGEBLOCK_ORDER {
            return self.noted_at(frame);
        }
        Some(Noted {
            state: self.state_of(frame, order)?,
            account: self.account_of(frame, order)?,
        })
    }

    /// The number of a block that starts with this frame.
    #[inline]
    fn account_of(&self, frame: FrameIdx, order: Order) -> Option<&AtomicU16> {
        if order < PAGEBLOCK_ORDER {
            return self.accounts(frame.region())?.get(frame.offset().get());
        }
        let block = frame.index() >> PAGEBLOCK_ORDER.get();
        self.huge_accounts().get(block)
    }

    /// The lists of a CPU.
    fn lists(&self, cpu: usize) -> Option<&Self::Lists>;

    /// Stores the state of a frame and returns what it was, so that nobody comes between.
    #[inline]
    fn exchange(place: &AtomicU8, state: u8) -> u8 {
        place.swap(state, Relaxed)
    }
}
