// SPDX-License-Identifier: GPL-2.0

//! The memory that the private manager took from Linux for a zone, and which frame is which page.
//!
//!   Linux     |....####|########|........|####....|      #: a block that was taken
//!   windows      0         1                 2           as large as the largest block, aligned
//!   frames    |....####|########|####....|               window after window; .: no frame
//!
//! What is aligned here is aligned there: a block of the private manager lies in one window, and so
//! its pages follow each other in Linux too. A zone of a size that was asked for has no holes: each
//! of its windows is one block of Linux, the last one as small as does.
//!
//! # Locking     none: fixed once it was taken.
//! # Cost        a frame's page in O(1), a page's frame in O(log blocks); 8 bytes a window of
//!               4 MiB and 24 bytes a block.
//! # Limits      where Linux is mirrored, blocks smaller than a pageblock are not taken: the holes
//!               beside them would never merge, and there are few of them to be had without effort.
//!               Of a last window that is no power of two, up to half is taken for nothing.
//! # Reference   `rust/linux/pages.rs`.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

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
pub(super) const LARGEST: Order = MAX_ORDER;

/// From where in Linux memory is taken.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The node; `None` for any.
    node: Option<Node>,
    /// The zone; `None` for any.
    kind: Option<ZoneKind>,
    gfp: Gfp,
}

impl Source {
    /// A node's memory, or without one that of any node, in whichever zone.
    ///
    /// # Errors
    ///
    /// EINVAL on a kernel that does not have the flags.
    pub(super) fn node(node: Option<Node>) -> Result<Self> {
        Self::new(node, None, None)
    }

    /// The memory of one zone.
    ///
    /// # Errors
    ///
    /// As for [`Source::node`].
    pub(super) fn zone(node: Node, kind: ZoneKind) -> Result<Self> {
        let modifier = match kind {
            ZoneKind::Dma => Some(Flag::GfpDma),
            ZoneKind::Dma32 => Some(Flag::GfpDma32),
            ZoneKind::Movable => Some(Flag::GfpHighuserMovable),
            ZoneKind::Normal | ZoneKind::Device => None,
        };
        Self::new(Some(node), Some(kind), modifier)
    }

    fn new(node: Option<Node>, kind: Option<ZoneKind>, modifier: Option<Flag>) -> Result<Self> {
        let quiet = Gfp::of(&[Flag::Nowarn, Flag::Noretry]).map_err(|_| EINVAL)?;
        let mut gfp = Gfp::KERNEL | quiet;
        if let Some(modifier) = modifier {
            gfp = gfp | Gfp::of(&[modifier]).map_err(|_| EINVAL)?;
        }
        if node.is_some() {
            gfp = gfp | Gfp::THISNODE;
        }
        Ok(Self { node, kind, gfp })
    }

    /// A block, or `None` if there is none without effort; one of another zone goes back.
    fn take(&self, order: Order) -> Option<Pages> {
        let block = Pages::alloc(order, self.gfp, self.node).ok()?;
        cond_resched();
        (self.kind.is_none() || self.kind == block.zone()).then_some(block)
    }
}

/// A block of Linux, and the frame that it begins at.
struct Taken {
    pages: Pages,
    frame: FrameIdx,
}

/// Why an arena has less than was asked for.
pub(super) enum Short {
    /// There are no more blocks; so many pages were had.
    Pages(NrPages),
    /// There is no memory for the table.
    Table,
}

impl From<AllocError> for Short {
    fn from(_: AllocError) -> Self {
        Self::Table
    }
}

/// The memory of a zone.
///
/// # Invariants
///
/// `blocks` are sorted by page, and `windows` hold the page that every window begins with, from
/// frame `first` on, a multiple of a window. A block lies in one window.
pub(super) struct Arena {
    blocks: KVVec<Taken>,
    windows: KVVec<Pfn>,
    first: FrameIdx,
    window: Order,
    pages: NrPages,
}

