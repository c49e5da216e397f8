// SPDX-License-Identifier: GPL-2.0

//! Compaction of zones that were fragmented at random, against a model of what each frame holds.

use oxmm_model::algo::buddy::pcp::Tuning;
use oxmm_model::algo::buddy::span::Span;
use oxmm_model::algo::buddy::zone::compact::{
    gap, Budget, Count, Done, Outcome, Scope, Suitable, Task,
};
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages};
use oxmm_model::drawn::{
    compact, compact_all, draw, drawn, free, fresh, order, task, want, Dice, TUNING, UNBOUNDED,
};
use oxmm_model::holders::Holders;
use oxmm_model::host::{zone, LoneZone};
use proptest::prelude::*;

#[track_caller]
fn becomes(before: [&str; 4], task: &Task, outcome: Outcome, after: [&str; 4]) -> Done {
    let (zone, mut holders) = drawn(before);
    let done = compact(&zone, &mut holders, task);
    assert_eq!(done.outcome, outcome);
    assert_eq!(draw(&holders), after);
    done
}

/// The last pageblock has the fewest frames in use, and they go where the least is free.
#[test]
fn the_cheapest_pageblock_is_emptied() {
    let done = becomes(
        ["mm.mmmmm", "m.m.m.m.", "m.mm.mmm", "....m..."],
        &task(9),
        Outcome::Success,
        ["mmmmmmmm", "m.m.m.m.", "m.mm.mmm", "........"],
    );
    let counts = done.counts;
    assert_eq!(counts.get(Count::Moved), 64);
    assert_eq!(counts.get(Count::Isolated), 128);
    assert_eq!(counts.get(Count::Failed), 0);
    assert_eq!(
        (counts.get(Count::Emptied), counts.get(Count::Made)),
        (1, 1)
    );
    // Once for what it costs, and once for room.
    assert_eq!(counts.get(Count::Looked), 128);
}

/// The cheapest holds a block that cannot move.
#[test]
fn a_pageblock_with_an_immovable_block_is_left_alone() {
    becomes(
        ["m.mmmmmm", "m.m.m.mm", "m.mm.mmm", "....U..."],
        &task(9),
        Outcome::Success,
        ["mmmmmmmm", "........", "mmmmmmmm", "....Umm."],
    );
}

/// One in each: nothing can be emptied, and nothing moves.
#[test]
fn immovable_blocks_everywhere_leave_nothing_to_do() {
    let map = ["U.mm...m", "U.......", "......mU", "mmU....."];
    let done = becomes(map, &task(9), Outcome::Complete, map);
    assert_eq!(done.counts.get(Count::Isolated), 0);
}

/// Two blocks would have to go where there is room for one.
#[test]
fn without_room_for_all_nothing_moves() {
    let map = ["..mm....", "mmmmmmm.", "mmmmmmmm", "mmmmmmmm"];
    let done = becomes(map, &task(9), Outcome::Complete, map);
    assert_eq!(done.counts.get(Count::Isolated), 0);
}

/// Blocks of order 6, 7 and 8, and as many free ones elsewhere. The smallest, if it went first, would
/// take the free block of order 7, for the one of order 6 is beside one of order 8.
#[test]
fn the_largest_block_goes_first() {
    let (zone, mut holders) = drawn(["........", "UUUUUU..", ".UUU....", "UUUUUUUU"]);
    for (at, number) in [(0, 6), (128, 7), (256, 8)] {
        let span = Span::block(FrameIdx::new(at), order(number)).unwrap();
        zone.alloc_range(span, Migratetype::Movable).unwrap();
        holders.hold(span.from(), order(number), true);
    }
    let done = compact(&zone, &mut holders, &task(9));
    assert_eq!(done.outcome, Outcome::Success);
    let after = ["........", "UUUUUUmm", "mUUUmmmm", "UUUUUUUU"];
    assert_eq!(draw(&holders), after);
}

/// Within a pageblock the rest is not for targets.
#[test]
fn a_part_of_a_pageblock_is_emptied() {
    becomes(
        ["mmmmmmmm", "m.m.m.m.", "mmmmmmm.", "mmmmmmmm"],
        &task(7),
        Outcome::Success,
        ["mmmmmmmm", "..m.m.m.", "mmmmmmmm", "mmmmmmmm"],
    );
}

