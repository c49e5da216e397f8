// SPDX-License-Identifier: GPL-2.0

//! Early memory told naively: a map with an entry for each byte, and no regions at all.
//!
//!   memory     - - n n n n - - ...      reserved   - - - r r - - - ...
//!
//! The map covers a window at the start or at the end of the address space; regions are the runs of
//! like bytes, a place for an allocation is found by trying every address.

use crate::algo::memblock::{
    Error,
    Free,
    Machine,
    Which,
    Wish, //
};
use crate::algo::snapshot::{
    Owner,
    Region,
    RegionKind, //
};
use crate::algo::units::{
    Bytes,
    NodeId,
    PhysAddr,
    PhysRange, //
};

/// How many bytes the map has.
pub const WINDOW: usize = 256;

/// Small pages and cache lines, so that the window has many.
pub const MACHINE: Machine = Machine {
    page: Bytes::new(16),
    cache_line: Bytes::new(4),
};

/// The map.
#[derive(Clone, Debug)]
pub struct Map {
    /// The address of the first byte.
    pub origin: usize,
    /// Where allocations that name no end must end.
    pub limit: usize,
    memory: Vec<Option<Owner>>,
    reserved: Vec<Option<Owner>>,
}

impl Map {
    /// Makes a map without memory, at the end of the address space or at its start.
    pub fn new(at_end: bool) -> Self {
        Self {
            origin: if at_end { usize::MAX - WINDOW } else { 0 },
            limit: usize::MAX,
            memory: vec![None; WINDOW],
            reserved: vec![None; WINDOW],
        }
    }

    fn bytes(&self, which: Which) -> &Vec<Option<Owner>> {
        match which {
            Which::Memory => &self.memory,
            Which::Reserved => &self.reserved,
        }
    }

    fn bytes_mut(&mut self, which: Which, range: PhysRange) -> &mut [Option<Owner>] {
        let (start, end) = (range.start().get(), range.end().get());
        let places = start - self.origin..end - self.origin;
        match which {
            Which::Memory => &mut self.memory[places],
            Which::Reserved => &mut self.reserved[places],
        }
    }

    fn range(&self, start: usize, end: usize) -> PhysRange {
        let address = |place| PhysAddr::new(self.origin + place);
        PhysRange::new(address(start), address(end)).expect("an order")
    }

    /// Fills in the bytes that nobody has.
    pub fn give(&mut self, which: Which, range: PhysRange, owner: Owner) -> Bytes {
        let free = self.bytes_mut(which, range);
        let free = free.iter_mut().filter(|it| it.is_none());
        Bytes::new(free.map(|it| *it = Some(owner)).count())
    }

    /// Clears the bytes that somebody has.
    pub fn clear(&mut self, which: Which, range: PhysRange) -> Bytes {
        let taken = self.bytes_mut(which, range);
        let taken = taken.iter_mut().filter(|it| it.is_some());
        Bytes::new(taken.map(|it| *it = None).count())
    }

    /// Names a node for the bytes that somebody has.
    pub fn set_node(&mut self, which: Which, range: PhysRange, node: Option<NodeId>) {
        for owner in self.bytes_mut(which, range).iter_mut().flatten() {
            owner.node = node;
        }
    }

    /// Clears the memory that is no whole page of its region.
    pub fn trim(&mut self) -> Bytes {
        let page = MACHINE.page.get();
        let mut lost = 0;
        for region in self.regions(Which::Memory) {
            let (start, end) = (region.range.start().get(), region.range.end().get());
            for address in start..end {
                let first = address / page * page;
                let is_whole = first >= start && page <= end - first;
                if !is_whole {
                    self.memory[address - self.origin] = None;
                    lost += 1;
                }
            }
        }
        Bytes::new(lost)
    }

    /// Puts like bytes together.
    pub fn regions(&self, which: Which) -> Vec<Region> {
        runs(self.bytes(which))
            .into_iter()
            .map(|(start, end, owner)| Region {
                range: self.range(start, end),
                owner,
            })
            .collect()
    }

