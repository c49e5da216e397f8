// SPDX-License-Identifier: GPL-2.0

//! Watermarks: what rights a request has, and which rule of a zone stops it.
//!
//!   free pages   | unusable |  reserve  |  min after rights  |   left: must be above 0
//!                  2^order-1   for the    mark, less what the
//!                  highatomic  highest    alloc flags allow
//!                  CMA         zone       to go below it
//!
//! Then, above order 0, a list that the request may use must hold a block that large.
//!
//!   rights below min   __GFP_HIGH 1/2; with ALLOC_NON_BLOCK 1/4 of the rest: 5/8 in all;
//!                      ALLOC_OOM 1/2 of what is left then; ALLOC_NON_BLOCK alone nothing
//!
//! # Locking     none: values in, values out.
//! # Cost        O(orders x types).
//! # Limits      signed numbers are `isize`; a zone of more pages than that is cut to it.
//! # Reference   mm/page_alloc.c: alloc_flags_nofragment(), gfp_to_alloc_flags(),
//!               __zone_watermark_unusable_free(), __zone_watermark_ok(), zone_watermark_fast();
//!               7.3 renamed the second to alloc_flags_slowpath() and changed one rule, see
//!               `Rules::highatomic_first`.

#[cfg(test)]
mod tests;

use core::fmt;

use crate::algo::{
    gfp::{
        Flag,
        FlagSet, //
    },
    snapshot::{
        would::{
            Blocks,
            Rules, //
        },
        Watermark, //
    },
    units::{
        named,
        Migratetype,
        NrPages,
        Order,
        ZoneKind, //
    },
};

named! {
    /// What an attempt may do, spelled as in `mm/internal.h`; the mark is apart.
    pub enum AllocFlag {
        /// Checks no watermark; for reclaim itself.
        NoWatermarks = "ALLOC_NO_WATERMARKS",
        /// The task is being killed for lack of memory.
        Oom = "ALLOC_OOM",
        /// The request cannot wait.
        NonBlock = "ALLOC_NON_BLOCK",
        /// Half of min may be used.
        MinReserve = "ALLOC_MIN_RESERVE",
        /// Nodes that the cpuset forbids are left out.
        Cpuset = "ALLOC_CPUSET",
        /// CMA areas may be used.
        Cma = "ALLOC_CMA",
        /// Blocks of other types are taken as whole pageblocks only.
        NoFragment = "ALLOC_NOFRAGMENT",
        /// The highatomic reserve is used first, and grown.
        HighAtomic = "ALLOC_HIGHATOMIC",
        /// kswapd may be woken.
        Kswapd = "ALLOC_KSWAPD",
    }
}

named! {
    /// What stops a request at a zone.
    pub enum Rule {
        /// Usable free pages are not above the mark.
        Watermark = "watermark",
        /// They are above the mark, not above what is kept for lower zones' own requests on top.
        LowmemReserve = "lowmem_reserve",
        /// No list that the request may use holds a block that large.
        NoBlock = "no_block",
        /// Only blocks of other types are left, smaller than a pageblock.
        NoFragment = "no_fragment",
        /// The node's kswapd is at work, and a node where it sleeps comes first.
        KswapdBusy = "kswapd_busy",
        /// The cpuset of the task forbids the node.
        Cpuset = "cpuset",
        /// The nodemask of the request is without the node.
        Nodemask = "nodemask",
    }
}

/// The flags of one attempt, and the mark that it must stay above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocFlags {
    /// The mark.
    pub mark: Watermark,
    set: u16,
}

const _: () = assert!(AllocFlag::COUNT <= 16);

impl AllocFlags {
    /// No right but to stay above `mark`.
    pub const fn new(mark: Watermark) -> Self {
        Self { mark, set: 0 }
    }

    /// These flags and one more.
    #[must_use]
    pub const fn with(self, flag: AllocFlag) -> Self {
        Self {
            set: self.set | 1 << flag.index(),
            ..self
        }
    }

    /// These flags, and one more if `when`.
    #[must_use]
    pub const fn with_if(self, flag: AllocFlag, when: bool) -> Self {
        match when {
            true => self.with(flag),
            false => self,
        }
    }

    /// These flags without one.
    #[must_use]
    pub const fn without(self, flag: AllocFlag) -> Self {
        Self {
            set: self.set & !(1 << flag.index()),
            ..self
        }
    }

    /// These flags with another mark.
    #[must_use]
    pub const fn at(self, mark: Watermark) -> Self {
        Self { mark, ..self }
    }