/// Two pageblocks side by side, in single frames; the third is full then.
#[test]
fn pageblocks_are_emptied_together() {
    becomes(
        ["MMMM.MMM", "UM.MMMM.", "M.......", "........"],
        &task(10),
        Outcome::Success,
        ["MMMMMMMM", "UM.MMMM.", "........", "........"],
    );
}

#[test]
fn a_block_that_is_there_costs_nothing() {
    let map = ["mm.mmmmm", "........", "m.mm.mmm", "....m..."];
    let done = becomes(map, &task(9), Outcome::Success, map);
    assert_eq!(done.counts, Default::default());
}

#[test]
fn orders_out_of_reach_are_skipped() {
    let map = ["m.......", "........", "........", "........"];
    becomes(map, &task(0), Outcome::Skipped, map);
    becomes(map, &task(11), Outcome::Skipped, map);
}

/// No pageblock may be looked at, or 64 frames moved and no more.
#[test]
fn the_budget_ends_it() {
    let map = ["m.mmmmmm", "mmmm..mm", "mm.mmmm.", "m..mm..."];
    let bounded = |pageblocks, frames| Task {
        budget: Budget { pageblocks, frames },
        ..task(9)
    };
    let done = becomes(map, &bounded(0, 1000), Outcome::Partial, map);
    assert_eq!(done.counts.get(Count::Looked), 0);
    becomes(map, &bounded(64, 191), Outcome::Partial, map);
    let (zone, mut holders) = drawn(map);
    let done = compact(&zone, &mut holders, &bounded(64, 192));
    assert_eq!(done.outcome, Outcome::Success);
}

/// Alike: only pageblocks of the request's type are emptied.
#[test]
fn the_scope_keeps_to_the_type() {
    let map = ["mm.mmmmm", "m.m.m.m.", "m.mm.mmm", "....m..."];
    let alike = |migratetype| Task {
        migratetype,
        scope: Scope::Alike,
        ..task(9)
    };
    becomes(map, &alike(Migratetype::Unmovable), Outcome::Complete, map);
    let after = ["mmmmmmmm", "m.m.m.m.", "m.mm.mmm", "........"];
    becomes(map, &alike(Migratetype::Movable), Outcome::Success, after);
}

/// Frames on a list of a CPU belong to nobody that could be asked.
#[test]
fn frames_on_lists_are_in_the_way_until_they_are_drained() {
    let lazy = Tuning {
        high_min: 1000,
        high_max: 1000,
        ..TUNING
    };
    let zone: LoneZone = zone(1, 1, lazy);
    zone.add(FrameIdx::new(0), NrPages::new(512), Migratetype::Movable);
    zone.add(FrameIdx::new(1024), NrPages::new(100), Migratetype::Movable);
    let mut holders = Holders::new(1 << 15);
    while holders.alloc(&zone, 0, &want(0, Migratetype::Movable)) {}
    for head in (0..512).step_by(8).chain(1024..1124) {
        holders.free_at(&zone, 0, head);
    }
    let done = zone.compact(&task(4), &mut holders);
    assert_eq!(done.outcome, Outcome::Complete);
    zone.drain(0);
    let done = compact(&zone, &mut holders, &task(4));
    assert_eq!(done.outcome, Outcome::Success);
}

/// gap: twice the block, up to 32 frames.
#[test]
fn compaction_needs_room_above_the_mark() {
    let suitable = |frames: usize, number: u32, mark: usize| {
        let (zone, mut holders) = fresh(0, 4096);
        // Every other frame is free, so that the index says fragmentation.
        while holders.alloc(&zone, 0, &want(0, Migratetype::Movable)) {}
        for head in (0..8192).step_by(2).take(frames) {
            holders.free_at(&zone, 0, head % 4096);
        }
        zone.drain(0);
        zone.compaction_suitable(order(number), NrPages::new(mark))
    };
    assert_eq!(gap(order(1)).get(), 4);
    assert_eq!(gap(order(4)).get(), 32);
    assert_eq!(gap(order(9)).get(), 32);
    assert_eq!(suitable(104, 1, 100), Suitable::Skipped);
    assert_eq!(suitable(105, 1, 100), Suitable::Continue);
    assert_eq!(suitable(1132, 9, 1100), Suitable::Skipped);
    assert_eq!(suitable(1133, 9, 1100), Suitable::Continue);
    // 200 single frames do not make up for a block of 512.
    assert_eq!(suitable(200, 9, 100), Suitable::Continue);
}

