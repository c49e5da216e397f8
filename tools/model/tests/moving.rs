// SPDX-License-Identifier: GPL-2.0

//! Blocks that are moved while they are freed, rightly and wrongly; ranges that are cleared first.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Mutex;

use oxmm_model::algo::buddy::frame::WrongFree;
use oxmm_model::algo::buddy::span::Span;
use oxmm_model::algo::buddy::zone::compact::{Budget, Count, Mover, Outcome, RangeMiss, Task};
use oxmm_model::algo::buddy::zone::isolate::NotIsolated;
use oxmm_model::algo::buddy::zone::{Miss, Zone};
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use oxmm_model::drawn::{draw, drawn, free, order, task, want, Dice, TUNING};
use oxmm_model::holders::Holders;
use oxmm_model::host::{zone, HostMemory, LoneZone, SharedZone};

/// A block of the second pageblock, which is the cheapest, is not let go.
#[test]
fn a_refusal_leaves_the_block_where_it_is() {
    struct Stubborn(Holders, u32);
    impl Mover for Stubborn {
        fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
            from.get() != self.1 && self.0.move_block(from, to, order)
        }
    }
    let (zone, holders) = drawn(["mmmmmmmm", "m..m...m", "m.mmm.mm", "mm.mm..m"]);
    let mut mover = Stubborn(holders, 512 + 3 * 64);
    let done = zone.compact(&task(9), &mut mover);
    assert_eq!(zone.check(1), Ok(()));
    mover.0.check();
    assert!(mover.0.held().contains_key(&(512 + 3 * 64)));
    assert_eq!(done.counts.get(Count::Failed), 64);
    // The next in line goes.
    assert_eq!(done.outcome, Outcome::Success);
}

/// What a holder does to its block in the moment in which it is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// It has begun to free it, and does.
    Frees,
    /// The same, with others in one go, of which the second is wrong.
    FreesInBulk,
    /// It is moved, and is freed at once where it is then.
    FreesTarget,
    /// It is moved, though it had been freed in the moment before.
    FreesAndMoves,
    /// It is not let go, while others free it wrongly.
    WrongFrees,
}

struct Doer<'a> {
    zone: &'a LoneZone,
    holders: Holders,
    deed: Deed,
    done: u32,
}

impl Doer<'_> {
    /// A second free is refused, and so is one of another order or of the middle.
    fn is_refused(&self, at: FrameIdx, number: Order, wrong: &[WrongFree]) {
        let free = self.zone.free(0, at, number).unwrap_err();
        assert!(wrong.contains(&free), "{free:?}");
    }
}

impl Mover for Doer<'_> {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        self.done += 1;
        match self.deed {
            Deed::Frees => {
                self.holders.free_at(self.zone, 0, from.get());
                self.is_refused(from, order, &[WrongFree::OnList]);
                false
            }
            Deed::FreesInBulk => {
                self.holders.let_go(from.get());
                let freed = self.zone.free_bulk(0, &[from, from], order);
                assert_eq!(freed, Err((1, WrongFree::OnList)));
                false
            }
            Deed::FreesTarget => {
                assert!(self.holders.move_block(from, to, order));
                self.holders.free_at(self.zone, 0, to.get());
                self.is_refused(to, order, &[WrongFree::OnList]);
                true
            }
            Deed::FreesAndMoves => {
                // Wrong, for it is held elsewhere from now on; and told so too late.
                assert!(self.holders.move_block(from, to, order));
                assert_eq!(self.zone.free(0, from, order), Ok(()));
                true
            }
            Deed::WrongFrees => {
                let other = Order::new(order.get() ^ 1).unwrap();
                self.is_refused(from, other, &[WrongFree::Order(order)]);
                if let Some(tail) = from.checked_add(NrPages::new(order.nr_pages().get() - 1)) {
                    if tail != from {
                        let tails = [WrongFree::Tail(from, order)];
                        self.is_refused(tail, Order::ZERO, &tails);
                    }
                }
                false
            }
        }
    }
}

