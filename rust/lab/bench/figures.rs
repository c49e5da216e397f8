// SPDX-License-Identifier: GPL-2.0

//! Figures as rows: nanoseconds a block.
//!
//! # Locking     none: plain values.
//! # Reference   lab/bench.rs.

use core::fmt::{
    self,
    Write, //
};

use kernel::prelude::*;

use super::{
    rounds::Best,
    Job, //
};
use crate::algo::{
    command::Work,
    units::{
        u64_from,
        usize_from, //
    },
};
use crate::linux::debugfs::Text;

/// What the figures begin with.
pub const FIGURES: &str =
    "work       order pattern threads count   rounds pair_ns  alloc_ns free_ns\n";

/// Nanoseconds for one of so many, in tenths.
#[derive(Clone, Copy)]
pub(super) struct PerBlock(pub(super) u64, pub(super) usize);

impl PerBlock {
    fn tenths(self) -> u64 {
        self.0.saturating_mul(10) / u64_from(self.1.max(1))
    }

    /// Says whether one took less time than one of `other`.
    pub(super) fn is_quicker_than(self, other: Self) -> bool {
        self.tenths() < other.tenths()
    }
}

impl fmt::Display for PerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.tenths();
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
