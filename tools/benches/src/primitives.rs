// SPDX-License-Identifier: GPL-2.0

//! What an atomic, a lock and a cache line cost on this machine: the scale for all other figures.
//!
//! # Locking     the last two share a line between two CPUs on purpose.
//! # Limits      uncontended but for `handover` and `shared_add`; ns are of one operation, a pair
//!               being one.

use crate::report::{
    real,
    Figure, //
};
use crate::threads::{
    on_cpus,
    Meet,
    Span, //
};
use spin::mutex::SpinMutex;
use std::hint::black_box;
use std::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

/// Operations in a sample.
const NR: usize = 20_000;

/// Returns a sample of each on one CPU, and on two if there are two.
pub fn sample(max_cpus: usize) -> Vec<(Figure, f64)> {
    let counter = Line(AtomicUsize::new(0));
    let lock: SpinMutex<u64> = SpinMutex::new(0);
    let mut plain = 0_usize;
    let mut rows = vec![
        one("increment", || *black_box(&mut plain) += 1),
        one("locked_add", || {
            counter.0.fetch_add(1, Ordering::Relaxed);
        }),
        one("compare_exchange", || {
            let old = counter.0.load(Ordering::Relaxed);
            let new = old + 1;
            let result = counter
                .0
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
            debug_assert!(result.is_ok());
        }),
        one("spin_lock_pair", || *black_box(&mut *lock.lock()) += 1),
    ];
    if max_cpus >= 2 {
        rows.push(two("handover", 2 * NR, handover));
        rows.push(two("shared_add", NR, |_, meet| {
            meet.timed(|| {
                for _ in 0..NR {
                    counter.0.fetch_add(1, Ordering::Relaxed);
                }
            })
        }));
    }
    rows
}

/// A counter on a cache line of its own, and on the line that is fetched together with it.
#[repr(align(128))]
struct Line(AtomicUsize);

fn figure(name: &str, nr_cpus: usize) -> Figure {
    Figure {
        work: name.to_owned(),
        size: "-".to_owned(),
        pattern: "-".to_owned(),
        nr_cpus,
    }
}

fn one(name: &str, mut operation: impl FnMut() + Send) -> (Figure, f64) {
    let meet = Meet::new(1);
    let span = meet.timed(|| {
        for _ in 0..NR {
            operation();
        }
    });
    let time = Span::over(std::iter::once(span));
    (figure(name, 1), time.as_secs_f64() * 1e9 / real(NR))
}

/// The work of both CPUs, which together do `nr` operations one after the other, or each as many
/// at once.
fn two(name: &str, nr: usize, work: impl Fn(usize, &Meet) -> Span + Sync) -> (Figure, f64) {
    let spans = on_cpus(2, work);
    let time = Span::over(spans.into_iter());
    (figure(name, 2), time.as_secs_f64() * 1e9 / real(nr))
}

/// Each CPU in turn makes the number one larger.
fn handover(cpu: usize, meet: &Meet) -> Span {
    static TURN: Line = Line(AtomicUsize::new(0));
    let mine = |number: usize| number % 2 == cpu;
    TURN.0.store(0, Ordering::Relaxed);
    meet.timed(|| loop {
        let number = TURN.0.load(Ordering::Acquire);
        if number >= 2 * NR {
            break;
        }
        if mine(number) {
            TURN.0.store(number + 1, Ordering::Release);
        }
    })
}
