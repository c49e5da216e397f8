// SPDX-License-Identifier: GPL-2.0

//! What two or three threads do to the same thing at once, under many schedules.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use oxmm_concurrency::algo::snapshot::Watermark;
use oxmm_concurrency::algo::units::{FrameIdx, Migratetype, Order};
use oxmm_concurrency::algo::watermark::{AllocFlag, AllocFlags};
use oxmm_concurrency::explore::explore;
use oxmm_concurrency::rig::{order, Held, Layout, Rig};
use shuttle::sync::atomic::Ordering::SeqCst;
use shuttle::thread;

const NONE: AllocFlags = AllocFlags::new(Watermark::Min);

/// What a thread does.
type Work = Box<dyn FnOnce(&Rig) + Send>;

/// Runs each of these on a thread of its own, and waits for all.
fn at_once<const N: usize>(rig: &Arc<Rig>, work: [Work; N]) {
    let threads = work.map(|work| {
        let rig = rig.clone();
        thread::spawn(move || work(&rig))
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Allocates so many blocks and frees them all.
fn come_and_go(cpu: usize, order: Order, count: usize) -> Work {
    Box::new(move |rig| {
        let take = |_| rig.alloc(cpu, order, Migratetype::Movable, NONE);
        let held: Vec<_> = (0..count).filter_map(take).collect();
        held.into_iter().for_each(|it| rig.free(cpu, it));
    })
}

fn drains(cpu: usize) -> Work {
    Box::new(move |rig| {
        for _ in 0..3 {
            rig.zone().drain(cpu);
        }
    })
}

/// Of two frees of one block one is let through, whether it goes to a list or to its region.
#[test]
fn of_two_frees_at_once_one_is_right() {
    for number in [0, 3, 9, 10] {
        explore(move || {
            let rig = Arc::new(Rig::small(2));
            let order = order(number);
            let held = rig.alloc(0, order, Migratetype::Movable, NONE).unwrap();
            rig.disown(&held);
            let held = Arc::new(held);
            let frees = [0, 1].map(|cpu| {
                let (rig, held) = (rig.clone(), held.clone());
                thread::spawn(move || rig.free_again(cpu, &held, order).is_ok())
            });
            let passed = frees.map(|it| it.join().unwrap());
            assert!(passed[0] != passed[1], "{passed:?}");
            rig.finish();
        });
    }
}

/// A free of the wrong order never passes, and the block is not lost by it: the right free beside it
/// either passes, or is refused and passes afterwards.
#[test]
fn wrong_free_leaves_the_block_to_the_right_one() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        let held = rig.alloc(0, order(1), Migratetype::Movable, NONE).unwrap();
        rig.disown(&held);
        let held = Arc::new(held);
        let frees = [1, 2, 3].map(|number| {
            let (rig, held) = (rig.clone(), held.clone());
            thread::spawn(move || rig.free_again(0, &held, order(number)).is_ok())
        });
        let [right, wrong, other] = frees.map(|it| it.join().unwrap());
        assert!(!wrong && !other);
        let again = rig.free_again(1, &held, order(1));
        assert!(right != again.is_ok(), "{right} and then {again:?}");
        rig.finish();
    });
}

/// A list is filled while another CPU drains it, and what is drained is what others fill with.
#[test]
fn refill_and_drain_meet() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        at_once(
            &rig,
            [
                come_and_go(0, Order::ZERO, 6),
                come_and_go(1, order(1), 4),
                drains(0),
            ],
        );
        rig.finish();
    });
}

/// Blocks as large as pageblocks and larger are taken while single frames are.
#[test]
fn large_and_small_blocks_meet() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        at_once(
            &rig,
            [
                come_and_go(0, Order::ZERO, 4),
                come_and_go(1, order(9), 3),
                come_and_go(1, order(10), 2),
            ],
        );
        rig.finish();
    });
}

/// Once a pageblock is isolated and the lists are drained, nothing is allocated from it.
#[test]
fn isolated_pageblock_is_left_alone() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        let isolates = Box::new(|rig: &Rig| assert!(rig.zone().isolate(0, true)));
        at_once(
            &rig,
            [
                come_and_go(0, Order::ZERO, 4),
                come_and_go(1, order(3), 3),
                isolates,
            ],
        );
        rig.drain_all();
        assert_eq!(rig.zone().check(2), Ok(()));
        let mut held: Vec<Held> = Vec::new();
        for number in [9, 3] {
            let take = || rig.alloc(0, order(number), Migratetype::Movable, NONE);
            held.extend(std::iter::from_fn(take));
        }
        assert!(held.iter().all(|it| it.pageblock() != 0));
        held.into_iter().for_each(|it| rig.free(1, it));
        assert!(rig.zone().isolate(0, false));
        rig.finish();
    });
}

