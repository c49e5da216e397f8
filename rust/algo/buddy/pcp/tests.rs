// SPDX-License-Identifier: GPL-2.0

//! Lists of a CPU by hand: where blocks go, which go back first, and when.

use super::*;

const TUNING: Tuning = Tuning {
    batch: 63,
    high_min: 500,
    high_max: 4000,
    keeps_high_batch: false,
};

fn list(order: u32, migratetype: Migratetype) -> ListIdx {
    ListIdx::of(Order::new(order).unwrap(), migratetype).unwrap()
}

/// U0 M0 R0 U1 ... R8, then one for huge pages that do not move and one for those that do, and the
/// same for pairs of them.
#[test]
fn lists_are_numbered_by_order_and_type() {
    use Migratetype::{Cma, HighAtomic, Movable, Reclaimable, Unmovable};
    for (order, migratetype, index) in [
        (0, Unmovable, 0),
        (0, Movable, 1),
        (0, Reclaimable, 2),
        (1, Unmovable, 3),
        (3, Reclaimable, 11),
        (8, Reclaimable, 26),
        (9, Unmovable, 27),
        (9, Reclaimable, 27),
        (9, Movable, 28),
        (10, Unmovable, 29),
        (10, Reclaimable, 29),
        (10, Movable, 30),
        (0, HighAtomic, 1),
        (0, Cma, 1),
    ] {
        assert_eq!(list(order, migratetype).index(), index);
        assert_eq!(list(order, migratetype).order().get(), order);
    }
    for order in [11, 18] {
        assert_eq!(ListIdx::of(Order::new(order).unwrap(), Movable), None);
    }
    assert_eq!(ListIdx::all().count(), LISTS);
}

/// Lists lie side by side: filling each to its end leaves the others as they are.
#[test]
fn a_full_list_takes_no_more_and_spoils_no_other() {
    let mut pcp = Pcp::new(TUNING);
    for list in ListIdx::all() {
        let base = 10_000 * u32::try_from(list.index()).unwrap();
        let pushed = (0..).take_while(|it| pcp.push(list, base + it)).count();
        assert_eq!(pushed, list.capacity());
    }
    let frames = ListIdx::all().map(|list| list.capacity() << list.order().get());
    assert_eq!(pcp.count(), frames.sum::<usize>());
    assert_eq!(pcp.recount(), Some(pcp.count()));
    for list in ListIdx::all() {
        let base = 10_000 * u32::try_from(list.index()).unwrap();
        let popped: Vec<_> = std::iter::from_fn(|| pcp.pop(list)).collect();
        let expected = (0..u32::try_from(list.capacity()).unwrap()).rev();
        assert!(popped.into_iter().eq(expected.map(|it| base + it)));
    }
    assert_eq!(pcp.count(), 0);
}

/// [ 1 2 3 4 5 | ]: a drain of two takes 1 and 2, and 5 is still on top.
#[test]
fn a_drain_takes_the_oldest() {
    let mut pcp = Pcp::new(TUNING);
    let movable = list(0, Migratetype::Movable);
    assert!((1..=5).all(|it| pcp.push(movable, it)));
    let mut given = Vec::new();
    pcp.drain(movable, 2, |order, blocks| {
        assert_eq!(order, Order::ZERO);
        given.extend_from_slice(blocks);
    });
    assert_eq!(given, [1, 2]);
    assert_eq!(pcp.entries(movable), [3, 4, 5]);
    assert_eq!(pcp.pop(movable), Some(5));
}

/// A drain begins at its list and goes round; blocks are never cut, so it may take a bit more.
#[test]
fn a_drain_goes_on_to_other_lists() {
    let mut pcp = Pcp::new(TUNING);
    let (third, huge) = (list(3, Migratetype::Movable), list(9, Migratetype::Movable));
    let first = list(0, Migratetype::Unmovable);
    assert!(pcp.push(third, 8) && pcp.push(huge, 512) && pcp.push(first, 1));
    let mut given = Vec::new();
    pcp.drain(third, 9, |order, blocks| {
        given.push((order.get(), blocks.to_vec()))
    });
    assert_eq!(given, [(3, vec![8]), (9, vec![512])]);
    assert_eq!(pcp.count(), 1);
    pcp.drain(third, 100, |_, _| {});
    assert_eq!(pcp.count(), 0);
}

