// SPDX-License-Identifier: GPL-2.0

//! Measures how long a manager takes to allocate and free pages, in the kernel itself.
//!
//!   round     all threads wait for each other, then each works on blocks of its own:
//!             pair     alloc free alloc free ...              one figure
//!             bulk     alloc alloc ... | free free ...        two; batch the same, many at a time
//!             remote   alloc alloc ... | free the neighbour's
//!   figure    of each round from the first thread's start to the last one's end, of all rounds
//!             the quickest; per block of one thread
//!
//! # Locking     nothing of the lab is locked while it measures; rounds.rs says what the threads share.
//! # Cost        what it measures, and for each block a slot of 8 bytes; no round is begun after
//!               [`MAX_TIME`].
//! # Limits      the loop gives way to other tasks every [`STRIDE`] blocks.
//! # Reference   PEERS.md says how figures are taken.

mod figures;
mod floor;
mod meet;
mod rounds;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
};

use super::{
    refusal::Errno,
    run::{
        row,
        Ids,
        COLUMNS,
        MAX_ROW, //
    },
    Kind,
    Lab,
    Manager,
    PagesWish,
    Refusal, //
};
use crate::algo::{
    command::{
        self,
        BenchQuery,
        Count,
        NodeWish,
        Pattern,
        Query,
        View,
        Work, //
    },
    gfp::{
        Flag,
        Gfp, //
    },
    units::{
        u64_from,
        usize_from,
        Order, //
    },
};
use crate::linux::{
    debugfs::Text,
    node::online_cpus,
    quietly,
    thread::on_cpus,
    PAGE_SHIFT, //
};
use figures::write_row;
pub use figures::FIGURES;
use floor::write_floor;
use rounds::{
    Best,
    Shared, //
};

/// Blocks after which a loop gives way to other tasks.
const STRIDE: usize = 4096;

/// Blocks of one call in work `batch`.
const BATCH: usize = 64;

/// Nanoseconds after which no new round is begun.
const MAX_TIME: u64 = 20_000_000_000;

/// Places of a thread at least: two threads whose few places were on one cache line would wait for
/// each other at each block.
const PLACES: usize = 32;

/// Blocks without a count.
const DEFAULT_COUNT: usize = 10_000;

/// Rounds without a number.
const DEFAULT_ROUNDS: usize = 15;

/// Places for blocks of one kind, in a manager that is measured.
pub trait Slots: Send + Unpin {
    /// Allocates a block into an empty place; `false` if there is none to be had.
    fn alloc(&mut self, at: usize) -> bool;

    /// Frees the block at a place, if it has one.
    fn free(&mut self, at: usize);

    /// Fills places with as few calls as can be; `false` if there was too little.
    fn fill(&mut self, from: usize, to: usize) -> bool;

    /// Empties places with as few calls as can be.
    fn empty(&mut self, from: usize, to: usize);
}

/// A benchmark whose questions were answered.
struct Job {
    work: Work,
    order: Order,
    pattern: Pattern,
    count: usize,
    rounds: usize,
    cpus: KVec<u32>,
}

impl<M: Manager> Lab<M> {
    /// Measures what each line of a write asks for, and keeps the figures for the view; what is
    /// wrong is said in `result`.
    ///
    /// # Errors
    ///
    /// That of the first line that failed; the figures of those before it are kept.
    pub fn bench(&self, input: &[u8]) -> Result {
        let mut report = UniqueArc::new(Text::new(), GFP_KERNEL)?;
        report.push(COLUMNS.as_bytes())?;
        let mut figures = UniqueArc::new(Text::new(), GFP_KERNEL)?;
        figures.push(FIGURES.as_bytes())?;
        let outcome = self.bench_lines(input, &mut report, &mut figures);
        self.publish(report);
        let _old = self.figures.lock().replace(figures.into());
        outcome
    }

    fn bench_lines(&self, input: &[u8], report: &mut Text, figures: &mut Text) -> Result {
        for (before, line) in input.split(|&byte| byte == b'\n').enumerate() {
            report.reserve(MAX_ROW)?;
            let (number, none) = (before + 1, Ids(None));
            let query = match command::parse_query(View::Bench, line) {
                Ok(Some(Query::Bench(query))) => query,
                Ok(_) => continue,
                Err(error) => {
                    let errno = Errno::from(&error);
                    row(report, number, errno.name, none, error)?;
                    return Err(errno.error);
                }
            };
            if let Err(refusal) = self.measure(&query, figures) {
                let errno = Errno::from(&refusal);
                row(report, number, errno.name, none, refusal)?;
                return Err(errno.error);
            }
            let says = format_args!("measured {}", Query::Bench(query));
            row(report, number, "ok", none, says)?;
        }
        Ok(())
    }

