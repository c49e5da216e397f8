// SPDX-License-Identifier: GPL-2.0

//! The page allocator's way through a zonelist, told naively: free memory is a list of blocks, and
//! each step looks at all of them anew.
//!
//! It knows nothing of `algo::watermark` and `algo::would` but what they are given, so that a
//! mistake has to be made twice to go unseen.

use crate::algo::gfp::Flag;
use crate::algo::snapshot::would::{
    Asked,
    Candidate, //
};
use crate::algo::snapshot::Watermark;
use crate::algo::units::{
    Migratetype,
    Order,
    ZoneKind, //
};

/// What an attempt may do.
#[derive(Clone, Copy, Debug, Default)]
struct May {
    mark: usize,
    half_of_min: bool,
    without_waiting: bool,
    highatomic: bool,
    cma: bool,
    mixing: bool,
    wake: bool,
    any_node: bool,
    any_of_mask: bool,
}

/// A free block.
type Block = (u32, Migratetype);

fn free_blocks(zone: &Candidate) -> Vec<Block> {
    let orders = Order::up_to(Order::MAX);
    let blocks = orders.flat_map(|order| Migratetype::ALL.iter().map(move |&it| (order, it)));
    blocks
        .filter(|&(order, migratetype)| zone.blocks.has(order, migratetype))
        .map(|(order, migratetype)| (order.get(), migratetype))
        .collect()
}

fn number(pages: crate::algo::units::NrPages) -> i128 {
    i128::try_from(pages.get()).expect("a number of pages fits")
}

/// Whether a zone is far enough above a mark of `mark` pages.
fn is_above(asked: &Asked, zone: &Candidate, mark: i128, may: May) -> bool {
    let mut usable = number(zone.zone.free) - ((1 << asked.order.get()) - 1);
    if !(may.half_of_min || may.without_waiting || may.highatomic) {
        usable -= number(zone.zone.highatomic_free);
    }
    if !may.cma {
        usable -= number(zone.cma_free);
    }
    let mut needed = mark;
    if may.half_of_min {
        needed -= needed / 2;
        if may.without_waiting {
            needed -= needed / 4;
        }
    }
    needed += zone.zone.lowmem_reserve[asked.highest.index()].map_or(0, number);
    let fits = |&(order, migratetype): &Block| {
        order >= asked.order.get()
            && match migratetype {
                Migratetype::Isolate => false,
                Migratetype::Cma => may.cma,
                Migratetype::HighAtomic => may.highatomic,
                _ => true,
            }
    };
    usable > needed && (asked.order == Order::ZERO || free_blocks(zone).iter().any(fits))
}

/// Whether a zone passes, by the short cut for single pages, in full, or without its boost.
fn passes(asked: &Asked, zone: &Candidate, may: May) -> bool {
    let mark = number(zone.zone.marks[may.mark]);
    let single = asked.order == Order::ZERO;
    if single {
        let free = number(zone.zone.free);
        let mut closed = 0;
        if !(may.half_of_min || may.without_waiting || may.highatomic) {
            closed += number(zone.zone.highatomic_free);
        }
        if !may.cma {
            closed += number(zone.cma_free);
        }
        let reserve = zone.zone.lowmem_reserve[asked.highest.index()].map_or(0, number);
        if free - free.min(closed) > mark + reserve {
            return true;
        }
    }
    let boost = number(zone.zone.boost);
    let may_ignore = single && may.half_of_min && boost > 0 && may.mark == Watermark::Min.index();
    is_above(asked, zone, mark, may) || may_ignore && is_above(asked, zone, mark - boost, may)
}

/// Whether a zone's lists, watermarks apart, have a block for the request.
fn has_block(asked: &Asked, zone: &Candidate, may: May) -> bool {
    let wanted = asked.order.get();
    let whole = asked.rules.pageblock_order.get();
    let is_kin = |migratetype| {
        use Migratetype::{Movable, Reclaimable, Unmovable};
        matches!(migratetype, Movable | Reclaimable | Unmovable)
    };
    zone.pcp.is_some_and(|list| list.blocks > 0)
        || free_blocks(zone).iter().any(|&(order, migratetype)| {
            order >= wanted
                && (migratetype == asked.migratetype
                    || migratetype == Migratetype::Cma && may.cma
                    || migratetype == Migratetype::HighAtomic
                        && (may.highatomic || may.without_waiting)
                    || is_kin(migratetype) && (may.mixing || order >= whole))
        })
}

