// SPDX-License-Identifier: GPL-2.0

//! How many order-9 blocks stay whole under random work: LLFree's protocol.
//!
//!   1. all frames are allocated by one, in turn by each CPU
//!   2. a share of them, chosen at random, is freed
//!   3. for each tenth frame of that share, one of the frames that are held,
//!      chosen at random, is freed and another allocated; seven times over   -> `after_7`
//!      and on, a hundred times over                                         -> `after_100`
//!   4. drained; then blocks of order 9 are allocated until none is left     -> `taken`
//!
//! The first two are counted from what is held, not by the allocator: what lies in per-CPU lists is
//! free there.
//!
//! # Locking     one thread plays all CPUs, so that every run of a seed does the same.
//! # Cost        2 operations a frame, and 20 for each frame of the share.
//! # Reference   LLFree's `frag`, which stops after seven, and whose threads run at once, so that
//!               no run is as the one before.

use crate::pages::{
    Allocator,
    Pages, //
};
use crate::random::Random;

/// The frames of an order-9 block.
const BLOCK: usize = 1 << 9;

/// How often a tenth is replaced in LLFree's protocol.
const ROUNDS: usize = 7;

/// How often until little changes any more.
const MANY_ROUNDS: usize = 100;

/// One run of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// How many CPUs take turns.
    pub nr_cpus: usize,
    /// The share of the frames that is free.
    pub free_percent: usize,
    /// What the random numbers start from.
    pub seed: usize,
}

/// Order-9 blocks without a frame that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// After seven tenths were replaced.
    pub after_7: usize,
    /// After a hundred tenths.
    pub after_100: usize,
    /// Those that could then be allocated.
    pub taken: usize,
}

/// Runs the protocol on a new allocator, with the random numbers of a seed.
pub fn fragment<A: Allocator>(nr_frames: usize, turn: Turn) -> Option<Whole> {
    let Turn {
        nr_cpus,
        free_percent,
        seed,
    } = turn;
    let allocator = A::new(nr_frames, nr_cpus)?;
    let mut cpus: Vec<_> = (0..nr_cpus).map(|cpu| allocator.cpu(cpu)).collect();
    let mut random = Random::new(seed);
    let mut held = fill(&mut cpus, nr_frames);
    random.shuffle(&mut held);
    let share = nr_frames * free_percent / 100;
    for turn in 0..share {
        if let Some(at) = held.pop() {
            cpus[turn % nr_cpus].free(at, 0);
        }
    }
    let mut replace = |rounds: usize| {
        for turn in 0..rounds * (share / 10) {
            if held.is_empty() {
                break;
            }
            let at = held.swap_remove(random.below(held.len()));
            let pages = &mut cpus[turn % nr_cpus];
            pages.free(at, 0);
            held.extend(pages.alloc(0));
        }
        nr_whole(&held, nr_frames)
    };
    let after_7 = replace(ROUNDS);
    let after_100 = replace(MANY_ROUNDS - ROUNDS);
    for pages in &mut cpus {
        pages.drain();
    }
    let taken = std::iter::from_fn(|| cpus[0].alloc(9)).count();
    Some(Whole {
        after_7,
        after_100,
        taken,
    })
}

/// Allocates every frame, in turn by each CPU.
fn fill<P: Pages>(cpus: &mut [P], nr_frames: usize) -> Vec<usize> {
    let mut held = Vec::with_capacity(nr_frames);
    loop {
        let before = held.len();
        for pages in cpus.iter_mut() {
            held.extend(pages.alloc(0));
        }
        if held.len() == before {
            return held;
        }
    }
}

fn nr_whole(held: &[usize], nr_frames: usize) -> usize {
    let mut nr_held = vec![0_usize; nr_frames / BLOCK];
    for at in held {
        if let Some(nr) = nr_held.get_mut(at / BLOCK) {
            *nr += 1;
        }
    }
    nr_held.iter().filter(|nr| **nr == 0).count()
}