/// Whatever the holder does, each frame is free or held once in the end.
#[test]
fn frees_during_a_move_are_neither_lost_nor_done_twice() {
    for deed in [
        Deed::Frees,
        Deed::FreesInBulk,
        Deed::FreesTarget,
        Deed::FreesAndMoves,
        Deed::WrongFrees,
    ] {
        for (map, wanted) in [
            (["mmmmmmmm", "m..m...m", "m.mmm.mm", "mm.mm..m"], 9),
            (["MMMMMMMM", "M..M...M", "M.MMM.MM", "MM.MM..M"], 9),
            (["H.......", "........", "H.......", "........"], 10),
        ] {
            let (zone, holders) = drawn(map);
            let mut doer = Doer {
                zone: &zone,
                holders,
                deed,
                done: 0,
            };
            zone.compact(&task(wanted), &mut doer);
            assert!(doer.done > 0);
            assert_eq!(zone.check(1), Ok(()), "{deed:?}");
            let mut holders = doer.holders;
            holders.check();
            let heads: Vec<_> = holders.held().keys().copied().collect();
            for head in heads {
                holders.free_at(&zone, 0, head);
            }
            zone.drain(0);
            assert_eq!(zone.check(1), Ok(()));
            assert_eq!(free(&zone), 2048);
        }
    }
}

/// The range holds parts of two blocks, which move away entirely.
#[test]
fn a_range_is_cleared_and_taken() {
    let (zone, mut holders) = drawn(["mmmmmmmm", "mmmm...m", "mMmm..mm", "........"]);
    let span = Span::new(FrameIdx::new(512 + 100), NrPages::new(700)).unwrap();
    let counts = zone
        .alloc_range_moving(span, Migratetype::Unmovable, &mut holders)
        .unwrap();
    assert_eq!(counts.get(Count::Moved), 8 * 64);
    holders.check();
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!(draw(&holders)[1], "m.......");
    assert_eq!(zone.free_range(span), Ok(()));
    assert_eq!(zone.check(1), Ok(()));
}

#[test]
fn a_range_that_cannot_be_cleared_is_left_as_it_is() {
    let (zone, mut holders) = drawn(["mmmmmmmm", "mmUm...m", "mMmm..mm", "mmmmmmmm"]);
    let span = |from, frames| Span::new(FrameIdx::new(from), NrPages::new(frames)).unwrap();
    let mut clear = |span| zone.alloc_range_moving(span, Migratetype::Unmovable, &mut holders);
    let unmovable = NotIsolated::Unmovable(FrameIdx::new(512 + 128));
    assert_eq!(
        clear(span(500, 200)),
        Err(RangeMiss::NotIsolated(unmovable))
    );
    assert_eq!(clear(span(0, 600)), Err(RangeMiss::NotEmptied));
    let missing = NotIsolated::NotManaged(FrameIdx::new(2048));
    assert_eq!(clear(span(2000, 100)), Err(RangeMiss::NotIsolated(missing)));
    holders.check();
    assert_eq!(zone.check(1), Ok(()));
    assert!((0..64).all(|block| !zone.isolate(block, false)));
}

/// Where only blocks of order 9 were given out, there are no states of frames.
#[test]
fn pageblocks_move_without_states_of_frames() {
    let zone: LoneZone = Zone::new(HostMemory::new(2, 1, TUNING), order(10));
    let first = FrameIdx::new((1 << 15) - 1024);
    zone.add(first, NrPages::new(2048), Migratetype::Movable);
    let mut holders = Holders::new(2 << 15);
    while holders.alloc(&zone, 0, &want(9, Migratetype::Movable)) {}
    let heads: Vec<_> = holders.held().keys().copied().collect();
    assert_eq!(heads.len(), 4);
    for head in [heads[0], heads[2]] {
        holders.free_at(&zone, 0, head);
    }
    zone.drain(0);
    let part = Span::new(first, NrPages::new(100)).unwrap();
    let taken = zone.alloc_range(part, Migratetype::Movable);
    assert_eq!(taken, Err(Miss::NotReady(0)));
    let done = zone.compact(&task(10), &mut holders);
    assert_eq!(done.outcome, Outcome::Success);
    holders.check();
    assert_eq!(zone.check(1), Ok(()));
    let taken = zone.alloc(0, &want(10, Migratetype::Movable)).unwrap();
    assert_eq!(zone.check(1), Ok(()));
    let inside = FrameIdx::new(taken.get() + 512);
    let wrong = WrongFree::Tail(taken, order(10));
    assert_eq!(zone.free(0, inside, order(9)), Err(wrong));
    let span = Span::block(taken, order(10)).unwrap();
    assert_eq!(zone.free_range(span), Ok(()));
    assert_eq!(zone.check(1), Ok(()));
}

/// Holders behind a lock, as threads share them.
struct Shared<'a>(&'a Mutex<Holders>);

impl Mover for Shared<'_> {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        self.0.lock().unwrap().move_block(from, to, order)
    }
}