    /// Says whether the flag is set.
    pub const fn has(self, flag: AllocFlag) -> bool {
        self.set & 1 << flag.index() != 0
    }

    /// Says whether any flag is set that opens the highatomic reserve (ALLOC_RESERVES).
    pub const fn opens_reserves(self) -> bool {
        self.has(AllocFlag::NonBlock)
            || self.has(AllocFlag::MinReserve)
            || self.has(AllocFlag::HighAtomic)
            || self.has(AllocFlag::Oom)
    }
}

/// Prints the mark and the flags, joined by `|`.
impl fmt::Display for AllocFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ALLOC_WMARK_")?;
        f.write_str(match self.mark {
            Watermark::Min => "MIN",
            Watermark::Low => "LOW",
            Watermark::High => "HIGH",
            Watermark::Promo => "PROMO",
        })?;
        let mut flags = AllocFlag::ALL.iter().filter(|&&flag| self.has(flag));
        flags.try_for_each(|flag| write!(f, "|{flag}"))
    }
}

/// Says whether a request may take from CMA areas.
fn may_use_cma(flags: FlagSet, rules: &Rules) -> bool {
    rules.has_cma && flags.migratetype() == Migratetype::Movable
}

/// Says whether a request can neither wait nor was told to leave the reserves alone.
fn is_non_blocking(flags: FlagSet) -> bool {
    !flags.contains(Flag::DirectReclaim) && !flags.contains(Flag::Nomemalloc)
}

/// Says whether a request is one that the highatomic reserve is for.
fn is_high_atomic(order: Order, flags: FlagSet) -> bool {
    is_non_blocking(flags) && order > Order::ZERO && flags.contains(Flag::High)
}

/// Returns the flags of the first attempt.
///
/// `preferred` is the zone that the walk starts at, and whether its node has pages in the zone
/// DMA32: fragmentation is avoided between Normal and DMA32 alone.
pub fn first_attempt(
    order: Order,
    flags: FlagSet,
    rules: &Rules,
    preferred: Option<(ZoneKind, bool)>,
) -> AllocFlags {
    let starts_at_normal = matches!(
        preferred,
        Some((ZoneKind::Normal, has_dma32)) if has_dma32 || !rules.has_many_nodes
    );
    AllocFlags::new(Watermark::Low)
        .with_if(AllocFlag::Cma, may_use_cma(flags, rules))
        .with_if(AllocFlag::Kswapd, flags.contains(Flag::KswapdReclaim))
        .with_if(
            AllocFlag::NoFragment,
            rules.avoids_mixing && starts_at_normal,
        )
        .with_if(
            AllocFlag::HighAtomic,
            rules.highatomic_first && is_high_atomic(order, flags),
        )
}

/// Returns the flags of the slow path, as they are before anything is reclaimed.
pub fn slow_path(order: Order, flags: FlagSet, rules: &Rules) -> AllocFlags {
    let waits = flags.contains(Flag::DirectReclaim);
    let is_high = flags.contains(Flag::High);
    AllocFlags::new(Watermark::Min)
        .with_if(AllocFlag::NonBlock, is_non_blocking(flags))
        .with_if(AllocFlag::MinReserve, is_high || waits && rules.is_realtime)
        .with_if(AllocFlag::Cpuset, waits || !is_high)
        .with_if(AllocFlag::Cma, may_use_cma(flags, rules))
        .with_if(AllocFlag::HighAtomic, is_high_atomic(order, flags))
        .with_if(AllocFlag::Kswapd, flags.contains(Flag::KswapdReclaim))
}

/// What the test needs to know of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Free pages.
    pub free: NrPages,
    /// Those of them in the highatomic reserve.
    pub highatomic_free: NrPages,
    /// Those of them in CMA areas.
    pub cma_free: NrPages,
    /// The marks with the boost, by `Watermark::index`.
    pub marks: [NrPages; Watermark::COUNT],
    /// The boost that is in them.
    pub boost: NrPages,
    /// The pages withheld from requests whose highest zone is this one's.
    pub reserve: NrPages,
    /// Which lists hold a block.
    pub blocks: &'a Blocks,
}

impl Facts<'_> {
    /// A mark with the boost.
    pub fn mark(&self, mark: Watermark) -> NrPages {
        self.marks.get(mark.index()).copied().unwrap_or_default()
    }
}

