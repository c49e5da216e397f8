// SPDX-License-Identifier: GPL-2.0

//! What locks, counters and cache lines cost in this kernel: the scale for all other figures.
//!
//!   irqsave, spinlock, count, locked_add     on one CPU, nobody else wants them
//!   handover                                 CPU after CPU adds one to a number, in a ring
//!   shared_add                               all CPUs add to a number at once
//!
//! # Locking     the last two share a cache line on purpose; they are measured if there are threads.
//! # Cost        the best of [`DEFAULT_ROUNDS`] samples, each of some milliseconds.
//! # Limits      a sample of `handover` ends after [`SAMPLE_TIME`], done or not: where there are fewer
//!               CPUs than there seem to be, a line is handed over once in a time slice.
//! # Reference   tools/benches/src/primitives.rs is the same for the host.

use core::fmt::Write;

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
    figures::PerBlock,
    meet::{
        Meet,
        Span, //
    },
    DEFAULT_ROUNDS, //
};
use crate::linux::{
    bench::{
        locked_add,
        Floor, //
    },
    cond_resched,
    debugfs::Text,
    thread::on_cpus, //
};

/// How often a sample does what one CPU can do alone.
const TIMES: usize = 100_000;

/// How often a sample does what CPUs do to a line that they share.
const SHARED_TIMES: usize = 20_000;

/// Nanoseconds after which a sample of `handover` ends.
const SAMPLE_TIME: u64 = 200_000_000;

/// Looks at a number before a thread that waits for it does anything else.
const LOOKS: usize = 1 << 12;

/// A number on a cache line of its own, and on the one that is fetched together with it.
#[repr(align(128))]
struct Line(Atomic<usize>);

/// What several CPUs do to a line.
#[derive(Clone, Copy)]
enum Sharing {
    Handover,
    Add,
}

/// Writes a row for each cost, those of a shared line if there are several CPUs.
pub(super) fn write_floor(cpus: &[u32], text: &mut Text) -> Result {
    let alone = [
        ("irqsave", Some(Floor::Irqsave)),
        ("spinlock", Some(Floor::Spinlock)),
        ("count", Some(Floor::Count)),
        ("locked_add", None),
    ];
    for (name, floor) in alone {
        let once = || match floor {
            Some(floor) => floor.nanoseconds(TIMES),
            None => locked_add(TIMES),
        };
        let best = (0..DEFAULT_ROUNDS).map(|_| once()).min().unwrap_or(0);
        write_cost(text, name, 1, PerBlock(best, TIMES))?;
        cond_resched();
    }
    if cpus.len() > 1 {
        let shared = [
            ("handover", Sharing::Handover),
            ("shared_add", Sharing::Add),
        ];
        for (name, sharing) in shared {
            write_cost(text, name, cpus.len(), best(cpus, sharing)?)?;
        }
    }
    text.complete()
}

fn write_cost(text: &mut Text, name: &str, threads: usize, cost: PerBlock) -> Result {
    let PerBlock(_, times) = cost;
    writeln!(
        text,
        "{name:<10} -     -       {threads:<7} {times:<7} {DEFAULT_ROUNDS:<6} {cost:<8} -        -"
    )?;
    Ok(())
}

/// The best of several samples.
fn best(cpus: &[u32], sharing: Sharing) -> Result<PerBlock> {
    let mut best: Option<PerBlock> = None;
    for _ in 0..DEFAULT_ROUNDS {
        let sample = sharing.sample(cpus)?;
        if best.is_none_or(|best| sample.is_quicker_than(best)) {
            best = Some(sample);
        }
    }
    Ok(best.unwrap_or(PerBlock(0, 0)))
}

impl Sharing {
    /// The time in which all CPUs were done, and for how many operations of each, or of all in turn.
    fn sample(self, cpus: &[u32]) -> Result<PerBlock> {
        let line = Line(Atomic::new(0));
        let meet = Meet::new(cpus.len());
        let whole = KBox::pin_init(new_mutex!(Span::NONE, "oxmm::floor"), GFP_KERNEL)?;
        on_cpus(cpus, |place| {
            meet.wait(&mut 0);
            let (span, ()) = meet.timed(|| match self {
                Self::Handover => hand_over(&line, &meet, place, cpus.len()),
                Self::Add => add(&line),
            });
            note(&whole, span);
        })?;
        let times = match self {
            Self::Handover => line.0.load(Relaxed),
            Self::Add => SHARED_TIMES,
        };
        let elapsed = whole.lock().nanoseconds();
        Ok(PerBlock(elapsed, times))
    }
}

fn note(whole: &Mutex<Span>, span: Span) {
    let mut whole = whole.lock();
    *whole = whole.over(span);
}

/// Adds one whenever the number says that it is this thread's turn.
fn hand_over(line: &Line, meet: &Meet, place: usize, threads: usize) {
    let mut looks = 0;
    loop {
        // Pairs with the store below, which is the one before this thread's turn.
        let number = line.0.load(Acquire);
        if number >= SHARED_TIMES {
            break;
        }
        if number.checked_rem(threads) == Some(place) {
            line.0.store(number + 1, Release);
            continue;
        }
        looks += 1;
        if looks % LOOKS == 0 {
            cond_resched();
            if meet.nanoseconds() > SAMPLE_TIME {
                break;
            }
        }
    }
}

fn add(line: &Line) {
    for _ in 0..SHARED_TIMES {
        line.0.fetch_add(1, Relaxed);
    }
}
