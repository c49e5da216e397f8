// SPDX-License-Identifier: GPL-2.0

//! Linux's page allocator as benchmarks measure it.
//!
//! # Reference   `rust/linux/bench.rs`.

use crate::lab::{
    bench,
    PagesWish,
    Refusal, //
};
use crate::linux::{
    bench::Slots,
    gfp::Gfp,
    node::Node,
    pages::MAX_ORDER, //
};

/// Places for blocks that are asked for quietly: too little memory is an answer.
pub(super) fn slots(count: usize, wish: &PagesWish) -> Result<Slots, Refusal> {
    if wish.order > MAX_ORDER {
        return Err(Refusal::Order {
            asked: wish.order,
            max: MAX_ORDER,
        });
    }
    let gfp = (Gfp::new(wish.gfp)? | Gfp::NOWARN).check()?;
    let node = match wish.node {
        None => None,
        Some(id) => Some(Node::get(id).ok_or(Refusal::NoNode(id))?),
    };
    Slots::new(count, wish.order, gfp, node).map_err(|_| Refusal::NoTable)
}

impl bench::Slots for Slots {
    #[inline]
    fn alloc(&mut self, at: usize) -> bool {
        Self::alloc(self, at)
    }

    #[inline]
    fn free(&mut self, at: usize) {
        Self::free(self, at);
    }

    #[inline]
    fn fill(&mut self, from: usize, to: usize) -> bool {
        Self::fill(self, from, to)
    }

    #[inline]
    fn empty(&mut self, from: usize, to: usize) {
        (from..to).for_each(|at| Self::free(self, at));
    }
}
