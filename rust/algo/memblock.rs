// SPDX-License-Identifier: GPL-2.0

//! Early memory: what the machine has, what of it is taken, and allocating before there is a buddy.
//!
//!   memory     |  node 0        |    | node 0 |  node 1      |
//!   reserved       |a|  |b |              |c|            |d  |
//!   free       |   | |  |  |    |    |    | | |          |
//!
//! An allocation is a search for a place that is memory and not reserved, then a reservation.
//!
//! Both arrays are the caller's. What needs a longer one says so and has changed nothing: the caller
//! makes one, hands it in by [`Memblock::replace`], and asks again.
//!
//! # Locking     `&mut self`: a machine is built by one task, under `control` (rank 1).
//! # Cost        see `table` and `alloc`.
//! # Limits      of the kernel's flags there is what a region's kind says, see `snapshot`: no
//!               mirror, hotplug or nomap. Adding memory over that of another node keeps the other
//!               node's and does not warn. The arrays are not taken from the memory that they
//!               describe. A name keeps neighbours apart, where Linux knows none.
//! # Reference   `mm/memblock.c`.

mod alloc;
mod table;

#[cfg(test)]
mod tests;

use core::ops::DerefMut;

pub use alloc::{
    Free,
    Wish, //
};

use super::{
    snapshot::{
        Owner,
        Region,
        RegionKind,
        What, //
    },
    units::{
        named,
        Bytes,
        NodeId,
        PhysAddr,
        PhysRange, //
    },
};
use table::{
    Short,
    Table, //
};

/// How many entries each array starts with.
pub const FIRST_REGIONS: usize = 128;

named! {
    /// One of the two arrays.
    pub enum Which {
        /// What the machine has.
        Memory = "memory",
        /// What is taken; also where there is no memory.
        Reserved = "reserved",
    }
}

/// Why an operation failed; it has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// An array is full.
    NeedLarger {
        /// Which one.
        which: Which,
        /// How many entries it should have.
        len: usize,
    },
    /// No free memory is so large where it was asked for.
    NoSpace,
    /// The alignment is no power of two.
    BadAlign,
}

named! {
    /// A rule that an array breaks.
    pub enum Rule {
        /// There are more regions than entries.
        Storage = "storage",
        /// A region has no byte.
        Empty = "empty",
        /// A region starts before the one in front of it ends.
        Order = "order",
        /// A region goes on where one of the same owner ends.
        Joined = "joined",
        /// The sum of the bytes is another.
        Total = "total",
        /// A region is of a kind that belongs into the other array.
        Kind = "kind",
    }
}

/// What `check` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The array.
    pub which: Which,
    /// The entry; for a sum their number.
    pub place: usize,
    /// The rule.
    pub rule: Rule,
}

/// What the rules depend on besides the regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of a page, a power of two; the first page is never allocated.
    pub page: Bytes,
    /// Bytes of a cache line, a power of two: the alignment of who asks for none.
    pub cache_line: Bytes,
}

/// The regions of one machine; `S` is what owns an array: a slice, a box, or a vector.
#[derive(Debug)]
pub struct Memblock<S> {
    memory: Table<S>,
    reserved: Table<S>,
    machine: Machine,
    limit: PhysAddr,
}

impl<S: DerefMut<Target = [Region]>> Memblock<S> {
    /// Makes a machine without memory, of two arrays whose contents do not matter.
    pub const fn new(machine: Machine, memory: S, reserved: S) -> Self {
        Self {
            memory: Table::new(memory),
            reserved: Table::new(reserved),
            machine,
            limit: PhysAddr::MAX,
        }
    }

    /// Forgets every region and the limit; keeps the arrays.
    pub fn reset(&mut self) {
        self.memory.clear();
        self.reserved.clear();
        self.limit = PhysAddr::MAX;
    }

    /// Moves an array into other storage, longer or shorter, and returns the old.
    ///
    /// # Errors
    ///
    /// Storage that cannot hold the regions comes back.
    pub fn replace(&mut self, which: Which, storage: S) -> Result<S, S> {
        self.table_mut(which).replace(storage)
    }

    /// Adds memory, of a node if it is known; what is memory already keeps its node.
    ///
    /// Returns how many bytes there were not yet.
    pub fn add(&mut self, range: PhysRange, node: Option<NodeId>) -> Result<Bytes, Error> {
        let owner = Owner {
            kind: RegionKind::Memory,
            node,
            what: None,
        };
        self.memory
            .add(range, owner)
            .map_err(|short| short.of(Which::Memory))
    }

    /// Takes memory away, reserved or not; returns how many bytes there were.
    pub fn remove(&mut self, range: PhysRange) -> Result<Bytes, Error> {
        let removed = self.memory.remove(range);
        removed.map_err(|short| short.of(Which::Memory))
    }

