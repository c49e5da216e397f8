// SPDX-License-Identifier: GPL-2.0

//! Making a machine: zones at their places, early memory, the hand-over, lists, numbers.
//!
//!   mirror.rs      Linux's nodes and zones, of memory that Linux gives zone by zone
//!   described.rs   nodes as commands described them, on such memory or on none
//!   tables.rs      where the manager keeps its own state: in that memory
//!
//!   zones -> early memory: added, CMA reserved, tables allocated -> free pages to the buddy
//!         -> lists from distances -> marks, reserves, bounds of page lists
//!
//! # Locking     none: the machine is nobody else's yet.
//! # Cost        O(regions), 38 KiB of state per GiB; of a machine with memory behind it, what
//!               Linux does to hand that over comes first.
//! # Limits      a machine stays as it was made: nodes, CPUs and memory that Linux gets later are no
//!               part of it.
//! # Reference   mm/mm_init.c: `free_area_init()`, `memblock_free_all()`; mm/page_alloc.c:
//!               `build_all_zonelists()`. The rules are in algo/zonelist.rs and algo/memblock.rs, and
//!               figures.rs sets the numbers.

mod described;
mod error;
mod mirror;
mod tables;

use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};

use super::{
    arena::Arena,
    early::Early,
    holders::Holders,
    machine::{
        Machine,
        Node, //
    },
    memory::{
        Budget,
        ZoneMemory, //
    },
    owner::Ledger, //
};
use crate::algo::{
    buddy::{
        walk::Site,
        zone::Zone,
        FRAMES,
        REGION_ORDER, //
    },
    machine::ZoneDesc,
    snapshot::{
        ListKind,
        NodeState,
        What, //
    },
    units::{
        Bytes,
        FrameIdx,
        Migratetype,
        NodeId,
        NodeMask,
        NrPages,
        Order,
        Pfn,
        PhysAddr,
        PhysRange,
        ZoneKind, //
    },
    zonelist::{
        fallback_order,
        zones_in_order,
        Distances,
        Nodes,
        Step, //
    },
};
use crate::linux::{
    cond_resched,
    quietly,
    PAGE_SHIFT, //
};

pub use error::BuildError;
use tables::Tables;

/// Regions after which a hand-over gives way to other tasks.
const STRIDE: usize = 256;

/// Where a page is in the machine's memory.
fn address(pfn: Pfn) -> Result<PhysAddr> {
    let bytes = NrPages::new(pfn.get()).bytes(PAGE_SHIFT);
    Ok(PhysAddr::new(bytes.ok_or(ERANGE)?.get()))
}

/// Pages as early memory has them.
fn range(start: Pfn, end: Pfn) -> Result<PhysRange> {
    PhysRange::new(address(start)?, address(end)?).ok_or(ERANGE)
}

/// The whole pages of a range, as `__free_memory_core()` counts them.
fn pages(range: PhysRange) -> (Pfn, Pfn) {
    let pfn = |at: usize| Pfn::new(at >> PAGE_SHIFT);
    let rest = (1 << PAGE_SHIFT) - 1;
    let start = range.start().get().saturating_add(rest);
    (pfn(start), pfn(range.end().get()))
}

impl Machine {
    /// A machine without nodes.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the index of holders.
    fn empty(largest: Order, budget: Budget) -> Result<Self> {
        Ok(Self {
            sites: KVVec::new(),
            places: KVVec::new(),
            nodes: KVVec::new(),
            cpus: KVVec::new(),
            homes: KVVec::new(),
            largest,
            steps: [const { Atomic::new(0) }; _],
            moves: [const { Atomic::new(0) }; _],
            holders: Holders::new()?,
            budget,
            early: KVVec::new(),
            ledger: Ledger::new()?,
            poison: None,
            arenas: KVVec::new(),
        })
    }

    /// Adds a node without zones.
    fn add_node(&mut self, id: NodeId, states: [bool; NodeState::COUNT]) -> Result {
        let next = self.places.len();
        let node = Node {
            id,
            states,
            sites: next..next,
            lists: [const { KVVec::new() }; ListKind::COUNT],
            distances: KVVec::new(),
        };
        Ok(self.nodes.push(node, quietly())?)
    }

    /// Adds the place of a zone to the last node.
    fn add_zone(&mut self, zone: ZoneDesc, arena: Arena) -> Result {
        // What allocation goes by has 16 bits for it.
        u16::try_from(self.places.len()).map_err(|_| ERANGE)?;
        self.places.push(zone, quietly())?;
        self.arenas.push(arena, quietly())?;
        if let Some(node) = self.nodes.last_mut() {
            node.sites.end = self.places.len();
            set_state(&mut node.states, NodeState::Memory);
            if zone.kind <= ZoneKind::Normal {
                set_state(&mut node.states, NodeState::NormalMemory);
            }
        }
        Ok(())
    }

    /// Makes the rest of a machine that has its zones and CPUs.
    fn finish(&mut self, distances: Distances<'_>) -> Result<(), BuildError> {
        let mut early = self.early_memory()?;
        self.make_sites(&mut early)?;
        self.hand_over(&early)?;
        self.early = early.copy()?;
        self.connect(distances)?;
        self.set_figures();
        Ok(())
    }

    /// Early memory with all that the zones have, and CMA areas reserved in it.
    fn early_memory(&self) -> Result<Early, BuildError> {
        let mut early = Early::new()?;
        for (zone, arena) in self.places.iter().zip(self.arenas.iter()) {
            let node = Some(zone.node);
            // With a page for each frame, or for none.
            if [zone.present(), NrPages::ZERO].contains(&arena.pages()) {
                early.add(range(zone.start, zone.end)?, node)?;
            } else {
                for (frame, pages) in arena.runs() {
                    let start = zone.base + NrPages::new(frame.index());
                    early.add(range(start, start + pages)?, node)?;
                }
            }
            if zone.cma > NrPages::ZERO {
                let cma = range(zone.cma_start, zone.cma_start + zone.cma)?;
                early.reserve(cma, What::new("cma"))?;
            }
        }
        Ok(early)
    }

