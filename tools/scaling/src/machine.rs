// SPDX-License-Identifier: GPL-2.0

//! A machine of one zone, which all CPUs share: 256 GiB, as large a machine with 256 CPUs has.
//!
//! # Limits      a machine of several nodes has as many zones, and CPUs of a zone are fewer: what is
//!               counted here is the worst case. Lists are tuned as for 256 CPUs, however many are
//!               at work.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::algo::buddy::pcp::Tuning;
use crate::algo::buddy::walk::{
    alloc,
    Block,
    Machine,
    Plan,
    Site, //
};
use crate::algo::buddy::zone::{
    Miss,
    Zone, //
};
use crate::algo::buddy::{
    FRAMES,
    PAGEBLOCK_ORDER, //
};
use crate::algo::figures::{
    marks,
    pcp_bounds,
    MarkRules,
    Sharers, //
};
use crate::algo::gfp::{
    Flag,
    FlagSet, //
};
use crate::algo::snapshot::would::{
    Asked,
    Rules, //
};
use crate::algo::snapshot::{
    ListKind,
    Watermark, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NodeId,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};
use crate::lines::{
    begin,
    clock,
    place,
    spend,
    turn,
    Kind,
    MAX_CPUS, //
};
use crate::seam::Relaxed;
use crate::storage::Storage;

/// The frames of the zone.
pub const NR_FRAMES: usize = 64 << 20;

/// The ns that an allocation or a free takes apart from visits of regions and from lines that are
/// handed over.
pub const FAST: u64 = 4;

const PAGE_SHIFT: u32 = 12;

/// A machine whose CPUs share a zone.
pub struct OneZone {
    sites: Vec<Site<Storage>>,
    list: [u16; 1],
    cpus: usize,
}

impl Machine for OneZone {
    type Memory = Storage;

    fn sites(&self) -> &[Site<Storage>] {
        &self.sites
    }

    fn list(&self, _asked: &Asked) -> &[u16] {
        &self.list
    }
}

impl OneZone {
    /// A machine with so many CPUs, whose memory is free.
    pub fn new(cpus: usize) -> Self {
        begin(cpus);
        let frames = NrPages::new(NR_FRAMES);
        let rules = MarkRules::usual(frames, PAGE_SHIFT);
        let marks = marks(ZoneKind::Normal, frames, &rules);
        let storage = Storage::new(NR_FRAMES / FRAMES, cpus, tuning(frames, &marks));
        let order = Order::new(10).expect("an order");
        let node = NodeId::new(0).expect("a node");
        let zone = Zone::new(storage, order);
        let site = Site::new(zone, node, ZoneKind::Normal, Pfn::new(0));
        // A site stays where it is from now on: its lines are known by their places.
        let sites = vec![site];
        for (place, mark) in sites[0].marks.iter().zip(marks) {
            place.store(mark.get(), Relaxed);
        }
        place(&sites[0], Kind::Marks);
        place(&sites[0].zone.figures().free, Kind::Count);
        sites[0]
            .zone
            .add(FrameIdx::new(0), frames, Migratetype::Movable);
        Self {
            sites,
            list: [0],
            cpus,
        }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone<Storage> {
        &self.sites[0].zone
    }

    /// What every allocation of an order wants.
    pub fn plan(&self, order: Order) -> Plan {
        let flags = [
            Flag::DirectReclaim,
            Flag::KswapdReclaim,
            Flag::Io,
            Flag::Fs,
            Flag::Movable,
        ];
        let rules = Rules {
            has_cma: false,
            avoids_mixing: true,
            highatomic_first: false,
            is_realtime: false,
            has_policy: false,
            has_many_nodes: false,
            pageblock_order: PAGEBLOCK_ORDER,
            max_order: self.zone().max_order(),
        };
        let asked = Asked {
            order,
            flags: flags.into_iter().collect::<FlagSet>(),
            bits: 0,
            migratetype: Migratetype::Movable,
            node: NodeId::new(0).expect("a node"),
            list: ListKind::Fallback,
            nodes: None,
            highest: ZoneKind::Normal,
            cpu: 0,
            rules,
        };
        Plan::new(self, asked)
    }

    /// Allocates a block on a CPU, which is at work.
    pub fn alloc(&self, cpu: usize, plan: &Plan) -> FrameIdx {
        spend(FAST);
        loop {
            match alloc(self, cpu, plan) {
                Ok(Block { frame, .. }) => return frame,
                Err(Miss::NotReady(region)) => {
                    turn(None);
                    self.zone().memory().prepare(region);
                    turn(Some(cpu));
                }
                Err(miss) => panic!("the zone is large enough: {miss:?}"),
            }
        }
    }

    /// Frees a block on a CPU, which is at work.
    pub fn free(&self, cpu: usize, frame: FrameIdx, order: Order) {
        spend(FAST);
        let freed = self.sites[0].free(cpu, frame, order);
        freed.expect("it was allocated");
    }

    /// Lets each CPU do so many steps, each time the one whose clock is furthest behind.
    pub fn steps(&self, steps: usize, mut step: impl FnMut(usize, usize)) {
        let mut next: BinaryHeap<_> = (0..self.cpus)
            .map(|cpu| Reverse((clock(cpu), cpu, 0)))
            .collect();
        while let Some(Reverse((_, cpu, number))) = next.pop() {
            if number < steps {
                turn(Some(cpu));
                step(cpu, number);
                next.push(Reverse((clock(cpu), cpu, number + 1)));
            }
        }
        turn(None);
    }
}

/// What the module would tune the zone's lists to for 256 CPUs.
fn tuning(frames: NrPages, marks: &[NrPages; Watermark::COUNT]) -> Tuning {
    let cpus = u32::try_from(MAX_CPUS).expect("256");
    let sharers = Sharers {
        of_node: cpus,
        online: cpus,
    };
    let low = marks[Watermark::Low.index()];
    Tuning::new(pcp_bounds(frames, low, sharers, PAGE_SHIFT), true)
}
