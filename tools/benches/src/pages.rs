// SPDX-License-Identifier: GPL-2.0

//! What an allocator must offer to be measured.
//!
//! # Locking     an allocator is shared by the threads, a `Pages` is one thread's alone.
//! # Cost        the allocator's. Bulk is a loop where it has no such interface.
//! # Limits      no migratetype, node or flag: what an allocator is asked is its adapter's choice.

/// An allocator of frames, numbered from 0.
pub trait Allocator: Sync + Sized {
    /// What one CPU calls.
    type Cpu<'a>: Pages
    where
        Self: 'a;

    /// The highest order that can be asked for.
    const MAX_ORDER: u32;

    /// Makes an allocator whose `nr_frames` frames are all free, for `nr_cpus` CPUs; `None` if it
    /// can not be as large.
    fn new(nr_frames: usize, nr_cpus: usize) -> Option<Self>;

    /// Returns the interface for the thread that runs on `cpu`, which is below `nr_cpus`.
    fn cpu(&self, cpu: usize) -> Self::Cpu<'_>;
}

/// An allocator as one CPU uses it. The methods are for inlining: mark them `#[inline]`.
pub trait Pages {
    /// Allocates a block, and returns its first frame.
    fn alloc(&mut self, order: u32) -> Option<usize>;

    /// Frees the block that begins at frame `at`.
    fn free(&mut self, at: usize, order: u32);

    /// Allocates a block for each place of `at`, and returns how many it got.
    #[inline]
    fn alloc_bulk(&mut self, order: u32, at: &mut [usize]) -> usize {
        let mut nr = 0;
        for place in at {
            let Some(block) = self.alloc(order) else {
                break;
            };
            *place = block;
            nr += 1;
        }
        nr
    }

    /// Frees the block that begins at each of `at`.
    #[inline]
    fn free_bulk(&mut self, at: &[usize], order: u32) {
        for block in at {
            self.free(*block, order);
        }
    }

    /// Gives back what is kept for this CPU.
    fn drain(&mut self) {}
}
