// SPDX-License-Identifier: GPL-2.0

//! The memory that the private manager took from a node of Linux, and which frame is which page.
//!
//!   Linux     |....####|########|........|####....|      #: a block that was taken
//!   windows      0         1                 2           as large as the largest block, aligned
//!   frames    |....####|########|####....|               window after window; .: no frame
//!
//! What is aligned here is aligned there: a block of the private manager lies in one window, and so
//! its pages follow each other in Linux too.
//!
//! # Locking     none: fixed once it was taken.
//! # Cost        a frame's page in O(1), a page's frame in O(log windows); 8 bytes a window of
//!               4 MiB and 16 bytes a block.
//! # Limits      blocks smaller than a pageblock are not taken: the holes beside them would never
//!               merge, and there are few of them to be had without effort.
//! # Reference   `rust/linux/pages.rs`.

use kernel::prelude::*;

use super::raw;
use crate::algo::{
    buddy::PAGEBLOCK_ORDER,
    gfp::Flag,
    sort::sort_by_key,
    units::{
        FrameIdx,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    }, //
};
use crate::linux::{
    cond_resched,
    contents::word,
    gfp::Gfp,
    node::Node,
    pages::{
        Pages,
        MAX_ORDER, //
    },
    quietly,
    PAGE_SHIFT, //
};

/// The largest block that the private manager gives out: that of Linux, whose blocks it is made of.
pub const LARGEST: Order = MAX_ORDER;

/// The memory of a node.
///
/// # Invariants
///
/// `blocks` are sorted by page, and so are `windows`, which hold the first page of every window
/// that a block lies in. A block lies in one window.
pub(super) struct Arena {
    blocks: KVVec<Pages>,
    windows: KVVec<Pfn>,
    pages: NrPages,
}

impl Arena {
    /// Takes up to `most` pages of a node, the largest blocks first, and stops when Linux has no
    /// more to give without effort.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the tables; what was taken is given back then.
    pub(super) fn take(node: Node, most: NrPages) -> Result<Self> {
        let gfp = Gfp::of(&[Flag::Thisnode, Flag::Nowarn, Flag::Noretry]).map_err(|_| EINVAL)?;
        let gfp = gfp | Gfp::KERNEL;
        let mut blocks = KVVec::new();
        let mut left = most;
        let smallest = PAGEBLOCK_ORDER.min(LARGEST);
        for order in (smallest.get()..=LARGEST.get())
            .rev()
            .filter_map(Order::new)
        {
            while let Some(rest) = left.checked_sub(order.nr_pages()) {
                let Ok(block) = Pages::alloc(order, gfp, Some(node)) else {
                    break;
                };
                blocks.push(block, quietly())?;
                left = rest;
                cond_resched();
            }
        }
        sort_by_key(&mut blocks, Pages::pfn);
        let mut windows: KVVec<Pfn> = KVVec::new();
        for block in blocks.iter() {
            let window = block.pfn().align_down(LARGEST);
            if windows.last() != Some(&window) {
                windows.push(window, quietly())?;
            }
        }
        // INVARIANT: sorted just now; a block is aligned to its order, which is at most that of a
        // window.
        Ok(Self {
            blocks,
            windows,
            pages: most - left,
        })
    }

    /// No memory.
    pub(super) fn empty() -> Self {
        // INVARIANT: nothing is sorted.
        Self {
            blocks: KVVec::new(),
            windows: KVVec::new(),
            pages: NrPages::ZERO,
        }
    }

    /// How many pages were taken.
    pub(super) fn pages(&self) -> NrPages {
        self.pages
    }

    /// How many frames there are, those without a page too.
    pub(super) fn spanned(&self) -> NrPages {
        let window = LARGEST.nr_pages();
        window.checked_mul(self.windows.len()).unwrap_or_default()
    }

    /// The zone of Linux that most of its pages are in.
    pub(super) fn kind(&self) -> Option<ZoneKind> {
        let mut pages = [NrPages::ZERO; ZoneKind::COUNT];
        for block in self.blocks.iter() {
            let sum = block.zone().and_then(|zone| pages.get_mut(zone.index()));
            if let Some(sum) = sum {
                *sum += block.nr_pages();
            }
        }
        let kinds = ZoneKind::ALL.iter().copied().zip(pages);
        let most = kinds.max_by_key(|&(_, pages)| pages);
        most.filter(|&(_, pages)| pages > NrPages::ZERO)
            .map(|(kind, _)| kind)
    }

