// SPDX-License-Identifier: GPL-2.0

//! Compaction for a request through the zones of its list.

use std::sync::atomic::Ordering::Relaxed;

use oxmm_model::algo::buddy::compact_list::{compact_list, Movers, Terms};
use oxmm_model::algo::buddy::walk::{Machine, Plan, Site};
use oxmm_model::algo::buddy::zone::compact::{Budget, Count, Mover, Outcome, Scope};
use oxmm_model::algo::gfp::FlagSet;
use oxmm_model::algo::snapshot::would::{Asked, Rules};
use oxmm_model::algo::snapshot::{ListKind, Watermark};
use oxmm_model::algo::units::{FrameIdx, Migratetype, NodeId, Order, Pfn, ZoneKind};
use oxmm_model::algo::watermark::AllocFlags;
use oxmm_model::drawn::{drawn, order};
use oxmm_model::holders::Holders;
use oxmm_model::host::LoneMemory;

/// Zones of node 0, each of them drawn, and their holders.
struct Zones {
    sites: Vec<Site<LoneMemory>>,
    holders: Vec<Holders>,
}

/// Which of them a request tries.
const LIST: [u16; 3] = [2, 1, 0];

impl Zones {
    /// DMA, DMA32 and Normal.
    fn new(maps: [[&str; 4]; 3]) -> Self {
        let kinds = [ZoneKind::Dma, ZoneKind::Dma32, ZoneKind::Normal];
        let mut zones = Self {
            sites: Vec::new(),
            holders: Vec::new(),
        };
        for (map, kind) in maps.into_iter().zip(kinds) {
            let (zone, holders) = drawn(map);
            let base = Pfn::new(1 << 20 << kind.index());
            let site = Site::new(zone, NodeId::FIRST, kind, base);
            for mark in &site.marks {
                mark.store(100, Relaxed);
            }
            zones.sites.push(site);
            zones.holders.push(holders);
        }
        zones
    }

    fn compact(&mut self, highest: ZoneKind) -> (Outcome, [u64; 3]) {
        let asked = Asked {
            order: order(9),
            flags: FlagSet::default(),
            bits: 0,
            migratetype: Migratetype::Movable,
            node: NodeId::FIRST,
            list: ListKind::Fallback,
            nodes: None,
            highest,
            cpu: 0,
            rules: Rules {
                has_cma: false,
                avoids_mixing: false,
                highatomic_first: false,
                is_realtime: false,
                has_policy: false,
                has_many_nodes: false,
                pageblock_order: order(9),
                max_order: order(10),
            },
        };
        let plan = Plan::new(&*self, asked);
        let terms = Terms {
            flags: AllocFlags::new(Watermark::Min),
            scope: Scope::All,
            budget: Budget {
                pageblocks: 64,
                frames: 512,
            },
        };
        let mut movers = Counted {
            holders: std::mem::take(&mut self.holders),
            moved: [0; 3],
        };
        let (outcome, counts) = compact_list(&*self, &plan, &terms, &mut movers);
        assert_eq!(counts.get(Count::Moved), movers.moved.iter().sum::<u64>());
        self.holders = movers.holders;
        for (site, holders) in self.sites.iter().zip(&mut self.holders) {
            holders.check();
            assert_eq!(site.zone.check(1), Ok(()));
        }
        (outcome, movers.moved)
    }
}

impl Machine for Zones {
    type Memory = LoneMemory;

    fn sites(&self) -> &[Site<LoneMemory>] {
        &self.sites
    }

    fn list(&self, _: &Asked) -> &[u16] {
        &LIST
    }
}

/// Counts the frames that move in each zone.
struct Counted {
    holders: Vec<Holders>,
    moved: [u64; 3],
}

impl Movers for Counted {
    fn move_block(&mut self, site: usize, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        self.moved[site] += 1 << order.get();
        self.holders[site].move_block(from, to, order)
    }
}

const FULL: [&str; 4] = ["mmmmmmmm"; 4];
const BROKEN: [&str; 4] = ["mm.m.mmm", "m..m.m.m", "mmm.mmmm", "mmm...m."];
const FREE: [&str; 4] = ["mm.mmmmm", "........", "........", "mmmmmmmm"];

/// Normal is full, and DMA not needed.
#[test]
fn the_first_zone_that_can_make_the_block_does() {
    let mut zones = Zones::new([BROKEN, BROKEN, FULL]);
    let (outcome, moved) = zones.compact(ZoneKind::Normal);
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(moved, [0, 4 * 64, 0]);
}

#[test]
fn a_zone_that_has_the_block_ends_it() {
    let mut zones = Zones::new([BROKEN, FREE, FULL]);
    let done = zones.compact(ZoneKind::Normal);
    assert_eq!(done, (Outcome::Success, [0; 3]));
}

#[test]
fn zones_above_the_highest_are_left_out() {
    let mut zones = Zones::new([BROKEN, FULL, FREE]);
    let (outcome, moved) = zones.compact(ZoneKind::Dma32);
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(moved, [4 * 64, 0, 0]);
}

#[test]
fn full_zones_are_skipped() {
    let mut zones = Zones::new([FULL, FULL, FULL]);
    assert_eq!(zones.compact(ZoneKind::Normal), (Outcome::Skipped, [0; 3]));
}

/// The reserve keeps Normal requests from DMA32: there are 12 * 64 frames, less than 100 + 700.
#[test]
fn what_is_withheld_counts_for_the_mark() {
    let mut zones = Zones::new([FULL, BROKEN, FULL]);
    let withheld = &zones.sites[1].reserve[ZoneKind::Normal.index()];
    withheld.store(700, Relaxed);
    assert_eq!(zones.compact(ZoneKind::Normal), (Outcome::Skipped, [0; 3]));
    let (outcome, _) = zones.compact(ZoneKind::Dma32);
    assert_eq!(outcome, Outcome::Success);
}