/// The numbers that a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Free pages.
    pub free: NrPages,
    /// Pages that do not count: all but one of the block itself, and closed reserves.
    pub unusable: NrPages,
    /// The mark, before rights.
    pub mark: NrPages,
    /// What of it must stay, after rights.
    pub min: NrPages,
    /// What is kept on top of it from requests that a higher zone could have served.
    pub reserve: NrPages,
    /// Free less unusable, min and reserve; a request passes above 0.
    pub left: isize,
    /// The largest block on a list that the request may use.
    pub largest: Option<Order>,
}

/// The outcome of a test: the rule that stops the request, if one does, and the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// `None` for a pass.
    pub stopped_by: Option<Rule>,
    /// The numbers.
    pub numbers: Numbers,
}

/// Pages as a signed number.
fn signed(pages: NrPages) -> isize {
    isize::try_from(pages.get()).unwrap_or(isize::MAX)
}

/// Returns the free pages that a request cannot count on.
pub fn unusable(facts: &Facts<'_>, order: Order, flags: AllocFlags) -> NrPages {
    let mut unusable = order.nr_pages() - Order::ZERO.nr_pages();
    if !flags.opens_reserves() {
        unusable += facts.highatomic_free;
    }
    if !flags.has(AllocFlag::Cma) {
        unusable += facts.cma_free;
    }
    unusable
}

/// Returns what must stay of `mark` with these rights.
pub fn min_after_rights(mark: NrPages, flags: AllocFlags) -> NrPages {
    let mut min = mark;
    if flags.has(AllocFlag::MinReserve) {
        min = min - min.half();
        if flags.has(AllocFlag::NonBlock) {
            min = min - min.half().half();
        }
    }
    if flags.has(AllocFlag::Oom) {
        min = min - min.half();
    }
    min
}

/// Says whether the test counts a type's lists.
fn counts(migratetype: Migratetype, flags: AllocFlags) -> bool {
    match migratetype {
        Migratetype::Unmovable | Migratetype::Movable | Migratetype::Reclaimable => true,
        Migratetype::HighAtomic => flags.has(AllocFlag::HighAtomic) || flags.has(AllocFlag::Oom),
        Migratetype::Cma => flags.has(AllocFlag::Cma),
        Migratetype::Isolate => false,
    }
}

/// Returns the largest order that a list which the test counts holds a block of.
pub fn largest(blocks: &Blocks, flags: AllocFlags) -> Option<Order> {
    let holds = |&order: &Order| {
        let mut types = Migratetype::ALL.iter().filter(|&&it| counts(it, flags));
        types.any(|&migratetype| blocks.has(order, migratetype))
    };
    Order::up_to(Order::MAX).filter(holds).last()
}

/// Tests a zone against a number of pages (__zone_watermark_ok()).
pub fn test_at(facts: &Facts<'_>, order: Order, mark: NrPages, flags: AllocFlags) -> Test {
    let unusable = unusable(facts, order, flags);
    let min = min_after_rights(mark, flags);
    let usable = signed(facts.free).saturating_sub(signed(unusable));
    let above_min = usable.saturating_sub(signed(min));
    let left = above_min.saturating_sub(signed(facts.reserve));
    let largest = largest(facts.blocks, flags);
    let stopped_by = if above_min <= 0 {
        Some(Rule::Watermark)
    } else if left <= 0 {
        Some(Rule::LowmemReserve)
    } else if order > Order::ZERO && largest < Some(order) {
        Some(Rule::NoBlock)
    } else {
        None
    };
    Test {
        stopped_by,
        numbers: Numbers {
            free: facts.free,
            unusable,
            mark,
            min,
            reserve: facts.reserve,
            left,
            largest,
        },
    }
}

/// Tests a zone for an attempt (zone_watermark_fast()).
///
/// The kernel's short cut for order 0 passes nothing that the full test stops, and is left out. A
/// single page for a request with `ALLOC_MIN_RESERVE` need not heed the boost of min.
pub fn test(facts: &Facts<'_>, order: Order, flags: AllocFlags) -> Test {
    let boosted = test_at(facts, order, facts.mark(flags.mark), flags);
    let ignores_boost = order == Order::ZERO
        && flags.has(AllocFlag::MinReserve)
        && flags.mark == Watermark::Min
        && facts.boost > NrPages::ZERO;
    if boosted.stopped_by.is_none() || !ignores_boost {
        return boosted;
    }
    let stored = facts.mark(Watermark::Min).checked_sub(facts.boost);
    test_at(facts, order, stored.unwrap_or_default(), flags)
}
