// SPDX-License-Identifier: GPL-2.0

//! The rows of simulated CPUs: how the cost of an operation grows with those that share a zone.
//!
//!   pair, alloc, free    ns of the model, beside those on one CPU
//!   lines_*              cache lines handed over for a thousand of them, in the column of the machine
//!
//! # Cost        half a minute; the same numbers in every run.
//! # Reference   tools/scaling: what is simulated, and what is not.

use crate::ours;
use crate::report::{
    Figure,
    Report,
    MACHINE, //
};
use oxmm_scaling::work::{
    Job,
    Pattern, //
};

/// The name in the column `harness`.
const HARNESS: &str = "simulation";

/// Numbers of CPUs, up to the most.
const CPUS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Orders of which blocks are allocated.
const ORDERS: [u32; 4] = [0, 3, 9, 10];

/// Returns the rows of all jobs.
pub fn rows() -> String {
    let mut report = Report::default();
    for order in ORDERS {
        for pattern in Pattern::ALL {
            for cpus in CPUS {
                let job = Job {
                    order,
                    pattern,
                    cpus,
                };
                add(&mut report, &job);
            }
        }
    }
    report.rows(HARNESS, &[])
}

fn add(report: &mut Report, job: &Job) {
    let (works, pattern): (&[&str], _) = match job.pattern {
        Pattern::Pair => (&["pair"], "-"),
        Pattern::Lifo => (&["alloc", "free"], "lifo"),
        Pattern::Random => (&["alloc", "free"], "random"),
        Pattern::Other => (&["alloc", "free"], "other"),
    };
    for (work, cost) in works.iter().zip(job.run()) {
        let figure = |work: String| Figure {
            work,
            size: format!("o{}", job.order),
            pattern: pattern.to_owned(),
            nr_cpus: job.cpus,
        };
        report.add(&figure((*work).to_owned()), ours::NAME, cost.ns);
        report.add(&figure(format!("lines_{work}")), MACHINE, cost.all_lines());
    }
}