    /// Makes the zones; none of their frames is anybody's yet.
    fn make_sites(&mut self, early: &mut Early) -> Result {
        for zone in self.places.iter() {
            let mut tables = Tables::new(early, zone.node, &self.places, &self.arenas);
            let regions = zone.nr_frames().get().div_ceil(FRAMES);
            let memory = ZoneMemory::new(regions, self.nr_cpus(), &mut |it| tables.space(it))?;
            let site = Zone::new(memory, self.largest);
            let site = Site::new(site, zone.node, zone.kind, zone.base);
            self.sites.push(site, quietly())?;
        }
        Ok(())
    }

    /// Hands all that is free in early memory to the zones, then the CMA areas.
    fn hand_over(&self, early: &Early) -> Result {
        for (site, zone) in self.sites.iter().zip(self.places.iter()) {
            let own = range(zone.start, zone.end)?;
            for free in early.regions().free_ranges(Some(zone.node)) {
                if free.range.overlaps(own) {
                    // As at boot, every pageblock is movable until something else takes it.
                    give(site, pages(free.range.clamp(own)), Migratetype::Movable);
                }
            }
            let cma = (zone.cma_start, zone.cma_start + zone.cma);
            give(site, cma, Migratetype::Cma);
        }
        Ok(())
    }

    /// Makes distances and lists.
    fn connect(&mut self, between: Distances<'_>) -> Result {
        let mut memory = NodeMask::EMPTY;
        for node in self.nodes.iter().filter(|node| !node.sites.is_empty()) {
            memory.insert(node.id);
        }
        let nodes = Nodes {
            memory: &memory,
            // Linux makes its lists at boot, before any CPU is entered.
            cpus: &NodeMask::EMPTY,
            distances: between,
        };
        let width = self.nodes.last().map_or(0, |node| node.id.index() + 1);
        let mut load = KVVec::from_elem(0, width, quietly())?;
        for place in 0..self.nodes.len() {
            self.measure(place, &between)?;
            self.make_lists(place, &nodes, &mut load)?;
        }
        Ok(())
    }

    /// Notes in a node how far it is from each.
    fn measure(&mut self, from: usize, between: &Distances<'_>) -> Result {
        let Some(id) = self.nodes.get(from).map(|node| node.id) else {
            return Ok(());
        };
        let mut distances = KVVec::with_capacity(self.nodes.len(), quietly())?;
        for to in self.nodes.iter() {
            distances.push(between.get(id, to.id), quietly())?;
        }
        if let Some(node) = self.nodes.get_mut(from) {
            node.distances = distances;
        }
        Ok(())
    }

    /// Makes both lists of a node.
    fn make_lists(&mut self, place: usize, nodes: &Nodes<'_>, load: &mut [u16]) -> Result {
        let Some(node) = self.nodes.get(place) else {
            return Ok(());
        };
        let mut order = KVVec::from_elem(node.id, nodes.memory.len(), quietly())?;
        let order = fallback_order(node.id, nodes, load, &mut order).ok_or(EINVAL)?;
        let fallback = self.sites_in_order(order)?;
        let alone = self.sites_in_order(&[node.id])?;
        if let Some(node) = self.nodes.get_mut(place) {
            node.lists = [fallback, alone];
        }
        Ok(())
    }

    /// The sites of nodes in this order, those of a node from high to low.
    fn sites_in_order(&self, order: &[NodeId]) -> Result<KVVec<u16>> {
        let Some(&first) = order.first() else {
            return Ok(KVVec::new());
        };
        let step = Step {
            node: first,
            kind: ZoneKind::Normal,
        };
        let mut steps = KVVec::from_elem(step, order.len() * ZoneKind::COUNT, quietly())?;
        let is_populated = |step: Step| self.place(step.node, step.kind).is_some();
        let steps = zones_in_order(order, is_populated, &mut steps).ok_or(EINVAL)?;
        let mut sites = KVVec::with_capacity(steps.len(), quietly())?;
        for step in steps {
            if let Some(place) = self.place(step.node, step.kind) {
                let place = u16::try_from(place).map_err(|_| ERANGE)?;
                sites.push(place, quietly())?;
            }
        }
        Ok(sites)
    }
}

/// Hands pages of a zone over, giving way between the regions.
fn give(site: &Site<ZoneMemory>, (start, end): (Pfn, Pfn), migratetype: Migratetype) {
    let most = NrPages::new(STRIDE << REGION_ORDER.get());
    let mut at = start;
    while let Some(left) = end.checked_sub(at).filter(|&left| left > NrPages::ZERO) {
        let pages = left.min(most);
        let before = at.checked_sub(site.base).unwrap_or_default();
        let Some(frame) = FrameIdx::new(0).checked_add(before) else {
            return;
        };
        site.zone.add(frame, pages, migratetype);
        cond_resched();
        at = at + pages;
    }
}

fn set_state(states: &mut [bool; NodeState::COUNT], state: NodeState) {
    if let Some(place) = states.get_mut(state.index()) {
        *place = true;
    }
}

/// What the state of so many frames takes; `None` if that is more than can be counted.
fn state_of(frames: NrPages, cpus: usize) -> Option<Bytes> {
    ZoneMemory::size(frames.get().div_ceil(FRAMES), cpus)
}
