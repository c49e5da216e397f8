// SPDX-License-Identifier: GPL-2.0

//! Boundary tables of the watermark test and of the rights that flags give.

use super::*;
const RULES: Rules = Rules {
    has_cma: true,
    avoids_mixing: true,
    highatomic_first: false,
    is_realtime: false,
    has_policy: false,
    has_many_nodes: true,
    pageblock_order: order(9),
    max_order: order(10),
};

const fn order(number: u32) -> Order {
    match Order::new(number) {
        Some(order) => order,
        None => Order::MAX,
    }
}

/// The order and the flags of a request.
fn asked(order_of: u32, flags: &[Flag]) -> (Order, FlagSet) {
    (order(order_of), flags.iter().copied().collect())
}

/// GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT as far as they matter here.
const KERNEL: &[Flag] = &[Flag::DirectReclaim, Flag::KswapdReclaim, Flag::Io, Flag::Fs];
const ATOMIC: &[Flag] = &[Flag::High, Flag::KswapdReclaim];
const NOWAIT: &[Flag] = &[Flag::KswapdReclaim, Flag::Nowarn];

#[track_caller]
fn slow_is((order, flags): (Order, FlagSet), expected: &str) {
    assert_eq!(slow_path(order, flags, &RULES).to_string(), expected);
}

#[test]
fn slow_path_gives_each_flag_its_rights() {
    slow_is(
        asked(0, KERNEL),
        "ALLOC_WMARK_MIN|ALLOC_CPUSET|ALLOC_KSWAPD",
    );
    slow_is(
        asked(0, ATOMIC),
        "ALLOC_WMARK_MIN|ALLOC_NON_BLOCK|ALLOC_MIN_RESERVE|ALLOC_KSWAPD",
    );
    slow_is(
        asked(1, ATOMIC),
        "ALLOC_WMARK_MIN|ALLOC_NON_BLOCK|ALLOC_MIN_RESERVE|ALLOC_HIGHATOMIC|ALLOC_KSWAPD",
    );
    slow_is(
        asked(3, NOWAIT),
        "ALLOC_WMARK_MIN|ALLOC_NON_BLOCK|ALLOC_CPUSET|ALLOC_KSWAPD",
    );
    slow_is(
        asked(3, &[Flag::High, Flag::Nomemalloc]),
        "ALLOC_WMARK_MIN|ALLOC_MIN_RESERVE",
    );
    slow_is(
        asked(0, &[Flag::High, Flag::DirectReclaim]),
        "ALLOC_WMARK_MIN|ALLOC_MIN_RESERVE|ALLOC_CPUSET",
    );
    slow_is(
        asked(0, &[Flag::Movable, Flag::DirectReclaim]),
        "ALLOC_WMARK_MIN|ALLOC_CPUSET|ALLOC_CMA",
    );
}

/// A real-time task gets half of min where it may wait, and nothing more where it may not.
#[test]
fn real_time_task_may_use_half_of_min() {
    let realtime = |flags: &[Flag]| {
        let (order, flags) = asked(0, flags);
        let rules = Rules {
            is_realtime: true,
            ..RULES
        };
        slow_path(order, flags, &rules).has(AllocFlag::MinReserve)
    };
    assert!(realtime(KERNEL));
    assert!(!realtime(NOWAIT));
}

#[test]
fn first_attempt_keeps_types_apart_from_normal_with_dma32_below() {
    for (preferred, many_nodes, apart) in [
        (Some((ZoneKind::Normal, true)), true, true),
        (Some((ZoneKind::Normal, false)), true, false),
        (Some((ZoneKind::Normal, false)), false, true),
        (Some((ZoneKind::Dma32, true)), false, false),
        (Some((ZoneKind::Movable, true)), true, false),
        (None, true, false),
    ] {
        let (order, flags) = asked(0, KERNEL);
        let mut rules = Rules {
            has_many_nodes: many_nodes,
            ..RULES
        };
        let first = first_attempt(order, flags, &rules, preferred);
        assert_eq!(first.has(AllocFlag::NoFragment), apart, "{preferred:?}");
        assert_eq!(first.mark, Watermark::Low);
        rules.avoids_mixing = false;
        let flags = first_attempt(order, flags, &rules, preferred);
        assert!(!flags.has(AllocFlag::NoFragment));
    }
}

/// From 7.3 on the first attempt of a high-order atomic request uses the highatomic reserve.
#[test]
fn first_attempt_opens_the_highatomic_reserve_from_7_3_on() {
    for (highatomic_first, order, flags, opens) in [
        (false, 1, ATOMIC, false),
        (true, 1, ATOMIC, true),
        (true, 0, ATOMIC, false),
        (true, 1, NOWAIT, false),
        (true, 1, KERNEL, false),
    ] {
        let (order, flags) = asked(order, flags);
        let rules = Rules {
            highatomic_first,
            ..RULES
        };
        let flags = first_attempt(order, flags, &rules, None);
        assert_eq!(flags.has(AllocFlag::HighAtomic), opens);
        assert_eq!(flags.opens_reserves(), opens);
    }
}

