// SPDX-License-Identifier: GPL-2.0

//! Tests of the region: what is drawn here is what a single rule does; sequences are compared with
//! a naive region in `tools/model`.

use super::super::{
    PAGEBLOCK_ORDER,
    REGION_ORDER, //
};
use super::*;
use crate::algo::units::Order;

use Migratetype::{
    Cma,
    HighAtomic,
    Isolate,
    Movable,
    Reclaimable,
    Unmovable, //
};

fn order(number: u32) -> Order {
    Order::new(number).unwrap()
}

fn at(number: usize) -> Offset {
    Offset::new(number).unwrap()
}

fn pageblock(number: usize) -> PageblockIdx {
    PageblockIdx::new(number).unwrap()
}

/// A region whose first pageblocks have these types and are free.
fn region(types: &[Migratetype]) -> Region {
    let mut region = Region::new();
    for (place, migratetype) in types.iter().enumerate() {
        assert!(region.add(place * SIZE, (place + 1) * SIZE, *migratetype));
    }
    region
}

/// Takes frames until these of the first pageblock are left.
fn leave(region: &mut Region, frames: &[usize]) {
    assert!(region.take_at(at(0), PAGEBLOCK_ORDER));
    for frame in frames {
        region.give(at(*frame), Order::ZERO).unwrap();
    }
}

#[track_caller]
fn blocks_are(region: &Region, max: u32, expected: &[(Migratetype, u32, usize)]) {
    let mut found = std::collections::BTreeMap::new();
    region.count_blocks(order(max), |migratetype, order, blocks| {
        *found.entry((migratetype, order.get())).or_insert(0) += blocks;
    });
    let found = found.into_iter().filter(|(_, blocks)| *blocks > 0);
    let found: Vec<_> = found
        .map(|((it, order), blocks)| (it, order, blocks))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(region.check(), Ok(()));
}

#[test]
fn new_region_is_all_zero_and_has_nothing() {
    let mut region = Region::new();
    assert_eq!(region.check(), Ok(()));
    assert_eq!((region.managed(), region.free()), (0, 0));
    assert_eq!(region.migratetype(pageblock(63)), Unmovable);
    assert_eq!(region.summary().get(), 0);
    assert_eq!(region.take(Unmovable, Order::ZERO, true), None);
    let fields = (region.whole, region.complete, region.free, region.at_least);
    assert_eq!(fields, (0, 0, [0; 8], [0; 9]));
    assert!(region.states.iter().all(|state| *state == State::NONE));
}

/// 0 . . . 512 . . . 1024: added from 100 to 1000.
#[test]
fn added_frames_are_the_largest_blocks_that_fit() {
    let mut region = Region::new();
    assert!(region.add(96, 1000, Movable));
    assert_eq!((region.managed(), region.free_of(Movable)), (904, 904));
    blocks_are(
        &region,
        10,
        &[
            (Movable, 3, 1),
            (Movable, 5, 2),
            (Movable, 6, 1),
            (Movable, 7, 2),
            (Movable, 8, 2),
        ],
    );
    assert!(!region.add(999, 2000, Movable));
    assert!(region.add(0, 96, Movable) && region.add(1000, 1024, Movable));
    blocks_are(&region, 10, &[(Movable, 10, 1)]);
}

/// Two buddies of order 0 make one of order 1, and so on up to the region.
#[test]
fn given_frames_merge_up_to_the_region() {
    let mut region = region(&[Movable; PAGEBLOCKS]);
    let all = region.take(Movable, REGION_ORDER, false).unwrap();
    assert_eq!((all.get(), region.free()), (0, 0));
    for frame in (0..FRAMES).rev() {
        region.give(at(frame), Order::ZERO).unwrap();
    }
    blocks_are(&region, 15, &[(Movable, 15, 1)]);
    blocks_are(&region, 10, &[(Movable, 10, 32)]);
    blocks_are(&region, 3, &[(Movable, 3, 4096)]);
}

