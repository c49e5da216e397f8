// SPDX-License-Identifier: GPL-2.0

//! Many blocks of one kind at a time: a lock of the CPU's lists for [`BATCH`] of them.
//!
//!   alloc_bulk   preferred zone far above its marks? -> lists and regions, straight into the array
//!   free_bulk    runs of blocks of one zone -> the CPU's lists
//!
//! # Locking     see algo/buddy/zone/bulk.rs.
//! # Cost        the watermark once a batch, and the zone's own cost for each block.
//!               With poison=1 blocks are freed one by one.
//! # Limits      pages of order 0 from the preferred zone: for all else, and for the last pages above
//!               the marks, the caller asks one by one, and hears why there is no more.
//! # Reference   `mm/page_alloc.c`: `alloc_pages_bulk_noprof()`.

use super::{
    Block,
    Plan,
    Private,
    WrongFree, //
};
use crate::algo::{
    buddy::walk,
    gfp::Flag,
    units::{
        usize_from,
        FrameIdx,
        Order, //
    },
};
use crate::linux::cpu;

/// How many blocks are allocated or freed under one lock.
const BATCH: usize = 64;

impl Private {
    /// Fills `out` with blocks of order 0 from the front, as far as that goes without effort; returns
    /// how many there are. What was in it is overwritten.
    pub fn alloc_bulk(&self, plan: &Plan, out: &mut [Option<Block>]) -> usize {
        let mut filled = 0;
        for places in out.chunks_mut(BATCH) {
            let mut frames = [FrameIdx::new(0); BATCH];
            let (frames, _) = frames.split_at_mut(places.len());
            let cpu = usize_from(cpu::current());
            let Some((site, more)) = walk::alloc_bulk(&self.machine, cpu, plan, frames) else {
                return filled;
            };
            let more = self.keep_clean(plan, site, frames.split_at_mut(more).0);
            for (place, &frame) in places.iter_mut().zip(frames.iter()).take(more) {
                let block = Block { site, frame };
                if plan.asked().flags.contains(Flag::Zero) {
                    self.zero(block, plan.asked().order.nr_pages());
                }
                *place = Some(block);
            }
            filled += more;
            if more < places.len() {
                break;
            }
        }
        filled
    }

    /// Moves the blocks of which nobody has written to a page since it was free to the front; returns
    /// how many there are. The others are not given out.
    #[inline]
    fn keep_clean(&self, plan: &Plan, site: u16, frames: &mut [FrameIdx]) -> usize {
        let Some(poison) = &self.machine.poison else {
            return frames.len();
        };
        let mut clean = 0;
        for at in 0..frames.len() {
            let frame = frames.get(at).copied().unwrap_or_default();
            let block = Block { site, frame };
            if self.is_clean(poison, block, plan.asked().order) {
                frames.swap(at, clean);
                clean += 1;
            }
        }
        clean
    }

    /// Frees blocks of one order, on the CPU that runs.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is wrong; the others are freed.
    pub fn free_bulk(&self, blocks: &[Block], order: Order) -> Result<(), WrongFree> {
        let mut result = Ok(());
        if self.is_poisoned() {
            for &block in blocks {
                result = result.and(self.free(block, order));
            }
            return result;
        }
        let mut rest = blocks;
        while let Some(first) = rest.first() {
            let mut frames = [FrameIdx::new(0); BATCH];
            let mut count = 0;
            let alike = rest.iter().take_while(|block| block.site == first.site);
            for (place, block) in frames.iter_mut().zip(alike) {
                *place = block.frame;
                count += 1;
            }
            let (now, _) = frames.split_at(count);
            let (_, later) = rest.split_at(count);
            rest = later;
            let freed = self.free_of_site(first.site, now, order);
            result = result.and(freed);
        }
        result
    }

    fn free_of_site(&self, site: u16, frames: &[FrameIdx], order: Order) -> Result<(), WrongFree> {
        let site = self.machine.sites.get(usize::from(site));
        let site = site.ok_or(WrongFree::NotManaged)?;
        let cpu = usize_from(cpu::current());
        let (mut left, mut result) = (frames, Ok(()));
        while let Err((at, wrong)) = site.free_bulk(cpu, left, order) {
            result = result.and(Err(wrong));
            left = left.get(at + 1..).unwrap_or_default();
        }
        result
    }
}
