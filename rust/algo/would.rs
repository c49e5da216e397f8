// SPDX-License-Identifier: GPL-2.0

//! Which zone a request would be served from, and what stops it at each of the others.
//!
//!   first attempt   low mark, types kept apart ---------> a zone serves it, or
//!                   the same, types mixed, busy nodes too
//!   slow path       wake kswapd; min mark less rights --> a zone serves it, or
//!                   reclaim, compaction, or failure
//!
//! An attempt walks the zonelist up to four times: with `ALLOC_NOFRAGMENT`, until it would leave
//! the node or has come to the end; past nodes whose kswapd is at work, while there are others.
//! What is said of a zone is what the last of these walks finds there. A nodemask holds for all of
//! them but the last of a request that may use reserves and cannot wait, which is above policies.
//!
//! # Locking     none: values in, values out.
//! # Cost        O(walks x zones x orders x types).
//! # Limits      not seen, for nobody tells a module: dirty limits (`__GFP_WRITE`), node reclaim
//!               (vm.zone_reclaim_mode), vm.defrag_mode, the promo mark that NUMA tiering has
//!               kswapd use, memory still to be accepted or initialised, an OOM victim's rights,
//!               injected faults; of a cpuset its ancestors' hard walls. A whole pageblock is
//!               claimed on the kernel's own count of its pages, which is not made here: where the
//!               claim fails the kernel takes a smaller block, from the same zone.
//! # Reference   mm/page_alloc.c: get_page_from_freelist(), rmqueue(), __rmqueue(),
//!               __rmqueue_claim(), __alloc_pages_slowpath(), wake_all_kswapds(); mm/vmscan.c:
//!               wakeup_kswapd(), pgdat_balanced().

#[cfg(test)]
mod tests;

use crate::algo::{
    snapshot::{
        would::{
            Asked,
            Candidate, //
        },
        Watermark, //
    },
    units::{
        Migratetype,
        NodeId,
        NrPages,
        Order,
        ZoneKind, //
    },
    watermark::{
        self,
        AllocFlag,
        Facts,
        Test, //
    },
};

pub use crate::algo::watermark::{
    first_attempt,
    min_after_rights,
    slow_path,
    AllocFlags,
    Numbers,
    Rule, //
};

/// Where the block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A per-CPU list.
    Pcp,
    /// A list of the buddy.
    List {
        /// The list's type; another than the request's when it has run out.
        migratetype: Migratetype,
        /// The order of the block that is taken or split.
        order: Order,
    },
}

/// What an attempt finds at a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The rule that stops the request there; `None` for a pass.
    pub stopped_by: Option<Rule>,
    /// The numbers of the watermark test, whichever rule it was.
    pub numbers: Numbers,
    /// Where the block would come from, if there is one to be had.
    pub source: Option<Source>,
}

/// One of the two attempts, as its last walk was.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The flags of the last walk.
    pub flags: AllocFlags,
    /// Whether the last walk left nodes out whose kswapd is at work.
    pub skips_busy: bool,
    /// Whether nodes that the cpuset forbids are left out.
    heeds_cpuset: bool,
    /// Whether nodes are left out that the request's nodemask is without.
    heeds_nodemask: bool,
    /// Whether kswapd is woken before it.
    wakes_kswapd: bool,
    /// How many walks there were.
    pub walks: u32,
    /// The place in the list of the zone that serves the request.
    pub served_by: Option<usize>,
}

/// Both attempts.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// The first.
    pub first: Attempt,
    /// The slow path, as it would be if the first had failed.
    pub slow: Attempt,
}

/// Predicts what becomes of a request whose zonelist is `list`.
pub fn predict(asked: &Asked, list: &[Candidate]) -> Prediction {
    Prediction {
        first: Attempt::first(asked, list),
        slow: Attempt::slow(asked, list),
    }
}

/// What the watermark test needs to know of a candidate.
fn facts<'a>(asked: &Asked, candidate: &'a Candidate) -> Facts<'a> {
    let zone = &candidate.zone;
    let reserve = zone.lowmem_reserve.get(asked.highest.index());
    Facts {
        free: zone.free,
        highatomic_free: zone.highatomic_free,
        cma_free: candidate.cma_free,
        marks: zone.marks,
        boost: zone.boost,
        reserve: reserve.copied().flatten().unwrap_or_default(),
        blocks: &candidate.blocks,
    }
}

impl Attempt {
    fn first(asked: &Asked, list: &[Candidate]) -> Self {
        let mut allowed = list.iter().filter(|it| it.is_allowed);
        let preferred = allowed.find(|it| asked.takes_from(it.zone.node)).map(|it| {
            let node = it.zone.node;
            let has_dma32 = of_node(list, node).any(|it| it.zone.kind == ZoneKind::Dma32);
            (it.zone.kind, has_dma32)
        });
        let flags = first_attempt(asked.order, asked.flags, &asked.rules, preferred);
        Self::new(asked, flags).walk(asked, list)
    }

