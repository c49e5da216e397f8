// SPDX-License-Identifier: GPL-2.0

//! Values that are lists: flags of a cache, sizes of zones, CPUs, nodes, distances.
//!
//!   flags=poison,track    zones=dma32:16M,normal:48M    cpus=0-1,4    nodes=0,2-3
//!   distance=10,20
//!
//! # Locking     none: plain values; CPUs and distances borrow the checked text and read it again
//!               when walked.
//! # Cost        O(text).
//! # Limits      a list of CPUs or nodes knows no strides (`0-7:1/2`).
//! # Reference   lib/bitmap-str.c: bitmap_parselist(); include/linux/topology.h: LOCAL_DISTANCE.

use core::fmt;
use core::ops::RangeInclusive;

use super::error::Fault;
use super::grammar::join;
use super::value::{
    number_as,
    word,
    Lower,
    Refused,
    Value, //
};
use crate::algo::units::{
    named,
    Bytes,
    NodeId,
    NodeMask,
    ZoneKind, //
};

named! {
    /// A property of a cache.
    pub enum CacheFlag {
        /// Objects start at cache lines.
        Hwalign = "hwalign",
        /// Objects are charged to the memory cgroup of the allocation.
        Account = "account",
        /// Slabs count as reclaimable.
        Reclaim = "reclaim",
        /// Slabs are given back after a grace period only, so that a stale pointer finds the same
        /// type.
        Typesafe = "typesafe",
        /// The cache is not shared with alike ones.
        NoMerge = "no_merge",
        /// Bytes around the object show a write out of bounds.
        Redzone = "redzone",
        /// Free objects are filled, which shows a write after free.
        Poison = "poison",
        /// The last users are kept.
        Track = "track",
        /// Every allocation and every free checks the object.
        Checks = "checks",
    }
}

/// The properties of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFlags(u16);

const _: () = assert!(CacheFlag::COUNT <= 16);

impl CacheFlags {
    /// Returns the set with one property more.
    #[must_use]
    pub const fn with(self, flag: CacheFlag) -> Self {
        Self(self.0 | 1 << flag.index())
    }

    /// Says whether a property is in the set.
    pub const fn has(self, flag: CacheFlag) -> bool {
        self.0 & 1 << flag.index() != 0
    }

    /// Walks the properties.
    pub fn iter(self) -> impl Iterator<Item = CacheFlag> {
        let all = CacheFlag::ALL.iter().copied();
        all.filter(move |&flag| self.has(flag))
    }
}

impl fmt::Display for CacheFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, ",", self.iter())
    }
}

impl<'a> Value<'a> for CacheFlags {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        text.split(',').try_fold(Self::default(), |flags, name| {
            Ok(flags.with(word(name, CacheFlag::ALL, CacheFlag::name)?))
        })
    }
}

/// The sizes of the zones of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneSizes([Option<Bytes>; ZoneKind::COUNT]);

impl ZoneSizes {
    /// Returns the size of a zone, if it was given.
    pub fn get(&self, zone: ZoneKind) -> Option<Bytes> {
        self.0.get(zone.index()).copied().flatten()
    }
}

impl fmt::Display for ZoneSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zones = ZoneKind::ALL.iter().zip(self.0);
        let given = zones.filter_map(|(zone, size)| Some((Lower(zone.name()), size?)));
        join(f, ",", given.map(|(zone, size)| ZoneSize { zone, size }))
    }
}

struct ZoneSize {
    zone: Lower,
    size: Bytes,
}

impl fmt::Display for ZoneSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.zone, self.size)
    }
}

impl<'a> Value<'a> for ZoneSizes {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        let mut sizes = Self::default();
        for part in text.split(',') {
            let malformed = Refused::new(Fault::Malformed, part);
            let Some((name, size)) = part.split_once(':') else {
                return Err(malformed);
            };
            let zone = word(name, ZoneKind::ALL, ZoneKind::name)?;
            match sizes.0.get_mut(zone.index()) {
                Some(place @ None) => *place = Some(Bytes::read(size)?),
                _ => return Err(malformed),
            }
        }
        Ok(sizes)
    }
}

/// A list of CPUs, as `0-1,4`.
///
/// # Invariants
///
/// Ranges parted by commas, each of CPUs up to `CpuList::MAX_CPU`, each above the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuList<'a>(&'a str);

impl<'a> CpuList<'a> {
    /// The highest CPU of the largest kernel configuration.
    pub const MAX_CPU: u32 = 8191;

    /// Walks the ranges.
    pub fn ranges(self) -> impl Iterator<Item = RangeInclusive<u32>> + 'a {
        // By the invariant every part is a range, and nothing is left out.
        self.0.split(',').filter_map(|part| cpu_range(part).ok())
    }
}

fn cpu_range(part: &str) -> Result<RangeInclusive<u32>, Refused<'_>> {
    range(part, CpuList::MAX_CPU)
}

fn range(part: &str, max: u32) -> Result<RangeInclusive<u32>, Refused<'_>> {
    let number = |text| number_as(text, |number| (number <= max).then_some(number));
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Ok(number(first)?..=number(last)?)
}

/// Calls `each` with the ranges of a list, if each of them lies above the one before.
fn rising<'a>(
    text: &'a str,
    max: u32,
    mut each: impl FnMut(RangeInclusive<u32>),
) -> Result<(), Refused<'a>> {
    let mut next = 0;
    for part in text.split(',') {
        let range = range(part, max)?;
        if *range.start() < next || range.is_empty() {
            return Err(Refused::new(Fault::Malformed, part));
        }
        next = *range.end() + 1;
        each(range);
    }
    Ok(())
}

impl fmt::Display for CpuList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl<'a> Value<'a> for CpuList<'a> {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        rising(text, Self::MAX_CPU, |_| ())?;
        // INVARIANT: every part was a range of CPUs and began after the one before.
        Ok(Self(text))
    }
}

impl<'a> Value<'a> for NodeMask {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        let mut nodes = Self::EMPTY;
        rising(text, NodeId::MAX, |range| {
            // Each is at most the highest.
            for node in range.filter_map(NodeId::new) {
                nodes.insert(node);
            }
        })?;
        Ok(nodes)
    }
}

/// The distances from a node to node 0, 1 and so on.
///
/// # Invariants
///
/// Numbers parted by commas, each from `Distances::LOCAL` to `Distances::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distances<'a>(&'a str);

impl<'a> Distances<'a> {
    /// The distance of a node to itself, the smallest there is.
    pub const LOCAL: u8 = 10;

    /// The largest distance; 255 means that a node cannot be reached.
    pub const MAX: u8 = 254;

    /// Walks the distances.
    pub fn iter(self) -> impl Iterator<Item = u8> + 'a {
        // By the invariant every part is a distance, and nothing is left out.
        self.0.split(',').filter_map(|part| distance(part).ok())
    }
}

fn distance(part: &str) -> Result<u8, Refused<'_>> {
    number_as(part, |distance| {
        (Distances::LOCAL..=Distances::MAX)
            .contains(&distance)
            .then_some(distance)
    })
}

impl fmt::Display for Distances<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl<'a> Value<'a> for Distances<'a> {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        text.split(',')
            .try_for_each(|part| distance(part).map(|_| ()))?;
        // INVARIANT: every part was a distance.
        Ok(Self(text))
    }
}