/// Refills double while nothing is freed, up to 32 batches, and start again after frees.
#[test]
fn refills_grow_in_a_row() {
    let mut pcp = Pcp::new(TUNING);
    let unmovable = list(0, Migratetype::Unmovable);
    let refill = |pcp: &mut Pcp| pcp.refill_blocks(unmovable, Pressure::default());
    let sizes: Vec<_> = (0..4).map(|_| refill(&mut pcp)).collect();
    assert_eq!(sizes, [63, 126, 252, 504]);
    for _ in 0..5 {
        assert!(pcp.push(unmovable, 1));
        pcp.excess(unmovable, Pressure::default());
    }
    assert_eq!(refill(&mut pcp), 63);
}

/// Of order 3 an eighth of a batch is taken, then twice that and so on up to what the list holds; of
/// order 8 two blocks, and then the four that its list holds.
#[test]
fn refills_of_high_orders_begin_small() {
    let mut pcp = Pcp::new(TUNING);
    let pressure = Pressure::default();
    let (third, eighth) = (list(3, Migratetype::Movable), list(8, Migratetype::Movable));
    let sizes: Vec<_> = (0..5).map(|_| pcp.refill_blocks(third, pressure)).collect();
    assert_eq!(sizes, [7, 14, 28, 56, 64]);
    let low = Pressure {
        is_below_high: true,
        ..pressure
    };
    let sizes: Vec<_> = (0..3).map(|_| pcp.refill_blocks(third, low)).collect();
    assert_eq!(sizes, [7, 7, 7]);
    pcp.refill_blocks(third, pressure);
    let mut other = Pcp::new(TUNING);
    let sizes: Vec<_> = (0..2)
        .map(|_| other.refill_blocks(eighth, pressure))
        .collect();
    assert_eq!(sizes, [2, 4]);
    for at in 0..5 {
        assert!(pcp.push(third, 8 * at));
        pcp.excess(third, pressure);
    }
    assert_eq!(pcp.refill_blocks(third, pressure), 7);
}

/// Pageblocks: 2, 4, 8 ... in a row, up to what an eighth of the zone allows; three of four go
/// back when there are more.
#[test]
fn pageblocks_are_kept_by_a_limit_of_their_own() {
    let mut pcp = Pcp::new(Tuning {
        high_max: 16 << 10,
        ..TUNING
    });
    let (movable, pressure) = (list(9, Migratetype::Movable), Pressure::default());
    let refill = |pcp: &mut Pcp| pcp.refill_blocks(movable, pressure);
    let sizes: Vec<_> = (0..6).map(|_| refill(&mut pcp)).collect();
    assert_eq!(sizes, [2, 4, 8, 16, 16, 16]);
    let excess: Vec<_> = (0..17)
        .map(|at| {
            assert!(pcp.push(movable, at * 512));
            pcp.excess(movable, pressure)
        })
        .collect();
    assert!(excess[..16].iter().all(|&it| it == 0));
    assert_eq!(excess[16], 15 * 512);
}

/// Pairs of pageblocks: a quarter as many, and none where one is more than the CPU's share.
#[test]
fn pairs_of_pageblocks_are_few() {
    for (high_max, most) in [(1 << 20, 15), (16 << 10, 4), (1 << 10, 1), (1 << 9, 0)] {
        let mut pcp = Pcp::new(Tuning { high_max, ..TUNING });
        let (movable, pressure) = (list(10, Migratetype::Movable), Pressure::default());
        let refills = (0..6).map(|_| pcp.refill_blocks(movable, pressure));
        assert_eq!(refills.max(), Some(most.max(1)), "{high_max}");
        let mut kept = 0;
        for at in 0..40 {
            assert!(pcp.push(movable, at * 1024));
            let excess = pcp.excess(movable, pressure);
            pcp.drain(movable, excess, |_, _| {});
            kept = kept.max(pcp.length(movable));
        }
        assert_eq!(kept, most, "{high_max}");
        assert_eq!(pcp.recount(), Some(pcp.count()));
    }
}