/// Pageblock 0 has blocks of order 3 and 0, 1 one of order 2, 2 is whole.
#[test]
fn block_comes_from_the_pageblock_that_is_most_broken() {
    let mut region = region(&[Movable; 3]);
    leave(&mut region, &[8, 9, 10, 11, 12, 13, 14, 15, 20]);
    assert!(region.take_at(at(512), PAGEBLOCK_ORDER));
    region.give(at(600), order(2)).unwrap();
    let take = |region: &mut Region, number| {
        let taken = region.take(Movable, order(number), true);
        assert_eq!(region.check(), Ok(()));
        taken.map(Offset::get)
    };
    assert_eq!(take(&mut region, 1), Some(600));
    assert_eq!(take(&mut region, 0), Some(602));
    assert_eq!(take(&mut region, 0), Some(603));
    assert_eq!(take(&mut region, 0), Some(20));
    assert_eq!(take(&mut region, 2), Some(8));
    assert_eq!(take(&mut region, 3), Some(1024));
    assert_eq!(take(&mut region, 9), None);
}

#[test]
fn whole_pageblock_is_broken_only_if_it_may_be() {
    let mut region = region(&[Movable, Movable]);
    leave(&mut region, &[3, 7]);
    let mut frames = Vec::new();
    let put = |frame: Offset| frames.push(frame.get());
    assert_eq!(region.take_frames(Movable, 5, false, put), 2);
    assert_eq!(frames, [3, 7]);
    assert_eq!(region.take(Movable, Order::ZERO, false), None);
    assert_eq!(region.take_frames(Movable, 5, true, |_| {}), 5);
    assert_eq!(region.summary().largest_broken(Movable), Some(order(8)));
    assert_eq!(region.check(), Ok(()));
}

#[test]
fn words_that_are_full_are_taken_from_last() {
    let mut region = region(&[Unmovable]);
    leave(&mut region, &[130, 131]);
    region.give(at(64), order(6)).unwrap();
    let mut frames = Vec::new();
    let put = |frame: Offset| frames.push(frame.get());
    assert_eq!(region.take_frames(Unmovable, 3, false, put), 3);
    assert_eq!(frames, [130, 131, 64]);
}

#[test]
fn wrong_gives_change_nothing() {
    let mut region = region(&[Movable, Movable]);
    assert!(region.add(1024, 1030, Movable));
    assert!(region.take_at(at(0), order(4)));
    let before = region.free();
    #[rustfmt::skip]
    let wrong = [
        (0, 5, GiveError::Free), (16, 0, GiveError::Free), (512, 9, GiveError::Free),
        (600, 0, GiveError::Free), (0, 10, GiveError::Free), (512, 7, GiveError::Free),
        (1030, 0, GiveError::Unmanaged), (1088, 6, GiveError::Unmanaged),
        (1536, 9, GiveError::Unmanaged), (2048, 11, GiveError::Unmanaged),
        (1, 1, GiveError::Misplaced), (0, 16, GiveError::Misplaced),
    ];
    for (frame, number, error) in wrong {
        let answer = region.give(at(frame), order(number));
        assert_eq!(answer, Err(error), "{frame} order {number}");
    }
    assert_eq!(region.give_word(0, 1 << 3 | 1 << 16), Err(GiveError::Free));
    assert_eq!(region.give_word(16, 1 << 6), Err(GiveError::Unmanaged));
    assert_eq!(region.give_word(512, 1), Err(GiveError::Misplaced));
    assert_eq!((region.free(), region.check()), (before, Ok(())));
    assert_eq!(region.give_word(0, 0xffff), Ok(Movable));
    assert_eq!(region.free(), before + 16);
}

/// M U | R H | C C   whole all: what may merge is one block, of its first pageblock's type.
#[test]
fn pageblocks_merge_with_their_kin() {
    let mut region = region(&[Movable, Unmovable, Reclaimable, HighAtomic, Cma, Cma]);
    let alone = (HighAtomic, 9, 1);
    let kin = [(Movable, 10, 1), (Reclaimable, 9, 1), alone, (Cma, 10, 1)];
    blocks_are(&region, 10, &kin);
    assert_eq!(region.free_block_of(at(600)), Some((at(0), order(10))));
    // The second pageblock is inside of the block, and yet of its own type.
    assert_eq!(region.largest(Unmovable), Some((at(512), order(9))));
    assert_eq!(region.set_isolated(pageblock(1), true), SIZE);
    blocks_are(
        &region,
        10,
        &[
            (Movable, 9, 1),
            (Reclaimable, 9, 1),
            alone,
            (Cma, 10, 1),
            (Isolate, 9, 1),
        ],
    );
    assert_eq!(region.take(Unmovable, Order::ZERO, true), None);
    assert_eq!(region.give(at(512), Order::ZERO), Err(GiveError::Free));
    assert!(region.take_at(at(515), Order::ZERO));
    assert_eq!(region.give(at(515), Order::ZERO), Ok(Isolate));
    assert_eq!(region.set_isolated(pageblock(1), false), SIZE);
    blocks_are(&region, 10, &kin);
}