    fn slow(asked: &Asked, list: &[Candidate]) -> Self {
        let flags = slow_path(asked.order, asked.flags, &asked.rules);
        let attempt = Self {
            heeds_cpuset: flags.has(AllocFlag::Cpuset),
            wakes_kswapd: flags.has(AllocFlag::Kswapd),
            ..Self::new(asked, flags)
        };
        let walked = attempt.walk(asked, list);
        // Without a zone to begin with the kernel gives up at once.
        let starts = list.iter().any(|it| asked.takes_from(it.zone.node));
        if walked.served_by.is_some() || asked.nodes.is_none() || attempt.heeds_cpuset || !starts {
            return walked;
        }
        let above_policies = Self {
            heeds_nodemask: false,
            walks: walked.walks,
            ..attempt
        };
        above_policies.walk(asked, list)
    }

    /// An attempt that has not begun; the first one's node mask is the cpuset's.
    fn new(asked: &Asked, flags: AllocFlags) -> Self {
        Self {
            flags,
            skips_busy: asked.rules.has_many_nodes,
            heeds_cpuset: true,
            heeds_nodemask: true,
            wakes_kswapd: false,
            walks: 0,
            served_by: None,
        }
    }

    /// Walks the list until a zone serves the request or no rule is left to relax.
    fn walk(mut self, asked: &Asked, list: &[Candidate]) -> Self {
        let mut has_skipped = false;
        loop {
            self.walks += 1;
            let leaves = self.leaves_node_at(asked, list);
            let walked = list.get(..leaves.unwrap_or(list.len())).unwrap_or(list);
            let rules = walked
                .iter()
                .map(|candidate| self.judge(asked, list, candidate).stopped_by);
            for (place, rule) in rules.enumerate() {
                has_skipped |= rule == Some(Rule::KswapdBusy);
                if rule.is_none() {
                    self.served_by = Some(place);
                    return self;
                }
            }
            if leaves.is_some() {
                self.flags = self.flags.without(AllocFlag::NoFragment);
            } else if self.skips_busy && has_skipped {
                self.skips_busy = false;
            } else if self.flags.has(AllocFlag::NoFragment) {
                self.flags = self.flags.without(AllocFlag::NoFragment);
            } else {
                return self;
            }
        }
    }

    /// The first place on another node than the walk started on, if types are kept apart: locality
    /// comes before that.
    fn leaves_node_at(&self, asked: &Asked, list: &[Candidate]) -> Option<usize> {
        if !self.flags.has(AllocFlag::NoFragment) || !asked.rules.has_many_nodes {
            return None;
        }
        let is_tried = |it: &&Candidate| self.forbidden_by(asked, it).is_none();
        let start = list.iter().find(is_tried)?.zone.node;
        list.iter()
            .position(|it| is_tried(&it) && it.zone.node != start)
    }

    /// Why a candidate is left out of the walk, whatever it has.
    fn forbidden_by(&self, asked: &Asked, candidate: &Candidate) -> Option<Rule> {
        if self.heeds_nodemask && !asked.takes_from(candidate.zone.node) {
            return Some(Rule::Nodemask);
        }
        let forbids = self.heeds_cpuset && !candidate.is_allowed;
        forbids.then_some(Rule::Cpuset)
    }

    /// Says what the last walk of this attempt finds at a candidate of the list.
    pub fn judge(&self, asked: &Asked, list: &[Candidate], candidate: &Candidate) -> Judged {
        let facts = facts(asked, candidate);
        let Test {
            stopped_by,
            numbers,
        } = watermark::test(&facts, asked.order, self.flags);
        let source = source(asked, candidate, self.flags);
        let forbidden_by = self.forbidden_by(asked, candidate);
        let stopped_by = if forbidden_by.is_some() {
            forbidden_by
        } else if self.skips_busy && self.is_busy(asked, list, candidate) {
            Some(Rule::KswapdBusy)
        } else {
            stopped_by.or_else(|| self.without_block(asked, candidate, source))
        };
        Judged {
            stopped_by,
            numbers,
            source,
        }
    }

    /// The rule by which a zone above its mark has no block for the request, if it has none.
    fn without_block(
        &self,
        asked: &Asked,
        candidate: &Candidate,
        source: Option<Source>,
    ) -> Option<Rule> {
        if source.is_some() {
            return None;
        }
        let mixing = self.flags.without(AllocFlag::NoFragment);
        match self::source(asked, candidate, mixing) {
            Some(_) => Some(Rule::NoFragment),
            None => Some(Rule::NoBlock),
        }
    }

    /// Says whether the candidate's node is seen with its kswapd at work: it was before, or this
    /// attempt has woken it.
    fn is_busy(&self, asked: &Asked, list: &[Candidate], candidate: &Candidate) -> bool {
        let kswapd = candidate.kswapd;
        if !kswapd.is_idle || !self.wakes_kswapd || kswapd.is_hopeless {
            return !kswapd.is_idle;
        }
        let node = candidate.zone.node;
        is_boosted(list, node) || !is_balanced(asked, list, node)
    }
}

