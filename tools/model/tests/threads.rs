// SPDX-License-Identifier: GPL-2.0

//! Threads of the host on one zone, as fast as they can: what schedules of a checker do not reach
//! is reached by their number, and by what a processor reorders.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use oxmm_model::algo::buddy::pcp::Tuning;
use oxmm_model::algo::buddy::zone::{Miss, Want};
use oxmm_model::algo::snapshot::Watermark;
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use oxmm_model::algo::watermark::{AllocFlag, AllocFlags};
use oxmm_model::host::{zone, SharedZone};

const THREADS: usize = 4;

const FRAMES: u32 = 70_000;

const TUNING: Tuning = Tuning {
    batch: 63,
    high_min: 100,
    high_max: 2000,
    keeps_high_batch: false,
};

/// How long each test works.
const TIME: Duration = Duration::from_secs(2);

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 40).unwrap() % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(u32::try_from(end).unwrap())).unwrap()
    }
}

type Block = (FrameIdx, Order);

/// A zone, who holds each of its frames, and blocks that any thread may free.
struct Shared {
    zone: SharedZone,
    holders: Vec<AtomicU32>,
    pool: Mutex<Vec<Block>>,
    ends: AtomicBool,
}

impl Shared {
    fn new() -> Self {
        let zone: SharedZone = zone(3, THREADS, TUNING);
        let frames = NrPages::new(usize::try_from(FRAMES).unwrap());
        zone.add(FrameIdx::new(0), frames, Migratetype::Movable);
        Self {
            zone,
            holders: (0..FRAMES).map(|_| AtomicU32::new(0)).collect(),
            pool: Mutex::default(),
            ends: AtomicBool::new(false),
        }
    }

    fn frames(&self, (head, order): Block) -> &[AtomicU32] {
        &self.holders[head.index()..head.index() + order.nr_pages().get()]
    }

    fn alloc(&self, cpu: usize, want: &Want) -> Option<Block> {
        let block = match self.zone.alloc(cpu, want) {
            Ok(frame) => (frame, want.order()),
            Err(miss) => {
                assert_eq!(miss, Miss::Empty);
                return None;
            }
        };
        for holder in self.frames(block) {
            assert_eq!(holder.fetch_add(1, Relaxed), 0, "given twice: {block:?}");
        }
        Some(block)
    }

    fn free(&self, cpu: usize, block: Block) {
        for holder in self.frames(block) {
            assert_eq!(holder.fetch_sub(1, Relaxed), 1);
        }
        self.zone.free(cpu, block.0, block.1).unwrap();
    }

    fn put(&self, block: Block) {
        self.pool.lock().unwrap().push(block);
    }

    fn take(&self, random: &mut Random) -> Option<Block> {
        let mut pool = self.pool.lock().unwrap();
        let at = random.index(pool.len().max(1));
        (at < pool.len()).then(|| pool.swap_remove(at))
    }

    /// Does this on every thread until the time is over, then frees all and recounts.
    fn work(&self, step: impl Fn(&Self, usize, &mut Random) + Sync) {
        thread::scope(|scope| {
            for cpu in 0..THREADS {
                let step = &step;
                scope.spawn(move || {
                    let mut random = Random(0x9e37_79b9_7f4a_7c15 + u64::try_from(cpu).unwrap());
                    while !self.ends.load(Relaxed) {
                        (0..100).for_each(|_| step(self, cpu, &mut random));
                    }
                });
            }
            let start = Instant::now();
            while start.elapsed() < TIME {
                thread::sleep(Duration::from_millis(50));
            }
            self.ends.store(true, Relaxed);
        });
        self.finish();
    }

    fn finish(&self) {
        for block in self.pool.lock().unwrap().drain(..) {
            self.free(0, block);
        }
        for cpu in 0..THREADS {
            self.zone.drain(cpu);
        }
        for block in 0..3 * 64 {
            self.zone.isolate(block, false);
        }
        assert_eq!(self.zone.check(THREADS), Ok(()));
        let free = self.zone.figures().free.load(Relaxed);
        assert_eq!(u32::try_from(free), Ok(FRAMES));
    }
}

