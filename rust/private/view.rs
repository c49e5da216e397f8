// SPDX-License-Identifier: GPL-2.0

//! What can be seen of the private manager: nodes, zones, free areas, zonelists; more in view/.
//!
//! # Locking     numbers are atomics, read one after the other; a region or the lists of a CPU are
//!               locked while one is looked at.
//! # Cost        a zone's free area visits every word of its broken pageblocks.
//! # Limits      numbers are exact at every moment: no CPU keeps a part of them to itself, so that
//!               the bounds of their errors are 0. A zone's watermark below which free pages are
//!               counted exactly is 0 for the same reason.
//! # Reference   algo/snapshot.rs says what each value means.

mod counters;
mod parts;
mod would;

use core::iter;

pub(super) use parts::{
    pageblock,
    pcp_list, //
};

use super::{
    arena::Arena,
    machine::Machine,
    memory::ZoneMemory,
    Private,
    Violation, //
};
use crate::algo::{
    buddy::{
        guarded::Guarded,
        walk::Site,
        zone::Memory,
        Region,
        REGION_ORDER, //
    },
    machine::ZoneDesc,
    snapshot::{
        self,
        Count,
        FreeArea,
        ListKind,
        ZoneRef, //
    },
    units::{
        usize_from,
        Migratetype,
        NodeId,
        NrPages,
        Order,
        ZoneKind, //
    },
};
use crate::linux::node;
use crate::seam::{
    AtomicIsize,
    AtomicUsize,
    Relaxed, //
};

type ZoneSite = Site<ZoneMemory>;

/// A number of frames that may be below zero for a moment.
fn signed(number: &AtomicIsize) -> NrPages {
    NrPages::new(usize::try_from(number.load(Relaxed)).unwrap_or(0))
}

fn pages(number: &AtomicUsize) -> NrPages {
    NrPages::new(number.load(Relaxed))
}

impl Machine {
    /// The figures of a zone by its place.
    fn zone(&self, place: usize) -> Option<snapshot::Zone> {
        let (site, arena) = (self.sites.get(place)?, self.arenas.get(place)?);
        Some(zone(site, self.places.get(place)?, arena))
    }

    /// The first of the sites that a request for a node tries.
    fn first(&self, list: &[u16]) -> Option<&ZoneSite> {
        self.sites.get(usize::from(*list.first()?))
    }
}

impl Private {
    /// The nodes, by number.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.machine.nodes.iter().map(|node| node.id)
    }

    /// A node's figures.
    pub fn node(&self, id: NodeId) -> Option<snapshot::Node> {
        let node = self.machine.node(id)?;
        let sum = |pages: fn(&ZoneSite) -> NrPages| {
            let sites = self.machine.sites_of(node).iter();
            sites.fold(NrPages::ZERO, |sum, site| sum + pages(site))
        };
        let zones = self.machine.places.get(node.sites.clone());
        let zones = zones.unwrap_or_default();
        let arenas = self.machine.arenas.get(node.sites.clone());
        let present = zones.iter().zip(arenas.unwrap_or_default());
        let start = zones.iter().map(|zone| zone.start).min();
        let end = zones.iter().map(|zone| zone.end).max();
        let spanned = start
            .zip(end)
            .and_then(|(start, end)| end.checked_sub(start));
        let [fallback, _] = &node.lists;
        Some(snapshot::Node {
            states: node.states,
            start: start.unwrap_or_default(),
            spanned: spanned.unwrap_or_default(),
            present: present.fold(NrPages::ZERO, |sum, (zone, arena)| {
                sum + present_of(zone, arena)
            }),
            managed: sum(|site| pages(&site.zone.figures().managed)),
            free: sum(|site| signed(&site.zone.figures().free)),
            served_by: self.machine.first(fallback).map(|site| site.node),
        })
    }

    /// How far one node is from another.
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        let place = self.nodes().position(|node| node == to)?;
        let distances = &self.machine.node(from)?.distances;
        distances.get(place).map(|&distance| distance.into())
    }

    /// A node's online CPUs, by number.
    pub fn cpus(&self, id: NodeId) -> impl Iterator<Item = u32> + '_ {
        node::online_cpus().filter(move |&cpu| {
            let node = self.machine.cpus.get(usize_from(cpu));
            node.copied().flatten() == Some(id)
        })
    }

    /// A node's zones.
    pub fn zones(&self, id: NodeId) -> impl Iterator<Item = ZoneKind> + '_ {
        let node = self.machine.node(id).into_iter();
        let sites = node.flat_map(|node| self.machine.sites_of(node));
        sites.map(|site| site.kind)
    }

    /// A zone's figures.
    pub fn zone(&self, id: NodeId, kind: ZoneKind) -> Option<snapshot::Zone> {
        self.machine.zone(self.machine.place(id, kind)?)
    }

    /// A zone's free blocks.
    pub fn free_area(&self, id: NodeId, kind: ZoneKind) -> Option<FreeArea> {
        let site = self.machine.site(id, kind)?;
        let mut area = FreeArea {
            max_order: self.machine.largest,
            types: [true; Migratetype::COUNT],
            lists: [[Count::default(); Migratetype::COUNT]; Order::COUNT],
            blocks: [0; Order::COUNT],
        };
        count_blocks(site, |migratetype, order, blocks| {
            let lists = area.lists.get_mut(order.index());
            if let Some(list) = lists.and_then(|it| it.get_mut(migratetype.index())) {
                list.blocks += blocks;
            }
            if let Some(sum) = area.blocks.get_mut(order.index()) {
                *sum += blocks;
            }
        });
        Some(area)
    }

    /// The zones that a request for `node` tries, in order.
    pub fn zonelist(&self, id: NodeId, list: ListKind) -> impl Iterator<Item = ZoneRef> + '_ {
        let node = self.machine.node(id);
        let list = node.and_then(|node| node.lists.get(list.index()));
        let places = list.into_iter().flat_map(|list| list.iter());
        places.filter_map(move |&place| {
            let site = self.machine.sites.get(usize::from(place))?;
            Some(ZoneRef {
                node: site.node,
                kind: site.kind,
                distance: self.distance(id, site.node)?,
                managed: pages(&site.zone.figures().managed),
            })
        })
    }

    /// Early memory as it was when the zones got theirs, memory first.
    pub fn early(&self) -> impl Iterator<Item = snapshot::Region> + '_ {
        self.machine.early.iter().copied()
    }

    /// Recounts every zone the slow way, as far as that is asked for; numbers may only disagree if
    /// nobody allocated or freed meanwhile.
    pub fn check(&self) -> impl Iterator<Item = (NodeId, ZoneKind, Result<(), Violation>)> + '_ {
        self.machine.sites.iter().map(|site| {
            let result = site.zone.check(self.machine.nr_cpus());
            (site.node, site.kind, result)
        })
    }
}