/// Walks the candidates of a node.
fn of_node(list: &[Candidate], node: NodeId) -> impl Iterator<Item = &Candidate> {
    let is_managed = |it: &&Candidate| it.zone.managed > NrPages::ZERO;
    list.iter()
        .filter(move |it| it.zone.node == node)
        .filter(is_managed)
}

/// Says whether kswapd would find a zone of its node above the high mark, and none boosted.
fn is_balanced(asked: &Asked, list: &[Candidate], node: NodeId) -> bool {
    let flags = AllocFlags::new(Watermark::High);
    let passes = |candidate: &Candidate| {
        let mut facts = facts(asked, candidate);
        if facts.free < candidate.drift_mark {
            facts.free = candidate.zone.free_exact;
        }
        let test = watermark::test_at(&facts, asked.order, facts.mark(Watermark::High), flags);
        test.stopped_by.is_none()
    };
    let mut zones = of_node(list, node).peekable();
    zones.peek().is_none() || zones.any(passes)
}

fn is_boosted(list: &[Candidate], node: NodeId) -> bool {
    of_node(list, node).any(|it| it.zone.boost > NrPages::ZERO)
}

/// The types that a request takes from when its own has run out, in order (fallbacks[]).
pub const fn fallbacks(migratetype: Migratetype) -> [Migratetype; 2] {
    match migratetype {
        Migratetype::Movable => [Migratetype::Reclaimable, Migratetype::Unmovable],
        Migratetype::Reclaimable => [Migratetype::Unmovable, Migratetype::Movable],
        _ => [Migratetype::Reclaimable, Migratetype::Movable],
    }
}

/// Where a block for the request comes from, watermarks apart (rmqueue()).
fn source(asked: &Asked, candidate: &Candidate, flags: AllocFlags) -> Option<Source> {
    if candidate.pcp.is_some_and(|list| list.blocks > 0) {
        return Some(Source::Pcp);
    }
    let highatomic = || smallest(asked, candidate, Migratetype::HighAtomic);
    let reserve_first = flags.has(AllocFlag::HighAtomic);
    reserve_first
        .then(highatomic)
        .flatten()
        .or_else(|| from_buddy(asked, candidate, flags))
        .or_else(|| {
            let may = flags.has(AllocFlag::NonBlock) || flags.has(AllocFlag::Oom);
            may.then(highatomic).flatten()
        })
        .or_else(|| candidate.has_cold.then_some(Source::Pcp))
}

/// Where the buddy takes a block from, the highatomic reserve apart (__rmqueue()).
fn from_buddy(asked: &Asked, candidate: &Candidate, flags: AllocFlags) -> Option<Source> {
    let cma = || {
        let may = flags.has(AllocFlag::Cma);
        may.then(|| smallest(asked, candidate, Migratetype::Cma))
            .flatten()
    };
    let cma_first = candidate.cma_free > candidate.zone.free.half();
    cma_first
        .then(cma)
        .flatten()
        .or_else(|| smallest(asked, candidate, asked.migratetype))
        .or_else(cma)
        .or_else(|| claimed(asked, candidate, flags))
        .or_else(|| {
            let may = !flags.has(AllocFlag::NoFragment);
            may.then(|| stolen(asked, candidate)).flatten()
        })
}

/// The orders that hold the request, from small to large.
fn orders(asked: &Asked) -> impl DoubleEndedIterator<Item = Order> {
    (asked.order.get()..=asked.rules.max_order.get()).filter_map(Order::new)
}

/// The smallest block of one type that holds the request.
fn smallest(asked: &Asked, candidate: &Candidate, migratetype: Migratetype) -> Option<Source> {
    let order = orders(asked).find(|&order| candidate.blocks.has(order, migratetype))?;
    Some(Source::List { migratetype, order })
}

/// The type with a block of this order that comes first among the request's fallbacks.
fn fallback_of(asked: &Asked, candidate: &Candidate, order: Order) -> Option<Source> {
    let mut types = fallbacks(asked.migratetype).into_iter();
    let migratetype = types.find(|&it| candidate.blocks.has(order, it))?;
    Some(Source::List { migratetype, order })
}

/// The largest block of another type that may change its pageblock's type (__rmqueue_claim()).
///
/// Types are kept apart by whole pageblocks; a movable request claims from half that order on.
fn claimed(asked: &Asked, candidate: &Candidate, flags: AllocFlags) -> Option<Source> {
    let whole = asked.rules.pageblock_order;
    let mut least = asked.order;
    if flags.has(AllocFlag::NoFragment) {
        least = least.max(whole);
    }
    if asked.migratetype == Migratetype::Movable {
        least = least.max(Order::new(whole.get() / 2).unwrap_or(whole));
    }
    orders(asked)
        .rev()
        .take_while(|&order| order >= least)
        .find_map(|order| fallback_of(asked, candidate, order))
}

/// The smallest block of another type, which keeps its pageblock's type (__rmqueue_steal()).
fn stolen(asked: &Asked, candidate: &Candidate) -> Option<Source> {
    orders(asked).find_map(|order| fallback_of(asked, candidate, order))
}
