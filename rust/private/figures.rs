// SPDX-License-Identifier: GPL-2.0

//! The numbers that a machine goes by: marks, reserves, the boost, bounds of page lists.
//!
//! # Locking     each CPU's lists are locked while they are tuned.
//! # Cost        O(zones x CPUs).
//! # Limits      min_free_kbytes is not raised for transparent huge pages, which it is in a kernel
//!               that has them on. The CPUs that share a zone are those that
//!               were online when the machine was made.
//! # Reference   mm/page_alloc.c: `init_per_zone_wmark_min()`; the formulas are in algo/figures.rs.

use super::{
    machine::Machine,
    memory::ZoneMemory, //
};
use crate::algo::{
    buddy::{
        guarded::Guarded,
        pcp::Tuning,
        walk::Site,
        zone::Memory,
        PAGEBLOCK_ORDER, //
    },
    figures::{
        self,
        MarkRules,
        Sharers, //
    },
    snapshot::{
        PcpFlag,
        Watermark, //
    },
    units::{
        usize_from,
        NrPages,
        ZoneKind, //
    },
};
use crate::linux::{
    node,
    zone::Zone,
    PAGE_SHIFT, //
};
use crate::seam::Relaxed;

/// The pages of a zone.
fn managed(site: &Site<ZoneMemory>) -> NrPages {
    NrPages::new(site.zone.figures().managed.load(Relaxed))
}

impl Machine {
    /// Works out marks and reserves, and what page lists are tuned by.
    pub(super) fn set_figures(&self) {
        let low = self.sites.iter().filter(|it| it.kind != ZoneKind::Movable);
        let lowmem = low.fold(NrPages::ZERO, |sum, it| sum + managed(it));
        let rules = MarkRules::usual(lowmem, PAGE_SHIFT);
        for site in self.sites.iter() {
            let marks = figures::marks(site.kind, managed(site), &rules);
            let mark = |it: Watermark| marks.get(it.index()).copied().unwrap_or_default();
            for (place, mark) in site.marks.iter().zip(marks) {
                place.store(mark.get(), Relaxed);
            }
            self.set_reserve(site);
            set_boost(site, mark(Watermark::High));
            self.tune(site, mark(Watermark::Low));
        }
    }

    /// Tunes the lists that every CPU keeps of a zone.
    fn tune(&self, site: &Site<ZoneMemory>, low: NrPages) {
        let count = |cpus: usize| u32::try_from(cpus).unwrap_or(u32::MAX);
        let node_of = |cpu: u32| self.cpus.get(usize_from(cpu)).copied().flatten();
        let nodes = || node::online_cpus().filter_map(node_of);
        let sharers = Sharers {
            of_node: count(nodes().filter(|&node| node == site.node).count()),
            online: count(nodes().count()),
        };
        let bounds = figures::pcp_bounds(managed(site), low, sharers, PAGE_SHIFT);
        for (number, cpu) in (0..).zip(0..self.nr_cpus()) {
            let tuning = Tuning::new(bounds, keeps_high_batch(site, number));
            if let Some(lists) = site.zone.memory().lists(cpu) {
                lists.with(|pcp| {
                    pcp.tune(tuning);
                    pcp.set_local(self.home_of(number) == Some(site.node));
                });
            }
        }
    }

    /// Sets what a zone withholds from requests that a higher zone of its node could have served.
    fn set_reserve(&self, site: &Site<ZoneMemory>) {
        let mut of_node = [NrPages::ZERO; ZoneKind::COUNT];
        for other in self.sites.iter().filter(|it| it.node == site.node) {
            if let Some(place) = of_node.get_mut(other.kind.index()) {
                *place = managed(other);
            }
        }
        let reserve = figures::lowmem_reserve(site.kind, &of_node, &figures::RESERVE_RATIOS);
        for (place, pages) in site.reserve.iter().zip(reserve) {
            place.store(pages.get(), Relaxed);
        }
    }
}

/// Sets the most that the marks of a zone are boosted by, which a boost of all its pages is cut to.
fn set_boost(site: &Site<ZoneMemory>, high: NrPages) {
    let (managed, factor) = (managed(site), figures::BOOST_FACTOR);
    let boost = figures::boosted(managed, managed, high, PAGEBLOCK_ORDER, factor);
    let boost_max = &site.zone.figures().boost_max;
    boost_max.store(boost.unwrap_or_default().get(), Relaxed);
}

/// Whether the cache of a CPU is large enough, which Linux finds out, to keep a batch of high-order
/// blocks; of a zone that Linux does not have, what it found for another.
fn keeps_high_batch(site: &Site<ZoneMemory>, cpu: u32) -> bool {
    let own = node::Node::get(site.node).and_then(|node| node.zone(site.kind));
    let others = node::Node::online().flat_map(|node| node.populated_zones());
    let mut zones = own.into_iter().chain(others).filter(Zone::is_populated);
    let flags = zones.find_map(|zone| Some(zone.pcp(cpu)?.flags));
    let flag = flags.and_then(|flags| flags.get(PcpFlag::FreeHighBatch.index()).copied());
    flag.unwrap_or(false)
}
