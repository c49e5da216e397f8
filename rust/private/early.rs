// SPDX-License-Identifier: GPL-2.0

//! Early memory: the regions that a machine is made of, and those that commands work on.
//!
//!   boot      the zones' memory is added, CMA areas are reserved, what is free goes to the buddy
//!   scratch   begins empty; `memblock` commands add, reserve and allocate, and nobody else looks
//!
//! # Locking     `&mut self`; the scratch regions are behind `control` (rank 1).
//! # Cost        arrays begin with 128 entries of 40 bytes and grow when one is full.
//! # Limits      the arrays come from Linux's heap, not from the memory that they describe. One has
//!               [`MOST`] entries at most.
//! # Reference   algo/memblock.rs.

use kernel::prelude::*;

use crate::algo::{
    command,
    memblock::{
        Error,
        Machine,
        Memblock,
        Which,
        Wish,
        FIRST_REGIONS, //
    },
    snapshot::{
        Region,
        What, //
    },
    units::{
        Bytes,
        NodeId,
        PhysAddr,
        PhysRange, //
    },
};
use crate::linux::{
    quietly,
    PAGE_SHIFT, //
};

/// The most entries of an array.
const MOST: usize = 1 << 14;

/// Bytes of a cache line, which an allocation that names no alignment is aligned to.
pub(super) const CACHE_LINE: Bytes = Bytes::new(64);

/// Why an operation on early memory failed; it has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyError {
    /// No free memory is so large where it was asked for.
    NoSpace,
    /// The alignment is no power of two.
    BadAlign,
    /// An array has as many regions as it may.
    Full(usize),
    /// There is no memory for a longer array.
    NoTable,
}

/// What an operation on early memory did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyDone {
    /// So many bytes are memory, reserved, or neither, that were not before.
    Changed(Bytes),
    /// This range was found and is reserved.
    Found(PhysRange),
    /// All is forgotten.
    Forgotten,
}

/// Early memory with arrays that grow.
pub(super) struct Early {
    regions: Memblock<KVVec<Region>>,
}

fn table(len: usize) -> Result<KVVec<Region>, EarlyError> {
    KVVec::from_elem(Region::default(), len, quietly()).map_err(|_| EarlyError::NoTable)
}

impl Early {
    /// No memory.
    ///
    /// # Errors
    ///
    /// [`EarlyError::NoTable`].
    pub(super) fn new() -> Result<Self, EarlyError> {
        let machine = Machine {
            page: Bytes::new(1 << PAGE_SHIFT),
            cache_line: CACHE_LINE,
        };
        let (memory, reserved) = (table(FIRST_REGIONS)?, table(FIRST_REGIONS)?);
        Ok(Self {
            regions: Memblock::new(machine, memory, reserved),
        })
    }

    /// The regions, for a look.
    pub(super) fn regions(&self) -> &Memblock<KVVec<Region>> {
        &self.regions
    }

    /// Adds memory of a node.
    ///
    /// # Errors
    ///
    /// [`EarlyError::Full`], [`EarlyError::NoTable`]; so for those below.
    pub(super) fn add(
        &mut self,
        range: PhysRange,
        node: Option<NodeId>,
    ) -> Result<Bytes, EarlyError> {
        self.growing(|it| it.add(range, node))
    }

    /// Reserves a range.
    pub(super) fn reserve(
        &mut self,
        range: PhysRange,
        what: Option<What>,
    ) -> Result<Bytes, EarlyError> {
        self.growing(|it| it.reserve(range, what))
    }

    /// Reserves a range that is free, where it is wanted.
    pub(super) fn alloc(&mut self, wish: &Wish) -> Result<PhysRange, EarlyError> {
        self.growing(|it| it.alloc(wish))
    }

    /// Frees a range.
    pub(super) fn free(&mut self, range: PhysRange) -> Result<Bytes, EarlyError> {
        self.growing(|it| it.free(range))
    }

    /// Carries a command out.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub(super) fn run(&mut self, command: &command::Memblock) -> Result<EarlyDone, EarlyError> {
        use command::Memblock as Asked;
        let changed = match *command {
            Asked::Add { at, node } => self.add(at.range(), node)?,
            Asked::Remove(at) => self.growing(|it| it.remove(at.range()))?,
            Asked::Reserve(at) => self.reserve(at.range(), None)?,
            Asked::Free(at) => self.free(at.range())?,
            Asked::Alloc(ref asked) => {
                let wish = wish(asked);
                return self.alloc(&wish).map(EarlyDone::Found);
            }
            Asked::Reset => {
                self.regions.reset();
                return Ok(EarlyDone::Forgotten);
            }
        };
        Ok(EarlyDone::Changed(changed))
    }

    /// A copy of all regions, memory first.
    ///
    /// # Errors
    ///
    /// [`EarlyError::NoTable`].
    pub(super) fn copy(&self) -> Result<KVVec<Region>, EarlyError> {
        let count = self.regions.snapshot().count();
        let mut copy = table(count)?;
        for (place, region) in copy.iter_mut().zip(self.regions.snapshot()) {
            *place = region;
        }
        Ok(copy)
    }

    /// Tries an operation, with longer arrays as long as it says that one is too short.
    fn growing<T>(
        &mut self,
        mut work: impl FnMut(&mut Memblock<KVVec<Region>>) -> Result<T, Error>,
    ) -> Result<T, EarlyError> {
        loop {
            match work(&mut self.regions) {
                Ok(done) => return Ok(done),
                Err(Error::NoSpace) => return Err(EarlyError::NoSpace),
                Err(Error::BadAlign) => return Err(EarlyError::BadAlign),
                // Ends: the array is longer each time around.
                Err(Error::NeedLarger { which, len }) => self.grow(which, len)?,
            }
        }
    }

    fn grow(&mut self, which: Which, len: usize) -> Result<(), EarlyError> {
        if len > MOST {
            return Err(EarlyError::Full(MOST));
        }
        // What comes back is the old array, which is dropped.
        let old = self.regions.replace(which, table(len)?);
        old.map(drop).map_err(|_| EarlyError::NoTable)
    }
}

/// What a command asks for.
fn wish(asked: &command::MemblockAlloc) -> Wish {
    let node = match asked.node {
        Some(command::NodeWish::Id(node)) => Some(node),
        Some(command::NodeWish::Any) | None => None,
    };
    Wish {
        size: asked.size,
        align: asked.align.map_or(Bytes::ZERO, |align| align.bytes()),
        min: asked.min.unwrap_or(PhysAddr::ZERO),
        max: asked.max.unwrap_or(PhysAddr::ZERO),
        node,
        exact: asked.exact,
        bottom_up: asked.bottom_up,
        what: None,
    }
}
