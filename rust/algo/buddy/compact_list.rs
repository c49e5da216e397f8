// SPDX-License-Identifier: GPL-2.0

//! Compaction for a request: zone after zone of its list, until one has the block.
//!
//!   list      Normal 0         Normal 1      DMA32 0
//!   passes?   no               no            (not looked at)
//!   suitable? too little free  yes
//!   compact                    success
//!
//! # Locking     none here; see `zone::compact`. The lists of all CPUs are drained first, by whoever
//!               calls.
//! # Cost        that of each zone's compaction, each with the whole budget.
//! # Limits      compaction that failed is not put off for longer and longer the next times
//!               (defer_compaction()).
//! # Reference   mm/compaction.c: try_to_compact_pages(), compaction_suit_allocation_order();
//!               mm/page_alloc.c: __alloc_pages_direct_compact().

use super::{
    account::Account,
    walk::{
        Machine,
        Plan,
        Site, //
    },
    zone::{
        compact::{
            Budget,
            Counts,
            Done,
            Mover,
            Outcome,
            Scope,
            Suitable,
            Task, //
        },
        Memory, //
    },
};
use crate::algo::{
    snapshot::Watermark,
    units::{
        FrameIdx,
        NrPages,
        Order, //
    },
    watermark::{
        AllocFlag,
        AllocFlags, //
    },
};
use crate::seam::Relaxed;

/// Above this order more than the mark is to stay free (PAGE_ALLOC_COSTLY_ORDER).
const COSTLY: u32 = 3;

/// Holders of the blocks of all zones.
pub trait Movers {
    /// See [`Mover::move_block`]; the zone by its place among [`Machine::sites`].
    fn move_block(&mut self, site: usize, from: FrameIdx, to: FrameIdx, order: Order) -> bool;

    /// See [`Mover::unusable`].
    fn unusable(
        &mut self,
        _site: usize,
        _to: FrameIdx,
        _order: Order,
    ) -> Option<(FrameIdx, Account)> {
        None
    }
}

/// Those of one zone.
struct At<'a, V> {
    movers: &'a mut V,
    site: usize,
}

impl<V: Movers> Mover for At<'_, V> {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        self.movers.move_block(self.site, from, to, order)
    }

    fn unusable(&mut self, to: FrameIdx, order: Order) -> Option<(FrameIdx, Account)> {
        self.movers.unusable(self.site, to, order)
    }
}

/// What a request's compaction may do.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the next attempt may do, and its mark.
    pub flags: AllocFlags,
    /// The pageblocks that may be changed.
    pub scope: Scope,
    /// What it may cost in each zone.
    pub budget: Budget,
}

/// Compacts zones of a request's list until one has the block that it wants; returns the best
/// outcome, in the order of [`Outcome`], and what was done in all.
pub fn compact_list<A: Machine>(
    machine: &A,
    plan: &Plan,
    terms: &Terms,
    movers: &mut impl Movers,
) -> (Outcome, Counts) {
    let mut all = (Outcome::Skipped, Counts::default());
    for &place in machine.list(plan.asked()) {
        let site = usize::from(place);
        let highest = plan.asked().highest;
        let Some(it) = machine
            .sites()
            .get(site)
            .filter(|it| it.kind <= highest && plan.asked().takes_from(it.node))
        else {
            continue;
        };
        let done = terms.compact(it, plan, &mut At { movers, site });
        all.1.add_all(&done.counts);
        all.0 = all.0.max(done.outcome);
        if done.outcome == Outcome::Success {
            break;
        }
    }
    all
}

impl Terms {
    /// Compacts one zone.
    fn compact<M: Memory>(&self, site: &Site<M>, plan: &Plan, mover: &mut impl Mover) -> Done {
        let asked = plan.asked();
        let without_work = |outcome| Done {
            outcome,
            counts: Counts::default(),
        };
        if site.passes(asked.order, asked.highest, self.flags) {
            return without_work(Outcome::Success);
        }
        let mark = mark_of(site, plan, self.flags.mark);
        if site.zone.compaction_suitable(asked.order, mark) != Suitable::Continue {
            return without_work(Outcome::Skipped);
        }
        let task = Task {
            order: asked.order,
            migratetype: asked.migratetype,
            may_cma: self.flags.has(AllocFlag::Cma),
            scope: self.scope,
            budget: self.budget,
        };
        site.zone.compact(&task, mover)
    }
}

/// The frames that are to stay free: the mark of the attempt and what is withheld from it, and for
/// large orders the distance between the low mark and the min mark.
fn mark_of<M: Memory>(site: &Site<M>, plan: &Plan, mark: Watermark) -> NrPages {
    let frames = |it: Watermark| site.marks.get(it.index()).map_or(0, |it| it.load(Relaxed));
    let reserve = site.reserve.get(plan.asked().highest.index());
    let reserve = reserve.map_or(0, |it| it.load(Relaxed));
    let boost = site.zone.figures().boost.load(Relaxed);
    let more = match plan.asked().order.get() > COSTLY {
        true => frames(Watermark::Low).saturating_sub(frames(Watermark::Min)),
        false => 0,
    };
    let sum = [frames(mark), boost, reserve, more];
    NrPages::new(sum.into_iter().fold(0, usize::saturating_add))
}
