// SPDX-License-Identifier: GPL-2.0

//! The frame allocator of the crate `buddy_system_allocator`: free blocks of an order in a tree.
//!
//! # Locking     none; `super` brings it.
//! # Limits      no per-CPU list, no migratetype; its state is on the heap.

use super::Single;
use crate::pages::Pages;
use buddy_system_allocator::FrameAllocator;

/// Orders as Linux has them: with more, a pair on free memory splits and merges all the way.
const MAX_ORDER: usize = 10;

/// Its frames.
pub(super) struct Frames(FrameAllocator<{ MAX_ORDER + 1 }>);

impl Single for Frames {
    const MAX_ORDER: u32 = 10;

    fn new(nr_frames: usize) -> Option<Self> {
        let mut frames = FrameAllocator::new();
        frames.add_frame(0, nr_frames);
        Some(Self(frames))
    }
}

impl Pages for Frames {
    #[inline]
    fn alloc(&mut self, order: u32) -> Option<usize> {
        self.0.alloc(1 << order)
    }

    #[inline]
    fn free(&mut self, at: usize, order: u32) {
        self.0.dealloc(at, 1 << order);
    }
}