    /// The frames that have pages: the first of each block, and how many.
    pub(super) fn runs(&self) -> impl Iterator<Item = (FrameIdx, NrPages)> + '_ {
        let blocks = self.blocks.iter();
        blocks.filter_map(|block| Some((self.frame(block.pfn())?, block.nr_pages())))
    }

    /// The page of a frame; `None` past the last window. A frame that no block has leads to a page
    /// that is somebody else's.
    pub(super) fn pfn(&self, frame: FrameIdx) -> Option<Pfn> {
        let window = self.windows.get(frame.index() >> LARGEST.get())?;
        let inside = frame.index() & (LARGEST.nr_pages().get() - 1);
        window.checked_add(NrPages::new(inside))
    }

    /// The frame of a page, if a block has it.
    pub(super) fn frame_of(&self, pfn: Pfn) -> Option<FrameIdx> {
        self.block_of(pfn)?;
        self.frame(pfn)
    }

    /// Zeroes a block or a range that was just allocated.
    pub(super) fn zero(&self, frame: FrameIdx, pages: NrPages) {
        self.each_run(frame, pages, |run| {
            raw::zero(run.block, run.from, run.pages)
        });
    }

    /// Copies a block to another one; both are the caller's alone for the while.
    pub(super) fn copy(&self, from: FrameIdx, to: FrameIdx, pages: NrPages) {
        self.each_run(from, pages, |source| {
            let Some(to) = to.checked_add(source.done) else {
                return;
            };
            self.each_run(to, source.pages, |target| {
                let from = source.from + target.done;
                raw::copy(
                    (source.block, from),
                    (target.block, target.from),
                    target.pages,
                );
            });
        });
    }

    /// Writes a pattern to a block, which is the caller's alone for the while; `false` if a part of
    /// it has no memory.
    pub(super) fn fill(&self, frame: FrameIdx, pages: NrPages, first: u64) -> bool {
        self.each_run(frame, pages, |run| {
            raw::fill(run.block, run.from, run.pages, word(first, words(run.done)));
        })
    }

    /// The first page of a block, counted from its start, that does not have this pattern.
    pub(super) fn first_wrong(
        &self,
        frame: FrameIdx,
        pages: NrPages,
        first: u64, //
    ) -> Option<NrPages> {
        let mut wrong = None;
        self.each_run(frame, pages, |run| {
            let first = word(first, words(run.done));
            let here = raw::first_wrong(run.block, run.from, run.pages, first);
            wrong = wrong.or(here.map(|page| run.done + page));
        });
        wrong
    }

    /// Visits pages that follow each other, which may come from several runs of Linux; `false` if some of
    /// them have no memory.
    fn each_run(&self, frame: FrameIdx, pages: NrPages, mut visit: impl FnMut(Run<'_>)) -> bool {
        let mut done = NrPages::ZERO;
        while done < pages {
            let at = frame.checked_add(done).and_then(|at| self.pfn(at));
            let Some((block, from)) = at.and_then(|pfn| self.block_of(pfn)) else {
                return false;
            };
            let here = (pages - done).min(block.nr_pages() - from);
            visit(Run {
                block,
                from,
                pages: here,
                done,
            });
            done += here;
        }
        true
    }

    /// The block that a page is in, and where in it.
    fn block_of(&self, pfn: Pfn) -> Option<(&Pages, NrPages)> {
        let after = self.blocks.partition_point(|block| block.pfn() <= pfn);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let from = pfn.checked_sub(block.pfn())?;
        (from < block.nr_pages()).then_some((block, from))
    }

    /// The frame that a page of a window is.
    fn frame(&self, pfn: Pfn) -> Option<FrameIdx> {
        let window = pfn.align_down(LARGEST);
        let number = self.windows.binary_search(&window).ok()?;
        let frames = number << LARGEST.get();
        let frame = frames.checked_add(pfn.checked_sub(window)?.get())?;
        Some(FrameIdx::new(u32::try_from(frame).ok()?))
    }
}

/// Pages of a block that are in one run of Linux.
struct Run<'a> {
    block: &'a Pages,
    /// The first of them, counted from the start of the run.
    from: NrPages,
    pages: NrPages,
    /// How many pages of the block come before them.
    done: NrPages,
}

/// How many words so many pages have.
fn words(pages: NrPages) -> usize {
    pages.get() << (PAGE_SHIFT - 3)
}

#[kunit_tests(oxmm_private_arena)]
mod tests {
    use super::*;
    use core::mem::MaybeUninit;

