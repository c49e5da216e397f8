// SPDX-License-Identifier: GPL-2.0

//! The loops do what their names say: an allocator that gives out numbers in a row writes down what
//! is freed, on which CPU and in which order.

use oxmm_benches::pages::{
    Allocator,
    Pages, //
};
use oxmm_benches::threads::usable_cpus;
use oxmm_benches::work::{
    sample,
    Job,
    Pattern,
    Work, //
};
use std::sync::{
    Mutex,
    MutexGuard,
    PoisonError, //
};

/// What each CPU freed since the test began.
static FREED: [Mutex<Vec<usize>>; 2] = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];

/// How many blocks the bulk interface was asked for, each time.
static GROUPS: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// One test at a time looks at them.
static TURN: Mutex<()> = Mutex::new(());

/// The numbers of the second CPU begin here.
const SECOND: usize = 1 << 32;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Row;

struct RowCpu {
    cpu: usize,
    next: usize,
}

impl Allocator for Row {
    type Cpu<'a> = RowCpu;

    const MAX_ORDER: u32 = 10;

    fn new(_nr_frames: usize, _nr_cpus: usize) -> Option<Self> {
        Some(Self)
    }

    fn cpu(&self, cpu: usize) -> RowCpu {
        let next = cpu * SECOND;
        RowCpu { cpu, next }
    }
}

impl Pages for RowCpu {
    fn alloc(&mut self, _order: u32) -> Option<usize> {
        self.next += 1;
        Some(self.next)
    }

    fn free(&mut self, at: usize, _order: u32) {
        lock(&FREED[self.cpu]).push(at);
    }

    fn alloc_bulk(&mut self, _order: u32, at: &mut [usize]) -> usize {
        lock(&GROUPS).push(at.len());
        for place in at.iter_mut() {
            self.next += 1;
            *place = self.next;
        }
        at.len()
    }
}

/// Does a job of order 10 and returns what each CPU freed the first time the job was done.
fn freed(work: Work, nr_cpus: usize, nr_blocks: usize) -> [Vec<usize>; 2] {
    let order = 10;
    let job = Job {
        work,
        order,
        nr_cpus,
    };
    FREED.iter().for_each(|freed| lock(freed).clear());
    lock(&GROUPS).clear();
    assert!(sample::<Row>(&job).is_some());
    [0, 1].map(|cpu| lock(&FREED[cpu]).iter().take(nr_blocks).copied().collect())
}

fn row(start: usize, nr: usize) -> Vec<usize> {
    (start + 1..=start + nr).collect()
}

/// 1 2 3 ... 400, freed backwards, forwards, and in some other order.
#[test]
fn a_set_is_freed_in_the_order_of_its_pattern() {
    let _turn = lock(&TURN);
    let forwards = row(0, 400);
    let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
    let [fifo, _] = freed(Work::Set(Pattern::Fifo), 1, 400);
    assert_eq!(fifo, forwards);
    let [lifo, _] = freed(Work::Set(Pattern::Lifo), 1, 400);
    assert_eq!(lifo, backwards);
    let [mut random, none] = freed(Work::Set(Pattern::Random), 1, 400);
    assert!(random != forwards && random != backwards && none.is_empty());
    random.sort_unstable();
    assert_eq!(random, forwards);
}

/// Each CPU frees what the other allocated.
#[test]
fn the_other_pattern_frees_the_other_cpus_blocks() {
    let _turn = lock(&TURN);
    if usable_cpus().len() < 2 {
        return;
    }
    let [first, second] = freed(Work::Set(Pattern::Other), 2, 400);
    assert_eq!(first, row(SECOND, 400));
    assert_eq!(second, row(0, 400));
}

/// 1 1 2 2 3 3 ...: what was allocated is freed before the next.
#[test]
fn a_pair_frees_what_it_allocated() {
    let _turn = lock(&TURN);
    let [freed, _] = freed(Work::Pair, 1, 2000);
    assert_eq!(freed, row(0, 2000));
}

/// 400 blocks are six groups of 64 and one of 16; all are freed.
#[test]
fn groups_go_through_the_bulk_interface() {
    let _turn = lock(&TURN);
    let [mut freed, _] = freed(Work::Groups, 1, 400);
    freed.sort_unstable();
    assert_eq!(freed, row(0, 400));
    assert_eq!(lock(&GROUPS)[..7], [64, 64, 64, 64, 64, 64, 16]);
}