#[test]
fn pageblock_takes_its_free_frames_to_its_new_type() {
    let mut region = region(&[Movable]);
    leave(&mut region, &[1, 2, 3]);
    assert_eq!(region.set_migratetype(pageblock(0), Reclaimable), 3);
    assert_eq!(
        (region.free_of(Movable), region.free_of(Reclaimable)),
        (0, 3)
    );
    assert_eq!(region.summary().largest(Movable), None);
    assert_eq!(region.summary().largest(Reclaimable), Some(order(1)));
    assert_eq!(region.set_migratetype(pageblock(0), Isolate), 0);
    assert_eq!(region.set_isolated(pageblock(0), true), 3);
    assert_eq!((region.free(), region.free_of(Isolate)), (0, 3));
    assert_eq!(region.set_migratetype(pageblock(0), Cma), 0);
    assert_eq!(region.set_isolated(pageblock(0), false), 3);
    assert_eq!((region.free_of(Cma), region.check()), (3, Ok(())));
}

#[test]
fn check_finds_what_does_not_fit_together() {
    let mut good = region(&[Movable, Movable]);
    assert!(good.take_at(at(3), Order::ZERO));
    let broken = |harm: fn(&mut Region)| {
        let mut region = good.clone();
        harm(&mut region);
        region.check()
    };
    assert_eq!(broken(|_| {}), Ok(()));
    let first = pageblock(0);
    assert_eq!(
        broken(|it| it.words[0][0] ^= 1),
        Err(Violation::Count(Movable))
    );
    assert_eq!(
        broken(|it| it.words[1][0] = 1),
        Err(Violation::Words(pageblock(1)))
    );
    assert_eq!(
        broken(|it| it.at_least[8] = 0),
        Err(Violation::State(first))
    );
    assert_eq!(
        broken(|it| it.words[0][4..].fill(0)),
        Err(Violation::Largest(first))
    );
    assert_eq!(broken(|it| it.complete = 2), Err(Violation::State(first)));
    assert_eq!(
        broken(|it| it.managed = Managed::new()),
        Err(Violation::Unmanaged(first))
    );
    assert_eq!(
        broken(|it| it.summary = Summary::EMPTY),
        Err(Violation::Summary)
    );
}

/// Blocks of each order, given in a row and out of order, leave what single gives leave; what is
/// free already is left out.
#[test]
fn many_blocks_given_are_as_many_single_ones() {
    for size in 0..9 {
        let order = order(size);
        let step = order.nr_pages().get();
        let places = [0, 1, 3, 2, 7, 70, 71, 5].map(|it| it * step % 4096);
        let mut blocks: Vec<_> = places
            .iter()
            .map(|&it| u32::try_from(it).unwrap())
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks.rotate_left(2);
        let [mut one, mut many] = [Movable, Reclaimable].map(|it| region(&[it; 8]));
        for region in [&mut one, &mut many] {
            assert!(region.take_at(at(0), Order::new(12).unwrap()));
        }
        for block in &blocks {
            one.give(at(usize_from(*block)), order).unwrap();
        }
        let mut counted = 0;
        many.give_many(order, &blocks, |kind, frames| {
            assert!(frames == 0 || kind == Reclaimable);
            counted += frames;
        });
        assert_eq!(counted, blocks.len() * step);
        assert_eq!((many.check(), many.free()), (Ok(()), one.free()));
        assert_eq!((one.words, one.whole), (many.words, many.whole));
        many.give_many(order, &blocks, |_, frames| assert_eq!(frames, 0));
        assert_eq!((many.check(), many.free()), (Ok(()), one.free()));
    }
}