/// Three threads allocate and free, one of them wrongly at times, while two compact.
#[test]
fn threads_allocate_and_free_while_others_compact() {
    let zone: SharedZone = zone(1, 5, TUNING);
    zone.add(FrameIdx::new(100), NrPages::new(6000), Migratetype::Movable);
    let holders = Mutex::new(Holders::new(1 << 15));
    std::thread::scope(|scope| {
        for cpu in 0..3u32 {
            let (zone, holders) = (&zone, &holders);
            scope.spawn(move || work(zone, holders, cpu));
        }
        for cpu in 3..5u32 {
            let (zone, holders) = (&zone, &holders);
            scope.spawn(move || {
                let mut dice = Dice(cpu.into());
                for _ in 0..300 {
                    let bounded = Task {
                        budget: Budget {
                            pageblocks: 64,
                            frames: 600,
                        },
                        ..task(4 + dice.below(7))
                    };
                    zone.compact(&bounded, &mut Shared(holders));
                }
            });
        }
    });
    let mut holders = holders.into_inner().unwrap();
    holders.check();
    assert_eq!(zone.check(5), Ok(()));
    let heads: Vec<_> = holders.held().keys().copied().collect();
    for head in heads {
        holders.free_at(&zone, 0, head);
    }
    for cpu in 0..5 {
        zone.drain(cpu);
    }
    assert_eq!(zone.check(5), Ok(()));
    let free = &zone.figures().free;
    assert_eq!(free.load(Relaxed), 6000);
}

/// Wrong frees carry the marks of moves off and have to bring them back: nothing is lost by them.
#[test]
fn wrong_frees_do_not_disturb_moves() {
    let zone: SharedZone = zone(1, 4, TUNING);
    zone.add(FrameIdx::new(0), NrPages::new(2048), Migratetype::Movable);
    let mut holders = Holders::new(1 << 15);
    while holders.alloc(&zone, 0, &want(2, Migratetype::Movable)) {}
    for head in (0..2048).step_by(12) {
        holders.free_at(&zone, 0, head);
    }
    zone.drain(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for cpu in 1..4u32 {
            let (zone, stop) = (&zone, &stop);
            scope.spawn(move || {
                let mut dice = Dice(cpu.into());
                while !stop.load(Relaxed) {
                    // Nobody holds a block of order 1.
                    let frame = FrameIdx::new(4 * dice.below(512));
                    let here = usize::try_from(cpu).unwrap();
                    zone.free(here, frame, order(1)).unwrap_err();
                }
            });
        }
        let mut moved = 0;
        for round in 0..400u32 {
            // The emptied one is filled by those that are emptied next.
            let span = Span::block(FrameIdx::new(512 * (round % 4)), order(9)).unwrap();
            let cleared = zone.alloc_range_moving(span, Migratetype::Unmovable, &mut holders);
            if let Ok(counts) = cleared {
                moved += counts.get(Count::Moved);
                while zone.free_range(span).is_err() {}
            }
        }
        assert!(moved > 10_000, "{moved}");
        stop.store(true, Relaxed);
    });
    holders.check();
    assert_eq!(zone.check(4), Ok(()));
    let heads: Vec<_> = holders.held().keys().copied().collect();
    for head in heads {
        holders.free_at(&zone, 0, head);
    }
    zone.drain(0);
    assert_eq!(zone.check(4), Ok(()));
    assert_eq!(zone.figures().free.load(Relaxed), 2048);
}

/// Allocates and frees: the holder forgets the block under its lock, and frees it outside.
fn work(zone: &SharedZone, holders: &Mutex<Holders>, cpu: u32) {
    let mut dice = Dice(cpu.into());
    let here = usize::try_from(cpu).unwrap();
    for _ in 0..6000 {
        let number = dice.below(4);
        let migratetype = Migratetype::ALL[usize::from(dice.below(8) > 0)];
        if dice.below(5) < 3 {
            if let Ok(head) = zone.alloc(here, &want(number, migratetype)) {
                let is_movable = migratetype == Migratetype::Movable;
                holders
                    .lock()
                    .unwrap()
                    .hold(head, order(number), is_movable);
            }
            continue;
        }
        let found = {
            let mut holders = holders.lock().unwrap();
            let from = dice.below(6100);
            let head = holders.held().range(from..).next().map(|it| *it.0);
            head.map(|head| (head, holders.let_go(head).order))
        };
        let Some((head, freed)) = found else { continue };
        let head = FrameIdx::new(head);
        assert_eq!(zone.free(here, head, freed), Ok(()));
    }
}
