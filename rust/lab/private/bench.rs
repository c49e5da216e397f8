// SPDX-License-Identifier: GPL-2.0

//! The private page allocator as benchmarks measure it.
//!
//! # Cost        what any other user of it pays: the lock of the CPU's lists, the watermark of the
//!               preferred zone, events by list and node, the state of the frame, its owner.
//! # Limits      the request is planned once, before anything is timed, as callers of the allocator
//!               may; Linux works its flags out at each call.
//! # Reference   `rust/private/mod.rs`.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::lab::{
    bench,
    Refusal, //
};
use crate::linux::quietly;
use crate::private::{
    Block,
    Open,
    Plan, //
};

/// Places for blocks of one kind.
pub struct Slots {
    owner: Arc<Open>,
    plan: Plan,
    blocks: KVVec<Option<Block>>,
}

impl Slots {
    /// Places for so many blocks of an owner.
    pub(super) fn new(owner: Arc<Open>, plan: Plan, count: usize) -> Result<Self, Refusal> {
        let blocks = KVVec::from_elem(None, count, quietly()).map_err(|_| Refusal::NoTable)?;
        Ok(Self {
            plan: plan.with_account(owner.account()),
            owner,
            blocks,
        })
    }
}

/// How many blocks are freed at a time.
const BATCH: usize = 64;

impl bench::Slots for Slots {
    #[inline]
    fn alloc(&mut self, at: usize) -> bool {
        let Some(place) = self.blocks.get_mut(at).filter(|it| it.is_none()) else {
            return false;
        };
        *place = self.owner.manager().alloc(&self.plan).ok();
        place.is_some()
    }

    #[inline]
    fn free(&mut self, at: usize) {
        let block = self.blocks.get_mut(at).and_then(Option::take);
        if let Some(block) = block {
            let freed = self.owner.manager().free(block, self.plan.asked().order);
            debug_assert!(freed.is_ok());
        }
    }

    #[inline]
    fn fill(&mut self, from: usize, to: usize) -> bool {
        let places = self.blocks.get_mut(from..to);
        let filled = places.map_or(0, |places| {
            self.owner.manager().alloc_bulk(&self.plan, places)
        });
        (from + filled..to).all(|at| self.alloc(at))
    }

    #[inline]
    fn empty(&mut self, from: usize, to: usize) {
        let places = self.blocks.get_mut(from..to).unwrap_or_default();
        for places in places.chunks_mut(BATCH) {
            let mut blocks = [Block::default(); BATCH];
            let mut count = 0;
            let held = places.iter_mut().filter_map(Option::take);
            for (place, block) in blocks.iter_mut().zip(held) {
                *place = block;
                count += 1;
            }
            let (blocks, _) = blocks.split_at(count);
            let freed = self
                .owner
                .manager()
                .free_bulk(blocks, self.plan.asked().order);
            debug_assert!(freed.is_ok());
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for at in 0..self.blocks.len() {
            bench::Slots::free(self, at);
        }
    }
}
