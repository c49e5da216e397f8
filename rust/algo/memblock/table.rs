// SPDX-License-Identifier: GPL-2.0

//! One sorted array of regions in the caller's storage: add, take out, split, join.
//!
//!   add 2..9 of B           . . . A A . . . . .   ->   . . B A A B B B B .     A stays with its owner
//!   take 4..6 out           . A A A A A A . . .   ->   . A A A . . A . . .
//!
//! What an operation may need is asked for before its first write: an array that is too short is
//! left as it was.
//!
//! # Locking     `&mut self`.
//! # Cost        O(regions) a change, for what follows moves; a search O(log regions).
//! # Limits      none.
//! # Reference   `mm/memblock.c`: `memblock_add_range()`, `memblock_isolate_range()`,
//!               `memblock_merge_regions()`, `memblock_double_array()`.

use core::ops::{
    DerefMut,
    Range, //
};

use super::Rule;
use crate::algo::{
    snapshot::{
        Owner,
        Region, //
    },
    units::{
        Bytes,
        NodeId,
        PhysAddr,
        PhysRange, //
    },
};

/// The array is too short: how many entries it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short(pub(super) usize);

/// An array of regions.
///
/// # Invariants
///
/// The first `len` entries of `storage` are the regions. They have bytes, rise, do not meet, and no
/// region goes on where one of the same owner ends. `total` is the sum of their bytes.
#[derive(Debug)]
pub(super) struct Table<S> {
    storage: S,
    len: usize,
    total: Bytes,
}

impl<S: DerefMut<Target = [Region]>> Table<S> {
    pub(super) const fn new(storage: S) -> Self {
        // INVARIANT: there is no region.
        Self {
            storage,
            len: 0,
            total: Bytes::ZERO,
        }
    }

    /// Forgets every region.
    pub(super) fn clear(&mut self) {
        // INVARIANT: there is no region.
        self.len = 0;
        self.total = Bytes::ZERO;
    }

    /// Moves into other storage and gives the old back, or back what cannot hold the regions.
    pub(super) fn replace(&mut self, mut storage: S) -> Result<S, S> {
        if storage.len() < self.len {
            return Err(storage);
        }
        for (to, from) in storage.iter_mut().zip(self.regions()) {
            *to = *from;
        }
        // INVARIANT: it holds the same regions.
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    pub(super) fn regions(&self) -> &[Region] {
        self.storage.get(..self.len).unwrap_or_default()
    }

    fn regions_mut(&mut self) -> &mut [Region] {
        self.storage.get_mut(..self.len).unwrap_or_default()
    }

    pub(super) const fn total(&self) -> Bytes {
        self.total
    }

    /// Counts the regions that end at an address or below it.
    pub(super) fn nr_below(&self, address: PhysAddr) -> usize {
        self.regions()
            .partition_point(|it| it.range.end() <= address)
    }

    /// Counts the regions that start below an address.
    pub(super) fn nr_started(&self, address: PhysAddr) -> usize {
        self.regions()
            .partition_point(|it| it.range.start() < address)
    }

    /// Finds the region that an address is in.
    pub(super) fn find(&self, address: PhysAddr) -> Option<&Region> {
        let region = self.regions().get(self.nr_below(address))?;
        Some(region).filter(|it| it.range.contains(address))
    }

    /// Says whether `len` regions fit; if not, how often the array has to double until they do.
    fn need(&self, len: usize) -> Result<(), Short> {
        let mut room = self.storage.len();
        if len <= room {
            return Ok(());
        }
        while room < len {
            room = room.saturating_mul(2).max(1);
        }
        Err(Short(room))
    }

    /// Finds the first part of a range that no region has, and the place of a region for it.
    fn next_gap(&self, range: PhysRange) -> Option<(usize, PhysRange)> {
        let mut start = range.start();
        let mut place = self.nr_below(start);
        let mut next = self.regions().get(place);
        while let Some(region) = next.filter(|it| it.range.start() <= start) {
            start = region.range.end();
            place += 1;
            next = self.regions().get(place);
        }
        let end = next.map_or(range.end(), |it| it.range.start().min(range.end()));
        let gap = PhysRange::new(start, end)?;
        (!gap.is_empty()).then_some((place, gap))
    }

    /// Walks the parts of a range that no region has.
    fn gaps(&self, range: PhysRange) -> impl Iterator<Item = PhysRange> + '_ {
        let mut rest = Some(range);
        core::iter::from_fn(move || {
            let (_, gap) = self.next_gap(rest?)?;
            rest = PhysRange::new(gap.end(), range.end());
            Some(gap)
        })
    }