/// What is left of min, as the comments of mm/internal.h have it: 1/2, 3/8, and for a victim of
/// the OOM killer half of that.
#[test]
fn rights_leave_a_part_of_min() {
    use AllocFlag::{
        MinReserve,
        NonBlock,
        Oom, //
    };

    for (mark, flags, left) in [
        (1000, &[][..], 1000),
        (1000, &[NonBlock][..], 1000),
        (1000, &[MinReserve], 500),
        (1000, &[MinReserve, NonBlock], 375),
        (1000, &[MinReserve, NonBlock, Oom], 188),
        (1000, &[Oom], 500),
        (7, &[MinReserve], 4),
        (7, &[MinReserve, NonBlock], 3),
        (1, &[MinReserve, NonBlock, Oom], 1),
        (0, &[MinReserve, NonBlock, Oom], 0),
    ] {
        let flags = flags
            .iter()
            .fold(AllocFlags::new(Watermark::Min), |sum, &it| sum.with(it));
        let min = min_after_rights(NrPages::new(mark), flags);
        assert_eq!(min.get(), left, "{mark} {flags}");
    }
}

fn blocks(lists: &[(u32, Migratetype)]) -> Blocks {
    let mut blocks = Blocks::default();
    for &(number, migratetype) in lists {
        blocks.set(order(number), migratetype, true);
    }
    blocks
}

fn facts(free: usize, blocks: &Blocks) -> Facts<'_> {
    Facts {
        free: NrPages::new(free),
        highatomic_free: NrPages::new(50),
        cma_free: NrPages::new(20),
        marks: [100, 200, 300, 400].map(NrPages::new),
        boost: NrPages::new(40),
        reserve: NrPages::new(30),
        blocks,
    }
}

#[track_caller]
fn stops(free: usize, order_of: u32, flags: AllocFlags, rule: Option<Rule>) {
    let blocks = blocks(&[(3, Migratetype::Movable), (5, Migratetype::HighAtomic)]);
    let test = test(&facts(free, &blocks), order(order_of), flags);
    assert_eq!(test.stopped_by, rule, "{test:?}");
}

/// Low mark 200, reserve 30, 50 highatomic and 20 CMA pages that do not count: 301 are needed.
#[test]
fn each_rule_stops_one_page_before_it_passes() {
    let low = AllocFlags::new(Watermark::Low);
    stops(0, 0, low, Some(Rule::Watermark));
    stops(270, 0, low, Some(Rule::Watermark));
    stops(271, 0, low, Some(Rule::LowmemReserve));
    stops(300, 0, low, Some(Rule::LowmemReserve));
    stops(301, 0, low, None);
    stops(307, 3, low, Some(Rule::LowmemReserve));
    stops(308, 3, low, None);
    stops(10_000, 4, low, Some(Rule::NoBlock));
    stops(280, 0, low.with(AllocFlag::Cma), Some(Rule::LowmemReserve));
    stops(281, 0, low.with(AllocFlag::Cma), None);
}

/// Order 5 is on the highatomic list alone, which rights open.
#[test]
fn highatomic_lists_count_for_those_they_are_for() {
    let min = AllocFlags::new(Watermark::Min);
    stops(10_000, 5, min, Some(Rule::NoBlock));
    stops(
        10_000,
        5,
        min.with(AllocFlag::NonBlock),
        Some(Rule::NoBlock),
    );
    stops(10_000, 5, min.with(AllocFlag::HighAtomic), None);
    stops(
        10_000,
        6,
        min.with(AllocFlag::HighAtomic),
        Some(Rule::NoBlock),
    );
}

/// Min is 100 with a boost of 40: with half of it, order 0 needs 30 + 30, and others 50 + 30.
#[test]
fn single_page_with_rights_ignores_the_boost() {
    let high = AllocFlags::new(Watermark::Min)
        .with(AllocFlag::MinReserve)
        .with(AllocFlag::Cma);
    stops(60, 0, high, Some(Rule::LowmemReserve));
    stops(61, 0, high, None);
    stops(81, 1, high, Some(Rule::LowmemReserve));
    stops(82, 1, high, None);
    let low = AllocFlags {
        mark: Watermark::Low,
        ..high
    };
    stops(130, 0, low, Some(Rule::LowmemReserve));
    stops(131, 0, low, None);
}

#[test]
fn numbers_say_what_was_counted() {
    let blocks = blocks(&[(0, Migratetype::Unmovable), (7, Migratetype::Cma)]);
    let flags = AllocFlags::new(Watermark::Min).with(AllocFlag::MinReserve);
    let test = test_at(&facts(90, &blocks), order(2), NrPages::new(100), flags);
    let numbers = test.numbers;
    assert_eq!(numbers.unusable.get(), 3 + 20);
    assert_eq!((numbers.mark.get(), numbers.min.get()), (100, 50));
    assert_eq!(numbers.left, 90 - 23 - 50 - 30);
    assert_eq!(numbers.largest, Some(Order::ZERO));
    let cma = flags.with(AllocFlag::Cma);
    assert_eq!(largest(&blocks, cma), Some(order(7)));
}