/// A few large blocks: what is missing is memory.
#[test]
fn lack_of_memory_is_not_fragmentation() {
    let (zone, _) = drawn(["mmmm....", "mmmm....", "mmmmmmmm", "mmmmmmmm"]);
    let suitable = |number| zone.compaction_suitable(order(number), NrPages::new(10));
    assert_eq!(suitable(9), Suitable::NotSuitable);
    assert_eq!(suitable(3), Suitable::Continue);
}

/// Every pageblock whose blocks find place in broken ones is emptied, the cheapest first; the last
/// two keep what is left, for there is no place but in whole pageblocks.
#[test]
fn all_of_a_zone_is_compacted() {
    let (zone, mut holders) = drawn(["mm.mm..m", "..m.....", "mm.U...m", "...m..m."]);
    let done = compact_all(&zone, &mut holders, UNBOUNDED);
    assert_eq!(done.outcome, Outcome::Complete);
    let after = ["mmmmmmmm", "........", "mm.U...m", "........"];
    assert_eq!(draw(&holders), after);
    assert_eq!(done.counts.get(Count::Made), 2);
    assert_eq!(done.counts.get(Count::Moved), 3 * 64);
    let again = compact_all(&zone, &mut holders, UNBOUNDED);
    assert_eq!(again.counts.get(Count::Moved), 0);
}

/// One pageblock is broken: to empty it another would have to be.
#[test]
fn whole_pageblocks_are_not_broken_to_compact_all() {
    let map = ["mm.mm..m", "........", "........", "........"];
    let (zone, mut holders) = drawn(map);
    let done = compact_all(&zone, &mut holders, UNBOUNDED);
    assert_eq!(
        (done.outcome, draw(&holders)),
        (Outcome::Complete, map.map(String::from))
    );
    assert_eq!(done.counts.get(Count::Isolated), 0);
}

#[test]
fn compacting_all_ends_with_the_budget() {
    let map = ["mm.mm..m", "..m.....", "mm.U...m", "...m..m."];
    let (zone, mut holders) = drawn(map);
    let budget = Budget {
        pageblocks: 1000,
        frames: 127,
    };
    let done = compact_all(&zone, &mut holders, budget);
    assert_eq!(done.outcome, Outcome::Partial);
    assert_eq!(done.counts.get(Count::Moved), 64);
}

/// What a random zone is made of.
#[derive(Clone, Debug)]
struct Recipe {
    from: u32,
    frames: usize,
    largest: u32,
    /// In 64.
    kept: u32,
    /// In 64.
    unmovable: u32,
    wanted: u32,
    seed: u64,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (
        prop_oneof![Just(0u32), Just(300), Just(512)],
        1000..6000usize,
        prop_oneof![2 => Just(0u32), 3 => 1..7u32],
        1..64u32,
        prop_oneof![Just(0u32), 1..20u32],
        1..=10u32,
        any::<u64>(),
    )
        .prop_map(
            |(from, frames, largest, kept, unmovable, wanted, seed)| Recipe {
                from,
                frames,
                largest,
                kept,
                unmovable,
                wanted,
                seed,
            },
        )
}

fn cook(recipe: &Recipe) -> (LoneZone, Holders) {
    let (zone, mut holders) = fresh(recipe.from, recipe.frames);
    let mut dice = Dice(recipe.seed);
    loop {
        let number = dice.below(recipe.largest + 1);
        let migratetype = match dice.below(64) < recipe.unmovable {
            true => Migratetype::Unmovable,
            false => Migratetype::Movable,
        };
        if !holders.alloc(&zone, 0, &want(number, migratetype)) {
            break;
        }
    }
    let heads: Vec<_> = holders.held().keys().copied().collect();
    for head in heads {
        if dice.below(64) >= recipe.kept {
            holders.free_at(&zone, 0, head);
        }
    }
    zone.drain(0);
    (zone, holders)
}