/// A list that goes back takes nothing of another with it.
#[test]
fn a_list_that_is_too_long_goes_back_alone() {
    let mut pcp = Pcp::new(Tuning {
        high_max: 1 << 9,
        ..TUNING
    });
    let (pairs, frames) = (
        list(10, Migratetype::Movable),
        list(0, Migratetype::Movable),
    );
    assert!(pcp.push(frames, 7) && pcp.push(pairs, 1024));
    let excess = pcp.excess(pairs, Pressure::default());
    pcp.drain(pairs, excess, |_, _| {});
    assert_eq!((pcp.length(pairs), pcp.length(frames)), (0, 1));
}

/// Lists without a size take one block at a time and give it back at once.
#[test]
fn lists_of_no_size_pass_blocks_through() {
    let mut pcp = Pcp::new(Tuning {
        batch: 1,
        ..Tuning::default()
    });
    let movable = list(0, Migratetype::Movable);
    assert_eq!(pcp.refill_blocks(movable, Pressure::default()), 1);
    assert!(pcp.push(movable, 1));
    assert_eq!(pcp.excess(movable, Pressure::default()), 1);
}

/// `high` grows with frees in a row up to its maximum, and sinks by an eighth at a time.
#[test]
fn high_follows_the_load() {
    let mut pcp = Pcp::new(TUNING);
    let movable = list(0, Migratetype::Movable);
    let mut most = 0;
    for frame in 0..20_000 {
        if !pcp.push(movable, frame) {
            pcp.drain(movable, 512, |_, _| {});
            assert!(pcp.push(movable, frame));
        }
        let excess = pcp.excess(movable, Pressure::default());
        pcp.drain(movable, excess, |_, _| {});
        most = most.max(pcp.high());
    }
    assert!(most > TUNING.high_min && most <= TUNING.high_max);
    let rounds = (0..100).take_while(|_| {
        pcp.drain(movable, 4000, |_, _| {});
        pcp.decay();
        pcp.high() > TUNING.high_min
    });
    assert!(rounds.count() < 30);
}

/// Reclaim at work keeps the lists short.
#[test]
fn reclaim_shortens_the_lists() {
    let mut pcp = Pcp::new(TUNING);
    let movable = list(0, Migratetype::Movable);
    let pressure = Pressure {
        is_reclaiming: true,
        ..Pressure::default()
    };
    for frame in 0..2000 {
        assert!(pcp.push(movable, frame));
        let excess = pcp.excess(movable, pressure);
        pcp.drain(movable, excess, |_, _| {});
    }
    assert!(pcp.count() <= usize_from(4 * TUNING.batch));
}

/// Blocks of a high order that are freed in a row do not stay, for nobody else could merge them; they
/// go back half a list at a time, whether the CPU's cache is large or not.
#[test]
fn high_orders_freed_in_a_row_go_back() {
    let mut pcp = Pcp::new(TUNING);
    let movable = list(3, Migratetype::Movable);
    let drained: usize = (0..200)
        .map(|at| {
            assert!(pcp.push(movable, at * 8));
            let excess = pcp.excess(movable, Pressure::default());
            pcp.drain(movable, excess, |_, blocks| assert!(blocks.len() >= 32));
            excess
        })
        .sum();
    assert!(drained > 1000);
    assert!(pcp.count() < usize_from(TUNING.high_min));
}

/// Every block of a CPU is local, or every one is not, by list or past them; hits are another matter.
#[test]
fn a_cpu_of_another_node_counts_no_local_blocks() {
    let mut pcp = Pcp::new(TUNING);
    let movable = list(0, Migratetype::Movable);
    assert!(pcp.push(movable, 1) && pcp.pop(movable).is_some());
    pcp.note(Event::NumaHit, 2);
    pcp.note(Event::NumaMiss, 1);
    for (is_local, expected) in [(true, [3, 0]), (false, [0, 3])] {
        pcp.set_local(is_local);
        let counted = [Event::NumaLocal, Event::NumaOther].map(|it| pcp.event(it));
        assert_eq!(counted, expected);
        assert_eq!(pcp.event(Event::NumaHit), 2);
    }
}
