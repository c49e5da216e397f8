// SPDX-License-Identifier: GPL-2.0

//! The mirror of Linux's machine: its nodes and zones, CPUs and distances, a part of its memory.
//!
//!   Linux   node 0 | DMA | DMA32    | Normal         |      node 1 | Normal    |
//!   here    node 0       | DMA32 |.......| Normal |.......|  node 1 | Normal |
//!
//! What is taken of a node is shared by its zones as Linux's pages are; one of which nothing was to
//! be had is left out, and a node without zones is memoryless.
//!
//! # Locking     none: the machine is nobody else's yet.
//! # Cost        dominated by what Linux does to hand over the memory.
//! # Limits      DMA is left out, which is too small to take from, and so is the memory of devices.
//!               Pages here have other numbers than in Linux: zone after zone, each from the start of
//!               a region. What is taken of Movable zones and CMA areas cannot be moved while oxmm is
//!               loaded.
//! # Reference   mm/mm_init.c: `free_area_init()`.

use kernel::prelude::*;

use super::{
    BuildError,
    Machine, //
};
use crate::algo::{
    buddy::{
        FRAMES,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    machine::ZoneDesc,
    snapshot::NodeState,
    units::{
        usize_from,
        Bytes,
        NodeId,
        NrPages,
        Pfn,
        ZoneKind, //
    },
    zonelist::Distances,
};
use crate::linux::{
    node::{
        self,
        Node, //
    },
    quietly,
    zone::Zone,
    PAGE_SHIFT, //
};
use crate::private::{
    arena::{
        Arena,
        Source,
        LARGEST, //
    },
    memory::{
        Budget,
        STATES, //
    },
};

impl Machine {
    /// The mirror of the machine that Linux runs on, with up to so much memory of each node, and
    /// never more than a quarter of what Linux manages there.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoTable`] without memory for the manager's own tables.
    pub(in crate::private) fn mirror(arena: Bytes) -> Result<Self, BuildError> {
        let mut machine = Self::empty(LARGEST, Budget::new(Bytes::ZERO)?)?;
        for cpu in 0..kernel::cpu::nr_cpu_ids() {
            let node = node::of_cpu(cpu);
            machine.cpus.push(node, quietly())?;
            machine.homes.push(node, quietly())?;
        }
        let mut start = Pfn::new(0);
        for node in Node::online() {
            start = machine.mirror_node(node, arena.whole_pages(PAGE_SHIFT), start)?;
        }
        // All states that there can be: the machine is no larger than what was taken.
        let regions = machine.places.iter().map(|zone| zone.nr_frames().get());
        let regions = regions.map(|frames| frames.div_ceil(FRAMES)).sum();
        machine.budget = Budget::new(STATES.checked_mul(regions).ok_or(ERANGE)?)?;
        let (table, width) = machine.distances_of_linux()?;
        machine.finish(Distances::new(&table, width).ok_or(EINVAL)?)?;
        Ok(machine)
    }

    /// Adds a node with what can be had of its memory; returns where the next one's may begin.
    fn mirror_node(&mut self, node: Node, most: NrPages, start: Pfn) -> Result<Pfn, BuildError> {
        let snapshot = node.snapshot();
        let mut states = snapshot.states;
        for state in [NodeState::Memory, NodeState::NormalMemory] {
            if let Some(is_in) = states.get_mut(state.index()) {
                *is_in = false;
            }
        }
        self.add_node(node.id(), states)?;
        let most = most.min(snapshot.managed.half().half());
        let mut start = start;
        for (kind, share) in shares(&node, most) {
            let arena = Arena::take(&Source::zone(node, kind)?, share)?;
            if arena.pages() == NrPages::ZERO {
                continue;
            }
            let zone = ZoneDesc {
                node: node.id(),
                kind,
                base: start,
                start,
                end: start.checked_add(arena.spanned()).ok_or(ERANGE)?,
                ..ZoneDesc::EMPTY
            };
            // A zone begins with a region.
            start = zone.end.align_up(REGION_ORDER).ok_or(ERANGE)?;
            self.add_zone(zone, arena)?;
        }
        Ok(start)
    }

    /// How far Linux's nodes are from each other, as a table by number, and its width.
    fn distances_of_linux(&self) -> Result<(KVVec<u8>, usize)> {
        let ids = || self.nodes.iter().map(|node| node.id);
        let width = ids().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut table = KVVec::from_elem(Distances::REMOTE, width * width, quietly())?;
        for from in ids() {
            for to in ids() {
                if let Some(place) = table.get_mut(from.index() * width + to.index()) {
                    *place = distance(from, to);
                }
            }
        }
        Ok((table, width))
    }
}

fn distance(from: NodeId, to: NodeId) -> u8 {
    let distance = match (Node::get(from), Node::get(to)) {
        (Some(from), Some(to)) => from.distance(&to),
        _ => u32::from(Distances::REMOTE),
    };
    u8::try_from(distance).unwrap_or(u8::MAX)
}

/// What is to be taken of each zone of a node, from low to high: in whole pageblocks, in proportion,
/// and what is left over of the largest.
fn shares(node: &Node, most: NrPages) -> impl Iterator<Item = (ZoneKind, NrPages)> {
    let is_taken = |kind| !matches!(kind, ZoneKind::Dma | ZoneKind::Device);
    let mut managed = [NrPages::ZERO; ZoneKind::COUNT];
    for zone in node.populated_zones() {
        let kind = zone.kind().filter(|&kind| is_taken(kind));
        if let Some(place) = kind.and_then(|kind| managed.get_mut(kind.index())) {
            *place = Zone::managed(&zone);
        }
    }
    let mut shares = managed.map(|pages| share(most, pages, &managed));
    let largest = (0..).zip(managed).max_by_key(|&(_, pages)| pages);
    let given = shares.iter().fold(NrPages::ZERO, |sum, &it| sum + it);
    let rest = most.checked_sub(given).unwrap_or_default();
    if let Some((place, _)) = largest.filter(|&(_, pages)| pages > NrPages::ZERO) {
        if let Some(share) = shares.get_mut(usize_from(place)) {
            *share += rest;
        }
    }
    ZoneKind::ALL.iter().copied().zip(shares)
}

/// Whole pageblocks of a zone's part.
fn share(most: NrPages, pages: NrPages, all: &[NrPages]) -> NrPages {
    let blocks = |pages: NrPages| pages.get() >> PAGEBLOCK_ORDER.get();
    let sum = all.iter().fold(NrPages::ZERO, |sum, &it| sum + it);
    // Up to 2^32 blocks each, 8 PiB, nothing is cut off.
    let product = blocks(most).saturating_mul(blocks(pages));
    let part = product.checked_div(blocks(sum)).unwrap_or(0);
    PAGEBLOCK_ORDER.nr_pages().checked_mul(part).unwrap_or(most)
}
