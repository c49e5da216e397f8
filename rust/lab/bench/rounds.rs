// SPDX-License-Identifier: GPL-2.0

//! The rounds of a benchmark, as each of its threads runs them.
//!
//!   thread 0   | wait |  first half    | wait |  second half  | wait | end of the round | wait |
//!   thread 1   | wait |   first half | wait ..|   second half   | wait ..              | wait |
//!
//! # Locking     a thread holds the slots it works on; they change hands between the halves of a
//!               round. Nothing of the lab is locked meanwhile.
//! # Cost        four meetings a round, which are no part of its halves.
//! # Limits      the work gives way to other tasks every [`STRIDE`] blocks.
//! # Reference   lab/bench.rs; meet.rs for how threads wait, and what a half's time is.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    },
};

use super::{
    meet::{
        Meet,
        Span, //
    },
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
use crate::linux::cond_resched;

/// Nanoseconds of the halves of a round.
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
    meet: Meet,
    /// Set when there was too little memory, or when it takes too long.
    failed: Atomic<usize>,
    ended: Atomic<usize>,
    /// The halves of this round, over all threads.
    halves: Pin<KBox<Mutex<(Span, Span)>>>,
    best: Pin<KBox<Mutex<Best>>>,
}

impl<'a, S: Slots> Shared<'a, S> {
    /// For a thread for each of `slots`, which free in the order of `turns`.
    pub(super) fn new(
        job: &'a Job,
        slots: KVec<Pin<KBox<Mutex<S>>>>,
        turns: KVVec<u32>,
    ) -> Result<Self> {
        let none = (Span::NONE, Span::NONE);
        let best = Best {
            times: Times {
                first: u64::MAX,
                second: u64::MAX,
            },
            rounds: 0,
        };
        Ok(Self {
            job,
            meet: Meet::new(slots.len()),
            slots,
            turns,
            failed: Atomic::new(0),
            ended: Atomic::new(0),
            halves: KBox::pin_init(new_mutex!(none, "oxmm::bench"), GFP_KERNEL)?,
            best: KBox::pin_init(new_mutex!(best, "oxmm::bench"), GFP_KERNEL)?,
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
        let mut meetings = 0;
        for _ in 0..self.job.rounds {
            self.meet.wait(&mut meetings);
            let one = self.with(first, |slots| self.first_half(slots));
            // Blocks change hands, or both halves are one thread's.
            self.meet.wait(&mut meetings);
            let two = self.with(second, |slots| self.second_half(slots));
            self.note(one, two);
            self.meet.wait(&mut meetings);
            if place == 0 {
                self.end_round();
            }
            self.meet.wait(&mut meetings);
            if self.ended.load(Relaxed) != 0 {
                break;
            }
        }
    }

    fn with(&self, place: usize, work: impl FnOnce(&mut S) -> bool) -> Span {
        let Some(slots) = self.slots.get(place) else {
            return Span::NONE;
        };
        let mut slots = slots.lock();
        let (span, done) = self.meet.timed(|| work(&mut *slots));
        if !done {
            self.failed.fetch_add(1, Relaxed);
        }
        span
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

    /// Adds a thread's halves to those of the round.
    fn note(&self, first: Span, second: Span) {
        let mut halves = self.halves.lock();
        *halves = (halves.0.over(first), halves.1.over(second));
    }

    /// Keeps the times of the quickest round, and says whether there is to be another.
    fn end_round(&self) {
        let mut halves = self.halves.lock();
        let mut best = self.best.lock();
        best.rounds += 1;
        best.times.first = best.times.first.min(halves.0.nanoseconds());
        best.times.second = best.times.second.min(halves.1.nanoseconds());
        *halves = (Span::NONE, Span::NONE);
        let late = self.meet.nanoseconds() > MAX_TIME;
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
