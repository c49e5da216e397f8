// SPDX-License-Identifier: GPL-2.0

//! Small machines by hand, with the zone that serves and the rules that stop the others.

use super::*;
use crate::algo::{
    gfp::{
        Flag,
        FlagSet, //
    },
    snapshot::{
        would::{
            Blocks,
            Kswapd,
            Rules, //
        },
        Count,
        ListKind,
        Zone, //
    },
    units::Pfn,
};

fn order(number: u32) -> Order {
    Order::new(number).unwrap()
}

fn node(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

/// Marks 100, 200, 300; a block of every order on the movable list; kswapd asleep.
fn candidate(on: u32, kind: ZoneKind, free: usize) -> Candidate {
    let mut blocks = Blocks::default();
    for order in Order::up_to(order(10)) {
        blocks.set(order, Migratetype::Movable, true);
    }
    Candidate {
        zone: Zone {
            node: node(on),
            kind,
            start: Pfn::new(0),
            spanned: NrPages::new(1 << 20),
            present: NrPages::new(1 << 20),
            managed: NrPages::new(1 << 20),
            cma: NrPages::ZERO,
            free: NrPages::new(free),
            free_exact: NrPages::new(free),
            free_bound: NrPages::ZERO,
            marks: [100, 200, 300, 400].map(NrPages::new),
            boost: NrPages::ZERO,
            lowmem_reserve: [Some(NrPages::ZERO); ZoneKind::COUNT],
            highatomic_reserved: NrPages::ZERO,
            highatomic_free: NrPages::ZERO,
        },
        cma_free: NrPages::ZERO,
        drift_mark: NrPages::ZERO,
        blocks,
        pcp: None,
        has_cold: false,
        kswapd: Kswapd {
            is_idle: true,
            is_hopeless: false,
        },
        is_allowed: true,
    }
}

/// The same with one block in all, of this order and type.
fn with_block(mut candidate: Candidate, number: u32, migratetype: Migratetype) -> Candidate {
    candidate.blocks = Blocks::default();
    candidate.blocks.set(order(number), migratetype, true);
    candidate
}

fn asked(number: u32, flags: &[Flag], has_many_nodes: bool) -> Asked {
    let flags: FlagSet = flags.iter().copied().collect();
    Asked {
        order: order(number),
        flags,
        bits: 0,
        migratetype: flags.migratetype(),
        node: node(0),
        list: ListKind::Fallback,
        nodes: None,
        highest: ZoneKind::Normal,
        cpu: 0,
        rules: Rules {
            has_cma: true,
            avoids_mixing: true,
            highatomic_first: false,
            is_realtime: false,
            has_policy: false,
            has_many_nodes,
            pageblock_order: order(9),
            max_order: order(10),
        },
    }
}

const KERNEL: &[Flag] = &[Flag::DirectReclaim, Flag::KswapdReclaim];
const ATOMIC: &[Flag] = &[Flag::High, Flag::KswapdReclaim];

fn rules(asked: &Asked, list: &[Candidate], attempt: &Attempt) -> Vec<&'static str> {
    let judge = |it| attempt.judge(asked, list, it).stopped_by;
    list.iter()
        .map(|it| judge(it).map_or("pass", Rule::name))
        .collect()
}

/// Normal is between low and high, and passes; the slow path would go lower.
#[test]
fn first_zone_above_its_mark_serves() {
    let list = [
        candidate(0, ZoneKind::Normal, 150),
        candidate(0, ZoneKind::Dma32, 201),
        candidate(0, ZoneKind::Dma, 10),
    ];
    let asked = asked(0, KERNEL, false);
    let Prediction { first, slow } = predict(&asked, &list);
    assert_eq!(first.served_by, Some(1));
    let found = rules(&asked, &list, &first);
    assert_eq!(found, ["watermark", "pass", "watermark"]);
    assert_eq!(slow.served_by, Some(0));
    assert_eq!(rules(&asked, &list, &slow), ["pass", "pass", "watermark"]);
}

/// One node: unmovable, and Normal has movable blocks below a pageblock only; DMA32 has its own.
#[test]
fn types_are_kept_apart_while_a_lower_zone_serves() {
    let list = [
        with_block(
            candidate(0, ZoneKind::Normal, 5000),
            8,
            Migratetype::Movable,
        ),
        with_block(
            candidate(0, ZoneKind::Dma32, 5000),
            0,
            Migratetype::Unmovable,
        ),
    ];
    let asked = asked(0, KERNEL, false);
    let first = predict(&asked, &list).first;
    assert_eq!((first.served_by, first.walks), (Some(1), 1));
    assert_eq!(rules(&asked, &list, &first), ["no_fragment", "pass"]);
    // A whole pageblock of another type may be claimed at once.
    let list = [with_block(list[0], 9, Migratetype::Movable), list[1]];
    assert_eq!(predict(&asked, &list).first.served_by, Some(0));
}