    /// Gives an owner what nobody has of a range; returns how many bytes that were.
    pub(super) fn add(&mut self, range: PhysRange, owner: Owner) -> Result<Bytes, Short> {
        self.need(self.len + self.gaps(range).count())?;
        let before = self.total;
        let mut rest = Some(range);
        while let Some((place, gap)) = rest.and_then(|rest| self.next_gap(rest)) {
            // INVARIANT: the gap has bytes, and meets nobody; the neighbours are joined.
            self.insert(place, Region { range: gap, owner });
            self.total = self.total.saturating_add(gap.size());
            self.join(place..place + 1);
            rest = PhysRange::new(gap.end(), range.end());
        }
        Ok(self.total.saturating_sub(before))
    }

    /// Takes a range from whoever has parts of it; returns how many bytes those were.
    pub(super) fn remove(&mut self, range: PhysRange) -> Result<Bytes, Short> {
        let places = self.isolate(range)?;
        let removed = self.sum(places.clone());
        // INVARIANT: what is left does not touch across the gap, and the sum follows.
        self.delete(places);
        self.total = self.total.saturating_sub(removed);
        Ok(removed)
    }

    /// Names a node for what anybody has of a range.
    pub(super) fn set_node(&mut self, range: PhysRange, node: Option<NodeId>) -> Result<(), Short> {
        let places = self.isolate(range)?;
        let regions = self.regions_mut().get_mut(places.clone());
        for region in regions.unwrap_or_default() {
            region.owner.node = node;
        }
        // INVARIANT: like neighbours are joined.
        self.join(places);
        Ok(())
    }

    /// Shrinks every region to multiples of `align`; returns how many bytes are left out.
    pub(super) fn trim(&mut self, align: Bytes) -> Bytes {
        let before = self.total;
        let mut kept = 0;
        self.total = Bytes::ZERO;
        for place in 0..self.len {
            let Some(mut region) = self.regions().get(place).copied() else {
                break;
            };
            let Some(range) = trimmed(region.range, align) else {
                continue;
            };
            region.range = range;
            self.total = self.total.saturating_add(range.size());
            if let Some(to) = self.regions_mut().get_mut(kept) {
                *to = region;
            }
            kept += 1;
        }
        // INVARIANT: regions became smaller only, and none is without bytes.
        self.len = kept;
        before.saturating_sub(self.total)
    }

    /// Splits regions at both ends of a range; returns the places of those inside.
    ///
    /// As in Linux room for two more is asked for, whether or not they will be made. The invariant
    /// does not hold until the caller has removed or joined the parts.
    fn isolate(&mut self, range: PhysRange) -> Result<Range<usize>, Short> {
        if range.is_empty() {
            return Ok(0..0);
        }
        self.need(self.len + 2)?;
        self.split(range.start());
        self.split(range.end());
        Ok(self.nr_started(range.start())..self.nr_started(range.end()))
    }

    /// Makes two regions of the one around an address.
    fn split(&mut self, address: PhysAddr) {
        let place = self.nr_below(address);
        let Some(lower) = self.regions_mut().get_mut(place) else {
            return;
        };
        let Some(below) = PhysRange::new(lower.range.start(), address) else {
            return;
        };
        if below.is_empty() {
            return;
        }
        let mut upper = *lower;
        lower.range = below;
        upper.range = PhysRange::new(address, upper.range.end()).unwrap_or_default();
        self.insert(place + 1, upper);
    }

