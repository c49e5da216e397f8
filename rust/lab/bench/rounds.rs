// SPDX-License-Identifier: GPL-2.0

//! The rounds of a benchmark, as each of its threads runs them.
//!
//!   thread 0   | wait |  first half    | wait |  second half  | wait | end of the round | wait |
//!   thread 1   | wait |   first half | wait ..|   second half   | wait ..              | wait |
//!
//! # Locking     a thread holds the slots it works on; they change hands between the halves of a
//!               round. Nothing of the lab is locked meanwhile.
//! # Cost        a barrier is a counter that all threads look at until it is as high as it is to be.
//! # Limits      who waits gives way to other tasks, and so does the work every [`STRIDE`] blocks.
//! # Reference   lab/bench.rs.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex, //
    },
};

use super::{
    Job,
    Slots,
    BATCH,
    MAX_TIME,
    STRIDE, //
};
use crate::algo::{
    command::Work,
    units::usize_from, //
};
use crate::linux::{
    bench::Since,
    cond_resched, //
};

/// Nanoseconds of a thread's halves of a round.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) first: u64,
    pub(super) second: u64,
}

/// The best figures so far.
#[derive(Clone, Copy)]
pub(super) struct Best {
    pub(super) times: Times,
    pub(super) rounds: usize,
}

/// What the threads share.
pub(super) struct Shared<'a, S> {
    job: &'a Job,
    slots: KVec<Pin<KBox<Mutex<S>>>>,
    /// The order in which blocks are freed.
    turns: KVVec<u32>,
    /// Threads that have come to a barrier, over all barriers.
    arrived: Atomic<usize>,
    /// Set when there was too little memory, or when it takes too long.
    failed: Atomic<usize>,
    ended: Atomic<usize>,
    /// The slowest thread of this round.
    slowest: Pin<KBox<Mutex<Times>>>,
    best: Pin<KBox<Mutex<Best>>>,
    since: Since,
}

impl<'a, S: Slots> Shared<'a, S> {
    /// For a thread for each of `slots`, which free in the order of `turns`.
    pub(super) fn new(
        job: &'a Job,
        slots: KVec<Pin<KBox<Mutex<S>>>>,
        turns: KVVec<u32>,
    ) -> Result<Self> {
        let none = Times {
            first: 0,
            second: 0,
        };
        let best = Best {
            times: Times {
                first: u64::MAX,
                second: u64::MAX,
            },
            rounds: 0,
        };
        Ok(Self {
            job,
            slots,
            turns,
            arrived: Atomic::new(0),
            failed: Atomic::new(0),
            ended: Atomic::new(0),
            slowest: KBox::pin_init(new_mutex!(none, "oxmm::bench"), GFP_KERNEL)?,
            best: KBox::pin_init(new_mutex!(best, "oxmm::bench"), GFP_KERNEL)?,
            since: Since::now(),
        })
    }

    /// The best figures, once all threads are done; `None` if there was too little memory.
    pub(super) fn best(&self) -> Option<Best> {
        let best = *self.best.lock();
        (self.failed.load(Relaxed) == 0 && best.rounds > 0).then_some(best)
    }

    /// One thread, from the first round to the last.
    pub(super) fn thread(&self, place: usize) {
        let (first, second) = match self.job.work {
            Work::Remote => {
                let next = (place + 1).checked_rem(self.slots.len());
                (place, next.unwrap_or(place))
            }
            _ => (place, place),
        };
        let mut barriers = 0;
        for _ in 0..self.job.rounds {
            self.wait(&mut barriers);
            let one = self.with(first, |slots| self.first_half(slots));
            // Blocks change hands, or both halves are one thread's.
            self.wait(&mut barriers);
            let two = self.with(second, |slots| self.second_half(slots));
            self.note(one, two);
            self.wait(&mut barriers);
            if place == 0 {
                self.end_round();
            }
            self.wait(&mut barriers);
            if self.ended.load(Relaxed) != 0 {
                break;
            }
        }
    }

    /// Waits until every thread has come as far.
    fn wait(&self, barriers: &mut usize) {
        *barriers += 1;
        self.arrived.fetch_add(1, Release);
        while self.arrived.load(Acquire) < *barriers * self.slots.len() {
            cond_resched();
        }
    }

    fn with(&self, place: usize, work: impl FnOnce(&mut S) -> bool) -> u64 {
        let Some(slots) = self.slots.get(place) else {
            return 0;
        };
        let mut slots = slots.lock();
        let since = Since::now();
        let done = work(&mut *slots);
        let elapsed = since.nanoseconds();
        if !done {
            self.failed.fetch_add(1, Relaxed);
        }
        elapsed
    }

    fn first_half(&self, slots: &mut S) -> bool {
        let count = self.job.count;
        match self.job.work {
            Work::Pair => strides(count, |from, to| {
                (from..to).all(|_| {
                    let allocated = slots.alloc(0);
                    slots.free(0);
                    allocated
                })
            }),
            Work::Batch => strides(count, |from, to| {
                let starts = (from..to).step_by(BATCH);
                let mut starts = starts.map(|at| (at, to.min(at + BATCH)));
                starts.all(|(from, to)| slots.fill(from, to))
            }),
            _ => strides(count, |from, to| (from..to).all(|at| slots.alloc(at))),
        }
    }

    fn second_half(&self, slots: &mut S) -> bool {
        match self.job.work {
            Work::Pair => true,
            Work::Batch => strides(self.job.count, |from, to| {
                for at in (from..to).step_by(BATCH) {
                    slots.empty(at, to.min(at + BATCH));
                }
                true
            }),
            _ => strides(self.job.count, |from, to| {
                for &at in self.turns.get(from..to).unwrap_or(&[]) {
                    slots.free(usize_from(at));
                }
                true
            }),
        }
    }

    /// Keeps the times of the slowest thread.
    fn note(&self, first: u64, second: u64) {
        let mut slowest = self.slowest.lock();
        slowest.first = slowest.first.max(first);
        slowest.second = slowest.second.max(second);
    }

    /// Keeps the times of the quickest round, and says whether there is to be another.
    fn end_round(&self) {
        let mut slowest = self.slowest.lock();
        let mut best = self.best.lock();
        best.rounds += 1;
        best.times.first = best.times.first.min(slowest.first);
        best.times.second = best.times.second.min(slowest.second);
        *slowest = Times {
            first: 0,
            second: 0,
        };
        let late = self.since.nanoseconds() > MAX_TIME;
        if late || self.failed.load(Relaxed) != 0 {
            self.ended.store(1, Relaxed);
        }
    }
}

/// Works on `0..count` in strides, giving way in between, until one fails.
fn strides(count: usize, mut work: impl FnMut(usize, usize) -> bool) -> bool {
    (0..count).step_by(STRIDE).all(|from| {
        let done = work(from, count.min(from + STRIDE));
        cond_resched();
        done
    })
}