    /// Reserves a range, memory or not; what is reserved already keeps its owner.
    ///
    /// Returns how many bytes were not reserved yet.
    pub fn reserve(&mut self, range: PhysRange, what: Option<What>) -> Result<Bytes, Error> {
        self.take(
            range,
            Owner {
                kind: RegionKind::Reserved,
                node: None,
                what,
            },
        )
    }

    fn take(&mut self, range: PhysRange, owner: Owner) -> Result<Bytes, Error> {
        let taken = self.reserved.add(range, owner);
        taken.map_err(|short| short.of(Which::Reserved))
    }

    /// Frees what is reserved or allocated of a range; returns how many bytes that were.
    pub fn free(&mut self, range: PhysRange) -> Result<Bytes, Error> {
        let freed = self.reserved.remove(range);
        freed.map_err(|short| short.of(Which::Reserved))
    }

    /// Names a node for the regions of one array in a range.
    pub fn set_node(
        &mut self,
        which: Which,
        range: PhysRange,
        node: Option<NodeId>,
    ) -> Result<(), Error> {
        let set = self.table_mut(which).set_node(range, node);
        set.map_err(|short| short.of(which))
    }

    /// Leaves out what of each region of memory is no whole page; returns how many bytes that were.
    ///
    /// Linux's count of memory keeps those bytes; here it does not.
    pub fn trim(&mut self) -> Bytes {
        self.memory.trim(self.machine.page)
    }

    /// Sets where allocations that name no end must end.
    pub fn set_limit(&mut self, limit: PhysAddr) {
        self.limit = limit;
    }

    fn table(&self, which: Which) -> &Table<S> {
        match which {
            Which::Memory => &self.memory,
            Which::Reserved => &self.reserved,
        }
    }

    fn table_mut(&mut self, which: Which) -> &mut Table<S> {
        match which {
            Which::Memory => &mut self.memory,
            Which::Reserved => &mut self.reserved,
        }
    }
}

/// What there is.
impl<S: DerefMut<Target = [Region]>> Memblock<S> {
    /// Returns the regions of one array, from low addresses to high.
    pub fn regions(&self, which: Which) -> &[Region] {
        self.table(which).regions()
    }

    /// Walks all regions for a view: memory first, then what is taken.
    pub fn snapshot(&self) -> impl Iterator<Item = Region> + '_ {
        let taken = self.reserved.regions();
        self.memory.regions().iter().chain(taken).copied()
    }

    /// Returns how much memory there is.
    pub const fn phys_mem_size(&self) -> Bytes {
        self.memory.total()
    }

    /// Returns how much is reserved or allocated.
    pub const fn reserved_size(&self) -> Bytes {
        self.reserved.total()
    }

    /// Returns where memory begins, if there is any.
    pub fn start_of_dram(&self) -> Option<PhysAddr> {
        Some(self.memory.regions().first()?.range.start())
    }

    /// Returns where memory ends, if there is any.
    pub fn end_of_dram(&self) -> Option<PhysAddr> {
        Some(self.memory.regions().last()?.range.end())
    }

    /// Returns the limit.
    pub const fn limit(&self) -> PhysAddr {
        self.limit
    }

    /// Finds the region that an address is in.
    pub fn find(&self, which: Which, address: PhysAddr) -> Option<&Region> {
        self.table(which).find(address)
    }

    /// Says whether there is memory at an address.
    pub fn is_memory(&self, address: PhysAddr) -> bool {
        self.memory.find(address).is_some()
    }

    /// Says whether an address is reserved or allocated.
    pub fn is_reserved(&self, address: PhysAddr) -> bool {
        self.reserved.find(address).is_some()
    }

    /// Says whether one region of memory has all of a range.
    pub fn is_region_memory(&self, range: PhysRange) -> bool {
        let region = self.memory.find(range.start());
        region.is_some_and(|it| range.end() <= it.range.end())
    }

    /// Says whether a region of one array meets a range.
    pub fn overlaps(&self, which: Which, range: PhysRange) -> bool {
        let table = self.table(which);
        let region = table.regions().get(table.nr_below(range.start()));
        region.is_some_and(|it| it.range.overlaps(range))
    }

    /// Recounts both arrays.
    pub fn check(&self) -> Result<(), Violation> {
        for &which in Which::ALL {
            let at = |(place, rule)| Violation { which, place, rule };
            self.table(which).check().map_err(at)?;
            let of_memory = which == Which::Memory;
            let strange = |it: &Region| (it.owner.kind == RegionKind::Memory) != of_memory;
            if let Some(place) = self.regions(which).iter().position(strange) {
                return Err(at((place, Rule::Kind)));
            }
        }
        Ok(())
    }
}

impl Short {
    const fn of(self, which: Which) -> Error {
        Error::NeedLarger { which, len: self.0 }
    }
}