    /// Joins the regions at `places` with like neighbours, those before and after included.
    fn join(&mut self, places: Range<usize>) {
        // Downwards, so that the places still to come do not move.
        for place in (places.start.max(1)..=places.end).rev() {
            let Some([lower, upper]) = self.regions_mut().get_mut(place - 1..=place) else {
                continue;
            };
            if lower.range.end() != upper.range.start() || lower.owner != upper.owner {
                continue;
            }
            let joined = PhysRange::new(lower.range.start(), upper.range.end());
            lower.range = joined.unwrap_or_default();
            self.delete(place..place + 1);
        }
    }

    /// Makes room at a place and puts a region there; the caller has asked whether there is room.
    fn insert(&mut self, place: usize, region: Region) {
        let tail = self.storage.get_mut(place..self.len + 1);
        debug_assert!(tail.as_ref().is_some_and(|tail| !tail.is_empty()));
        if let Some(tail) = tail.filter(|tail| !tail.is_empty()) {
            tail.rotate_right(1);
            if let Some(first) = tail.first_mut() {
                *first = region;
            }
            self.len += 1;
        }
    }

    /// Takes the regions at `places` out of the array.
    fn delete(&mut self, places: Range<usize>) {
        let Some(tail) = self.regions_mut().get_mut(places.start..) else {
            debug_assert!(false, "{places:?} of {}", self.len);
            return;
        };
        let nr = places.len().min(tail.len());
        tail.rotate_left(nr);
        self.len -= nr;
    }

    /// Adds up the regions at `places`.
    fn sum(&self, places: Range<usize>) -> Bytes {
        let regions = self.regions().get(places).unwrap_or_default();
        let sizes = regions.iter().map(|it| it.range.size());
        sizes.fold(Bytes::ZERO, Bytes::saturating_add)
    }

    /// Recounts; the place of the first entry that breaks a rule, and the rule.
    pub(super) fn check(&self) -> Result<(), (usize, Rule)> {
        if self.storage.len() < self.len {
            return Err((self.storage.len(), Rule::Storage));
        }
        for (place, region) in self.regions().iter().enumerate() {
            if region.range.is_empty() {
                return Err((place, Rule::Empty));
            }
        }
        for (place, pair) in self.regions().windows(2).enumerate() {
            let [lower, upper] = pair else { continue };
            if lower.range.end() > upper.range.start() {
                return Err((place, Rule::Order));
            }
            if lower.range.end() == upper.range.start() && lower.owner == upper.owner {
                return Err((place, Rule::Joined));
            }
        }
        match self.sum(0..self.len) == self.total {
            true => Ok(()),
            false => Err((self.len, Rule::Total)),
        }
    }
}

/// The part of a range between multiples of `align`, if it has bytes.
fn trimmed(range: PhysRange, align: Bytes) -> Option<PhysRange> {
    let range = PhysRange::new(
        range.start().align_up(align)?,
        range.end().align_down(align),
    )?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a table of any entries, right or wrong.
    fn table(ranges: &[(usize, usize)], len: usize, total: usize) -> Table<Vec<Region>> {
        let region = |&(start, end): &(usize, usize)| Region {
            range: PhysRange::new(PhysAddr::new(start), PhysAddr::new(end)).expect("an order"),
            ..Region::default()
        };
        Table {
            storage: ranges.iter().map(region).collect(),
            len,
            total: Bytes::new(total),
        }
    }

    #[test]
    fn check_finds_what_breaks_the_invariant() {
        let good = [(1, 3), (4, 6), (7, 8)];
        assert_eq!(table(&good, 3, 5).check(), Ok(()));
        for (ranges, len, total, expected) in [
            (&good[..], 4, 5, (3, Rule::Storage)),
            (&good, 3, 6, (3, Rule::Total)),
            (&good, 2, 5, (2, Rule::Total)),
            (&[(1, 3), (5, 5)], 2, 2, (1, Rule::Empty)),
            (&[(1, 3), (3, 6)], 2, 5, (0, Rule::Joined)),
            (&[(0, 1), (1, 4), (3, 6)], 3, 7, (0, Rule::Joined)),
            (&[(0, 1), (2, 4), (3, 6)], 3, 6, (1, Rule::Order)),
        ] {
            let found = table(ranges, len, total).check();
            assert_eq!(found, Err(expected), "{ranges:?}");
        }
    }
}
