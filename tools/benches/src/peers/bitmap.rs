// SPDX-License-Identifier: GPL-2.0

//! The crate `bitmap-allocator`: a tree of 16-bit masks over a bit a frame.
//!
//! # Locking     none; `super` brings it.
//! # Limits      2^20 frames, which is the size its tree is made in here; above order 0 it looks at
//!               frame after frame.

use super::Single;
use crate::pages::Pages;
use bitmap_allocator::{
    BitAlloc,
    BitAlloc1M, //
};

/// Its frames.
pub(super) struct Frames(Box<BitAlloc1M>);

impl Single for Frames {
    const MAX_ORDER: u32 = 10;

    fn new(nr_frames: usize) -> Option<Self> {
        if nr_frames > BitAlloc1M::CAP {
            return None;
        }
        let mut frames = Box::new(BitAlloc1M::DEFAULT);
        frames.insert(0..nr_frames);
        Some(Self(frames))
    }
}

impl Pages for Frames {
    #[inline]
    fn alloc(&mut self, order: u32) -> Option<usize> {
        match order {
            0 => self.0.alloc(),
            _ => {
                let align = usize::try_from(order).unwrap_or(usize::MAX);
                self.0.alloc_contiguous(None, 1 << order, align)
            }
        }
    }

    #[inline]
    fn free(&mut self, at: usize, order: u32) {
        match order {
            0 => self.0.dealloc(at),
            _ => self.0.dealloc_contiguous(at, 1 << order),
        };
    }
}
