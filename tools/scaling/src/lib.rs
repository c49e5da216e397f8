// SPDX-License-Identifier: GPL-2.0

//! The private buddy on simulated CPUs: who hands which cache line to whom, and how often.
//!
//!   seam      atomics that are noted          storage   a zone's state, and locks that are noted
//!   lines     who has each line of the cache, and what time it is on each CPU
//!   machine   one zone and its CPUs, who take turns; work  what they do, and what it came to
//!
//! One thread plays all CPUs: each has a clock, and the one that is furthest behind does its next
//! operation. A line that another CPU has is handed over, which takes time, and one after the other;
//! so is a lock, for as long as it is held. All else an operation takes is a constant. So the counts
//! are exact for the order in which the CPUs came, and the same in every run; the times are a model.
//!
//! # Cost        a look-up in a table for each atomic operation: some seconds for 256 CPUs.
//! # Limits      lines are counted, not what the pages' own cost; caches are as large as one likes;
//!               an operation is over before the next CPU's begins, so that two never are inside of
//!               a region at once but by their clocks; all CPUs are as far from each other.
//! # Reference   algo/buddy/mod.rs: the table of shared lines, which comes from here.

#[path = "../../../rust/algo/mod.rs"]
pub mod algo;

pub mod lines;
pub mod machine;
pub mod storage;
pub mod work;

pub mod seam;