/// Whether a block of the order is free, or some range of it can be emptied into what is free in
/// other pageblocks: by trying all.
fn can_be_made(recipe: &Recipe, holders: &Holders) -> bool {
    let (start, end) = (
        recipe.from,
        recipe.from + u32::try_from(recipe.frames).unwrap(),
    );
    let size = 1 << recipe.wanted;
    let mut free = vec![false; 1 << 15];
    for at in start..end {
        free[FrameIdx::new(at).index()] = holders.holder(at).is_none();
    }
    let is_free = |at: u32| free[FrameIdx::new(at).index()];
    (0..end.next_multiple_of(size))
        .step_by(1 << recipe.wanted)
        .any(|from| {
            if from < start || from + size > end {
                return false;
            }
            let mut needed = [0u32; 11];
            for at in from..from + size {
                let Some((_, held)) = holders.holder(at) else {
                    continue;
                };
                if !held.is_movable || held.order.get() >= recipe.wanted {
                    return false;
                }
                let orders = needed.iter_mut().take(held.order.index() + 1);
                orders.for_each(|sum| *sum += 1);
            }
            if needed[0] == 0 {
                return true;
            }
            let here = from / 512..(from + size).div_ceil(512);
            (0..11u32).all(|number| {
                let block = 1 << number;
                let blocks = (0..1u32 << 15)
                    .step_by(1 << number)
                    .filter(|&at| !here.contains(&(at / 512)) && (at..at + block).all(is_free));
                let has = u32::try_from(blocks.count()).unwrap() * block;
                has >= needed[usize::try_from(number).unwrap()]
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Contents stay with their holders, what cannot move does not, the recount agrees; and a block
    /// is made whenever one can be.
    #[test]
    fn a_block_is_made_whenever_it_can_be(recipe in recipe()) {
        let (zone, mut holders) = cook(&recipe);
        let expected = can_be_made(&recipe, &holders);
        let done = compact(&zone, &mut holders, &task(recipe.wanted));
        let outcome = if expected { Outcome::Success } else { Outcome::Complete };
        prop_assert_eq!(done.outcome, outcome);
        let served = holders.alloc(&zone, 0, &want(recipe.wanted, Migratetype::Movable));
        prop_assert_eq!(served, expected);
        let heads: Vec<_> = holders.held().keys().copied().collect();
        for head in heads {
            holders.free_at(&zone, 0, head);
        }
        zone.drain(0);
        prop_assert_eq!(zone.check(1), Ok(()));
        prop_assert_eq!(free(&zone), isize::try_from(recipe.frames).unwrap());
    }

    /// Single frames all of which may move: in the end as many pageblocks are whole as there are
    /// free frames for, of those that have all their frames.
    #[test]
    fn compacting_all_leaves_one_broken_pageblock(recipe in recipe()) {
        let recipe = Recipe { from: 0, frames: recipe.frames / 512 * 512, largest: 0, unmovable: 0, ..recipe };
        let (zone, mut holders) = cook(&recipe);
        compact_all(&zone, &mut holders, UNBOUNDED);
        let blocks = zone.count_blocks();
        let whole = (9..blocks.len()).fold(0, |sum, order| sum + (blocks[order] << (order - 9)));
        prop_assert_eq!(whole, usize::try_from(free(&zone)).unwrap() / 512);
    }

    /// The same with frees and allocations in between and bounded work.
    #[test]
    fn compaction_goes_on_from_any_state(recipe in recipe(), budget in 0..1500usize) {
        let (zone, mut holders) = cook(&recipe);
        let mut dice = Dice(recipe.seed ^ 1);
        for _ in 0..6 {
            let bounded = Task {
                budget: Budget { pageblocks: 64, frames: budget },
                scope: if dice.below(2) == 0 { Scope::All } else { Scope::Alike },
                ..task(1 + dice.below(10))
            };
            let done = compact(&zone, &mut holders, &bounded);
            prop_assert!(done.counts.get(Count::Moved) <= u64::try_from(budget).unwrap());
            for _ in 0..40 {
                let number = dice.below(recipe.largest + 1);
                holders.alloc(&zone, 0, &want(number, Migratetype::Movable));
                holders.free(&zone, 0, dice.below(1 << 20).try_into().unwrap());
            }
        }
        prop_assert_eq!(zone.check(1), Ok(()));
    }
}
