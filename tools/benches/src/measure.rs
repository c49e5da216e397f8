// SPDX-License-Identifier: GPL-2.0

//! The program: measures every subject and prints the rows of the table.
//!
//! A round does every job once with every subject, one subject after the other, so that what
//! disturbs the machine for a while hits all of them alike, and no figure for long.
//!
//! # Cost        ROUNDS rounds; progress goes to stderr.

use crate::frag::{
    Turn,
    Whole, //
};
use crate::primitives;
use crate::report::{
    real,
    Figure,
    Report,
    HEADER,
    MACHINE, //
};
use crate::subject::Subject;
use crate::threads::usable_cpus;
use crate::work::{
    Job,
    NR_FRAMES, //
};
use crate::{
    ours,
    peers,
    simulation, //
};
use std::ops::Range;
use std::process::ExitCode;

/// How many rounds the minimum is taken over.
const ROUNDS: usize = 15;

/// The frames of a GiB.
const GIB: usize = 1 << 18;

/// The shares of memory that are free when fragmentation is counted.
const FREE_PERCENT: [usize; 6] = [10, 30, 50, 70, 80, 90];

/// What the random numbers of its runs start from.
const SEEDS: Range<usize> = 42..50;

const USAGE: &str = "usage: pages [--rounds N]";

/// Measures oxmm, the peers that are always at hand and those that are passed in.
pub fn run(more: Vec<Box<dyn Subject>>) -> ExitCode {
    let Some(rounds) = rounds(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    subjects.extend(ours::subject());
    subjects.extend(more);
    subjects.extend(peers::all());
    let names = names(&subjects);
    let report = measure(&subjects, rounds);
    println!("{HEADER}");
    print!("{}", report.rows("host", &names));
    eprintln!("simulated CPUs");
    print!("{}", simulation::rows());
    ExitCode::SUCCESS
}

fn rounds(mut words: impl Iterator<Item = String>) -> Option<usize> {
    match (words.next().as_deref(), words.next(), words.next()) {
        (None, _, _) => Some(ROUNDS),
        (Some("--rounds"), Some(number), None) => number.parse().ok().filter(|nr| *nr > 0),
        _ => None,
    }
}

/// Returns the names of all peers, and says which ones are absent.
fn names(subjects: &[Box<dyn Subject>]) -> Vec<String> {
    let is_there = |name: &str| subjects.iter().any(|subject| subject.name() == name);
    let mut names = Vec::new();
    for name in peers::WANTED.iter().filter(|name| !is_there(name)) {
        eprintln!("{name}: in no registry, and not linked by PEERS=DIR: its rows say `-`");
        names.push((*name).to_owned());
    }
    if !is_there(ours::NAME) {
        eprintln!("oxmm: no allocator yet, the peers are measured alone");
    }
    let others = subjects.iter().map(|subject| subject.name().to_owned());
    names.extend(others.filter(|name| name != ours::NAME));
    names
}

fn measure(subjects: &[Box<dyn Subject>], rounds: usize) -> Report {
    let max_cpus = usable_cpus().len();
    let mut report = Report::default();
    let jobs = Job::all(max_cpus);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for (figure, ns) in primitives::sample(max_cpus) {
            report.add(&figure, MACHINE, ns);
        }
        for job in &jobs {
            sample(&mut report, subjects, job);
        }
        set_up(&mut report, subjects);
    }
    // These are the same in every round.
    state(&mut report, subjects);
    for nr_cpus in 1..=max_cpus {
        for free_percent in FREE_PERCENT {
            fragment(&mut report, subjects, nr_cpus, free_percent);
        }
    }
    report
}

fn sample(report: &mut Report, subjects: &[Box<dyn Subject>], job: &Job) {
    let figures = job.figures();
    figures.iter().for_each(|figure| report.want(figure));
    for subject in subjects {
        for (figure, ns) in figures.iter().zip(subject.sample(job).unwrap_or_default()) {
            report.add(figure, subject.name(), ns);
        }
    }
}

fn set_up(report: &mut Report, subjects: &[Box<dyn Subject>]) {
    for (size, nr_frames) in [("4GiB", NR_FRAMES), ("1TiB", 1024 * GIB)] {
        let figure = whole_machine("setup_ns", size, "-", 1);
        report.want(&figure);
        for subject in subjects {
            if let Some(ns) = subject.set_up(nr_frames) {
                report.add(&figure, subject.name(), ns);
            }
        }
    }
}

fn state(report: &mut Report, subjects: &[Box<dyn Subject>]) {
    let free = whole_machine("state_bytes", "1GiB", "free", 1);
    let scattered = whole_machine("state_bytes", "1GiB", "scattered", 1);
    report.want(&free);
    report.want(&scattered);
    let per_gib = |bytes: usize| real(bytes / (NR_FRAMES / GIB));
    for subject in subjects {
        if let Some(state) = subject.state(NR_FRAMES) {
            report.add(&free, subject.name(), per_gib(state.fresh));
            report.add(&scattered, subject.name(), per_gib(state.scattered));
        }
    }
}

/// Means over seeds: a run is as good as its random numbers, by some blocks.
fn fragment(
    report: &mut Report,
    subjects: &[Box<dyn Subject>],
    nr_cpus: usize,
    free_percent: usize,
) {
    let pattern = format!("free{free_percent}");
    let figures = ["frag_7", "frag_100", "frag_taken"]
        .map(|work| whole_machine(work, "1GiB", &pattern, nr_cpus));
    figures.iter().for_each(|figure| report.want(figure));
    let turn = |seed| Turn {
        nr_cpus,
        free_percent,
        seed,
    };
    let numbers = [
        |whole: &Whole| whole.after_7,
        |whole: &Whole| whole.after_100,
        |whole: &Whole| whole.taken,
    ];
    for subject in subjects {
        let runs = SEEDS.map(|it| subject.fragment(GIB, turn(it)));
        let Some(runs) = runs.collect::<Option<Vec<_>>>() else {
            continue;
        };
        for (figure, number) in figures.iter().zip(numbers) {
            let sum: usize = runs.iter().map(number).sum();
            report.add(figure, subject.name(), real(sum) / real(runs.len()));
        }
    }
}

fn whole_machine(work: &str, size: &str, pattern: &str, nr_cpus: usize) -> Figure {
    Figure {
        work: work.to_owned(),
        size: size.to_owned(),
        pattern: pattern.to_owned(),
        nr_cpus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only whole numbers above 0, and nothing behind them.
    #[test]
    fn rounds_are_a_number_above_zero() {
        let ask = |line: &str| rounds(line.split_whitespace().map(str::to_owned));
        assert_eq!(ask(""), Some(ROUNDS));
        assert_eq!(ask("--rounds 3"), Some(3));
        for line in ["--rounds", "--rounds 0", "--rounds x", "--rounds 3 4", "-h"] {
            assert_eq!(ask(line), None, "{line}");
        }
    }
}
