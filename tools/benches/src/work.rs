// SPDX-License-Identifier: GPL-2.0

//! The timed loops: pairs, sets, and groups through the bulk interface.
//!
//!   pair       alloc free alloc free ...
//!   set        alloc a set, put it in order, free it     lifo, fifo, random, the other CPU's
//!   group      the same by 64 blocks at a time
//!
//! Each is repeated on an allocator that was made for it; the first repetition is not counted, so
//! that what is measured comes after blocks were freed in this very order.
//!
//! # Locking     the allocator's; threads meet before each timed part.
//! # Cost        up to 100,000 operations for each part and repetition.
//! # Limits      the order is a constant of the loop, as it is at most calls in a kernel.

use crate::pages::{
    Allocator,
    Pages, //
};
use crate::random::Random;
use crate::report::{
    real,
    Figure, //
};
use crate::threads::{
    on_cpus,
    Meet,
    Span, //
};
use std::hint::black_box;
use std::sync::{
    Mutex,
    PoisonError, //
};

/// The frames of the machine that allocators are measured on: 4 GiB.
pub const NR_FRAMES: usize = 1 << 20;

/// How often a sample repeats its work, the first time included.
const REPETITIONS: usize = 3;

/// How many blocks the bulk interface is asked for at once.
const GROUP: usize = 64;

/// Stands in a set for a block that was not to be had.
const NONE: usize = usize::MAX;

/// One piece of work, which every allocator does.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What is done.
    pub work: Work,
    /// The order of the blocks.
    pub order: u32,
    /// On how many CPUs at once.
    pub nr_cpus: usize,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One block, allocated and freed again and again.
    Pair,
    /// A set, allocated one by one and then freed one by one.
    Set(Pattern),
    /// A set, allocated and freed in groups.
    Groups,
}

/// In which order a set is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The last block first.
    Lifo,
    /// The first block first.
    Fifo,
    /// In no order.
    Random,
    /// The first block first, of the set that the other CPU allocated.
    Other,
}

impl Pattern {
    /// Returns the spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lifo => "lifo",
            Self::Fifo => "fifo",
            Self::Random => "random",
            Self::Other => "other",
        }
    }
}

impl Job {
    /// Returns every job, those of one CPU first.
    pub fn all(max_cpus: usize) -> Vec<Self> {
        let mut jobs = Vec::new();
        for nr_cpus in 1..=max_cpus {
            for order in [0, 3, 4, 9, 10] {
                let mut works = vec![Work::Pair];
                works.extend([Pattern::Lifo, Pattern::Fifo, Pattern::Random].map(Work::Set));
                if nr_cpus > 1 {
                    works.push(Work::Set(Pattern::Other));
                }
                if order <= 3 {
                    works.push(Work::Groups);
                }
                jobs.extend(works.into_iter().map(|work| Self {
                    work,
                    order,
                    nr_cpus,
                }));
            }
        }
        jobs
    }

    /// Returns the figures that a sample of this job has, in its order.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |work: &str, pattern: &str| Figure {
            work: work.to_owned(),
            size: format!("o{}", self.order),
            pattern: pattern.to_owned(),
            nr_cpus: self.nr_cpus,
        };
        match self.work {
            Work::Pair => vec![figure("pair", "-")],
            Work::Set(pattern) => {
                vec![
                    figure("alloc", pattern.name()),
                    figure("free", pattern.name()),
                ]
            }
            Work::Groups => vec![figure("alloc64", "lifo"), figure("free64", "lifo")],
        }
    }

    /// Returns the number of pairs, or of blocks in a set, on each CPU.
    fn nr_blocks(&self) -> usize {
        match (self.work, self.order) {
            (Work::Pair, order) if order < 9 => 20_000,
            (Work::Pair, _) => 2_000,
            (_, 0) => 100_000,
            (_, 1..=3) => 20_000,
            (_, 4..=8) => 10_000,
            (_, 9) => 800,
            (_, _) => 400,
        }
    }
}

