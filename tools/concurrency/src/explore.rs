// SPDX-License-Identifier: GPL-2.0

//! Runs a scenario under many schedules.
//!
//!   random   any thread goes on at any step
//!   pct      threads have priorities, which change at a few steps only: finds what needs a long
//!            run of one thread in the midst of another's
//!
//! # Cost        `OXMM_SCHEDULES` of each kind, 1000 if it is not set.
//! # Limits      other schedules are tried at each run; of one that fails the seed is printed, by
//!               which it is tried again.

use std::hash::{
    BuildHasher,
    RandomState, //
};

use shuttle::scheduler::{
    PctScheduler,
    RandomScheduler,
    Scheduler, //
};
use shuttle::{
    Config,
    FailurePersistence,
    Runner, //
};

/// Steps at which priorities change.
const CHANGES: usize = 4;

/// Says at a panic how to come to it again.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: SHUTTLE_RANDOM_SEED={} cargo test ...", self.0);
        }
    }
}

/// Runs a scenario under many schedules; panics at the first that fails.
pub fn explore(scenario: impl Fn() + Copy + Send + Sync + 'static) {
    let schedules = std::env::var("OXMM_SCHEDULES").map_or(1000, |it| {
        it.parse().expect("OXMM_SCHEDULES is a number of schedules")
    });
    let seed = Seed(RandomState::new().hash_one(schedules));
    run(RandomScheduler::new_from_seed(seed.0, schedules), scenario);
    let pct = PctScheduler::new_from_seed(seed.0, CHANGES, schedules);
    run(pct, scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // The lists of a CPU are made on the stack.
    config.stack_size = 1 << 18;
    // The seed says it in a line, where a schedule takes pages.
    config.failure_persistence = FailurePersistence::None;
    Runner::new(scheduler, config).run(scenario);
}
