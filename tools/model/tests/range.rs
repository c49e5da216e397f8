// SPDX-License-Identifier: GPL-2.0

//! Ranges of a zone: taken exactly, found where they fit, freed at once or in parts, isolated.

use std::sync::atomic::Ordering::Relaxed;

use oxmm_model::algo::buddy::frame::WrongFree;
use oxmm_model::algo::buddy::pcp::Tuning;
use oxmm_model::algo::buddy::span::Span;
use oxmm_model::algo::buddy::zone::isolate::{NotIsolated, Unmovable};
use oxmm_model::algo::buddy::zone::range::{Direction, Place};
use oxmm_model::algo::buddy::zone::{Miss, Want};
use oxmm_model::algo::snapshot::Watermark;
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use oxmm_model::algo::watermark::AllocFlags;
use oxmm_model::host::{zone, LoneZone};
use proptest::prelude::*;

const TUNING: Tuning = Tuning {
    batch: 1,
    high_min: 0,
    high_max: 0,
    keeps_high_batch: false,
};

/// Frames of the zone of these tests: one region and the first part of another.
const FRAMES: usize = 32_768 + 2_000;

fn two_regions() -> LoneZone {
    let zone: LoneZone = zone(2, 1, TUNING);
    zone.add(FrameIdx::new(0), NrPages::new(FRAMES), Migratetype::Movable);
    zone
}

fn order(number: u32) -> Order {
    Order::new(number).unwrap()
}

fn frame(number: usize) -> FrameIdx {
    FrameIdx::new(u32::try_from(number).unwrap())
}

fn span(from: usize, frames: usize) -> Span {
    Span::new(frame(from), NrPages::new(frames)).unwrap()
}

fn place(from: usize, frames: usize, align: u32, direction: Direction) -> Place {
    Place {
        within: span(from, frames),
        align: order(align),
        direction,
        may_cma: false,
    }
}

fn free(zone: &LoneZone) -> usize {
    usize::try_from(zone.figures().free.load(Relaxed)).unwrap()
}

/// | 0 | 1 isolated |  A pair of pageblocks lies on no list of a CPU if one of the two may not be
/// allocated.
#[test]
fn a_pair_with_an_isolated_pageblock_goes_to_its_region() {
    let tuning = Tuning {
        batch: 63,
        high_min: 1000,
        high_max: 1 << 20,
        keeps_high_batch: true,
    };
    let zone: LoneZone = zone(1, 1, tuning);
    zone.add(FrameIdx::new(0), NrPages::new(32_768), Migratetype::Movable);
    let want = Want::new(
        order(10),
        Migratetype::Movable,
        AllocFlags::new(Watermark::Min),
    );
    for isolated in [None, Some(0), Some(512)] {
        let block = zone.alloc(0, &want).unwrap();
        zone.drain(0);
        if let Some(at) = isolated {
            let second = span(block.index() + at, 512);
            assert_eq!(zone.isolate_range(second, Unmovable::Accept), Ok(()));
        }
        assert_eq!(zone.free(0, block, order(10)), Ok(()));
        assert_eq!(zone.check(1), Ok(()));
        let on_lists = zone.drain(0);
        let expected = if isolated.is_none() { 1024 } else { 0 };
        assert_eq!(on_lists, NrPages::new(expected), "{isolated:?}");
        zone.undo_isolation(span(block.index(), 1024));
    }
    assert_eq!(free(&zone), 32_768);
}

/// 700 frames from 32500 on lie in both regions; each block may be freed alone.
#[test]
fn an_exact_range_crosses_regions() {
    let zone = two_regions();
    let range = span(32_500, 700);
    assert_eq!(zone.alloc_range(range, Migratetype::Unmovable), Ok(()));
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!(free(&zone), FRAMES - 700);
    for (at, order) in range.blocks(zone.max_order()) {
        assert_eq!(zone.free(0, at, order), Ok(()));
    }
    zone.drain(0);
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!(free(&zone), FRAMES);
}

/// The last frame of it, in the second region, is in use: the first region's are given back.
#[test]
fn a_range_that_is_in_use_is_left_alone() {
    let zone = two_regions();
    zone.alloc_range(span(33_199, 1), Migratetype::Movable)
        .unwrap();
    for (from, frames) in [(32_500, 700), (33_000, 200), (33_199, 1), (33_199, 100)] {
        let taken = zone.alloc_range(span(from, frames), Migratetype::Movable);
        assert_eq!(taken, Err(Miss::Empty));
        assert_eq!(zone.check(1), Ok(()));
        assert_eq!(free(&zone), FRAMES - 1);
    }
    let hole = zone.alloc_range(span(FRAMES - 1, 2), Migratetype::Movable);
    assert_eq!(hole, Err(Miss::Empty));
    let outside = zone.alloc_range(span(65_536, 2), Migratetype::Movable);
    assert_eq!(outside, Err(Miss::Empty));
    assert_eq!(free(&zone), FRAMES - 1);
}

