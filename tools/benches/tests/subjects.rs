// SPDX-License-Identifier: GPL-2.0

//! Each allocator that is measured allocates as it should, and the harness measures what it says:
//! a bitmap that is searched from its start stands for one whose every answer is known.

use oxmm_benches::frag::{
    fragment,
    Turn,
    Whole, //
};
use oxmm_benches::pages::{
    Allocator,
    Pages, //
};
use oxmm_benches::subject::{
    Of,
    Subject, //
};
use oxmm_benches::threads::usable_cpus;
use oxmm_benches::work::{
    Job,
    Pattern,
    Work, //
};
use oxmm_benches::{
    ours,
    peers, //
};
use std::sync::{
    Mutex,
    PoisonError, //
};

/// Frames with a flag each, behind a lock; the first block that is free is given out, and a free of
/// what is not given out is an error.
struct Flags(Mutex<Vec<bool>>);

impl Allocator for Flags {
    type Cpu<'a> = &'a Self;

    const MAX_ORDER: u32 = 3;

    fn new(nr_frames: usize, _nr_cpus: usize) -> Option<Self> {
        Some(Self(Mutex::new(vec![true; nr_frames])))
    }

    fn cpu(&self, _cpu: usize) -> &Self {
        self
    }
}

impl Pages for &Flags {
    fn alloc(&mut self, order: u32) -> Option<usize> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, block) = free
            .chunks_mut(1 << order)
            .enumerate()
            .find(|(_, block)| block.iter().all(|free| *free))?;
        block.fill(false);
        Some(at << order)
    }

    fn free(&mut self, at: usize, order: u32) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let block = &mut free[at..at + (1 << order)];
        assert!(block.iter().all(|free| !*free), "free of a free frame");
        block.fill(true);
    }
}

/// Every subject at hand has a figure for each part of a small job, on one CPU and on two.
#[test]
fn every_subject_does_every_kind_of_work() {
    let set = [Pattern::Lifo, Pattern::Fifo, Pattern::Random].map(Work::Set);
    let mut subjects = peers::all();
    subjects.extend(ours::subject());
    for subject in &subjects {
        for work in set.into_iter().chain([Work::Pair, Work::Groups]) {
            for nr_cpus in 1..=usable_cpus().len() {
                expect_figures(subject.as_ref(), work, nr_cpus);
            }
        }
        if usable_cpus().len() > 1 {
            expect_figures(subject.as_ref(), Work::Set(Pattern::Other), 2);
        }
    }
}

#[track_caller]
fn expect_figures(subject: &dyn Subject, work: Work, nr_cpus: usize) {
    let order = 3;
    let job = Job {
        work,
        order,
        nr_cpus,
    };
    let numbers = subject.sample(&job).expect("every peer has order 3");
    assert_eq!(numbers.len(), job.figures().len(), "{job:?}");
    let in_bounds = |ns: &f64| *ns > 0.0 && ns.is_finite();
    assert!(numbers.iter().all(in_bounds), "{job:?}: {numbers:?}");
}

/// An order that the allocator has not is left out.
#[test]
fn an_order_above_the_highest_has_no_figure() {
    let subject = Of::<Flags, Flags>::boxed("flags");
    let job = Job {
        work: Work::Pair,
        order: 4,
        nr_cpus: 1,
    };
    assert_eq!(subject.sample(&job), None);
}

fn turn(nr_cpus: usize, free_percent: usize) -> Turn {
    Turn {
        nr_cpus,
        free_percent,
        seed: 42,
    }
}

/// With the first free frame taken each time, what is freed comes back at the front, and with one
/// frame in ten free at random the chance that 512 neighbours are free is nil.
#[test]
fn fragment_counts_blocks_that_are_whole() {
    let found = fragment::<Flags>(1 << 12, turn(1, 10));
    let none = Whole {
        after_7: 0,
        after_100: 0,
        taken: 0,
    };
    assert_eq!(found, Some(none));
    let all = fragment::<Flags>(1 << 12, turn(2, 100)).unwrap();
    assert_eq!((all.after_7, all.after_100), (8, 8));
}

/// Each allocator gives out every frame once, aligned, none after the last, and all again.
#[test]
fn every_peer_gives_out_every_frame_once() {
    for subject in peers::all() {
        let whole = subject.fragment(1 << 12, turn(2, 100)).unwrap();
        let name = subject.name();
        assert_eq!((whole.after_7, whole.taken), (8, 8), "{name}");
        let none = subject.fragment(1 << 12, turn(1, 0)).unwrap();
        assert_eq!((none.after_100, none.taken), (0, 0), "{name}");
    }
}
