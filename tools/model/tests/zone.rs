// SPDX-License-Identifier: GPL-2.0

//! Sequences of allocations, frees and drains on a zone, against a list of what is held.

use std::sync::atomic::Ordering::Relaxed;

use oxmm_model::algo::buddy::frame::WrongFree;
use oxmm_model::algo::buddy::guarded::Guarded;
use oxmm_model::algo::buddy::pcp::{ListIdx, Tuning};
use oxmm_model::algo::buddy::zone::{flag, Memory, Miss, Want, Zone};
use oxmm_model::algo::buddy::{FRAMES, PAGEBLOCK_ORDER};
use oxmm_model::algo::snapshot::Watermark;
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use oxmm_model::algo::watermark::AllocFlags;
use oxmm_model::host::{HostMemory, LoneZone};
use oxmm_model::zone::{follow, Action, Span, CPUS};
use proptest::prelude::*;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = any::<[u8; 6]>().prop_map(Action::from_bytes);
    prop::collection::vec(action, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_zone_keeps_its_frames(actions in actions()) {
        follow(Span::TWO_REGIONS, actions, 4);
    }

    /// So small that it runs out of everything.
    #[test]
    fn a_small_zone_keeps_its_frames(actions in actions()) {
        follow(Span::PAGEBLOCKS, actions, 4);
    }
}

/// The frames of a pageblock.
const PAGEBLOCK: usize = PAGEBLOCK_ORDER.nr_pages().get();

const FLAGS: AllocFlags = AllocFlags::new(Watermark::Min);