/// Two nodes: rather than leave the node, types are mixed.
#[test]
fn types_are_mixed_before_the_node_is_left() {
    let small = |on, kind| with_block(candidate(on, kind, 5000), 8, Migratetype::Movable);
    let own = |on, kind| with_block(candidate(on, kind, 5000), 0, Migratetype::Unmovable);
    let list = [
        small(0, ZoneKind::Normal),
        small(0, ZoneKind::Dma32),
        own(1, ZoneKind::Normal),
    ];
    let asked = asked(0, KERNEL, true);
    let first = predict(&asked, &list).first;
    assert_eq!((first.served_by, first.walks), (Some(0), 2));
    assert!(!first.flags.has(AllocFlag::NoFragment));
    assert_eq!(rules(&asked, &list, &first), ["pass", "pass", "pass"]);
}

/// A node whose kswapd works is left for one whose kswapd sleeps, and taken if that has nothing.
#[test]
fn node_at_reclaim_is_left_for_an_idle_one() {
    let mut busy = candidate(0, ZoneKind::Normal, 5000);
    busy.kswapd.is_idle = false;
    let asked = asked(0, KERNEL, true);
    let list = [busy, candidate(1, ZoneKind::Normal, 5000)];
    let first = predict(&asked, &list).first;
    assert_eq!(first.served_by, Some(1));
    assert_eq!(rules(&asked, &list, &first), ["kswapd_busy", "pass"]);
    let list = [busy, candidate(1, ZoneKind::Normal, 10)];
    let first = predict(&asked, &list).first;
    assert_eq!((first.served_by, first.skips_busy), (Some(0), false));
    let asked = self::asked(0, KERNEL, false);
    assert_eq!(predict(&asked, &list[..1]).first.served_by, Some(0));
}

/// Node 0 is below high, so that its kswapd is woken and it is passed over; node 1 is above.
#[test]
fn slow_path_passes_over_nodes_it_has_woken() {
    let list = [
        candidate(0, ZoneKind::Normal, 250),
        candidate(1, ZoneKind::Normal, 5000),
    ];
    let asked = asked(0, ATOMIC, true);
    let slow = predict(&asked, &list).slow;
    assert_eq!(slow.served_by, Some(1));
    assert_eq!(rules(&asked, &list, &slow), ["kswapd_busy", "pass"]);
    // A hopeless node is not woken, and a request that may not wake leaves both alone.
    let mut hopeless = list;
    hopeless[0].kswapd.is_hopeless = true;
    assert_eq!(predict(&asked, &hopeless).slow.served_by, Some(0));
    let quiet = self::asked(0, &[Flag::High], true);
    assert_eq!(predict(&quiet, &list).slow.served_by, Some(0));
    // A boost wakes kswapd even of a node above its marks.
    let mut boosted = list;
    boosted[0].zone.free = NrPages::new(5000);
    boosted[0].zone.boost = NrPages::new(1);
    assert_eq!(predict(&asked, &boosted).slow.served_by, Some(1));
}

/// The counter is below high, and what CPUs keep to themselves would lift it: below the drift mark
/// kswapd looks at that too, and sleeps on.
#[test]
fn kswapd_counts_exactly_below_the_drift_mark() {
    let mut drifting = candidate(0, ZoneKind::Normal, 250);
    drifting.zone.free_exact = NrPages::new(301);
    let other = candidate(1, ZoneKind::Normal, 5000);
    let asked = asked(0, ATOMIC, true);
    let served_by = |list: &[Candidate]| predict(&asked, list).slow.served_by;
    assert_eq!(served_by(&[drifting, other]), Some(1));
    drifting.drift_mark = NrPages::new(250);
    assert_eq!(served_by(&[drifting, other]), Some(1));
    drifting.drift_mark = NrPages::new(251);
    assert_eq!(served_by(&[drifting, other]), Some(0));
    drifting.zone.free_exact = NrPages::new(300);
    assert_eq!(served_by(&[drifting, other]), Some(1));
}