/// Whether kswapd of a zone's node is busy, once those that the attempt wakes are.
fn is_busy(asked: &Asked, list: &[Candidate], zone: &Candidate, may: May) -> bool {
    if !zone.kswapd.is_idle {
        return true;
    }
    if !may.wake || zone.kswapd.is_hopeless {
        return false;
    }
    let mut siblings = list
        .iter()
        .filter(|it| it.zone.node == zone.zone.node && it.zone.managed.get() > 0)
        .peekable();
    if siblings.peek().is_none() {
        return false;
    }
    let siblings: Vec<_> = siblings.collect();
    let high = |it: &Candidate| {
        let mut it = *it;
        if it.zone.free < it.drift_mark {
            it.zone.free = it.zone.free_exact;
        }
        let mark = number(it.zone.marks[Watermark::High.index()]);
        is_above(asked, &it, mark, May::default())
    };
    siblings.iter().any(|it| it.zone.boost.get() > 0) || !siblings.iter().any(|it| high(it))
}

/// Whether the request's own set of nodes, if it has one, has the zone's.
fn in_mask(asked: &Asked, zone: &Candidate) -> bool {
    match &asked.nodes {
        Some(nodes) => nodes.iter().any(|node| node == zone.zone.node),
        None => true,
    }
}

/// The place of the zone that serves an attempt.
fn served_by(asked: &Asked, list: &[Candidate], mut may: May) -> Option<usize> {
    let mut skip = asked.rules.has_many_nodes;
    let mut skipped = false;
    'retry: loop {
        let mut preferred = None;
        for (place, zone) in list.iter().enumerate() {
            if !zone.is_allowed && !may.any_node || !may.any_of_mask && !in_mask(asked, zone) {
                continue;
            }
            let start = *preferred.get_or_insert(zone.zone.node);
            if !may.mixing && asked.rules.has_many_nodes && zone.zone.node != start {
                may.mixing = true;
                continue 'retry;
            }
            if skip && is_busy(asked, list, zone, may) {
                skipped = true;
                continue;
            }
            if passes(asked, zone, may) && has_block(asked, zone, may) {
                return Some(place);
            }
        }
        if skip && skipped {
            skip = false;
        } else if !may.mixing {
            may.mixing = true;
        } else {
            return None;
        }
    }
}

/// The places of the zones that serve the first attempt and the slow path.
pub fn predict(asked: &Asked, list: &[Candidate]) -> (Option<usize>, Option<usize>) {
    let has = |flag| asked.flags.contains(flag);
    let rules = &asked.rules;
    let without_waiting = !has(Flag::DirectReclaim) && !has(Flag::Nomemalloc);
    let highatomic = without_waiting && has(Flag::High) && asked.order > Order::ZERO;
    let cma = rules.has_cma && asked.migratetype == Migratetype::Movable;
    let apart = rules.avoids_mixing
        && list
            .iter()
            .find(|it| it.is_allowed && in_mask(asked, it))
            .is_some_and(|start| {
                let node = list.iter().filter(|it| it.zone.node == start.zone.node);
                let mut managed = node.filter(|it| it.zone.managed.get() > 0);
                start.zone.kind == ZoneKind::Normal
                    && (!rules.has_many_nodes || managed.any(|it| it.zone.kind == ZoneKind::Dma32))
            });
    let first = May {
        mark: Watermark::Low.index(),
        highatomic: highatomic && rules.highatomic_first,
        cma,
        mixing: !apart,
        ..May::default()
    };
    let slow = May {
        mark: Watermark::Min.index(),
        half_of_min: has(Flag::High) || has(Flag::DirectReclaim) && rules.is_realtime,
        without_waiting,
        highatomic,
        cma,
        mixing: true,
        wake: has(Flag::KswapdReclaim),
        any_node: has(Flag::High) && !has(Flag::DirectReclaim),
        any_of_mask: false,
    };
    let mut last = served_by(asked, list, slow);
    if last.is_none() && slow.any_node && list.iter().any(|it| in_mask(asked, it)) {
        last = served_by(
            asked,
            list,
            May {
                any_of_mask: true,
                ..slow
            },
        );
    }
    (served_by(asked, list, first), last)
}
