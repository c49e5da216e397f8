// SPDX-License-Identifier: GPL-2.0

//! From a draft to a machine: what is missing is completed, and every zone gets its place.
//!
//!   CPUs        none named: all on the first node; else those named, and no others
//!   distances   none given: 10 and 20; else each given in one direction at least, which then holds
//!               for the other
//!   zones       DMA of all nodes | DMA32 of all nodes | Normal, Movable of each node | Device
//!
//! # Locking     &self: the draft stays as it was, the caller's tables get the machine.
//! # Cost        O(nodes squared + CPUs x log nodes).
//! # Limits      a build that fails leaves parts of a machine in the caller's tables.
//! # Reference   what QEMU's -numa completes: hw/core/numa.c, complete_init_numa_distance().

use super::{
    Draft,
    Error,
    Machine,
    NodeDesc,
    NodeDraft,
    ZoneDesc,
    LARGEST_ORDER,
    MAX_FRAMES,
    PAGEBLOCK_ORDER,
    REGION_ORDER, //
};
use crate::algo::{
    units::{
        usize_from,
        Bytes,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
    zonelist::Distances,
};

/// What a machine is to be, its nodes apart.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The order of its largest blocks; `None` for `LARGEST_ORDER`.
    pub largest: Option<Order>,
    /// How many CPUs it has if no node names any.
    pub nr_cpus: u32,
}

/// The caller's tables for a machine.
///
/// They are long enough with an entry for each node and CPU that the draft has room for, a row of
/// distances for each node, and `ZoneKind::COUNT` zones for each node; `Draft::build` says when
/// they are not.
#[derive(Debug)]
pub struct Room<'a> {
    /// For the nodes.
    pub nodes: &'a mut [NodeDesc],
    /// For the zones.
    pub zones: &'a mut [ZoneDesc],
    /// For the node of each CPU.
    pub cpus: &'a mut [Option<NodeId>],
    /// For the distances.
    pub distances: &'a mut [u8],
}