    /// Some pages of each node that has them.
    fn each(most: usize, mut check: impl FnMut(Node, &Arena)) {
        for node in Node::online().filter(Node::has_memory) {
            let arena = Arena::take(node, NrPages::new(most));
            assert!(arena.is_ok());
            if let Ok(arena) = arena {
                check(node, &arena);
            }
        }
    }

    /// Never more than asked for, and all of it from the node.
    #[test]
    fn an_arena_keeps_to_its_node_and_size() {
        each(5 * 1024 + 700, |node, arena| {
            assert!(arena.pages() <= NrPages::new(5 * 1024 + 512));
            let mut blocks = arena.blocks.iter();
            assert!(blocks.all(|block| block.node() == Some(node.id())));
            let runs = arena
                .runs()
                .fold(NrPages::ZERO, |sum, (_, pages)| sum + pages);
            assert_eq!(runs, arena.pages());
            assert!(arena.spanned() >= arena.pages());
            assert_eq!(arena.kind().is_some(), arena.pages() > NrPages::ZERO);
        });
    }

    /// Frames and pages lead to each other, and blocks are aligned in both.
    #[test]
    fn frames_and_pages_lead_to_each_other() {
        each(3 * 1024, |_, arena| {
            for (frame, pages) in arena.runs() {
                let last = frame.checked_add(pages - NrPages::new(1));
                for frame in [Some(frame), last].into_iter().flatten() {
                    let pfn = arena.pfn(frame);
                    assert!(pfn.is_some());
                    assert_eq!(pfn.and_then(|pfn| arena.frame_of(pfn)), Some(frame));
                }
                let pfn = arena.pfn(frame).unwrap_or_default();
                assert!(pfn.is_aligned(PAGEBLOCK_ORDER) && frame.is_aligned(PAGEBLOCK_ORDER));
            }
        });
    }

    /// What is not part of the arena has no frame, and nothing is asked for nothing.
    #[test]
    fn other_pages_have_no_frame() {
        each(0, |node, arena| {
            assert_eq!(arena.pages(), NrPages::ZERO);
            assert_eq!(arena.kind(), None);
            assert_eq!(arena.pfn(FrameIdx::new(0)), None);
            let pages = Pages::alloc(Order::ZERO, Gfp::KERNEL, Some(node));
            let frame = pages.ok().and_then(|pages| arena.frame_of(pages.pfn()));
            assert_eq!(frame, None);
        });
    }

    /// A pattern is found where it was written, and where it was copied to, and nowhere else.
    #[test]
    fn a_block_is_copied_with_its_pattern() {
        each(2048, |_, arena| {
            let Some((frame, _)) = arena.runs().next() else {
                return;
            };
            let (one, some) = (NrPages::new(1), NrPages::new(16));
            let (Some(to), Some(behind)) = (
                frame.checked_add(NrPages::new(32)),
                frame.checked_add(NrPages::new(33)),
            ) else {
                return;
            };
            assert!(arena.fill(frame, some, 1) && arena.fill(to, some, 2));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::ZERO));
            arena.copy(frame, to, some);
            assert_eq!(arena.first_wrong(to, some, 1), None);
            assert!(arena.fill(behind, one, 1));
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::new(1)));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert!(!arena.fill(FrameIdx::new(u32::MAX), one, 1));
        });
    }

    /// Exactly the pages of the block are zeroed, which may be parts of several runs.
    #[test]
    fn a_block_is_zeroed_and_no_other() {
        for node in Node::online().filter(Node::has_memory).take(1) {
            let Ok(mut arena) = Arena::take(node, NrPages::new(1024)) else {
                return;
            };
            for block in arena.blocks.iter_mut() {
                let bytes = block.as_uninit();
                assert!(bytes.is_ok_and(|it| {
                    it.fill(MaybeUninit::new(0xa5));
                    true
                }));
            }
            let Some((frame, pages)) = arena.runs().next() else {
                return;
            };
            let Some(at) = frame.checked_add(NrPages::new(8)) else {
                return;
            };
            arena.zero(at, NrPages::new(8));
            let Some(Ok(bytes)) = arena.blocks.first_mut().map(Pages::as_uninit) else {
                return;
            };
            let page = 1 << crate::linux::PAGE_SHIFT;
            assert_eq!(bytes.len(), pages.get() * page);
            for (number, bytes) in bytes.chunks(page).enumerate() {
                let expected = if (8..16).contains(&number) { 0 } else { 0xa5 };
                // SAFETY: All bytes were written above.
                let is_expected = |it: &MaybeUninit<u8>| unsafe { it.assume_init() } == expected;
                assert!(bytes.iter().all(is_expected));
            }
        }
    }
}