/// 100 frames from 28 on: 28 (order 2), 32 (5), 64 (6).
#[test]
fn a_range_is_freed_as_it_was_given_out_or_not_at_all() {
    let zone = two_regions();
    zone.alloc_range(span(28, 100), Migratetype::Movable)
        .unwrap();
    let frees = |from, frames| zone.free_range(span(from, frames));
    let tail = WrongFree::Tail(frame(64), order(6));
    assert_eq!(frees(28, 99), Err((frame(64), WrongFree::Order(order(6)))));
    assert_eq!(frees(65, 63), Err((frame(65), tail)));
    let before = WrongFree::Free(frame(24), order(2));
    assert_eq!(frees(27, 101), Err((frame(27), before)));
    assert_eq!(free(&zone), FRAMES - 100);
    assert_eq!(frees(28, 36), Ok(()));
    assert_eq!(frees(64, 64), Ok(()));
    assert!(frees(28, 36).is_err());
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!(free(&zone), FRAMES);
}

/// The isolated pageblock counts apart before and after.
#[test]
fn isolated_frames_can_be_taken_exactly() {
    let zone = two_regions();
    assert!(zone.isolate(1, true));
    assert_eq!(free(&zone), FRAMES - 512);
    zone.alloc_range(span(300, 500), Migratetype::Movable)
        .unwrap();
    assert_eq!(free(&zone), FRAMES - 512 - 212);
    assert_eq!(zone.check(1), Ok(()));
    assert!(zone.isolate(1, false));
    assert_eq!(zone.free_range(span(300, 500)), Ok(()));
    assert_eq!((zone.check(1), free(&zone)), (Ok(()), FRAMES));
}

#[track_caller]
fn found(zone: &LoneZone, frames: usize, place: &Place, expected: Option<usize>) {
    let found = zone.alloc_contig(NrPages::new(frames), place, Migratetype::Movable);
    let expected = expected.map(|from| span(from, frames)).ok_or(Miss::Empty);
    assert_eq!(found, expected);
    assert_eq!(zone.check(1), Ok(()));
    if let Ok(span) = found {
        assert_eq!(zone.free_range(span), Ok(()));
    }
}

/// In use: 1000 and 3000.
#[test]
fn frames_in_a_row_are_found_from_either_end() {
    use Direction::{BottomUp, TopDown};
    let zone = two_regions();
    for at in [1000, 3000] {
        zone.alloc_range(span(at, 1), Migratetype::Movable).unwrap();
    }
    let all = |align, direction| place(0, FRAMES, align, direction);
    found(&zone, 1000, &all(0, BottomUp), Some(0));
    found(&zone, 1001, &all(0, BottomUp), Some(1001));
    found(&zone, 1001, &all(6, BottomUp), Some(1024));
    found(&zone, 2000, &all(0, BottomUp), Some(3001));
    found(&zone, 1, &all(15, TopDown), Some(32_768));
    found(&zone, 1001, &all(0, TopDown), Some(FRAMES - 1001));
    found(&zone, 3000, &all(10, TopDown), Some(31_744));
    found(&zone, FRAMES - 3000, &all(0, TopDown), None);
    found(&zone, FRAMES - 3001, &all(0, TopDown), Some(3001));
    found(&zone, 1000, &place(500, 2000, 0, BottomUp), Some(1001));
    found(&zone, 1500, &place(500, 2000, 0, BottomUp), None);
    found(&zone, 500, &place(500, 1500, 0, TopDown), Some(1500));
    // More aligned than large.
    found(&zone, 3, &place(1, 5000, 12, BottomUp), Some(4096));
    found(&zone, 3, &place(1, 4000, 12, BottomUp), None);
    found(&zone, 0, &all(0, BottomUp), None);
    assert_eq!(free(&zone), FRAMES - 2);
}

/// CMA areas are for those who may have them, isolated pageblocks for nobody.
#[test]
fn frames_in_a_row_keep_out_of_what_is_not_theirs() {
    let zone: LoneZone = zone(1, 1, TUNING);
    zone.add(FrameIdx::new(0), NrPages::new(1024), Migratetype::Cma);
    zone.add(
        FrameIdx::new(1024),
        NrPages::new(2048),
        Migratetype::Movable,
    );
    assert!(zone.isolate(2, true));
    let outside = place(0, 3072, 0, Direction::BottomUp);
    let inside = Place {
        may_cma: true,
        ..outside
    };
    found(&zone, 10, &outside, Some(1536));
    found(&zone, 10, &inside, Some(0));
    found(&zone, 1025, &inside, Some(1536));
    found(&zone, 1537, &inside, None);
}