    /// Measures, and writes the figures as a row.
    fn measure(&self, query: &BenchQuery, figures: &mut Text) -> Result<(), Refusal> {
        let written = match query.work {
            Work::Floor => write_floor(&cpus(query)?, figures),
            _ => {
                let (job, best) = self.run_job(query)?;
                write_row(&job, &best, figures)
            }
        };
        written.map_err(no_table)
    }

    /// The figures of the last write.
    pub fn figures(&self) -> Option<Arc<Text>> {
        self.figures.lock().clone()
    }

    fn run_job(&self, query: &BenchQuery) -> Result<(Job, Best), Refusal> {
        let job = Job::new(query)?;
        let wish = PagesWish {
            order: job.order,
            gfp: query.gfp.unwrap_or(Gfp::from_flag(Flag::GfpKernel)),
            node: match query.node {
                Some(NodeWish::Id(node)) => Some(node),
                Some(NodeWish::Any) | None => None,
            },
            migratetype: None,
            nodes: None,
        };
        let blocks = job.slots().checked_mul(job.cpus.len());
        let bytes = job.order.nr_pages().bytes(PAGE_SHIFT).unwrap_or_default();
        let total = blocks.and_then(|blocks| bytes.checked_mul(blocks));
        let taken = self.live.lock().promise(Kind::Pages, total)?;
        let manager = self.manager();
        let best = run_promised(&manager, &job, &wish);
        self.live.lock().returned(Kind::Pages, taken);
        Ok((job, best?))
    }
}

/// Runs a job whose memory is within the limit, on the machine that there is now.
fn run_promised<M: Manager>(manager: &M, job: &Job, wish: &PagesWish) -> Result<Best, Refusal> {
    let mut slots = KVec::with_capacity(job.cpus.len(), GFP_KERNEL).map_err(no_table)?;
    for _ in 0..job.cpus.len() {
        let some = manager.bench_slots(job.slots().max(PLACES), wish)?;
        let some = KBox::pin_init(new_mutex!(some, "oxmm::bench"), GFP_KERNEL);
        slots
            .push(some.map_err(no_table)?, GFP_KERNEL)
            .map_err(no_table)?;
    }
    let shared = Shared::new(job, slots, turns(job).map_err(no_table)?).map_err(no_table)?;
    on_cpus(&job.cpus, |place| shared.thread(place)).map_err(no_table)?;
    shared.best().ok_or(Refusal::NoMemory {
        order: job.order,
        alone: None,
    })
}

fn no_table<E>(_: E) -> Refusal {
    Refusal::NoTable
}

/// A number, or that which stands for none.
fn number(asked: Option<Count>, default: usize) -> usize {
    asked.map_or(default, |count| usize_from(count.get()))
}

/// The CPUs that a benchmark is to run on; without a number of threads one.
fn cpus(query: &BenchQuery) -> Result<KVec<u32>, Refusal> {
    let threads = number(query.threads, 1);
    let mut cpus = KVec::new();
    for cpu in online_cpus().take(threads) {
        cpus.push(cpu, GFP_KERNEL).map_err(no_table)?;
    }
    if cpus.len() < threads {
        return Err(Refusal::NotOffered("there are fewer CPUs than threads="));
    }
    Ok(cpus)
}

impl Job {
    fn new(query: &BenchQuery) -> Result<Self, Refusal> {
        Ok(Self {
            work: query.work,
            order: query.order.unwrap_or(Order::ZERO),
            pattern: query.pattern.unwrap_or(Pattern::Fifo),
            count: number(query.count, DEFAULT_COUNT),
            rounds: number(query.rounds, DEFAULT_ROUNDS),
            cpus: cpus(query)?,
        })
    }

    /// How many blocks a thread holds at most.
    fn slots(&self) -> usize {
        match self.work {
            Work::Pair => 1,
            _ => self.count,
        }
    }
}

/// The order in which a thread frees its blocks.
fn turns(job: &Job) -> Result<KVVec<u32>> {
    let mut turns = KVVec::with_capacity(job.count, quietly())?;
    // At most a million, see `Count`.
    for at in 0..u32::try_from(job.count).unwrap_or(0) {
        turns.push(at, quietly())?;
    }
    match job.pattern {
        Pattern::Fifo => {}
        Pattern::Lifo => turns.reverse(),
        Pattern::Random => {
            // Fisher-Yates with numbers of a linear congruence: the same on each run and manager.
            let mut state = 1u64;
            for at in (1..turns.len()).rev() {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let other = usize::try_from((state >> 33) % (u64_from(at) + 1)).unwrap_or(0);
                turns.swap(at, other);
            }
        }
    }
    Ok(turns)
}