/// Flags that a cpuset binds go to its nodes; an atomic request's slow path does not ask.
#[test]
fn cpuset_binds_all_but_the_atomic_slow_path() {
    let mut forbidden = candidate(0, ZoneKind::Normal, 5000);
    forbidden.is_allowed = false;
    let list = [forbidden, candidate(1, ZoneKind::Normal, 150)];
    let prediction = predict(&asked(0, ATOMIC, false), &list);
    assert_eq!(prediction.first.served_by, None);
    assert_eq!(prediction.slow.served_by, Some(0));
    let asked = asked(0, KERNEL, false);
    let Prediction { first, slow } = predict(&asked, &list);
    assert_eq!(rules(&asked, &list, &first), ["cpuset", "watermark"]);
    assert_eq!(slow.served_by, Some(1));
}

#[track_caller]
fn takes(candidate: &Candidate, asked: &Asked, flags: AllocFlags, expected: Option<Source>) {
    assert_eq!(source(asked, candidate, flags), expected);
}

fn list_of(migratetype: Migratetype, number: u32) -> Option<Source> {
    let order = order(number);
    Some(Source::List { migratetype, order })
}

#[test]
fn own_list_comes_before_others_and_the_largest_other_before_small_ones() {
    use Migratetype::{
        Movable,
        Reclaimable,
        Unmovable, //
    };

    let flags = AllocFlags::new(Watermark::Low);
    let mut zone = with_block(candidate(0, ZoneKind::Normal, 5000), 2, Movable);
    zone.blocks.set(order(10), Movable, true);
    zone.blocks.set(order(3), Reclaimable, true);
    let unmovable = asked(1, KERNEL, false);
    takes(&zone, &unmovable, flags, list_of(Movable, 10));
    let reclaimable = asked(4, &[Flag::Reclaimable], false);
    takes(&zone, &reclaimable, flags, list_of(Movable, 10));
    let movable = asked(1, &[Flag::Movable], false);
    takes(&zone, &movable, flags, list_of(Movable, 2));
    zone.blocks.set(order(5), Unmovable, true);
    takes(&zone, &unmovable, flags, list_of(Unmovable, 5));
    // A movable request claims from half a pageblock's order on, and below takes the smallest.
    let mut zone = with_block(zone, 5, Unmovable);
    zone.blocks.set(order(1), Reclaimable, true);
    takes(&zone, &movable, flags, list_of(Unmovable, 5));
    let mut zone = with_block(zone, 3, Unmovable);
    zone.blocks.set(order(1), Reclaimable, true);
    takes(&zone, &movable, flags, list_of(Reclaimable, 1));
    takes(&zone, &movable, flags.with(AllocFlag::NoFragment), None);
}

#[test]
fn reserves_are_used_first_or_last_by_right() {
    use Migratetype::{
        HighAtomic,
        Movable, //
    };

    let low = AllocFlags::new(Watermark::Low);
    let mut zone = with_block(candidate(0, ZoneKind::Normal, 5000), 4, HighAtomic);
    let atomic = asked(1, ATOMIC, false);
    takes(&zone, &atomic, low, None);
    takes(
        &zone,
        &atomic,
        low.with(AllocFlag::NonBlock),
        list_of(HighAtomic, 4),
    );
    zone.blocks.set(order(9), Movable, true);
    takes(
        &zone,
        &atomic,
        low.with(AllocFlag::NonBlock),
        list_of(Movable, 9),
    );
    takes(
        &zone,
        &atomic,
        low.with(AllocFlag::HighAtomic),
        list_of(HighAtomic, 4),
    );
    zone.pcp = Some(Count {
        blocks: 1,
        more: false,
    });
    takes(
        &zone,
        &atomic,
        low.with(AllocFlag::HighAtomic),
        Some(Source::Pcp),
    );
}

/// CMA comes first once it holds more than half of what is free, and after the own list else.
#[test]
fn cma_serves_movable_requests_in_turn() {
    use Migratetype::{
        Cma,
        Movable, //
    };

    let flags = AllocFlags::new(Watermark::Low).with(AllocFlag::Cma);
    let movable = asked(0, &[Flag::Movable], false);
    let mut zone = with_block(candidate(0, ZoneKind::Normal, 1000), 3, Cma);
    takes(&zone, &movable, flags, list_of(Cma, 3));
    takes(&zone, &movable, AllocFlags::new(Watermark::Low), None);
    zone.blocks.set(order(0), Movable, true);
    zone.cma_free = NrPages::new(500);
    takes(&zone, &movable, flags, list_of(Movable, 0));
    zone.cma_free = NrPages::new(501);
    takes(&zone, &movable, flags, list_of(Cma, 3));
}

#[test]
fn empty_list_serves_nobody() {
    let asked = asked(0, KERNEL, true);
    let Prediction { first, slow } = predict(&asked, &[]);
    assert_eq!((first.served_by, slow.served_by), (None, None));
}