    /// Counts the bytes that somebody has.
    pub fn total(&self, which: Which) -> Bytes {
        Bytes::new(self.bytes(which).iter().flatten().count())
    }

    /// Says who has a byte.
    pub fn owner(&self, which: Which, address: usize) -> Option<Owner> {
        self.bytes(which)[address - self.origin]
    }

    /// How many regions one more range would make room necessary for: its parts that nobody has.
    pub fn nr_gaps(&self, which: Which, range: PhysRange) -> usize {
        let (start, end) = (range.start().get(), range.end().get());
        let bytes = &self.bytes(which)[start - self.origin..end - self.origin];
        let gap: Vec<_> = bytes.iter().map(|it| it.is_none().then_some(())).collect();
        runs(&gap).len()
    }

    /// Puts the free bytes of a node together.
    pub fn free_ranges(&self, node: Option<NodeId>) -> Vec<Free> {
        let bytes = self.memory.iter().zip(&self.reserved);
        let free = bytes.map(|(memory, reserved)| match (memory, reserved) {
            (Some(owner), None) if node.is_none() || owner.node == node => Some(owner.node),
            _ => None,
        });
        runs(&free.collect::<Vec<_>>())
            .into_iter()
            .map(|(start, end, node)| Free {
                range: self.range(start, end),
                node,
            })
            .collect()
    }

    /// Finds a place for an allocation of one byte or more; `within` as `alloc_range`, else as
    /// `alloc`.
    pub fn alloc(&mut self, wish: &Wish, within: bool) -> Result<PhysRange, Error> {
        if wish.align != Bytes::ZERO && !wish.align.get().is_power_of_two() {
            return Err(Error::BadAlign);
        }
        let mut mins = vec![wish.min.get()];
        if !within && wish.min > PhysAddr::ZERO {
            mins.push(0);
        }
        let mut nodes = vec![wish.node];
        if wish.node.is_some() && !wish.exact {
            nodes.push(None);
        }
        for min in mins {
            for &node in &nodes {
                if let Some(range) = self.place(wish, within, min, node) {
                    let owner = Owner {
                        kind: RegionKind::Allocated,
                        node,
                        what: wish.what,
                    };
                    self.give(Which::Reserved, range, owner);
                    return Ok(range);
                }
            }
        }
        Err(Error::NoSpace)
    }

    fn place(
        &self,
        wish: &Wish,
        within: bool,
        min: usize,
        node: Option<NodeId>,
    ) -> Option<PhysRange> {
        let size = wish.size.get();
        let align = match wish.align {
            Bytes::ZERO => MACHINE.cache_line.get(),
            align => align.get(),
        };
        let max = match wish.max.get() {
            0 | 1 => self.limit,
            max if within => max,
            max => max.min(self.limit),
        };
        let min = min.max(MACHINE.page.get());
        let free = self.free_ranges(node);
        let fits = |&start: &usize| {
            let address = self.origin + start;
            address % align == 0
                && address >= min
                && size <= max.saturating_sub(address)
                && free.iter().any(|it| {
                    it.range.start().get() <= address
                        && address < it.range.end().get()
                        && size <= it.range.end().get() - address
                })
        };
        let mut starts = 0..WINDOW;
        let start = match wish.bottom_up {
            true => starts.find(fits),
            false => starts.rev().find(fits),
        }?;
        Some(self.range(start, start + size))
    }
}

/// Runs of like entries: start, end, entry.
fn runs<T: Copy + PartialEq>(bytes: &[Option<T>]) -> Vec<(usize, usize, T)> {
    let mut runs: Vec<(usize, usize, T)> = Vec::new();
    for (place, entry) in bytes.iter().enumerate() {
        match (runs.last_mut(), entry) {
            (_, None) => {}
            (Some((_, end, of)), Some(entry)) if *end == place && of == entry => *end += 1,
            (_, Some(entry)) => runs.push((place, place + 1, *entry)),
        }
    }
    runs
}
