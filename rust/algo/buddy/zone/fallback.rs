// SPDX-License-Identifier: GPL-2.0

//! What a request does when pageblocks of its own type have run out: claim one of another type, or
//! steal a block out of it.
//!
//!   claim   the largest block of another type: a whole pageblock changes its type, and one that is
//!           in use does if at least half of it is free or of our kind
//!   steal   the smallest block that fits: the pageblock keeps its type
//!   apart   before either, where others are at all that is left of our type: a whole pageblock of the
//!           region where the CPU allocates, if that has many
//!
//! # Locking     one region at a time, see zone.rs.
//! # Cost        claim O(regions with free frames of the other types) when none has a block of the
//!               largest order, or else up to the first that has; 512 state bytes for a pageblock
//!               in use.
//! # Limits      of each region the largest block is tried alone, where Linux tries one of each
//!               order.
//! # Reference   `mm/page_alloc.c`: `fallbacks[]`, `should_try_claim_block()`,
//!               `try_to_claim_block()`, `__rmqueue_claim()`, `__rmqueue_steal()`,
//!               `boost_watermark()`.

use core::ops::ControlFlow;

use super::{
    super::{
        frame::State,
        region::{
            Region, //
        },
        PageblockIdx,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    flag,
    search::{
        regions_of,
        Row, //
    },
    settle::NOWHERE,
    signed,
    Memory,
    Miss,
    Want,
    Zone, //
};
use crate::algo::{
    units::{
        usize_from,
        Migratetype,
        Order, //
    },
    watermark::AllocFlag,
    would::fallbacks, //
};
use crate::seam::{
    AtomicU8,
    Relaxed, //
};

/// Frames of a pageblock.
const PAGEBLOCK: usize = 1 << 9;

/// How many orders larger a free block is that a CPU may claim a part of for itself alone: of eight
/// pageblocks in a row one.
const PLENTY: u32 = 3;

/// Types that pageblocks are claimed for.
const TYPES: [Migratetype; 3] = [
    Migratetype::Unmovable,
    Migratetype::Movable,
    Migratetype::Reclaimable,
];

/// A block that may be claimed.
#[derive(Clone, Copy, Debug)]
struct Target {
    region: usize,
    migratetype: Migratetype,
    order: Order,
    /// The most of it that is claimed.
    most: Order,
}

/// What became of a try to claim.
enum Claim {
    /// The pageblock has changed its type.
    Done,
    /// Too little of it is free or of the kind that wants it.
    Refused,
    /// Another CPU has taken the block.
    Gone,
}

/// Says whether a block of this order may change the type of its pageblock.
fn may_claim(order: Order, migratetype: Migratetype) -> bool {
    order.get() >= PAGEBLOCK_ORDER.get() / 2 || migratetype != Migratetype::Movable
}

impl<M: Memory> Zone<M> {
    /// Gives a pageblock of another type to the wanted one; `false` if none may be claimed.
    pub(super) fn claim(&self, want: &Want, hint: &mut u32) -> Result<bool, Miss> {
        if want.order > REGION_ORDER {
            return Ok(self.claim_regions(want));
        }
        let keeps_apart = want.flags.has(AllocFlag::NoFragment);
        let least = match keeps_apart {
            true => want.order.max(PAGEBLOCK_ORDER),
            false => want.order,
        };
        let mut below = None;
        // Each try that fails looks at smaller blocks only.
        while let Some(target) = self.largest_fallback(want.migratetype, below, *hint) {
            if target.order < least || !may_claim(target.order, want.migratetype) {
                break;
            }
            let Some(states) = self.memory.states(target.region) else {
                return Err(Miss::NotReady(target.region));
            };
            if target.order < PAGEBLOCK_ORDER {
                self.boost(want.flags.has(AllocFlag::Kswapd));
            }
            let claimed = self.on_region(target.region, |it| {
                self.claim_in(it, target, want.migratetype, states)
            });
            match claimed {
                Some(Claim::Done) => {
                    *hint = u32::try_from(target.region).unwrap_or(0);
                    return Ok(true);
                }
                // Its region has said so meanwhile: the next of that size, if there is one.
                Some(Claim::Gone) => continue,
                Some(Claim::Refused) | None => {}
            }
            match target.order.get().checked_sub(1).and_then(Order::new) {
                Some(next) => below = Some(next),
                None => break,
            }
        }
        Ok(false)
    }

    /// Gives a whole pageblock of the region where a CPU allocates to the wanted type, if the region has
    /// plenty of them; `false` if it has not.
    ///
    /// The kernel takes what is free of the type wherever it is. But those who share a pageblock share
    /// its lock and the lines of its states with each block; one more for each CPU does less harm.
    pub(super) fn claim_apart(&self, want: &Want, hint: u32) -> bool {
        if !TYPES.contains(&want.migratetype) {
            return false;
        }
        let (region, order) = (usize_from(hint), want.order.max(PAGEBLOCK_ORDER));
        let Some(plenty) = Order::new(order.get() + PLENTY) else {
            return false;
        };
        fallbacks(want.migratetype).into_iter().any(|other| {
            let target = Target {
                region,
                migratetype: other,
                order,
                most: order,
            };
            let claim = |it: &mut Region| self.claim_in(it, target, want.migratetype, &[]);
            self.summary(region).largest(other) >= Some(plenty)
                && matches!(self.on_region(region, claim), Some(Claim::Done))
        })
    }

    /// Gives a free block of several regions to the wanted type; `false` if there is none.
    ///
    /// When another CPU takes a part of one meanwhile, the rest of it has changed its type all the
    /// same, and the next is tried.
    fn claim_regions(&self, want: &Want) -> bool {
        let span = regions_of(want.order);
        let starts = || (0..self.memory.regions().len()).step_by(span);
        fallbacks(want.migratetype).into_iter().any(|other| {
            let mut blocks = starts().map(|start| start..start + span);
            blocks.any(|mut block| {
                let is_whole = block.clone().all(|region| self.is_whole(region, other));
                is_whole && block.all(|it| self.claim_region(it, other, want.migratetype))
            })
        })
    }

    /// Gives a region that is free and of one type to another.
    fn claim_region(&self, region: usize, from: Migratetype, to: Migratetype) -> bool {
        let claimed = self.on_region(region, |it| {
            let is_whole = it.summary().largest(from) == Some(REGION_ORDER);
            if is_whole {
                for block in PageblockIdx::all() {
                    self.convert(it, region, block, to);
                }
            }
            is_whole
        });
        claimed == Some(true)
    }

    /// The largest block of another type, of at most this order; of equals the type that comes
    /// first among the fallbacks, and then the region that comes first from where the CPU allocates:
    /// what two CPUs claim is to lie apart, or they share lines with every block of it.
    fn largest_fallback(
        &self,
        migratetype: Migratetype,
        most: Option<Order>,
        hint: u32,
    ) -> Option<Target> {
        let most = most.unwrap_or(self.max_order).min(self.max_order);
        let mut best: Option<Target> = None;
        for other in fallbacks(migratetype) {
            for row in [Row::Whole(other), Row::Broken(other)] {
                let _ = self.each_region(row, usize_from(hint), |region, summary| {
                    let order = match row {
                        Row::Whole(_) => summary.largest(other),
                        Row::Broken(_) => summary.largest_broken(other),
                    };
                    let Some(order) = order else {
                        return ControlFlow::Continue(());
                    };
                    // A block that is larger than any was tried, or is cut to the largest order.
                    let order = order.min(self.max_order);
                    if order <= most && best.is_none_or(|best| order > best.order) {
                        best = Some(Target {
                            region,
                            migratetype: other,
                            order,
                            most: self.max_order,
                        });
                    }
                    match order < most {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    }
                });
                if best.is_some_and(|best| best.order == most) {
                    return best;
                }
            }
        }
        best
    }

    /// Claims the largest block of a region, whose lock is held, or as much of it as is to be claimed.
    fn claim_in(
        &self,
        region: &mut Region,
        target: Target,
        migratetype: Migratetype,
        states: &[AtomicU8],
    ) -> Claim {
        let Some((at, order)) = region.largest(target.migratetype) else {
            return Claim::Gone;
        };
        let order = order.min(target.most);
        if order < target.order {
            return Claim::Gone;
        }
        if order < PAGEBLOCK_ORDER {
            let block = at.pageblock();
            if !is_mostly_ours(region, block, (target.migratetype, migratetype), states) {
                return Claim::Refused;
            }
            self.convert(region, target.region, block, migratetype);
            return Claim::Done;
        }
        let first = at.pageblock().get();
        let blocks = 1 << (order.get() - PAGEBLOCK_ORDER.get());
        for block in (first..first + blocks).filter_map(PageblockIdx::new) {
            self.convert(region, target.region, block, migratetype);
        }
        Claim::Done
    }

    /// Changes the type of a pageblock, in the region and in the table that frees look at; the
    /// region's lock is held.
    pub(super) fn convert(
        &self,
        region: &mut Region,
        number: usize,
        block: PageblockIdx,
        migratetype: Migratetype,
    ) {
        let before = region.migratetype(block);
        let moved = region.set_migratetype(block, migratetype);
        self.set_type(
            number * PAGEBLOCKS + block.get(),
            migratetype,
            region.is_isolated(block),
        );
        self.count_free(before, -signed(moved));
        self.count_free(migratetype, signed(moved));
    }

    /// Raises the watermarks for a while, so that reclaim makes room before types mix more.
    fn boost(&self, wakes: bool) {
        let figures = &self.figures;
        let most = figures.boost_max.load(Relaxed);
        if most == 0 {
            return;
        }
        let most = most.max(PAGEBLOCK);
        let raise = |boost: usize| Some((boost + PAGEBLOCK).min(most));
        // Two that raise at once both count.
        let _ = figures.boost.fetch_update(Relaxed, Relaxed, raise);
        if wakes {
            figures.flags.fetch_or(flag::BOOSTED, Relaxed);
        }
    }

    /// Takes off what the marks were raised by: for the reclaimer that was woken for it, once it has
    /// made what room it can (the end of balance_pgdat()).
    pub fn end_boost(&self) {
        let figures = &self.figures;
        figures.flags.fetch_and(!flag::BOOSTED, Relaxed);
        // What is added in this moment stays.
        let raised = figures.boost.load(Relaxed);
        let lower = |boost: usize| Some(boost.saturating_sub(raised));
        let _ = figures.boost.fetch_update(Relaxed, Relaxed, lower);
    }

    /// Takes up to `blocks` blocks from a pageblock of another type, which keeps it.
    pub(super) fn steal(
        &self,
        want: &Want,
        blocks: usize,
        out: &mut impl FnMut(u32),
    ) -> Result<usize, Miss> {
        let mut best: Option<(Order, Migratetype)> = None;
        for other in fallbacks(want.migratetype) {
            let smallest = self.smallest_fitting(other, want.order);
            if let Some(order) = smallest.filter(|&it| best.is_none_or(|(best, _)| it < best)) {
                best = Some((order, other));
            }
        }
        let Some((_, migratetype)) = best else {
            return Ok(0);
        };
        let other = Want {
            migratetype,
            ..*want
        };
        self.take_type(&other, blocks, &mut { NOWHERE }, out)
    }

    /// The smallest among the largest blocks of the regions that fits.
    fn smallest_fitting(&self, migratetype: Migratetype, least: Order) -> Option<Order> {
        let mut smallest = None;
        for row in [Row::Broken(migratetype), Row::Whole(migratetype)] {
            let _ = self.each_region(row, 0, |_, summary| {
                let order = match row {
                    Row::Broken(_) => summary.largest_broken(migratetype),
                    Row::Whole(_) => summary.largest(migratetype),
                };
                if let Some(order) = order.filter(|&it| it >= least) {
                    smallest = Some(smallest.map_or(order, |it: Order| it.min(order)));
                }
                match smallest == Some(least) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            if smallest.is_some() {
                return smallest;
            }
        }
        None
    }
}

/// Says whether at least half of a pageblock is free or of the kind that wants it.
///
/// Of what is in use and not movable nobody knows which of the two other types it is: it counts as
/// ours in a movable pageblock only.
fn is_mostly_ours(
    region: &Region,
    block: PageblockIdx,
    (from, to): (Migratetype, Migratetype),
    states: &[AtomicU8],
) -> bool {
    let free = region.free_in(block);
    let start = block.get() * PAGEBLOCK;
    let states = states.get(start..start + PAGEBLOCK).unwrap_or(&[]);
    let movable = states
        .iter()
        .map(|state| State::from_byte(state.load(Relaxed)))
        .filter(|state| state.migratetype() == Some(Migratetype::Movable))
        .filter_map(State::order)
        .fold(0, |sum, order| sum + order.nr_pages().get());
    let alike = match (to, from) {
        (Migratetype::Movable, _) => movable,
        (_, Migratetype::Movable) => PAGEBLOCK.saturating_sub(free + movable),
        _ => 0,
    };
    // The holes at the end of a zone are in use by all appearances, as they are in Linux.
    free + alike >= PAGEBLOCK / 2 && region.is_managed(block.first())
}
