// SPDX-License-Identifier: GPL-2.0

//! Figures as rows: nanoseconds a block, and what locks and counters cost.
//!
//! # Locking     none; a row of the floor is measured while it is written.
//! # Reference   lab/bench.rs.

use core::fmt::{
    self,
    Write, //
};

use kernel::prelude::*;

use super::{
    rounds::Best,
    Job,
    DEFAULT_ROUNDS, //
};
use crate::algo::{
    command::Work,
    units::{
        u64_from,
        usize_from, //
    },
};
use crate::linux::{
    bench::{
        locked_add,
        Floor, //
    },
    cond_resched,
    debugfs::Text, //
};

/// What the figures begin with.
pub const FIGURES: &str =
    "work       order pattern threads count   rounds pair_ns  alloc_ns free_ns\n";

/// Nanoseconds for one of so many, in tenths.
struct PerBlock(u64, usize);

impl fmt::Display for PerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.saturating_mul(10) / u64_from(self.1.max(1));
        // Padded by hand, for two numbers are no string; one digit follows the point.
        let digits = (tenths / 10).checked_ilog10().unwrap_or(0);
        let length = usize_from(digits) + 3;
        let blanks = f.width().unwrap_or(0).saturating_sub(length);
        write!(f, "{}.{}{:blanks$}", tenths / 10, tenths % 10, "")
    }
}

pub(super) fn write_row(job: &Job, best: &Best, text: &mut Text) -> Result {
    let first = PerBlock(best.times.first, job.count);
    let second = PerBlock(best.times.second, job.count);
    write!(
        text,
        "{:<10} {:<5} {:<7} {:<7} {:<7} {:<6} ",
        job.work,
        job.order,
        job.pattern,
        job.cpus.len(),
        job.count,
        best.rounds
    )?;
    match job.work {
        Work::Pair => writeln!(text, "{first:<8} -        -")?,
        _ => writeln!(text, "-        {first:<8} {second}")?,
    }
    text.complete()
}

/// What locks and counters cost in this kernel, each done many times, the best of several.
pub(super) fn write_floor(text: &mut Text) -> Result {
    const TIMES: usize = 100_000;
    let floors = [
        ("irqsave", Some(Floor::Irqsave)),
        ("spinlock", Some(Floor::Spinlock)),
        ("count", Some(Floor::Count)),
        ("locked_add", None),
    ];
    for (name, floor) in floors {
        let once = || match floor {
            Some(floor) => floor.nanoseconds(TIMES),
            None => locked_add(TIMES),
        };
        let best = (0..DEFAULT_ROUNDS).map(|_| once()).min().unwrap_or(0);
        let nanoseconds = PerBlock(best, TIMES);
        writeln!(
            text,
            "{name:<10} -     -       1       {TIMES:<7} {DEFAULT_ROUNDS:<6} {nanoseconds:<8} -        -"
        )?;
        cond_resched();
    }
    text.complete()
}