fn any_want(random: &mut Random) -> Want {
    let order = match random.below(8) {
        0 => random.below(11),
        _ => random.below(4),
    };
    let flags = AllocFlags::new(Watermark::Min)
        .with_if(AllocFlag::NoFragment, random.below(4) == 0)
        .with_if(AllocFlag::HighAtomic, random.below(16) == 0)
        .with_if(AllocFlag::NonBlock, random.below(16) == 0);
    let migratetype = Migratetype::ALL[random.index(3)];
    Want::new(Order::new(order).unwrap(), migratetype, flags)
}

fn any_step(shared: &Shared, cpu: usize, random: &mut Random) {
    match random.below(1000) {
        0..=519 => {
            if let Some(block) = shared.alloc(cpu, &any_want(random)) {
                shared.put(block);
            }
        }
        520..=989 => {
            if let Some(block) = shared.take(random) {
                shared.free(cpu, block);
            }
        }
        990..=995 => {
            shared.zone.drain(random.index(THREADS));
        }
        996..=998 => {
            let isolated = random.below(2) == 0;
            shared.zone.isolate(random.index(3 * 64), isolated);
        }
        _ => {
            shared.zone.unreserve_highatomic(Migratetype::Movable, true);
        }
    }
}

/// No frame is given to two threads, whichever frees it and on whichever CPU.
#[test]
fn threads_share_a_zone() {
    Shared::new().work(any_step);
}

/// Frees that are wrong, of frames that other threads hold, free or have just freed, are refused and
/// harm nobody; a right one that meets a wrong one of the same block may have to be done again.
#[test]
fn wrong_frees_harm_nobody() {
    let shared = Shared::new();
    shared.work(|shared, cpu, random| match random.below(4) {
        0 => {
            // No block of this order is ever given out here.
            let frame = FrameIdx::new(random.below(FRAMES + 5000));
            let order = Order::new(5 + random.below(6)).unwrap();
            shared.zone.free(cpu, frame, order).unwrap_err();
        }
        1 | 2 => {
            let order = Order::new(random.below(5)).unwrap();
            let want = Want::new(order, Migratetype::Movable, AllocFlags::new(Watermark::Min));
            if let Some(block) = shared.alloc(cpu, &want) {
                shared.put(block);
            }
        }
        _ => {
            let Some(block) = shared.take(random) else {
                return;
            };
            for holder in shared.frames(block) {
                holder.fetch_sub(1, Relaxed);
            }
            while shared.zone.free(cpu, block.0, block.1).is_err() {}
        }
    });
}

/// Each thread frees every block, all at the same time: of the frees of a block one passes.
#[test]
fn of_many_frees_of_a_block_one_passes() {
    let shared = Shared::new();
    let start = Instant::now();
    while start.elapsed() < TIME / 2 {
        let want = Want::new(
            Order::new(1).unwrap(),
            Migratetype::Movable,
            AllocFlags::new(Watermark::Min),
        );
        let blocks: Vec<_> = (0..500)
            .map(|_| shared.zone.alloc(0, &want).unwrap())
            .collect();
        assert_eq!(blocks.iter().collect::<HashSet<_>>().len(), blocks.len());
        let passed = AtomicU32::new(0);
        thread::scope(|scope| {
            for cpu in 0..THREADS {
                let (blocks, passed, zone) = (&blocks, &passed, &shared.zone);
                scope.spawn(move || {
                    let freed = blocks
                        .iter()
                        .filter(|&&it| zone.free(cpu, it, want.order()).is_ok());
                    passed.fetch_add(u32::try_from(freed.count()).unwrap(), Relaxed);
                });
            }
        });
        assert_eq!(passed.load(Relaxed), 500);
    }
    shared.finish();
}
