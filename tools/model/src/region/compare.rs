// SPDX-License-Identifier: GPL-2.0

//! All that can be seen of a region, compared with the naive one.

use super::{
    offset,
    pageblock,
    Block,
    Pair,
    SIZE,
    TYPES, //
};
use crate::algo::buddy::{
    FRAMES,
    PAGEBLOCKS, //
};
use crate::algo::units::{
    Migratetype,
    Order, //
};

impl Pair {
    /// Compares everything that can be seen.
    pub(super) fn compare(&self) {
        let blocks = self.blocks(15);
        self.compare_frames(&blocks);
        self.compare_pageblocks();
        for kind in TYPES {
            self.compare_largest(kind, &blocks);
        }
        self.compare_counts(8);
        self.compare_counts(10);
        self.compare_counts(15);
    }

    fn compare_frames(&self, blocks: &[Block]) {
        let mut block_of = vec![None; FRAMES];
        for &(at, order) in blocks {
            block_of[at..at + (1 << order)].fill(Some((offset(at), Order::new(order).unwrap())));
        }
        for (at, block) in block_of.into_iter().enumerate() {
            assert_eq!(self.real.is_free(offset(at)), self.free[at]);
            assert_eq!(self.real.is_managed(offset(at)), self.exists[at]);
            assert_eq!(self.real.free_block_of(offset(at)), block);
        }
        assert_eq!(
            self.real.managed(),
            self.exists.iter().filter(|it| **it).count()
        );
    }

    fn compare_pageblocks(&self) {
        let mut free = [0; Migratetype::COUNT];
        for at in 0..PAGEBLOCKS {
            assert_eq!(self.real.free_in(pageblock(at)), self.free_in(at));
            assert_eq!(self.real.migratetype(pageblock(at)), self.types[at]);
            assert_eq!(self.real.is_isolated(pageblock(at)), self.isolated[at]);
            free[self.kind(at).index()] += self.free_in(at);
        }
        for kind in Migratetype::ALL {
            assert_eq!(self.real.free_of(*kind), free[kind.index()]);
        }
        let all: usize = TYPES.iter().map(|kind| free[kind.index()]).sum();
        assert_eq!(self.real.free(), all);
    }

    /// The largest block of a type: one that starts in a pageblock of it, part of a larger or not.
    fn compare_largest(&self, kind: Migratetype, blocks: &[Block]) {
        let of_block = |&(at, order): &Block| {
            let starts = (at..at + (1 << order)).step_by(SIZE);
            let parts = starts.filter(|it| self.kind(it / SIZE) == kind);
            parts.map(|it| it.trailing_zeros().min(order)).max()
        };
        let largest = blocks.iter().filter_map(of_block).max();
        let broken = blocks
            .iter()
            .filter(|it| it.1 < 9 && self.kind(it.0 / SIZE) == kind);
        let summary = self.real.summary();
        assert_eq!(summary.largest(kind).map(Order::get), largest);
        assert_eq!(
            summary.largest_broken(kind).map(Order::get),
            broken.map(|it| it.1).max()
        );
        let found = self.real.largest(kind);
        assert_eq!(found.map(|it| it.1.get()), largest);
        if let Some((at, order)) = found {
            assert!(self.is_block(at.get(), order.get()));
            assert_eq!(self.kind(at.get() / SIZE), kind);
        }
    }

    fn compare_counts(&self, max: u32) {
        let mut naive = [[0; Order::COUNT]; Migratetype::COUNT];
        for (at, order) in self.blocks(max) {
            naive[self.kind(at / SIZE).index()][usize::try_from(order).unwrap()] += 1;
        }
        let mut counted = [[0; Order::COUNT]; Migratetype::COUNT];
        self.real
            .count_blocks(Order::new(max).unwrap(), |kind, order, blocks| {
                counted[kind.index()][order.index()] += blocks;
            });
        assert_eq!(counted, naive);
    }
}