impl Arena {
    /// Takes up to `most` pages, the largest blocks first, and stops when Linux has no more to give
    /// without effort.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the tables; what was taken is given back then.
    pub(super) fn take(source: &Source, most: NrPages) -> Result<Self> {
        let mut blocks = KVVec::new();
        let mut left = most;
        let smallest = PAGEBLOCK_ORDER.min(LARGEST);
        for order in (smallest.get()..=LARGEST.get())
            .rev()
            .filter_map(Order::new)
        {
            while let Some(rest) = left.checked_sub(order.nr_pages()) {
                let Some(block) = source.take(order) else {
                    break;
                };
                blocks.push(block, quietly())?;
                left = rest;
            }
        }
        sort_by_key(&mut blocks, Pages::pfn);
        let mut arena = Self {
            pages: most - left,
            ..Self::empty()
        };
        for pages in blocks.drain_all() {
            let window = pages.pfn().align_down(LARGEST);
            if arena.windows.last() != Some(&window) {
                arena.windows.push(window, quietly())?;
            }
            let before = (arena.windows.len() - 1) << LARGEST.get();
            let inside = pages.pfn().checked_sub(window).unwrap_or_default();
            let frame = FrameIdx::new(0).checked_add(NrPages::new(before) + inside);
            let frame = frame.ok_or(ERANGE)?;
            // INVARIANT: sorted just now; a block is aligned to its order, which is at most that of
            // a window.
            arena.blocks.push(Taken { pages, frame }, quietly())?;
        }
        Ok(arena)
    }

    /// Takes memory for `pages` frames from `first` on, without holes; a window has this order, or
    /// the largest of Linux's.
    ///
    /// # Errors
    ///
    /// What was too little; what was taken is given back.
    pub(super) fn fill(
        source: &Source,
        (first, pages): (FrameIdx, NrPages),
        window: Order,
    ) -> Result<Self, Short> {
        let window = window.clamp(PAGEBLOCK_ORDER, LARGEST);
        debug_assert!(first.is_aligned(window));
        let mut arena = Self {
            first,
            window,
            ..Self::empty()
        };
        while arena.pages < pages {
            let left = pages - arena.pages;
            let order = order_of(left).min(window);
            let frame = first.checked_add(arena.pages).ok_or(Short::Table)?;
            let pages = source.take(order).ok_or(Short::Pages(arena.pages))?;
            arena.windows.push(pages.pfn(), quietly())?;
            // INVARIANT: sorted below; each window is one block.
            arena.blocks.push(Taken { pages, frame }, quietly())?;
            arena.pages += left.min(order.nr_pages());
        }
        sort_by_key(&mut arena.blocks, |block| block.pages.pfn());
        Ok(arena)
    }

    /// No memory, which is all that a shadow zone has.
    pub(super) fn empty() -> Self {
        // INVARIANT: nothing is sorted.
        Self {
            blocks: KVVec::new(),
            windows: KVVec::new(),
            first: FrameIdx::new(0),
            window: LARGEST,
            pages: NrPages::ZERO,
        }
    }

    /// How many pages frames have.
    pub(super) fn pages(&self) -> NrPages {
        self.pages
    }

    /// How many frames its windows have, those without a page too.
    pub(super) fn spanned(&self) -> NrPages {
        let window = self.window.nr_pages();
        window.checked_mul(self.windows.len()).unwrap_or_default()
    }

    /// The frames of each block: the first, and how many.
    pub(super) fn runs(&self) -> impl Iterator<Item = (FrameIdx, NrPages)> + '_ {
        let blocks = self.blocks.iter();
        blocks.map(|block| (block.frame, block.pages.nr_pages()))
    }

    /// The page of a frame; `None` past the last window, and without memory. A frame that no block
    /// has leads to a page that is somebody else's.
    pub(super) fn pfn(&self, frame: FrameIdx) -> Option<Pfn> {
        let at = frame.index().checked_sub(self.first.index())?;
        let window = self.windows.get(at >> self.window.get())?;
        let inside = at & (self.window.nr_pages().get() - 1);
        window.checked_add(NrPages::new(inside))
    }

    /// The frame of a page, if a block has it.
    pub(super) fn frame_of(&self, pfn: Pfn) -> Option<FrameIdx> {
        let (block, from) = self.block_of(pfn)?;
        block.frame.checked_add(from)
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
    pub(super) fn write(&self, frame: FrameIdx, pages: NrPages, first: u64) -> bool {
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
            let here = (pages - done).min(block.pages.nr_pages() - from);
            visit(Run {
                block: &block.pages,
                from,
                pages: here,
                done,
            });
            done += here;
        }
        true
    }

    /// The block that a page is in, and where in it.
    fn block_of(&self, pfn: Pfn) -> Option<(&Taken, NrPages)> {
        let blocks = &self.blocks;
        let after = blocks.partition_point(|block| block.pages.pfn() <= pfn);
        let block = blocks.get(after.checked_sub(1)?)?;
        let from = pfn.checked_sub(block.pages.pfn())?;
        (from < block.pages.nr_pages()).then_some((block, from))
    }
}

