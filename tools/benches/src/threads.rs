// SPDX-License-Identifier: GPL-2.0

//! Threads that stay on a CPU each and begin their work at the same moment.
//!
//! # Locking     `Meet` spins: a thread that sleeps would come late. It yields after a while, for
//!               the other thread may wait for this very CPU.
//! # Limits      the time of a piece of work is that from the first thread's start to the last
//!               one's end: where the two did not overlap it is long, and the minimum drops it.

use std::sync::atomic::{
    AtomicUsize,
    Ordering, //
};
use std::time::{
    Duration,
    Instant, //
};

/// The most CPUs that a piece of work is done on.
pub const MAX_CPUS: usize = 2;

/// Where threads wait until all are there.
pub struct Meet {
    nr_threads: usize,
    arrived: AtomicUsize,
}

impl Meet {
    /// Makes one for `nr_threads` threads.
    pub fn new(nr_threads: usize) -> Self {
        let arrived = AtomicUsize::new(0);
        Self {
            nr_threads,
            arrived,
        }
    }

    /// Waits for the others.
    pub fn wait(&self) {
        // AcqRel: what a thread wrote before it came is seen by all who leave. The load below is
        // the partner.
        let number = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (number / self.nr_threads + 1) * self.nr_threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < all {
            std::hint::spin_loop();
            spins += 1;
            if spins % (1 << 14) == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Waits for the others, then does the work.
    pub fn timed(&self, work: impl FnOnce()) -> Span {
        self.wait();
        let start = Instant::now();
        work();
        let end = Instant::now();
        Span { start, end }
    }
}

/// When a thread's piece of work began and ended.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    /// Returns the time from the first start to the last end.
    pub fn over(spans: impl Iterator<Item = Self>) -> Duration {
        let whole = spans.reduce(|a, b| Self {
            start: a.start.min(b.start),
            end: a.end.max(b.end),
        });
        whole.map_or(Duration::ZERO, |span| span.end - span.start)
    }
}

/// Runs `work` on `nr_cpus` CPUs at once, which it is told the number of, and returns what each
/// one returned.
pub fn on_cpus<T: Send>(nr_cpus: usize, work: impl Fn(usize, &Meet) -> T + Sync) -> Vec<T> {
    let cpus = usable_cpus();
    let meet = Meet::new(nr_cpus);
    std::thread::scope(|scope| {
        let start = |number: usize| {
            let (cpus, meet, work) = (&cpus, &meet, &work);
            scope.spawn(move || {
                if let Some(cpu) = cpus.get(number) {
                    pin(*cpu);
                }
                work(number, meet)
            })
        };
        let threads: Vec<_> = (0..nr_cpus).map(start).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, T>| thread.join();
        threads
            .into_iter()
            .map(join)
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Returns the numbers of the CPUs that this process may use, at most `MAX_CPUS`.
pub fn usable_cpus() -> Vec<usize> {
    // SAFETY: a set of CPUs is an array of words, for which zeroes are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is of the size that is passed, and is written to only.
    let status = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(status, 0, "sched_getaffinity failed");
    let limit = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the number is below CPU_SETSIZE, which is the number of bits in `set`.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    (0..limit).filter(is_set).take(MAX_CPUS).collect()
}

fn pin(cpu: usize) {
    // SAFETY: a set of CPUs is an array of words, for which zeroes are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `usable_cpus` found the number in a set of this size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is of the size that is passed, and is read only.
    let status = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(status, 0, "sched_setaffinity failed");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither thread is a meeting ahead of the other.
    #[test]
    fn meet_lets_nobody_go_ahead() {
        let rounds = AtomicUsize::new(0);
        on_cpus(2, |_, meet| {
            for round in 0..1000 {
                meet.wait();
                rounds.fetch_add(1, Ordering::Relaxed);
                meet.wait();
                assert_eq!(rounds.load(Ordering::Relaxed), 2 * (round + 1));
            }
        });
    }

    /// |-a-|  |--b--|  is as long as from a's start to b's end.
    #[test]
    fn over_counts_from_the_first_start_to_the_last_end() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let span = |start, end| Span {
            start: at(start),
            end: at(end),
        };
        let both = [span(1, 3), span(5, 9)];
        assert_eq!(Span::over(both.into_iter()), Duration::from_millis(8));
    }
}
