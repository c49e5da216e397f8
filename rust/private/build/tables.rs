// SPDX-License-Identifier: GPL-2.0

//! Where a machine keeps its own state: in the memory that it manages, allocated before anything else
//! is, as the kernel does with its memory map.
//!
//!   node 0   | DMA32          | Normal                    ####| Movable      |
//!                                                         tables of all zones of the node, from the
//!                                                         top of its highest zone that is not Movable
//!
//! # Locking     none: the machine is nobody else's yet.
//! # Cost        a search of early memory for each table, and one more for each block of Linux's whose
//!               seam it would lie across.
//! # Limits      in Linux's heap are tables of shadow zones, which have no memory, those larger than a
//!               block of Linux's, which some node of more than 100 GiB would have, and those for which a
//!               node has no room; what is reserved for the others is not managed, as in Linux.
//! # Reference   mm/sparse-vmemmap.c: `vmemmap_alloc_block()`; mm/memblock.c: `__alloc_memory_core_early()`.

use core::alloc::Layout;

use kernel::prelude::*;

use super::{
    address,
    Early, //
};
use crate::algo::{
    machine::ZoneDesc,
    memblock::Wish,
    snapshot::What,
    units::{
        Bytes,
        FrameIdx,
        NodeId,
        NrPages,
        PhysAddr,
        PhysRange,
        ZoneKind, //
    },
};
use crate::linux::{
    pinned::Space,
    PAGE_SHIFT, //
};
use crate::private::{
    arena::{
        Arena,
        LARGEST, //
    },
    early::{
        EarlyError,
        CACHE_LINE, //
    },
};

/// Finds places for the tables of a node's zones.
pub(super) struct Tables<'a> {
    early: &'a mut Early,
    node: NodeId,
    zones: &'a [ZoneDesc],
    arenas: &'a [Arena],
}

impl<'a> Tables<'a> {
    /// Tables of a node, of early memory that the zones have, each with its arena.
    pub(super) fn new(
        early: &'a mut Early,
        node: NodeId,
        zones: &'a [ZoneDesc],
        arenas: &'a [Arena],
    ) -> Self {
        Self {
            early,
            node,
            zones,
            arenas,
        }
    }

    /// The node's zones that have memory.
    fn own(&self) -> impl Iterator<Item = (&'a ZoneDesc, &'a Arena)> + '_ {
        let zones = self.zones.iter().zip(self.arenas);
        zones.filter(|(zone, arena)| zone.node == self.node && arena.pages() > NrPages::ZERO)
    }

    /// Reserves a place for a table; `None` if it is to be in the heap.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the arrays of early memory.
    pub(super) fn space(&mut self, layout: Layout) -> Result<Option<Space>> {
        let largest = LARGEST.nr_pages().bytes(PAGE_SHIFT).unwrap_or_default();
        let zones = self
            .own()
            .filter(|(zone, _)| zone.kind != ZoneKind::Movable);
        let Some((highest, _)) = zones.last() else {
            return Ok(None);
        };
        if layout.size() == 0 || layout.size() > largest.get() {
            return Ok(None);
        }
        // Tables share no cache line with what is beside them.
        let line = CACHE_LINE.get();
        let mut wish = Wish {
            size: Bytes::new(layout.size().next_multiple_of(line)),
            align: Bytes::new(layout.align().max(line)),
            max: address(highest.end)?,
            node: Some(self.node),
            exact: true,
            what: What::new("tables"),
            ..Wish::default()
        };
        loop {
            let range = match self.early.alloc(&wish) {
                Ok(range) => range,
                Err(EarlyError::NoSpace) => return Ok(None),
                Err(_) => return Err(ENOMEM),
            };
            match self.at(range) {
                Ok(space) => return Ok(Some(space)),
                Err(seam) => {
                    self.early.free(range).map_err(|_| ENOMEM)?;
                    let Some(seam) = seam else {
                        return Ok(None);
                    };
                    // Ends: it lies above the start of what was found.
                    wish.max = seam;
                }
            }
        }
    }

    /// The bytes of a range, or the seam that it lies across, if that is what is wrong.
    fn at(&self, range: PhysRange) -> Result<Space, Option<PhysAddr>> {
        let (start, end) = (range.start().get(), range.end().get());
        let page = start >> PAGE_SHIFT;
        let of_zone = |zone: &ZoneDesc| zone.start.get() <= page && page < zone.end.get();
        let (zone, arena) = self.own().find(|(zone, _)| of_zone(zone)).ok_or(None)?;
        let frame = FrameIdx::new(0).checked_add(NrPages::new(page - zone.base.get()));
        let from = start - (page << PAGE_SHIFT);
        let found = arena.space(frame.ok_or(None)?, from, end - start);
        found.map_err(|seam| address(zone.base + NrPages::new(seam?.index())).ok())
    }
}
