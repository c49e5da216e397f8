// SPDX-License-Identifier: GPL-2.0

//! What was said of the next machine so far: a line adds a node, or changes nothing.
//!
//!   line ----> sizes, CPUs, distances checked ----> nodes[node], cpus[..], distances[node][..]
//!
//! # Locking     &mut self; who owns the tables serializes the lines.
//! # Cost        a line O(its CPUs + nodes), 56 bytes a node and a byte for each distance.
//! # Limits      numbers up to the sizes of the tables; they need not follow each other.
//! # Reference   the lines are `command::MachineNode`.

use super::{
    Error,
    MAX_FRAMES,
    PAGEBLOCK_ORDER, //
};
use crate::algo::{
    command::MachineNode,
    units::{
        usize_from,
        Bytes,
        NodeId,
        NrPages,
        ZoneKind, //
    },
    zonelist::Distances,
};

/// The zones that a kernel keeps its own memory in, the preferred first.
const LOW: [ZoneKind; 3] = [ZoneKind::Normal, ZoneKind::Dma32, ZoneKind::Dma];

/// What was said of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeDraft {
    pub(super) is_described: bool,
    pub(super) is_shadow: bool,
    /// By `ZoneKind::index`.
    pub(super) zones: [NrPages; ZoneKind::COUNT],
    pub(super) cma: NrPages,
}

impl NodeDraft {
    /// Returns the size of a zone.
    pub(super) fn pages(&self, kind: ZoneKind) -> NrPages {
        self.zones.get(kind.index()).copied().unwrap_or_default()
    }

    /// Returns the zone that has room for the CMA areas.
    pub(super) fn zone_of_cma(&self) -> Option<ZoneKind> {
        let whole = |pages: NrPages| {
            let pageblock = PAGEBLOCK_ORDER.nr_pages().get();
            pages.get() / pageblock * pageblock
        };
        let mut zones = LOW.iter().copied();
        zones.find(|&kind| whole(self.pages(kind)) >= self.cma.get())
    }

    /// Says whether a kernel could keep memory of its own here.
    pub(super) fn has_low_memory(&self) -> bool {
        LOW.iter().any(|&kind| self.pages(kind) > NrPages::ZERO)
    }
}

/// The caller's tables for a draft; their sizes say how large a machine can be.
#[derive(Debug)]
pub struct Tables<'a> {
    /// By node number; `NodeDraft::default()` at first.
    pub nodes: &'a mut [NodeDraft],
    /// The node of each CPU; `None` at first.
    pub cpus: &'a mut [Option<NodeId>],
    /// Rows of distances by node number, as many as nodes and as long; 0 at first.
    pub distances: &'a mut [u8],
}

/// What was said of the next machine.
///
/// # Invariants
///
/// The table of distances has a row of `nodes.len()` for each node, with 0 for what was not given.
/// Zones have at most `MAX_FRAMES` pages, and what is for CMA fits into one of them.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) tables: Tables<'a>,
    pub(super) page_shift: u32,
}

impl<'a> Draft<'a> {
    /// Goes on with what the tables hold, for pages of `1 << page_shift` bytes; `None` if the
    /// distances are not a row for each node.
    pub fn new(tables: Tables<'a>, page_shift: u32) -> Option<Self> {
        let nr_nodes = tables.nodes.len();
        // INVARIANT: checked; tables are made empty, and then changed by `add` and `clear` alone.
        (nr_nodes.checked_mul(nr_nodes)? == tables.distances.len())
            .then_some(Self { tables, page_shift })
    }

    /// Forgets all that was said.
    pub fn clear(&mut self) {
        // INVARIANT: nothing is given, no zone has pages.
        self.tables.nodes.fill(NodeDraft::default());
        self.tables.cpus.fill(None);
        self.tables.distances.fill(0);
    }

