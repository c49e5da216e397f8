// SPDX-License-Identifier: GPL-2.0

//! Machines of a manager's own: described line by line, checked, completed, and laid out.
//!
//!   machine node=0 zones=dma32:1G,normal:1G cpus=0-1      machine node=1 mem=1G cpus=2
//!
//!   pfn 0          262144   1048576         1310720         1572864
//!       | DMA32, 0 |  hole  | Normal, node 0 | Normal, node 1 |
//!
//! Low zones come first, as on x86: DMA below 16 MiB, DMA32 below 4 GiB, and only where a node asks
//! for them; other memory begins above the highest limit that is in use. Then come Normal and Movable
//! of each node, and at last memory of devices.
//!
//! # Locking     none: drafts and machines borrow the caller's tables.
//! # Cost        a line O(its CPUs + nodes); a machine O(nodes squared + CPUs).
//! # Limits      zones of 2^32 frames, from a region's start; no holes within a zone. The memory of
//!               Device zones is laid out, but not present: no allocation comes from it.
//! # Reference   arch/x86/mm/init.c: zone_sizes_init(); mm/mm_init.c: free_area_init();
//!               drivers/acpi/numa/srat.c: slit_valid().

mod build;
mod draft;
mod error;
#[cfg(test)]
mod tests;

pub use build::{
    Room,
    Wanted, //
};
pub use draft::{
    Draft,
    NodeDraft,
    Tables, //
};
pub use error::Error;

use crate::algo::{
    units::{
        NodeId,
        NodeMask,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
    zonelist::{
        Distances,
        Step, //
    },
};

const fn order(number: u32) -> Order {
    match Order::new(number) {
        Some(order) => order,
        None => Order::MAX,
    }
}

/// The order of a pageblock.
pub const PAGEBLOCK_ORDER: Order = order(9);

/// The order of a region: 64 pageblocks. A zone's frames are numbered from the start of one.
pub const REGION_ORDER: Order = order(15);

/// The order of the largest blocks, unless a machine is built with another.
pub const LARGEST_ORDER: Order = order(10);

/// The most frames of a zone, counted from its base: 16 TiB in pages of 4 KiB.
pub const MAX_FRAMES: NrPages = NrPages::new(1 << 32);

/// A node of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeDesc {
    /// Its number.
    pub node: NodeId,
    /// Where its zones begin in the table of zones.
    pub first_zone: usize,
    /// How many it has, from low to high; none without memory.
    pub nr_zones: usize,
    /// Its CPUs.
    pub nr_cpus: u32,
    /// Whether there is no memory behind its frames.
    pub is_shadow: bool,
}

impl NodeDesc {
    /// What a table is filled with before a machine is built.
    pub const EMPTY: Self = Self {
        node: NodeId::FIRST,
        first_zone: 0,
        nr_zones: 0,
        nr_cpus: 0,
        is_shadow: false,
    };
}

/// A zone of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneDesc {
    /// The node it belongs to.
    pub node: NodeId,
    /// Which zone of the node.
    pub kind: ZoneKind,
    /// Where its frames are numbered from: the start of the region that its first page is in.
    pub base: Pfn,
    /// Its first page; a block of the largest order may start there.
    pub start: Pfn,
    /// The page after its last.
    pub end: Pfn,
    /// The first page for CMA areas.
    pub cma_start: Pfn,
    /// The pages for CMA areas, whole pageblocks.
    pub cma: NrPages,
}

impl ZoneDesc {
    /// What a table is filled with before a machine is built.
    pub const EMPTY: Self = Self {
        node: NodeId::FIRST,
        kind: ZoneKind::Dma,
        base: Pfn::new(0),
        start: Pfn::new(0),
        end: Pfn::new(0),
        cma_start: Pfn::new(0),
        cma: NrPages::ZERO,
    };

    /// Returns the pages from its first to its last.
    pub fn spanned(&self) -> NrPages {
        self.end.checked_sub(self.start).unwrap_or_default()
    }

    /// Returns the pages that exist for the buddy: none in a zone Device.
    pub fn present(&self) -> NrPages {
        match self.kind {
            ZoneKind::Device => NrPages::ZERO,
            _ => self.spanned(),
        }
    }

    /// Returns the frame numbers that it needs, those before its first page included.
    pub fn nr_frames(&self) -> NrPages {
        self.end.checked_sub(self.base).unwrap_or_default()
    }
}

/// A machine that was built.
///
/// # Invariants
///
/// Nodes rise by number. The zones of a node stand together, in the order of nodes, and rise by kind
/// and address. Zones do not overlap. Every CPU is on one of the nodes.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    nodes: &'a [NodeDesc],
    zones: &'a [ZoneDesc],
    cpus: &'a [Option<NodeId>],
    distances: Distances<'a>,
    largest: Order,
}

impl<'a> Machine<'a> {
    /// Returns its nodes.
    pub fn nodes(&self) -> &'a [NodeDesc] {
        self.nodes
    }

    /// Returns its zones.
    pub fn zones(&self) -> &'a [ZoneDesc] {
        self.zones
    }

    /// Returns the zones of one of its nodes, from low to high.
    pub fn zones_of(&self, node: &NodeDesc) -> &'a [ZoneDesc] {
        let zones = self.zones.get(node.first_zone..);
        let zones = zones.and_then(|zones| zones.get(..node.nr_zones));
        zones.unwrap_or_default()
    }

    /// Returns the order of its largest blocks.
    pub fn largest(&self) -> Order {
        self.largest
    }

    /// Returns how far its nodes are from each other.
    pub fn distances(&self) -> Distances<'a> {
        self.distances
    }

    /// Returns the node of a CPU, or `None` if the machine does not have it.
    pub fn node_of(&self, cpu: u32) -> Option<NodeId> {
        let cpu = usize::try_from(cpu).ok()?;
        self.cpus.get(cpu).copied().flatten()
    }

    /// Returns how many CPUs it has.
    pub fn nr_cpus(&self) -> usize {
        self.cpus.iter().flatten().count()
    }

    /// Returns the nodes with CPUs.
    pub fn nodes_with_cpus(&self) -> NodeMask {
        self.cpus.iter().copied().flatten().collect()
    }

    /// Returns the nodes with present pages in one of these zones; with `ZoneKind::ALL` those that
    /// zonelists name.
    pub fn nodes_with(&self, kinds: &[ZoneKind]) -> NodeMask {
        let zones = self.zones.iter().filter(|zone| {
            let is_populated = zone.present() > NrPages::ZERO;
            is_populated && kinds.contains(&zone.kind)
        });
        zones.map(|zone| zone.node).collect()
    }

    /// Says whether a zone has present pages.
    pub fn is_populated(&self, step: Step) -> bool {
        let mut zones = self.zones.iter();
        zones.any(|it| (it.node, it.kind) == (step.node, step.kind) && it.present().get() > 0)
    }
}
