// SPDX-License-Identifier: GPL-2.0

//! Where the threads of a benchmark wait for each other, and the time that they take together.
//!
//!   thread 0   wait |--------|                  a span is from the first start to the last end,
//!   thread 1   wait ....|---------|             here 13 long, though no thread took more than 9
//!
//! # Locking     a counter; a thread that waits looks at it until it is as high as it is to be.
//! # Cost        a cache line handed over; spans begin as far apart as that takes.
//! # Limits      who waits gives way to other tasks, but keeps its CPU busy.
//! # Reference   tools/benches/src/threads.rs is the same for the host.

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

use crate::linux::{
    bench::Since,
    cond_resched, //
};

/// Where threads wait until all are there.
pub(super) struct Meet {
    threads: usize,
    /// Threads that have come, over all meetings.
    arrived: Atomic<usize>,
    since: Since,
}

impl Meet {
    /// For so many threads; its time begins now.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: Atomic::new(0),
            since: Since::now(),
        }
    }

    /// Waits until every thread has come as far; `meetings` is how often this one has.
    pub(super) fn wait(&self, meetings: &mut usize) {
        *meetings += 1;
        // Pairs with the load below: what was written before a meeting is seen after it.
        self.arrived.fetch_add(1, Release);
        while self.arrived.load(Acquire) < *meetings * self.threads {
            cond_resched();
        }
    }

    /// Does a thread's work, and says when.
    pub(super) fn timed<R>(&self, work: impl FnOnce() -> R) -> (Span, R) {
        let start = self.nanoseconds();
        let result = work();
        let end = self.nanoseconds();
        (Span { start, end }, result)
    }

    /// Nanoseconds since it was made.
    pub(super) fn nanoseconds(&self) -> u64 {
        self.since.nanoseconds()
    }
}

/// When something began and ended, in nanoseconds since the [`Meet`] was made.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// That of no thread.
    pub(super) const NONE: Self = Self {
        start: u64::MAX,
        end: 0,
    };

    /// From the first start to the last end. The longest of the threads' own times would not do:
    /// where they ran one after the other, each was quick.
    pub(super) fn over(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// How long it is.
    pub(super) fn nanoseconds(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

#[kernel::prelude::kunit_tests(oxmm_bench)]
mod tests {
    use super::*;
    use crate::linux::{
        node::online_cpus,
        thread::on_cpus, //
    };
    use kernel::prelude::*;

    /// |-a-|  |--b--| is as long as from a's start to b's end, and nobody's is none.
    #[test]
    fn a_span_is_from_the_first_start_to_the_last_end() {
        let span = |start, end| Span { start, end };
        assert_eq!(span(5, 9).over(span(1, 3)).nanoseconds(), 8);
        assert_eq!(span(1, 9).over(span(3, 5)).nanoseconds(), 8);
        assert_eq!(Span::NONE.over(span(5, 9)).nanoseconds(), 4);
        assert_eq!(Span::NONE.nanoseconds(), 0);
    }

    /// Nobody is a meeting ahead of another.
    #[test]
    fn all_are_there_after_a_meeting() -> Result {
        let mut cpus = KVec::new();
        for cpu in online_cpus() {
            cpus.push(cpu, GFP_KERNEL)?;
        }
        let (meet, passed, early) = (Meet::new(cpus.len()), Atomic::new(0), Atomic::new(0));
        on_cpus(&cpus, |_| {
            let mut meetings = 0;
            for round in 1..=10usize {
                passed.fetch_add(1usize, Relaxed);
                meet.wait(&mut meetings);
                let all = passed.load(Relaxed) == round * cpus.len();
                early.fetch_add(usize::from(!all), Relaxed);
                meet.wait(&mut meetings);
            }
        })?;
        assert_eq!(early.load(Relaxed), 0);
        Ok(())
    }
}