impl Draft<'_> {
    /// Makes the machine, or says why there is none.
    pub fn build<'b>(&self, wanted: &Wanted, room: Room<'b>) -> Result<Machine<'b>, Error> {
        let first = self.described().next().ok_or(Error::NoNode)?.0;
        if !self.described().any(|(_, draft)| draft.has_low_memory()) {
            return Err(Error::NoMemory);
        }
        let largest = wanted.largest.unwrap_or(LARGEST_ORDER);
        let cpus = self.complete_cpus(first, wanted.nr_cpus, room.cpus)?;
        let distances = self.complete_distances(room.distances)?;
        let (nodes, zones) = self.list(cpus, room.nodes, room.zones)?;
        self.place(largest, zones)?;
        // INVARIANT: `list` goes by number and kind, `place` by address, `complete_cpus` knows but
        // CPUs that a described node named, or the first node's.
        Ok(Machine {
            nodes,
            zones,
            cpus,
            distances,
            largest,
        })
    }

    /// Walks the nodes that were described.
    fn described(&self) -> impl Iterator<Item = (NodeId, &NodeDraft)> {
        let nodes = (0..).map_while(NodeId::new).zip(self.tables.nodes.iter());
        nodes.filter(|(_, draft)| draft.is_described)
    }

    fn complete_cpus<'b>(
        &self,
        first: NodeId,
        nr_cpus: u32,
        room: &'b mut [Option<NodeId>],
    ) -> Result<&'b [Option<NodeId>], Error> {
        let said = &self.tables.cpus;
        let room = room.get_mut(..said.len()).ok_or(Error::NoRoom)?;
        room.copy_from_slice(said);
        if said.iter().all(Option::is_none) {
            let nr_cpus = usize_from(nr_cpus);
            room.iter_mut()
                .take(nr_cpus)
                .for_each(|it| *it = Some(first));
        }
        match room.iter().any(Option::is_some) {
            true => Ok(room),
            false => Err(Error::NoCpu),
        }
    }

    /// Returns a distance that was given, 0 if none was.
    fn given(&self, from: NodeId, to: NodeId) -> u8 {
        let nr_nodes = self.tables.nodes.len();
        let place = from.index() * nr_nodes + to.index();
        self.tables
            .distances
            .get(place)
            .copied()
            .unwrap_or_default()
    }

    fn complete_distances<'b>(&self, room: &'b mut [u8]) -> Result<Distances<'b>, Error> {
        let width = self.described().last().map_or(0, |(it, _)| it.index() + 1);
        let room = room.get_mut(..width * width).ok_or(Error::NoRoom)?;
        let is_silent = self.tables.distances.iter().all(|&it| it == 0);
        room.fill(Distances::REMOTE);
        for (from, _) in self.described() {
            for (to, _) in self.described() {
                let distance = match (self.given(from, to), self.given(to, from)) {
                    _ if from == to => Distances::LOCAL,
                    (0, 0) if is_silent => Distances::REMOTE,
                    (0, 0) => return Err(Error::DistanceMissing { from, to }),
                    (0, back) => back,
                    (distance, _) => distance,
                };
                if let Some(place) = room.get_mut(from.index() * width + to.index()) {
                    *place = distance;
                }
            }
        }
        Distances::new(room, width).ok_or(Error::NoRoom)
    }

    /// Lists nodes and zones by number and kind; zones have a size, but no place yet.
    fn list<'b>(
        &self,
        cpus: &[Option<NodeId>],
        nodes: &'b mut [NodeDesc],
        zones: &'b mut [ZoneDesc],
    ) -> Result<(&'b [NodeDesc], &'b mut [ZoneDesc]), Error> {
        let (mut nr_nodes, mut nr_zones) = (0, 0);
        for (node, draft) in self.described() {
            let first_zone = nr_zones;
            for &kind in ZoneKind::ALL {
                if draft.pages(kind) > NrPages::ZERO {
                    *zones.get_mut(nr_zones).ok_or(Error::NoRoom)? = ZoneDesc {
                        node,
                        kind,
                        end: Pfn::new(draft.pages(kind).get()),
                        cma: match draft.zone_of_cma() {
                            Some(zone) if zone == kind => draft.cma,
                            _ => NrPages::ZERO,
                        },
                        ..ZoneDesc::EMPTY
                    };
                    nr_zones += 1;
                }
            }
            *nodes.get_mut(nr_nodes).ok_or(Error::NoRoom)? = NodeDesc {
                node,
                first_zone,
                nr_zones: nr_zones - first_zone,
                nr_cpus: 0,
                is_shadow: draft.is_shadow,
            };
            nr_nodes += 1;
        }
        let nodes = nodes.get_mut(..nr_nodes).ok_or(Error::NoRoom)?;
        count_cpus(cpus, nodes);
        let zones = zones.get_mut(..nr_zones).ok_or(Error::NoRoom)?;
        Ok((nodes, zones))
    }

    /// Gives each zone its place.
    fn place(&self, largest: Order, zones: &mut [ZoneDesc]) -> Result<(), Error> {
        // Pageblocks are not shared by zones.
        let align = largest.max(PAGEBLOCK_ORDER);
        let mut next = Pfn::new(0);
        for kinds in GROUPS {
            let group = |zone: &&mut ZoneDesc| kinds.contains(&zone.kind);
            let mut limit = None;
            for zone in zones.iter_mut().filter(group) {
                next = self.place_one(zone, next, align)?;
                limit = self.limit(zone.kind);
            }
            // Where there is a low zone, all below its limit is its own.
            next = next.max(limit.unwrap_or(next));
        }
        Ok(())
    }

    fn place_one(&self, zone: &mut ZoneDesc, from: Pfn, align: Order) -> Result<Pfn, Error> {
        let (node, kind) = (zone.node, zone.kind);
        let too_large = Error::ZoneTooLarge { node, kind };
        let pages = zone.spanned();
        zone.start = from.align_up(align).ok_or(too_large)?;
        zone.end = zone.start.checked_add(pages).ok_or(too_large)?;
        zone.base = zone.start.align_down(REGION_ORDER);
        if zone.nr_frames() > MAX_FRAMES {
            return Err(too_large);
        }
        let whole = zone.end.align_down(PAGEBLOCK_ORDER);
        // `zone_of_cma` chose a zone that has room.
        zone.cma_start = Pfn::new(whole.get().saturating_sub(zone.cma.get()));
        let bytes = |pfn: Pfn| NrPages::new(pfn.get()).bytes(self.page_shift);
        match self.limit(kind) {
            Some(limit) if zone.end > limit => Err(Error::ZoneTooHigh {
                node,
                kind,
                end: bytes(zone.end).unwrap_or_default(),
                limit: bytes(limit).unwrap_or_default(),
            }),
            _ => Ok(zone.end),
        }
    }

    /// Returns the page that a low zone ends before.
    fn limit(&self, kind: ZoneKind) -> Option<Pfn> {
        let bytes = match kind {
            ZoneKind::Dma => Bytes::new(16 << 20),
            ZoneKind::Dma32 => Bytes::new(4 << 30),
            _ => return None,
        };
        Some(Pfn::new(bytes.whole_pages(self.page_shift).get()))
    }
}

/// Counts the CPUs of nodes, which rise by number.
fn count_cpus(cpus: &[Option<NodeId>], nodes: &mut [NodeDesc]) {
    for cpu in cpus.iter().flatten() {
        let place = nodes.binary_search_by_key(cpu, |desc| desc.node);
        if let Some(desc) = place.ok().and_then(|place| nodes.get_mut(place)) {
            // Does not overflow: a CPU's number has 32 bits.
            desc.nr_cpus += 1;
        }
    }
}

/// Zones in the order of their addresses; those of a group go node by node.
const GROUPS: &[&[ZoneKind]] = &[
    &[ZoneKind::Dma],
    &[ZoneKind::Dma32],
    &[ZoneKind::Normal, ZoneKind::Movable],
    &[ZoneKind::Device],
];
