// SPDX-License-Identifier: GPL-2.0

//! A copy of what a region knows of one pageblock, to be looked at without its lock.
//!
//!   words   1101 1111 ....      a set bit is a free frame, of a pageblock that is whole too
//!   used(4, 2) = 0    used(0, 2) = 1    next_used(0) = 1
//!
//! # Locking     copied under the region's lock; true of that moment.
//! # Cost        80 bytes; O(words) for what it is asked.
//! # Limits      frames that do not exist are not free.
//! # Reference   mm/compaction.c: isolate_migratepages_block() looks at `struct page`s without the
//!               zone's lock in the same spirit.

use super::super::place::PageblockIdx;
use super::super::words::{
    self,
    Line, //
};
use super::{
    Region,
    SIZE, //
};
use crate::algo::units::{
    usize_from,
    Migratetype,
    Order, //
};

/// What is known of a pageblock.
#[derive(Clone, Copy, Debug)]
pub struct Pageblock {
    words: Line,
    migratetype: Migratetype,
    is_isolated: bool,
    is_complete: bool,
}

impl Region {
    /// Copies what is known of a pageblock.
    pub fn pageblock(&self, at: PageblockIdx) -> Pageblock {
        let state = self.state(at);
        let words = match state.is_whole() {
            true => [u64::MAX; 8],
            false => *self.line(at),
        };
        Pageblock {
            words,
            migratetype: self.migratetype(at),
            is_isolated: self.is_isolated(at),
            is_complete: state.is_complete(),
        }
    }
}

impl Pageblock {
    /// The type, isolated or not.
    pub const fn migratetype(&self) -> Migratetype {
        self.migratetype
    }

    /// Says whether nobody may have its free frames.
    pub const fn is_isolated(&self) -> bool {
        self.is_isolated
    }

    /// Says whether all of its frames exist.
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Counts the frames that are not free of the block of an order, at most 9, that starts at the
    /// frame `at` of the pageblock.
    pub fn used(&self, at: usize, order: Order) -> usize {
        let size = order.nr_pages().get().min(SIZE);
        size.saturating_sub(words::frames(&self.masked(at, at + size)))
    }

    /// Finds the first frame from `at` on that is not free.
    pub fn next_used(&self, at: usize) -> Option<usize> {
        let first = |(place, used): (usize, u64)| words::first(used).map(|bit| (place, bit));
        let found = self.unset(at, SIZE).find_map(first);
        found.map(|(place, bit)| 64 * place + usize_from(bit))
    }

    /// Finds the last frame in front of `to` that is not free.
    pub fn last_used(&self, to: usize) -> Option<usize> {
        let last = |(place, used): (usize, u64)| Some((place, used.checked_ilog2()?));
        let found = self.unset(0, to).filter_map(last).last();
        found.map(|(place, bit)| 64 * place + usize_from(bit))
    }

    /// The words with the bits of `from..to` alone.
    fn masked(&self, from: usize, to: usize) -> Line {
        let mut line = self.words;
        for (place, word) in (0..).zip(&mut line) {
            *word &= part(place, from, to);
        }
        line
    }

    /// The bits of `from..to` that are not set, word by word.
    fn unset(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, u64)> + '_ {
        let words = (0usize..).zip(&self.words);
        words.map(move |(place, word)| (place, !word & part(place, from, to)))
    }
}

/// The bits of word `place` that lie in `from..to`.
fn part(place: usize, from: usize, to: usize) -> u64 {
    let below = |end: usize| end.saturating_sub(64 * place).min(64);
    words::range(below(from), below(to))
}

#[cfg(test)]
mod tests {
    use super::super::super::Offset;
    use super::*;

    /// Frames 3, 64 and 500 of the second pageblock are taken.
    fn pageblock() -> Pageblock {
        let mut region = Region::new();
        assert!(region.add(512, 2048, Migratetype::Movable));
        for at in [3, 64, 500] {
            let at = Offset::new(512 + at).unwrap();
            assert!(region.take_at(at, Order::ZERO));
        }
        region.pageblock(PageblockIdx::new(1).unwrap())
    }

    #[test]
    fn used_frames_are_found_from_both_sides() {
        let it = pageblock();
        assert_eq!(it.next_used(0), Some(3));
        assert_eq!(it.next_used(4), Some(64));
        assert_eq!(it.next_used(65), Some(500));
        assert_eq!(it.next_used(501), None);
        assert_eq!(it.last_used(512), Some(500));
        assert_eq!(it.last_used(500), Some(64));
        assert_eq!(it.last_used(64), Some(3));
        assert_eq!(it.last_used(3), None);
    }

    #[test]
    fn used_frames_are_counted_by_block() {
        let it = pageblock();
        let used = |at, order| it.used(at, Order::new(order).unwrap());
        assert_eq!((used(0, 2), used(4, 2), used(64, 0)), (1, 0, 1));
        assert_eq!(
            (used(0, 6), used(0, 7), used(256, 8), used(0, 9)),
            (1, 2, 1, 3)
        );
        assert!(it.is_complete() && !it.is_isolated());
    }

    /// A pageblock without frames has none that is free; a whole one none that is used.
    #[test]
    fn holes_are_used_and_whole_pageblocks_are_not() {
        let mut region = Region::new();
        assert!(region.add(512, 2048, Migratetype::Movable));
        let of = |at| region.pageblock(PageblockIdx::new(at).unwrap());
        assert_eq!(of(0).used(0, Order::new(9).unwrap()), 512);
        assert!(!of(0).is_complete());
        assert_eq!(of(2).used(0, Order::new(9).unwrap()), 0);
        assert_eq!(of(2).next_used(0), None);
    }
}
