// SPDX-License-Identifier: GPL-2.0

//! Frames of a zone that follow each other, and the largest aligned blocks they consist of.
//!
//!   frames    5  6 7  8 9 10 11  12         from 5, 8 frames
//!   blocks    0  1 1  2 2  2  2   0         the order of each block
//!
//! # Locking     none: a plain `Copy` value.
//! # Cost        16 bytes; O(orders) blocks at either end, and those between.
//! # Limits      a span ends where the numbers of frames do.
//! # Reference   mm/page_alloc.c: split_free_frozen_pages(), __free_contig_range().

use super::{
    Offset,
    FRAMES,
    PAGEBLOCK_ORDER, //
};
use crate::algo::units::{
    u64_from,
    usize_from,
    FrameIdx,
    NrPages,
    Order, //
};

/// Frames that follow each other.
///
/// # Invariants
///
/// There is one at least, and the last one has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: FrameIdx,
    frames: NrPages,
}

impl Span {
    /// Makes a span, or `None` if it has no frame, or one without a number.
    pub fn new(from: FrameIdx, frames: NrPages) -> Option<Self> {
        let last = frames.checked_sub(NrPages::new(1))?;
        // INVARIANT: checked.
        from.checked_add(last).map(|_| Self { from, frames })
    }

    /// The block of an order that starts at a frame; `None` if it ends past the last number.
    pub fn block(from: FrameIdx, order: Order) -> Option<Self> {
        Self::new(from, order.nr_pages())
    }

    /// The first frame.
    pub const fn from(self) -> FrameIdx {
        self.from
    }

    /// The last frame.
    pub const fn last(self) -> FrameIdx {
        frame(self.end() - 1)
    }

    /// How many there are.
    pub const fn frames(self) -> NrPages {
        self.frames
    }

    /// The number of the first frame.
    pub(super) const fn start(self) -> usize {
        self.from.index()
    }

    /// The number after that of the last frame.
    pub(super) const fn end(self) -> usize {
        // INVARIANT: the last one is below 2^32.
        self.start().saturating_add(self.frames.get())
    }

    /// The regions that it touches.
    pub(super) const fn regions(self) -> core::ops::Range<usize> {
        self.start() / FRAMES..(self.end() - 1) / FRAMES + 1
    }

    /// The pageblocks that it touches, by their numbers in the zone.
    pub const fn pageblocks(self) -> core::ops::Range<usize> {
        let shift = PAGEBLOCK_ORDER.get();
        self.start() >> shift..((self.end() - 1) >> shift) + 1
    }

    /// The part of it in `from..to`, by numbers of frames.
    pub(super) fn part(self, from: usize, to: usize) -> Option<Self> {
        let (from, to) = (self.start().max(from), self.end().min(to));
        Self::new(frame(from), NrPages::new(to.checked_sub(from)?))
    }

    /// The largest aligned blocks, up to an order, that it consists of.
    pub fn blocks(self, most: Order) -> impl Iterator<Item = (FrameIdx, Order)> {
        let (mut at, end) = (self.start(), self.end());
        core::iter::from_fn(move || {
            let order = largest_at(at, end, most)?;
            let block = (frame(at), order);
            at += order.nr_pages().get();
            Some(block)
        })
    }
}

/// The frame of this number, which is one of a zone.
pub(super) const fn frame(number: usize) -> FrameIdx {
    FrameIdx::at(number / FRAMES, Offset::new_masked(number))
}

/// The order of the largest block that starts at `at` and ends at `end` or before.
fn largest_at(at: usize, end: usize, most: Order) -> Option<Order> {
    let fits = u64_from(end.checked_sub(at)?).checked_ilog2()?;
    let order = fits.min(most.get()).min(at.trailing_zeros());
    debug_assert!(at + (1 << usize_from(order)) <= end);
    Order::new(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u32, frames: usize) -> Span {
        Span::new(FrameIdx::new(from), NrPages::new(frames)).unwrap()
    }

    #[track_caller]
    fn consists_of(span: Span, expected: &[(u32, u32)]) {
        let blocks = span.blocks(Order::new(10).unwrap());
        let blocks: Vec<_> = blocks.map(|(at, order)| (at.get(), order.get())).collect();
        assert_eq!(blocks, expected);
    }

    #[test]
    fn a_span_consists_of_the_largest_aligned_blocks() {
        consists_of(span(5, 8), &[(5, 0), (6, 1), (8, 2), (12, 0)]);
        consists_of(span(0, 1), &[(0, 0)]);
        consists_of(
            span(0, 4096),
            &[(0, 10), (1024, 10), (2048, 10), (3072, 10)],
        );
        consists_of(
            span(1024, 1023 + 1024),
            &[
                (1024, 10),
                (2048, 9),
                (2560, 8),
                (2816, 7),
                (2944, 6),
                (3008, 5),
                (3040, 4),
                (3056, 3),
                (3064, 2),
                (3068, 1),
                (3070, 0),
            ],
        );
    }

    #[test]
    fn a_span_has_frames_and_numbers_for_them() {
        assert_eq!(Span::new(FrameIdx::new(3), NrPages::ZERO), None);
        let last = FrameIdx::new(u32::MAX);
        assert!(Span::new(last, NrPages::new(1)).is_some());
        assert_eq!(Span::new(last, NrPages::new(2)), None);
    }

    #[test]
    fn a_span_touches_pageblocks_and_regions() {
        let it = span(511, 2);
        assert_eq!((it.pageblocks(), it.regions()), (0..2, 0..1));
        let it = span(32_767, 32_770);
        assert_eq!((it.pageblocks(), it.regions()), (63..129, 0..3));
        assert_eq!(it.part(32_768, 32_800), Some(span(32_768, 32)));
        assert_eq!(it.part(0, 32_767), None);
        assert_eq!(it.part(0, 5), None);
    }
}