/// Blocks are moved while they are freed, of orders on either side of a pageblock's: each comes back
/// once, from where it was or from where it is.
#[test]
fn blocks_are_freed_while_they_move() {
    static MOVED: AtomicU64 = AtomicU64::new(0);
    for in_bulk in [false, true] {
        for (number, heads) in [(3, [0, 8]), (9, [0, 512])] {
            let before = MOVED.load(Relaxed);
            explore(move || {
                let (rig, order) = (Arc::new(Rig::small(2)), order(number));
                for head in heads {
                    rig.take(FrameIdx::new(head), order);
                }
                let frees = |cpu: usize| -> Work {
                    Box::new(move |rig| assert!(rig.free_first(cpu, order, in_bulk)))
                };
                let clears = Box::new(|rig: &Rig| {
                    MOVED.fetch_add(rig.clear(0), Relaxed);
                });
                at_once(&rig, [frees(0), frees(1), clears]);
                rig.finish();
            });
            assert!(MOVED.load(Relaxed) > before, "order {number}");
        }
    }
}

/// A request that keeps types apart claims a whole pageblock or none, though the one that it saw is
/// broken up before it gets there.
#[test]
fn types_are_kept_apart_while_blocks_go() {
    explore(|| {
        let layout = Layout {
            regions: 1,
            frames: 1024,
            with_states: 1024,
            max_order: 10,
        };
        let rig = Arc::new(Rig::new(layout, 2));
        let takes = |cpu, migratetype, flags, orders: &'static [u32]| {
            let rig = rig.clone();
            thread::spawn(move || -> Vec<Held> {
                let take = |&number: &u32| rig.alloc(cpu, order(number), migratetype, flags);
                orders.iter().filter_map(take).collect()
            })
        };
        let apart = NONE.with(AllocFlag::NoFragment);
        let movable = takes(0, Migratetype::Movable, apart, &[0, 9]);
        let unmovable = takes(1, Migratetype::Unmovable, apart, &[0]);
        let (movable, unmovable) = (movable.join().unwrap(), unmovable.join().unwrap());
        for it in &unmovable {
            let is_near = |other: &Held| other.pageblock() == it.pageblock();
            assert!(!movable.iter().any(is_near), "{movable:?} {unmovable:?}");
        }
        for it in movable.into_iter().chain(unmovable) {
            rig.free(0, it);
        }
        rig.finish();
    });
}

/// Pageblocks change their type while frames of them are freed: each is counted as what it is.
#[test]
fn pageblock_changes_type_under_frees() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        let claims = |migratetype| -> Work {
            Box::new(move |rig| {
                let take = |_| rig.alloc(1, order(8), migratetype, NONE);
                let held: Vec<_> = (0..3).filter_map(take).collect();
                held.into_iter().for_each(|it| rig.free(1, it));
            })
        };
        at_once(
            &rig,
            [
                come_and_go(0, order(2), 4),
                claims(Migratetype::Unmovable),
                claims(Migratetype::Reclaimable),
            ],
        );
        rig.finish();
    });
}

/// The reserve grows to its bound and not above, and as many pageblocks are of its type as are
/// counted, while another thread gives them up.
#[test]
fn highatomic_reserve_keeps_its_count() {
    explore(|| {
        let rig = Arc::new(Rig::small(2));
        // A reserve is 1 % of a zone, and at least a pageblock: of so many frames it may be two.
        let managed = &rig.zone().figures().managed;
        let really = managed.swap(64_000, SeqCst);
        let reserves = |cpu: usize| -> Work {
            Box::new(move |rig| {
                let flags = NONE.with(AllocFlag::HighAtomic);
                let take = |_| rig.alloc(cpu, order(1), Migratetype::Unmovable, flags);
                let held: Vec<_> = (0..3).filter_map(take).collect();
                held.into_iter().for_each(|it| rig.free(cpu, it));
            })
        };
        let gives_up = Box::new(|rig: &Rig| {
            for _ in 0..3 {
                rig.zone().unreserve_highatomic(Migratetype::Movable, true);
            }
        });
        at_once(&rig, [reserves(0), reserves(1), gives_up]);
        let counted = rig.zone().figures().highatomic.load(SeqCst);
        assert_eq!(counted, rig.reserved() * 512);
        assert!(counted <= 1024);
        while rig.zone().unreserve_highatomic(Migratetype::Movable, true) {}
        assert_eq!(rig.reserved(), 0);
        rig.zone().figures().managed.store(really, SeqCst);
        rig.finish();
    });
}

/// A block of two regions is taken while a pageblock of one is isolated and a frame of the other
/// taken: what it gives back when it fails is counted as what it has become.
#[test]
fn block_above_a_region_gives_back_what_it_took() {
    explore(|| {
        let layout = Layout {
            regions: 2,
            frames: 32_768,
            with_states: 2048,
            max_order: 16,
        };
        let rig = Arc::new(Rig::new(layout, 2));
        let isolates = Box::new(|rig: &Rig| {
            assert!(rig.zone().isolate(3, true));
            assert!(rig.zone().isolate(3, false));
            assert!(rig.zone().isolate(3, true));
        });
        at_once(
            &rig,
            [
                come_and_go(0, order(16), 2),
                come_and_go(1, order(9), 1),
                isolates,
            ],
        );
        rig.drain_all();
        assert_eq!(rig.zone().check(2), Ok(()));
        rig.zone().isolate(3, false);
        rig.finish();
    });
}
