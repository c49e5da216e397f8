// SPDX-License-Identifier: GPL-2.0

//! Free early memory, walked and searched: where an allocation goes.
//!
//!   top down (unless asked otherwise)     the highest place that fits
//!   bottom up                             the lowest
//!
//!   order of attempts   on the node asked for, then on any unless `exact`;
//!                       from `min` on, then, by `alloc` but not by `alloc_range`, from the first page
//!
//! An allocation lies in one region of memory: it spans no two nodes. Its reservation names the node
//! that was asked for if it was found there, else none.
//!
//! # Locking     `&mut self` to allocate, `&self` to look.
//! # Cost        O(regions of both arrays), up to four times.
//! # Limits      no mirrored memory, thus no attempt without it.
//! # Reference   `mm/memblock.c`: `memblock_alloc_internal()`, `memblock_alloc_range_nid()`,
//!               `memblock_find_in_range_node()`, `__memblock_find_range_top_down()`,
//!               `__next_mem_range()`.

use core::ops::DerefMut;

use super::{
    Error,
    Memblock, //
};
use crate::algo::{
    snapshot::{
        Owner,
        Region,
        RegionKind,
        What, //
    },
    units::{
        Bytes,
        NodeId,
        PhysAddr,
        PhysRange, //
    },
};

/// A part of memory that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// The bytes.
    pub range: PhysRange,
    /// The node of the region of memory that they are in.
    pub node: Option<NodeId>,
}

/// What is asked of an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// How much. For nothing an address is found as for one byte or more, though not always one of
    /// memory, and nothing is reserved.
    pub size: Bytes,
    /// What the address is a multiple of, a power of two; 0 for a cache line.
    pub align: Bytes,
    /// The lowest address.
    pub min: PhysAddr,
    /// Where it ends at the latest; 0, and 1 as in Linux, for the limit.
    pub max: PhysAddr,
    /// The node; without it any.
    pub node: Option<NodeId>,
    /// On that node or not at all.
    pub exact: bool,
    /// As low as possible, not as high.
    pub bottom_up: bool,
    /// What it is for.
    pub what: Option<What>,
}

/// A place that was found, and for which node.
type Place = (PhysRange, Option<NodeId>);

impl<S: DerefMut<Target = [Region]>> Memblock<S> {
    /// Walks the free memory, that of one node or all of it, from both ends as wanted.
    pub fn free_ranges(&self, node: Option<NodeId>) -> impl DoubleEndedIterator<Item = Free> + '_ {
        self.gaps(node).filter(|free| !free.range.is_empty())
    }

    /// Walks the free memory, and the seams between two reservations, which have no byte.
    fn gaps(&self, node: Option<NodeId>) -> impl DoubleEndedIterator<Item = Free> + '_ {
        let memory = self.memory.regions().iter();
        memory
            .filter(move |it| node.is_none() || it.owner.node == node)
            .flat_map(|it| {
                let node = it.owner.node;
                let gaps = self.gaps_in(it.range);
                gaps.map(move |range| Free { range, node })
            })
    }

    /// Walks the gaps between reservations that a range has parts of.
    fn gaps_in(&self, range: PhysRange) -> impl DoubleEndedIterator<Item = PhysRange> + '_ {
        let taken = self.reserved.regions();
        let first = self.reserved.nr_below(range.start());
        let last = self.reserved.nr_started(range.end());
        (first..=last).filter_map(move |place| {
            let before = place.checked_sub(1).and_then(|place| taken.get(place));
            let start = before.map_or(PhysAddr::ZERO, |it| it.range.end());
            let end = taken
                .get(place)
                .map_or(PhysAddr::MAX, |it| it.range.start());
            let gap = PhysRange::new(start, end)?;
            (start < range.end() && range.start() < end).then(|| gap.clamp(range))
        })
    }

    /// Allocates; if nothing is free from `min` on, below it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`], [`Error::BadAlign`], or that an array is full.
    pub fn alloc(&mut self, wish: &Wish) -> Result<PhysRange, Error> {
        let near = Wish {
            max: wish.max.min(self.limit),
            ..*wish
        };
        match self.alloc_range(&near) {
            Err(Error::NoSpace) if wish.min > PhysAddr::ZERO => {
                let min = PhysAddr::ZERO;
                self.alloc_range(&Wish { min, ..near })
            }
            done => done,
        }
    }

    /// Allocates between `min` and `max`, where `max` may be above the limit.
    ///
    /// # Errors
    ///
    /// As [`Memblock::alloc`].
    pub fn alloc_range(&mut self, wish: &Wish) -> Result<PhysRange, Error> {
        let (range, node) = self.find_place(wish)?;
        let owner = Owner {
            kind: RegionKind::Allocated,
            node,
            what: wish.what,
        };
        self.take(range, owner)?;
        Ok(range)
    }

    /// Finds a place between `min` and `max`.
    fn find_place(&self, wish: &Wish) -> Result<Place, Error> {
        let align = match wish.align {
            Bytes::ZERO => self.machine.cache_line,
            align => align,
        };
        if !align.get().is_power_of_two() {
            return Err(Error::BadAlign);
        }
        let wish = Wish { align, ..*wish };
        let found = match self.find_on(wish.node, &wish) {
            Some(range) => Some((range, wish.node)),
            None if wish.node.is_none() || wish.exact => None,
            None => self.find_on(None, &wish).map(|range| (range, None)),
        };
        found.ok_or(Error::NoSpace)
    }

    /// Finds a place on one node, or on any.
    fn find_on(&self, node: Option<NodeId>, wish: &Wish) -> Option<PhysRange> {
        let window = self.window(wish);
        let mut gaps = self.gaps(node);
        let base = match wish.bottom_up {
            true => gaps.find_map(|gap| lowest(gap.range.clamp(window), wish)),
            false => gaps
                .rev()
                .find_map(|gap| highest(gap.range.clamp(window), wish)),
        }?;
        Some(PhysRange::capped(base, wish.size))
    }

    /// The addresses that a wish allows; the first page is none of them, nor is anything if they end
    /// before they start.
    fn window(&self, wish: &Wish) -> PhysRange {
        let end = match wish.max.get() {
            0 | 1 => self.limit,
            _ => wish.max,
        };
        let page = PhysAddr::ZERO.checked_add(self.machine.page);
        let start = wish.min.max(page.unwrap_or_default());
        PhysRange::new(start, end).unwrap_or(PhysRange::capped(start, Bytes::ZERO))
    }
}

fn highest(gap: PhysRange, wish: &Wish) -> Option<PhysAddr> {
    let base = gap.end().checked_sub(wish.size)?.align_down(wish.align);
    (base >= gap.start()).then_some(base)
}

fn lowest(gap: PhysRange, wish: &Wish) -> Option<PhysAddr> {
    let base = gap.start().align_up(wish.align)?;
    let rest = PhysRange::new(base, gap.end())?;
    (!rest.is_empty() && rest.size() >= wish.size).then_some(base)
}