/// Pageblocks 1 to 3, the second of which holds a block that cannot be moved.
#[test]
fn a_range_with_an_immovable_block_is_not_isolated() {
    let zone = two_regions();
    zone.alloc_range(span(1100, 1), Migratetype::Unmovable)
        .unwrap();
    zone.alloc_range(span(600, 100), Migratetype::Movable)
        .unwrap();
    let range = span(700, 1200);
    let why = NotIsolated::Unmovable(frame(1100));
    assert_eq!(zone.isolate_range(range, Unmovable::Refuse), Err(why));
    assert_eq!(free(&zone), FRAMES - 101);
    // It is in the pageblock, but not in the range.
    let before = span(700, 400);
    assert_eq!(zone.isolate_range(before, Unmovable::Refuse), Ok(()));
    assert_eq!(zone.undo_isolation(before), 2);
    assert_eq!(zone.isolate_range(range, Unmovable::Accept), Ok(()));
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!(free(&zone), FRAMES - 3 * 512);
    let why = NotIsolated::Isolated(frame(1536));
    let after = span(1536, 2000);
    assert_eq!(zone.isolate_range(after, Unmovable::Accept), Err(why));
    assert_eq!(zone.undo_isolation(range), 3);
    assert_eq!(zone.undo_isolation(after), 0);
    assert_eq!((zone.check(1), free(&zone)), (Ok(()), FRAMES - 101));
}

/// A block of two pageblocks reaches in from before.
#[test]
fn a_block_that_reaches_into_the_range_is_seen() {
    let zone = two_regions();
    zone.alloc_range(span(1024, 1024), Migratetype::Unmovable)
        .unwrap();
    let why = NotIsolated::Unmovable(frame(1024));
    let range = span(1536, 700);
    assert_eq!(zone.isolate_range(range, Unmovable::Refuse), Err(why));
    let hole = span(FRAMES - 100, 200);
    let why = NotIsolated::NotManaged(frame(FRAMES));
    assert_eq!(zone.isolate_range(hole, Unmovable::Refuse), Err(why));
    let nowhere = span(1 << 20, 200);
    let why = NotIsolated::NotManaged(frame(1 << 20));
    assert_eq!(zone.isolate_range(nowhere, Unmovable::Refuse), Err(why));
    assert_eq!((zone.check(1), free(&zone)), (Ok(()), FRAMES - 1024));
}

/// While a range is isolated nothing comes from it, and what is freed stays in it.
#[test]
fn frees_into_an_isolated_range_stay_there() {
    let zone = two_regions();
    let range = span(0, 32_768);
    zone.alloc_range(span(5, 1), Migratetype::Movable).unwrap();
    assert_eq!(zone.isolate_range(range, Unmovable::Refuse), Ok(()));
    assert_eq!(zone.free(0, frame(5), order(0)), Ok(()));
    let want = Want::new(
        order(0),
        Migratetype::Movable,
        AllocFlags::new(Watermark::Min),
    );
    for _ in 0..2000 {
        assert!(zone.alloc(0, &want).unwrap() >= frame(32_768));
    }
    assert_eq!(zone.alloc(0, &want), Err(Miss::Empty));
    assert_eq!(zone.undo_isolation(range), 64);
    assert_eq!(zone.alloc_range(range, Migratetype::Movable), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// The first or the last place there is, by trying all.
    #[test]
    fn a_run_is_found_where_it_fits(
        used in prop::collection::vec(0..FRAMES, 0..60),
        frames in 1..4000usize,
        from in 0..FRAMES,
        length in 1..FRAMES,
        align in 0..12u32,
        top_down in any::<bool>(),
    ) {
        let zone = two_regions();
        let mut is_used = vec![false; FRAMES];
        for at in used {
            let taken = zone.alloc_range(span(at, 1), Migratetype::Movable).is_ok();
            prop_assert_eq!(taken, !is_used[at]);
            is_used[at] = true;
        }
        let to = FRAMES.min(from + length);
        let mut starts = (from..(to + 1).saturating_sub(frames))
            .filter(|it| it % (1 << align) == 0)
            .filter(|&it| !is_used[it..it + frames].contains(&true));
        let direction = if top_down { Direction::TopDown } else { Direction::BottomUp };
        let expected = if top_down { starts.next_back() } else { starts.next() };
        found(&zone, frames, &place(from, to - from, align, direction), expected);
        prop_assert_eq!(free(&zone), FRAMES - is_used.iter().filter(|it| **it).count());
    }
}