    /// Adds a node, or says why not and changes nothing.
    pub fn add(&mut self, line: &MachineNode<'_>) -> Result<(), Error> {
        let node = line.node;
        let nr_nodes = self.tables.nodes.len();
        match self.tables.nodes.get(node.index()) {
            None => return Err(Error::NoSuchNode { node, nr_nodes }),
            Some(it) if it.is_described => return Err(Error::NodeTwice { node }),
            Some(_) => {}
        }
        let draft = self.sizes(line)?;
        self.check_cpus(line)?;
        self.check_distances(line)?;

        // INVARIANT: `sizes` and `check_distances` said that it may be so.
        if let Some(place) = self.tables.nodes.get_mut(node.index()) {
            *place = draft;
        }
        for cpu in cpus(line) {
            if let Some(place) = self.tables.cpus.get_mut(usize_from(cpu)) {
                *place = Some(node);
            }
        }
        // There is a node, so rows are not empty.
        let row = self.tables.distances.chunks_mut(nr_nodes).nth(node.index());
        for (place, distance) in row.into_iter().flatten().zip(distances(line)) {
            *place = distance;
        }
        Ok(())
    }

    fn whole_pages(&self, size: Bytes) -> Result<NrPages, Error> {
        let pages = size.whole_pages(self.page_shift);
        if pages.bytes(self.page_shift) != Some(size) {
            let page = NrPages::new(1).bytes(self.page_shift).unwrap_or_default();
            return Err(Error::PartOfPage { size, page });
        }
        Ok(pages)
    }

    /// Returns the sizes of a node's zones, which without the key are all Normal.
    fn sizes(&self, line: &MachineNode<'_>) -> Result<NodeDraft, Error> {
        let node = line.node;
        let mut draft = NodeDraft {
            is_described: true,
            is_shadow: line.shadow,
            ..NodeDraft::default()
        };
        let mut sum = Bytes::ZERO;
        for (&kind, place) in ZoneKind::ALL.iter().zip(&mut draft.zones) {
            let size = match (line.zones, kind) {
                (Some(zones), _) => zones.get(kind),
                (None, ZoneKind::Normal) => line.mem,
                (None, _) => None,
            };
            let size = size.unwrap_or_default();
            sum = sum.saturating_add(size);
            *place = self.whole_pages(size)?;
            if *place > MAX_FRAMES {
                return Err(Error::ZoneTooLarge { node, kind });
            }
        }
        match line.mem {
            Some(mem) if mem != sum => Err(Error::SumDiffers {
                node,
                mem,
                zones: sum,
            }),
            _ => self.with_cma(draft, line),
        }
    }

    fn with_cma(&self, draft: NodeDraft, line: &MachineNode<'_>) -> Result<NodeDraft, Error> {
        let (node, cma) = (line.node, line.cma.unwrap_or_default());
        let pages = self.whole_pages(cma)?;
        if pages.get() % PAGEBLOCK_ORDER.nr_pages().get() != 0 {
            return Err(Error::PartOfPageblock { cma });
        }
        let draft = NodeDraft {
            cma: pages,
            ..draft
        };
        match draft.zone_of_cma() {
            Some(_) => Ok(draft),
            None => Err(Error::CmaTooLarge { node, cma }),
        }
    }

    fn check_cpus(&self, line: &MachineNode<'_>) -> Result<(), Error> {
        let nr_cpus = self.tables.cpus.len();
        for cpu in cpus(line) {
            match self.tables.cpus.get(usize_from(cpu)) {
                Some(None) => {}
                Some(&Some(node)) => return Err(Error::CpuTwice { cpu, node }),
                None => return Err(Error::NoSuchCpu { cpu, nr_cpus }),
            }
        }
        Ok(())
    }

    fn check_distances(&self, line: &MachineNode<'_>) -> Result<(), Error> {
        let (node, nr_nodes) = (line.node, self.tables.nodes.len());
        for (to, distance) in distances(line).enumerate() {
            if to >= nr_nodes {
                return Err(Error::TooManyDistances { node, nr_nodes });
            }
            if to == node.index() && distance != Distances::LOCAL {
                return Err(Error::DistanceToSelf { node, distance });
            }
            if to != node.index() && distance <= Distances::LOCAL {
                return Err(Error::DistanceToOther {
                    from: node,
                    to,
                    distance,
                });
            }
        }
        Ok(())
    }
}

/// Walks the CPUs of a line.
fn cpus<'a>(line: &MachineNode<'a>) -> impl Iterator<Item = u32> + 'a {
    let ranges = line.cpus.into_iter().flat_map(|list| list.ranges());
    ranges.flatten()
}

/// Walks the distances of a line, to node 0, 1 and so on.
fn distances<'a>(line: &MachineNode<'a>) -> impl Iterator<Item = u8> + 'a {
    line.distance.into_iter().flat_map(|list| list.iter())
}
