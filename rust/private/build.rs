// SPDX-License-Identifier: GPL-2.0

//! Making the machine: a mirror of Linux's nodes, of memory that Linux gives node by node.
//!
//!   arena of each node -> zone at its place -> lists from distances -> marks, reserves, pcp bounds
//!
//! A node has one zone, of the kind in which most of its arena lies in Linux; a node without memory
//! stays without, and so does one of which nothing was to be had.
//!
//! # Locking     none: the machine is nobody else's yet.
//! # Cost        dominated by what Linux does to hand over the memory.
//! # Limits      the machine is that of load time: nodes and memory that come later are not part of
//!               it.
//! # Reference   mm/mm_init.c: `free_area_init()`; mm/page_alloc.c: `build_all_zonelists()`. The
//!               rules are in algo/zonelist.rs, and figures.rs sets the numbers.

use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};

use super::{
    arena::{
        Arena,
        LARGEST, //
    },
    holders::Holders,
    machine::{
        cpus_of_linux,
        Machine,
        Node, //
    },
    memory::ZoneMemory, //
};
use crate::algo::{
    buddy::{
        walk::Site,
        zone::Zone,
        FRAMES,
        REGION_ORDER, //
    },
    snapshot::{
        ListKind,
        NodeState, //
    },
    units::{
        Bytes,
        Migratetype,
        NodeId,
        NodeMask,
        NrPages,
        Pfn,
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
    node,
    quietly,
    PAGE_SHIFT, //
};

impl Machine {
    /// The mirror of the machine that Linux runs on, with up to so much memory of each node, and
    /// never more than a quarter of what Linux manages there.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the manager's own tables.
    pub(super) fn mirror(arena: Bytes) -> Result<Self> {
        let mut machine = Self {
            sites: KVVec::new(),
            nodes: KVVec::new(),
            cpus: cpus_of_linux()?,
            steps: [const { Atomic::new(0) }; _],
            moves: [const { Atomic::new(0) }; _],
            holders: Holders::new()?,
            arenas: KVVec::new(),
        };
        let mut start = Pfn::new(0);
        for node in node::Node::online() {
            start = machine.add_node(node, arena.whole_pages(PAGE_SHIFT), start)?;
        }
        machine.connect()?;
        machine.set_figures();
        Ok(machine)
    }

    /// Adds a node with what can be had of its memory; returns where the next one's may begin.
    fn add_node(&mut self, node: node::Node, most: NrPages, start: Pfn) -> Result<Pfn> {
        let managed = node.snapshot().managed;
        let most = most.min(managed.half().half());
        let arena = match node.has_memory() {
            true => Arena::take(node, most)?,
            false => Arena::empty(),
        };
        let spanned = arena.spanned();
        let site = match arena.kind() {
            Some(kind) => Some(self.add_site(node.id(), kind, start, arena)?),
            None => None,
        };
        let mut states = node.snapshot().states;
        for state in [NodeState::Memory, NodeState::NormalMemory] {
            if let Some(is_in) = states.get_mut(state.index()) {
                *is_in &= site.is_some();
            }
        }
        self.nodes.push(
            Node {
                id: node.id(),
                states,
                site,
                start,
                lists: [const { KVVec::new() }; ListKind::COUNT],
                distances: KVVec::new(),
            },
            quietly(),
        )?;
        // A zone begins with a region.
        let end = start.checked_add(spanned).ok_or(ERANGE)?;
        let rest = REGION_ORDER.nr_pages() - NrPages::new(1);
        Ok(end
            .checked_add(rest)
            .ok_or(ERANGE)?
            .align_down(REGION_ORDER))
    }

    /// Adds a zone and hands it the frames of an arena.
    fn add_site(&mut self, id: NodeId, kind: ZoneKind, base: Pfn, arena: Arena) -> Result<u16> {
        let place = u16::try_from(self.sites.len()).map_err(|_| ERANGE)?;
        let regions = arena.spanned().get().div_ceil(FRAMES);
        let zone = Zone::new(ZoneMemory::new(regions, self.nr_cpus())?, LARGEST);
        for (frame, pages) in arena.runs() {
            // As at boot, every pageblock is movable until something else takes it.
            zone.add(frame, pages, Migratetype::Movable);
        }
        self.sites
            .push(Site::new(zone, id, kind, base), quietly())?;
        self.arenas.push(arena, quietly())?;
        Ok(place)
    }

    /// Makes distances and lists.
    fn connect(&mut self) -> Result {
        let ids = self.nodes.iter().map(|node| node.id);
        let width = ids.clone().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut table = KVVec::from_elem(Distances::REMOTE, width * width, quietly())?;
        for from in 0..self.nodes.len() {
            self.measure(from, width, &mut table)?;
        }
        let mut memory = NodeMask::EMPTY;
        for node in self.nodes.iter().filter(|node| node.site.is_some()) {
            memory.insert(node.id);
        }
        let nodes = Nodes {
            memory: &memory,
            // Linux makes its lists at boot, before any CPU is entered.
            cpus: &NodeMask::EMPTY,
            distances: Distances::new(&table, width).ok_or(EINVAL)?,
        };
        let mut load = KVVec::from_elem(0, width, quietly())?;
        for place in 0..self.nodes.len() {
            self.make_lists(place, &nodes, &mut load)?;
        }
        Ok(())
    }

    /// Notes how far a node is from each, in the node and in a table by number.
    fn measure(&mut self, from: usize, width: usize, table: &mut [u8]) -> Result {
        let mut distances = KVVec::with_capacity(self.nodes.len(), quietly())?;
        let Some(id) = self.nodes.get(from).map(|node| node.id) else {
            return Ok(());
        };
        for to in self.nodes.iter() {
            let both = (node::Node::get(id), node::Node::get(to.id));
            let distance = match both {
                (Some(from), Some(to)) => from.distance(&to),
                _ => u32::from(Distances::REMOTE),
            };
            let distance = u8::try_from(distance).unwrap_or(u8::MAX);
            distances.push(distance, quietly())?;
            if let Some(place) = table.get_mut(id.index() * width + to.id.index()) {
                *place = distance;
            }
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

    /// The sites of nodes in this order.
    fn sites_in_order(&self, order: &[NodeId]) -> Result<KVVec<u16>> {
        let Some(&first) = order.first() else {
            return Ok(KVVec::new());
        };
        let step = Step {
            node: first,
            kind: ZoneKind::Normal,
        };
        let mut steps = KVVec::from_elem(step, order.len() * ZoneKind::COUNT, quietly())?;
        let is_populated = |step: Step| self.site(step.node, step.kind).is_some();
        let steps = zones_in_order(order, is_populated, &mut steps).ok_or(EINVAL)?;
        let mut sites = KVVec::with_capacity(steps.len(), quietly())?;
        for step in steps {
            if let Some(site) = self.node(step.node).and_then(|node| node.site) {
                sites.push(site, quietly())?;
            }
        }
        Ok(sites)
    }
}
