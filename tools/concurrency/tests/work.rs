// SPDX-License-Identifier: GPL-2.0

//! Random work of several threads on one zone, under many schedules.
//!
//! The work itself is chosen by the checker too, so that a schedule that fails replays it.

use std::sync::Arc;

use oxmm_concurrency::algo::buddy::zone::flag;
use oxmm_concurrency::algo::snapshot::Watermark;
use oxmm_concurrency::algo::units::Migratetype;
use oxmm_concurrency::algo::watermark::{AllocFlag, AllocFlags};
use oxmm_concurrency::explore::explore;
use oxmm_concurrency::rig::{order, Held, Rig};
use shuttle::rand::{thread_rng, Rng};
use shuttle::sync::atomic::Ordering::SeqCst;
use shuttle::{sync::Mutex, thread};

const CPUS: usize = 2;

/// Blocks that any thread may free.
type Pool = Mutex<Vec<Held>>;

fn any_flags() -> AllocFlags {
    let bits: u8 = thread_rng().gen();
    AllocFlags::new(Watermark::Min)
        .with_if(AllocFlag::NoFragment, bits & 3 == 3)
        .with_if(AllocFlag::NonBlock, bits & 12 == 12)
        .with_if(AllocFlag::Kswapd, bits & 16 != 0)
}

fn alloc(rig: &Rig, cpu: usize, pool: &Pool) {
    let number = [0, 0, 0, 0, 1, 2, 3, 4, 8, 9, 9, 10][thread_rng().gen_range(0..12)];
    let migratetype = Migratetype::ALL[thread_rng().gen_range(0..3)];
    if let Some(held) = rig.alloc(cpu, order(number), migratetype, any_flags()) {
        pool.lock().unwrap().push(held);
    }
}

fn free(rig: &Rig, cpu: usize, pool: &Pool) {
    let held = {
        let mut pool = pool.lock().unwrap();
        let count = pool.len().max(1);
        let at = thread_rng().gen_range(0..count);
        (at < pool.len()).then(|| pool.swap_remove(at))
    };
    if let Some(held) = held {
        rig.free(cpu, held);
    }
}

/// One of the things that CPUs do to a zone; it is under pressure at times.
fn step(rig: &Rig, pool: &Pool) {
    let cpu = thread_rng().gen_range(0..CPUS);
    match thread_rng().gen_range(0..20) {
        0..=8 => alloc(rig, cpu, pool),
        9..=15 => free(rig, cpu, pool),
        16 => {
            rig.zone().drain(cpu);
        }
        17 | 18 => {
            let block = [0, 1, 64, 65][thread_rng().gen_range(0..4)];
            rig.zone().isolate(block, thread_rng().gen());
        }
        _ => {
            let flags = &rig.zone().figures().flags;
            flags.store(flag::RECLAIM_ACTIVE, SeqCst);
        }
    }
}

fn empty(rig: &Rig, pool: &Pool) {
    let mut pool = pool.lock().unwrap();
    for held in pool.drain(..) {
        rig.free(0, held);
    }
    rig.drain_all();
    assert_eq!(rig.zone().check(CPUS), Ok(()));
    for block in 0..rig.pageblocks() {
        rig.zone().isolate(block, false);
    }
    rig.finish();
}

/// Whatever three threads do in whatever order: no frame is held twice, and all come back whole.
#[test]
fn any_work_keeps_every_frame() {
    explore(|| {
        let (rig, pool) = (Arc::new(Rig::small(CPUS)), Arc::new(Pool::default()));
        let threads = (0..3).map(|_| {
            let (rig, pool) = (rig.clone(), pool.clone());
            thread::spawn(move || (0..8).for_each(|_| step(&rig, &pool)))
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
        empty(&rig, &pool);
    });
}

/// One thread allocates, another frees what it got on its own CPU, a third drains both.
#[test]
fn frees_on_another_cpu_come_back() {
    explore(|| {
        let (rig, pool) = (Arc::new(Rig::small(CPUS)), Arc::new(Pool::default()));
        let giver = (rig.clone(), pool.clone());
        let giver = thread::spawn(move || (0..8).for_each(|_| alloc(&giver.0, 0, &giver.1)));
        let taker = (rig.clone(), pool.clone());
        let taker = thread::spawn(move || (0..8).for_each(|_| free(&taker.0, 1, &taker.1)));
        let drainer = rig.clone();
        let drainer = thread::spawn(move || {
            for time in 0..4 {
                drainer.zone().drain(time % 2);
            }
        });
        for thread in [giver, taker, drainer] {
            thread.join().unwrap();
        }
        empty(&rig, &pool);
    });
}