/// A zone is served to its last frame, and then says so.
#[test]
fn every_frame_is_served() {
    let zone = Span::TWO_REGIONS.zone();
    let want = Want::new(Order::ZERO, Migratetype::Unmovable, FLAGS);
    let mut held = Vec::new();
    while let Ok(frame) = zone.alloc(0, &want) {
        held.push(frame);
    }
    assert_eq!(held.len(), 40_000);
    held.sort();
    held.dedup();
    assert_eq!(held.len(), 40_000);
    for frame in held {
        zone.free(1, frame, Order::ZERO).unwrap();
    }
    zone.drain(1);
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// Frames of a batch come from low to high, so that neighbours are used together.
#[test]
fn frames_come_in_order() {
    let zone = Span::TWO_REGIONS.zone();
    let want = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
    let frames: Vec<_> = (0..60)
        .map(|_| zone.alloc(0, &want).unwrap().get())
        .collect();
    assert!(frames.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(frames[59] - frames[0] < 128);
    assert!(usize::try_from(frames[59]).unwrap() < 2 * FRAMES);
}

/// A block of two regions is seen, taken once, and whole again when it is freed.
#[test]
fn block_spans_regions() {
    let order = Order::new(16).unwrap();
    let memory = HostMemory::new(3, CPUS, Tuning::default());
    memory.prepare(0);
    let zone: LoneZone = Zone::new(memory, order);
    zone.add(
        FrameIdx::new(0),
        NrPages::new(3 * FRAMES),
        Migratetype::Movable,
    );
    let has = || zone.has_block(Migratetype::Movable, order);
    let want = Want::new(order, Migratetype::Movable, FLAGS);
    assert!(has());
    let frame = zone.alloc(0, &want).unwrap();
    assert!(!has() && zone.alloc(0, &want) == Err(Miss::Empty));
    assert_eq!(zone.check(CPUS), Ok(()));
    let inside = FrameIdx::new(40_000);
    let wrong = WrongFree::Tail(frame, order);
    assert_eq!(zone.free(0, inside, Order::ZERO), Err(wrong));
    zone.free(1, frame, order).unwrap();
    assert!(has());
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// Whole regions of another type serve a request for a block that spans them, and change their type.
#[test]
fn block_that_spans_regions_is_claimed() {
    let order = Order::new(17).unwrap();
    let memory = HostMemory::new(9, CPUS, Tuning::default());
    (0..9).for_each(|region| memory.prepare(region));
    let zone: LoneZone = Zone::new(memory, order);
    zone.add(
        FrameIdx::new(0),
        NrPages::new(9 * FRAMES),
        Migratetype::Movable,
    );
    // [ a b c d | e f g h | i ]: a part of a is in use, and i has no neighbours.
    let page = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
    let used = zone.alloc(0, &page).unwrap();
    let want = Want::new(order, Migratetype::Unmovable, FLAGS);
    let frame = zone.alloc(0, &want).unwrap();
    assert_eq!(frame, FrameIdx::new(4 * 32_768));
    assert_eq!(zone.alloc(0, &want), Err(Miss::Empty));
    assert_eq!(zone.check(CPUS), Ok(()));
    zone.free(0, frame, order).unwrap();
    assert!(zone.has_block(Migratetype::Unmovable, order));
    zone.free(0, used, Order::ZERO).unwrap();
    zone.drain(0);
    assert!(zone.has_block(Migratetype::Movable, order));
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// What is allocated together are other blocks each time, up to the last, and is freed together.
#[test]
fn bulk_is_the_same_as_one_by_one() {
    let (zone, frames) = (Span::TWO_REGIONS.zone(), 40_000);
    for order in [0, 3, 9] {
        let order = Order::new(order).unwrap();
        let want = Want::new(order, Migratetype::Movable, FLAGS);
        let mut held = vec![FrameIdx::default(); frames];
        let nr = zone.alloc_bulk(0, &want, &mut held);
        held.truncate(nr);
        assert!(nr >= (frames >> order.get()) - 2);
        assert_eq!(zone.alloc(0, &want), Err(Miss::Empty));
        let mut apart: Vec<_> = held.iter().map(|it| it.get() >> order.get()).collect();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), nr);
        assert_eq!(zone.check(CPUS), Ok(()));
        assert_eq!(zone.free_bulk(1, &held, order), Ok(()));
        assert_eq!(zone.check(CPUS), Ok(()));
        zone.drain(1);
    }
}

/// Whatever lists hold at the time, as many frames are gone as there was place for.
#[test]
fn bulk_takes_no_more_than_it_has_place_for() {
    let (zone, frames) = (Span::TWO_REGIONS.zone(), 40_000);
    let want = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
    for wanted in [1, 3, 64, 1000] {
        let mut held = vec![FrameIdx::default(); wanted];
        assert_eq!(zone.alloc_bulk(0, &want, &mut held), wanted);
        zone.drain(0);
        let free = zone.figures().free.load(Relaxed);
        assert_eq!(free, isize::try_from(frames - wanted).unwrap());
        assert_eq!(zone.free_bulk(0, &held, Order::ZERO), Ok(()));
        zone.drain(0);
    }
}

/// [ a b a c ]: a and b are freed, a the second time is not, and c stays.
#[test]
fn bulk_stops_at_the_first_wrong_free() {
    let zone = Span::TWO_REGIONS.zone();
    for order in [0, 9] {
        let order = Order::new(order).unwrap();
        let want = Want::new(order, Migratetype::Movable, FLAGS);
        let [a, b, c] = [0; 3].map(|_| zone.alloc(0, &want).unwrap());
        let wrong = zone.free_bulk(0, &[a, b, a, c], order).unwrap_err();
        // Lists of pageblocks are that short here that the first went back at once.
        assert!(matches!(
            wrong,
            (2, WrongFree::OnList | WrongFree::Free(..))
        ));
        assert_eq!(zone.check(CPUS), Ok(()));
        let other = Order::new(9 - order.get()).unwrap();
        let wrong = zone.free(1, c, other).unwrap_err();
        assert!(matches!(wrong, WrongFree::Order(given) if given == order));
        assert_eq!(zone.free(1, c, order), Ok(()));
    }
}

/// With every frame given out, those that one CPU frees serve it again, whatever pageblocks they are
/// in; requests for other types and orders are told that there is nothing.
#[test]
fn cold_frames_are_the_last_to_be_served() {
    let zone = Span::TWO_REGIONS.zone();
    let want = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
    let held: Vec<_> = std::iter::from_fn(|| zone.alloc(0, &want).ok()).collect();
    assert_eq!(held.len(), 40_000);
    let has_cold = |migratetype| zone.has_cold(0, Order::ZERO, migratetype);
    assert!(!has_cold(Migratetype::Movable));
    let mut freed: Vec<_> = held.into_iter().step_by(700).collect();
    for &frame in &freed {
        assert_eq!(zone.free(0, frame, Order::ZERO), Ok(()));
    }
    assert!(has_cold(Migratetype::Movable) && !has_cold(Migratetype::Unmovable));
    assert!(!zone.has_cold(1, Order::ZERO, Migratetype::Movable));
    let unmovable = Want::new(Order::ZERO, Migratetype::Unmovable, FLAGS);
    assert_eq!(zone.alloc(0, &unmovable), Err(Miss::Empty));
    let pair = Want::new(Order::new(1).unwrap(), Migratetype::Movable, FLAGS);
    assert_eq!(zone.alloc(0, &pair), Err(Miss::Empty));
    let mut again: Vec<_> = std::iter::from_fn(|| zone.alloc(0, &want).ok()).collect();
    again.sort();
    freed.sort();
    assert_eq!(again, freed);
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// [ whole | held, with a hole here and there ]: what a CPU frees far from where it allocates it gets
/// again, before one of the pageblocks that are whole is broken up.
#[test]
fn holes_are_filled_before_a_whole_pageblock_is_broken_up() {
    let zone = Span::TWO_REGIONS.zone();
    let want = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
    let all = std::iter::from_fn(|| zone.alloc(0, &want).ok());
    let (whole, held): (Vec<_>, Vec<_>) = all.partition(|it| it.index() < 20 * PAGEBLOCK);
    for frame in whole {
        zone.free(1, frame, Order::ZERO).unwrap();
    }
    zone.drain(1);
    let mut freed: Vec<_> = held.into_iter().step_by(300).collect();
    for &frame in &freed {
        zone.free(0, frame, Order::ZERO).unwrap();
    }
    let again = freed.iter().map(|_| zone.alloc(0, &want).unwrap());
    let mut again: Vec<_> = again.collect();
    again.sort();
    freed.sort();
    assert_eq!(again, freed);
}

/// Frames are replaced at random, in turn by each CPU, until each has been some times: those that are
/// held then lie in as few pageblocks as they can, but for what lists hold and CPUs are at.
#[test]
fn what_is_held_comes_together() {
    for (cpus, percent, more) in [(1, 10, 2), (1, 40, 2), (2, 10, 3), (2, 40, 3)] {
        let zone = Span::TWO_REGIONS.zone();
        let want = Want::new(Order::ZERO, Migratetype::Movable, FLAGS);
        let mut held: Vec<_> = std::iter::from_fn(|| zone.alloc(0, &want).ok()).collect();
        let mut random = below();
        for _ in 0..held.len() * (100 - percent) / 100 {
            let frame = held.swap_remove(random(held.len()));
            zone.free(0, frame, Order::ZERO).unwrap();
        }
        for turn in 0..20 * held.len() {
            let place = random(held.len());
            zone.free(turn % cpus, held[place], Order::ZERO).unwrap();
            held[place] = zone.alloc(turn % cpus, &want).unwrap();
        }
        let mut blocks: Vec<_> = held.iter().map(|it| it.index() / PAGEBLOCK).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let fewest = held.len().div_ceil(PAGEBLOCK);
        assert!(
            blocks.len() <= fewest + more,
            "{cpus} CPUs, {percent} percent: {} for {fewest}",
            blocks.len()
        );
    }
}

/// Numbers below another that look random.
fn below() -> impl FnMut(usize) -> usize {
    let mut state = 42_u64;
    move |end| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) as usize % end
    }
}

/// A freed block goes to the list of its pageblock's type, whichever type was allocated last.
#[test]
fn a_free_goes_to_the_list_of_its_pageblock() {
    let zone = Span::TWO_REGIONS.zone();
    for order in [0, 3].map(|it| Order::new(it).unwrap()) {
        let types = [Migratetype::Movable, Migratetype::Unmovable];
        let lengths = || {
            let lists = types.map(|it| ListIdx::of(order, it).unwrap());
            let own = zone.memory().lists(0).unwrap();
            own.with(|pcp| lists.map(|it| pcp.length(it)))
        };
        let [first, second] = types.map(|it| zone.alloc(0, &Want::new(order, it, FLAGS)).unwrap());
        let [movable, unmovable] = lengths();
        zone.free(0, first, order).unwrap();
        assert_eq!(lengths(), [movable + 1, unmovable]);
        zone.free(0, second, order).unwrap();
        assert_eq!(lengths(), [movable + 1, unmovable + 1]);
    }
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// Types that mix raise the marks, up to the most; the end of it takes that off, and nothing else.
#[test]
fn a_boost_is_taken_off() {
    let zone = Span::TWO_REGIONS.zone();
    let order = Order::new(8).unwrap();
    let take = |migratetype| zone.alloc(0, &Want::new(order, migratetype, FLAGS));
    zone.figures().boost_max.store(700, Relaxed);
    let held: Vec<_> = std::iter::from_fn(|| take(Migratetype::Movable).ok()).collect();
    // Of each pageblock half is in use.
    for &head in held.iter().filter(|it| !it.is_aligned(PAGEBLOCK_ORDER)) {
        assert_eq!(zone.free(0, head, order), Ok(()));
    }
    zone.drain(0);
    let boost = || zone.figures().boost.load(Relaxed);
    assert_eq!(boost(), 0);
    assert!(take(Migratetype::Unmovable).is_ok());
    assert!(take(Migratetype::Reclaimable).is_ok());
    assert_eq!(boost(), 700);
    let flags = &zone.figures().flags;
    flags.fetch_or(flag::BOOSTED | flag::BELOW_HIGH, Relaxed);
    zone.end_boost();
    assert_eq!((boost(), flags.load(Relaxed)), (0, flag::BELOW_HIGH));
}

/// [ U U M M | M M M M | U U M M | M M M M ]: what two CPUs claim lies in regions of their own, once all
/// that the first one claimed is in use; in one they would share its lock and the lines of its states.
#[test]
fn two_cpus_claim_apart() {
    for order in [9, 10].map(|it| Order::new(it).unwrap()) {
        let memory = HostMemory::new(4, CPUS, Tuning::default());
        (0..4).for_each(|region| memory.prepare(region));
        let zone: LoneZone = Zone::new(memory, Order::new(10).unwrap());
        let all = NrPages::new(4 * FRAMES);
        zone.add(FrameIdx::new(0), all, Migratetype::Movable);
        let want = Want::new(order, Migratetype::Unmovable, FLAGS);
        let region = |cpu| zone.alloc(cpu, &want).unwrap().region();
        let claimed = 1 << (10 - order.get());
        assert!((0..claimed).all(|_| region(0) == 0));
        assert_eq!(region(1), 2, "order {}", order.get());
        assert_eq!(zone.check(CPUS), Ok(()));
    }
}

/// [ U u M M | M M M M | U M M M | M M M M ]: a CPU claims a pageblock of its own region while there is
/// something left of another's, unless its region has but a few: then that is shared.
#[test]
fn what_another_cpu_uses_is_shared_last() {
    for order in [0, 3, 9].map(|it| Order::new(it).unwrap()) {
        for plenty in [true, false] {
            let memory = HostMemory::new(4, CPUS, Tuning::default());
            (0..4).for_each(|region| memory.prepare(region));
            let zone: LoneZone = Zone::new(memory, Order::new(10).unwrap());
            let home = if plenty { FRAMES } else { 7 << 9 };
            zone.add(FrameIdx::new(0), NrPages::new(FRAMES), Migratetype::Movable);
            let second = FrameIdx::new(u32::try_from(2 * FRAMES).unwrap());
            zone.add(second, NrPages::new(home), Migratetype::Movable);
            let want = Want::new(order, Migratetype::Unmovable, FLAGS);
            assert_eq!(zone.alloc(0, &want).unwrap().region(), 0);
            let region = zone.alloc(1, &want).unwrap().region();
            assert_eq!(region, if plenty { 2 } else { 0 }, "order {}", order.get());
            assert_eq!(zone.check(CPUS), Ok(()));
        }
    }
}