/// Counts the free blocks of a zone, one region after the other; of blocks that span regions those
/// that are whole when their regions are looked at.
fn count_blocks(site: &ZoneSite, mut add: impl FnMut(Migratetype, Order, usize)) {
    let largest = site.zone.max_order();
    let Some(spans) = largest.get().checked_sub(REGION_ORDER.get()) else {
        for region in site.zone.memory().regions() {
            region.with(|it: &mut Region| it.count_blocks(largest, &mut add));
        }
        return;
    };
    for regions in site
        .zone
        .memory()
        .regions()
        .chunks(1 << spans.min(MAX_SPANS))
    {
        // The type of each region that is free as a whole.
        let mut whole = [None; 1 << MAX_SPANS];
        for (region, place) in regions.iter().zip(&mut whole) {
            region.with(|it: &mut Region| {
                it.count_blocks(REGION_ORDER, |migratetype, order, blocks| match order {
                    REGION_ORDER => *place = Some(migratetype),
                    _ => add(migratetype, order, blocks),
                })
            });
        }
        count_spans(whole.get(..1 << spans).unwrap_or_default(), &mut add);
    }
}

/// The most orders that a block can have more than a region.
const MAX_SPANS: u32 = Order::MAX.get() - REGION_ORDER.get();

/// Counts the largest blocks that some regions are together; each is whole and of a type, or not.
fn count_spans(whole: &[Option<Migratetype>], add: &mut impl FnMut(Migratetype, Order, usize)) {
    let Some(&Some(first)) = whole.first() else {
        return count_halves(whole, add);
    };
    match whole.iter().all(|&it| it == Some(first)) {
        true => {
            let order = REGION_ORDER.get() + whole.len().trailing_zeros();
            add(first, Order::new(order).unwrap_or(Order::MAX), 1);
        }
        false => count_halves(whole, add),
    }
}

fn count_halves(whole: &[Option<Migratetype>], add: &mut impl FnMut(Migratetype, Order, usize)) {
    if whole.len() > 1 {
        for half in whole.chunks(whole.len() / 2) {
            count_spans(half, add);
        }
    }
}

/// The pages that a zone has, those that are reserved too.
fn present_of(desc: &ZoneDesc, arena: &Arena) -> NrPages {
    // A shadow zone has none of Linux's.
    match arena.pages() {
        NrPages::ZERO => desc.present(),
        pages => pages,
    }
}

fn zone(site: &ZoneSite, desc: &ZoneDesc, arena: &Arena) -> snapshot::Zone {
    let figures = site.zone.figures();
    let (boost, free) = (pages(&figures.boost), signed(&figures.free));
    let mut marks = [NrPages::ZERO; snapshot::Watermark::COUNT];
    for (place, mark) in marks.iter_mut().zip(&site.marks) {
        *place = pages(mark) + boost;
    }
    let first = node::Node::online().next();
    let mut lowmem_reserve = [None; ZoneKind::COUNT];
    for ((place, reserve), &kind) in
        iter::zip(&mut lowmem_reserve, &site.reserve).zip(ZoneKind::ALL)
    {
        // As many columns as Linux's zones have.
        if first.and_then(|node| node.zone(kind)).is_some() {
            *place = Some(pages(reserve));
        }
    }
    snapshot::Zone {
        node: site.node,
        kind: site.kind,
        start: desc.start,
        spanned: desc.spanned(),
        present: present_of(desc, arena),
        managed: pages(&figures.managed),
        cma: desc.cma,
        free,
        free_exact: free,
        free_bound: NrPages::ZERO,
        marks,
        boost,
        lowmem_reserve,
        highatomic_reserved: pages(&figures.highatomic),
        highatomic_free: signed(&figures.free_highatomic),
    }
}