/// Does `job` on a new allocator and returns the ns of an operation, a number for each figure;
/// `None` if the allocator has no such order.
pub fn sample<A: Allocator>(job: &Job) -> Option<Vec<f64>> {
    if job.order > A::MAX_ORDER {
        return None;
    }
    let allocator = A::new(NR_FRAMES, job.nr_cpus)?;
    let exchange: Vec<_> = (0..job.nr_cpus).map(|_| Mutex::new(Vec::new())).collect();
    let spans = on_cpus(job.nr_cpus, |cpu, meet| {
        let turn = Turn {
            job,
            cpu,
            meet,
            exchange: &exchange,
        };
        turn.run(&mut allocator.cpu(cpu))
    });
    let nr_figures = job.figures().len();
    let best = |figure: usize| {
        (1..REPETITIONS)
            .map(|repetition| repetition * nr_figures + figure)
            .map(|part| Span::over(spans.iter().map(|spans| spans[part])))
            .map(|time| time.as_secs_f64() * 1e9 / real(job.nr_blocks()))
            .fold(f64::INFINITY, f64::min)
    };
    Some((0..nr_figures).map(best).collect())
}

/// One thread's part in a job.
struct Turn<'a> {
    job: &'a Job,
    cpu: usize,
    meet: &'a Meet,
    exchange: &'a [Mutex<Vec<usize>>],
}

impl Turn<'_> {
    /// Returns the spans of all repetitions, those of one repetition side by side.
    fn run<P: Pages>(&self, pages: &mut P) -> Vec<Span> {
        match self.job.order {
            0 => self.at_order::<P, 0>(pages),
            3 => self.at_order::<P, 3>(pages),
            4 => self.at_order::<P, 4>(pages),
            9 => self.at_order::<P, 9>(pages),
            10 => self.at_order::<P, 10>(pages),
            order => panic!("no loop was compiled for order {order}"),
        }
    }

    fn at_order<P: Pages, const ORDER: u32>(&self, pages: &mut P) -> Vec<Span> {
        match self.job.work {
            Work::Pair => (0..REPETITIONS)
                .map(|_| self.pairs::<P, ORDER>(pages))
                .collect(),
            Work::Set(pattern) => self.sets::<P, ORDER>(pages, pattern),
            Work::Groups => self.groups::<P, ORDER>(pages),
        }
    }

    fn pairs<P: Pages, const ORDER: u32>(&self, pages: &mut P) -> Span {
        let mut nr_missed = 0;
        let span = self.meet.timed(|| {
            for _ in 0..self.job.nr_blocks() {
                match pages.alloc(ORDER) {
                    Some(at) => pages.free(black_box(at), ORDER),
                    None => nr_missed += 1,
                }
            }
        });
        assert_eq!(nr_missed, 0, "{:?}: out of memory", self.job);
        span
    }

    fn sets<P: Pages, const ORDER: u32>(&self, pages: &mut P, pattern: Pattern) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut set = vec![NONE; self.job.nr_blocks()];
        for repetition in 0..REPETITIONS {
            spans.push(self.meet.timed(|| {
                for place in &mut set {
                    *place = pages.alloc(ORDER).unwrap_or(NONE);
                }
            }));
            assert!(!set.contains(&NONE), "{:?}: out of memory", self.job);
            self.arrange(&mut set, pattern, repetition);
            spans.push(self.meet.timed(|| {
                for at in &set {
                    pages.free(*at, ORDER);
                }
            }));
        }
        spans
    }

    fn groups<P: Pages, const ORDER: u32>(&self, pages: &mut P) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut set = vec![NONE; self.job.nr_blocks()];
        for _ in 0..REPETITIONS {
            let mut nr_got = 0;
            spans.push(self.meet.timed(|| {
                for group in set.chunks_mut(GROUP) {
                    nr_got += pages.alloc_bulk(ORDER, group);
                }
            }));
            assert_eq!(nr_got, set.len(), "{:?}: out of memory", self.job);
            spans.push(self.meet.timed(|| {
                for group in set.chunks(GROUP).rev() {
                    pages.free_bulk(group, ORDER);
                }
            }));
        }
        spans
    }

    /// Puts the set into the order that it is freed in.
    fn arrange(&self, set: &mut Vec<usize>, pattern: Pattern, repetition: usize) {
        match pattern {
            Pattern::Lifo => set.reverse(),
            Pattern::Fifo => {}
            Pattern::Random => Random::new(repetition * 2 + self.cpu).shuffle(set),
            Pattern::Other => {
                let swap = |cpu: usize, set: &mut Vec<usize>| {
                    let place = self.exchange[cpu].lock();
                    std::mem::swap(&mut *place.unwrap_or_else(PoisonError::into_inner), set);
                };
                swap(self.cpu, set);
                self.meet.wait();
                swap((self.cpu + 1) % self.job.nr_cpus, set);
            }
        }
    }
}
