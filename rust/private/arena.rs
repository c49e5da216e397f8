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

mod tests;

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
    pinned::Space,
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

    /// The frame that its windows begin with.
    pub(super) fn first(&self) -> FrameIdx {
        self.first
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

    /// `len` bytes from the byte `from` of a frame's page on, for a table that early memory has found a
    /// place for.
    ///
    /// # Errors
    ///
    /// The first frame of the block that has the last of them, if the first is not in it too: Linux's
    /// memory need not go on there. `None` if there is no memory.
    pub(super) fn space(
        &self,
        frame: FrameIdx,
        from: usize,
        len: usize,
    ) -> Result<Space, Option<FrameIdx>> {
        let last = from.saturating_add(len.saturating_sub(1)) >> PAGE_SHIFT;
        let block = |at: NrPages| {
            let pfn = frame.checked_add(at).and_then(|at| self.pfn(at));
            self.block_of(pfn.ok_or(None)?).ok_or(None)
        };
        let (first, before) = block(NrPages::ZERO)?;
        let (end, _) = block(NrPages::new(last))?;
        if first.frame != end.frame {
            return Err(Some(end.frame));
        }
        let from = (before.get() << PAGE_SHIFT) + from;
        raw::space(&first.pages, from, len).ok_or(None)
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

    /// The run of Linux that a frame is in, and where in it, if the frame has memory.
    pub(super) fn run_of(&self, frame: FrameIdx) -> Option<(&Pages, NrPages)> {
        let (block, from) = self.block_of(self.pfn(frame)?)?;
        Some((&block.pages, from))
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