/// The order of the smallest block that has so many pages.
fn order_of(pages: NrPages) -> Order {
    let order = pages.get().next_power_of_two().trailing_zeros();
    Order::new(order).unwrap_or(Order::MAX)
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
            let source = Source::node(Some(node));
            let arena = source.and_then(|it| Arena::take(&it, NrPages::new(most)));
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
            assert!(blocks.all(|block| block.pages.node() == Some(node.id())));
            let runs = arena
                .runs()
                .fold(NrPages::ZERO, |sum, (_, pages)| sum + pages);
            assert_eq!(runs, arena.pages());
            assert!(arena.spanned() >= arena.pages());
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

    /// All of it is there, from the first frame to the last, and no page twice.
    #[test]
    fn a_size_is_filled_without_holes() {
        let first = FrameIdx::new(512);
        let window = Order::new(9).unwrap_or_default();
        for pages in [1, 3, 512, 1300].map(NrPages::new) {
            let source = Source::node(None);
            let filled = source.map(|it| Arena::fill(&it, (first, pages), window));
            let Ok(Ok(arena)) = filled else {
                return;
            };
            assert_eq!(arena.pages(), pages);
            for frame in (0..pages.get()).filter_map(|at| first.checked_add(NrPages::new(at))) {
                let pfn = arena.pfn(frame);
                assert_eq!(pfn.and_then(|pfn| arena.frame_of(pfn)), Some(frame));
            }
            assert_eq!(arena.pfn(FrameIdx::new(511)), None);
        }
    }

    /// Memory of a zone is of that zone, or it is not taken.
    #[test]
    fn a_zone_gives_its_own_memory() {
        for node in Node::online() {
            for &kind in ZoneKind::ALL {
                let source = Source::zone(node, kind);
                let arena = source.and_then(|it| Arena::take(&it, NrPages::new(2048)));
                assert!(arena.is_ok_and(|arena| {
                    let mut blocks = arena.blocks.iter();
                    blocks.all(|it| it.pages.zone() == Some(kind))
                }));
            }
        }
    }

    /// What is not part of the arena has no frame, and nothing is asked for nothing.
    #[test]
    fn other_pages_have_no_frame() {
        each(0, |node, arena| {
            assert_eq!(arena.pages(), NrPages::ZERO);
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
            assert!(arena.write(frame, some, 1) && arena.write(to, some, 2));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::ZERO));
            arena.copy(frame, to, some);
            assert_eq!(arena.first_wrong(to, some, 1), None);
            assert!(arena.write(behind, one, 1));
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::new(1)));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert!(!arena.write(FrameIdx::new(u32::MAX), one, 1));
        });
    }

    /// Exactly the pages of the block are zeroed, which may be parts of several runs.
    #[test]
    fn a_block_is_zeroed_and_no_other() {
        for node in Node::online().filter(Node::has_memory).take(1) {
            let source = Source::node(Some(node));
            let arena = source.and_then(|it| Arena::take(&it, NrPages::new(1024)));
            let Ok(mut arena) = arena else {
                return;
            };
            for block in arena.blocks.iter_mut() {
                let bytes = block.pages.as_uninit();
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
            let first = arena.blocks.first_mut();
            let Some(Ok(bytes)) = first.map(|it| it.pages.as_uninit()) else {
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
