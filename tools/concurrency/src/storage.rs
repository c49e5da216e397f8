// SPDX-License-Identifier: GPL-2.0

//! Where a zone keeps its state under the checker.
//!
//! # Locking     the checker's locks: it may let another thread go on before each is taken, and
//!               finds two threads that wait for each other.
//! # Limits      states of frames are kept for the first ones of each region alone, for an atomic
//!               of the checker takes a hundred bytes.

use shuttle::sync::Mutex;

use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::{
    Pcp,
    Tuning, //
};
use crate::algo::buddy::region::Region;
use crate::algo::buddy::zone::{
    index_words,
    Memory, //
};
use crate::algo::buddy::PAGEBLOCKS;
use crate::seam::{
    AtomicU16,
    AtomicU64,
    AtomicU8, //
};

/// A lock of the checker.
pub struct Lock<T>(Mutex<T>);

impl<T> Guarded<T> for Lock<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().expect("a thread that panics ends the test"))
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_lock().ok().map(|mut it| work(&mut it))
    }
}

/// The storage of a zone.
pub struct Storage {
    regions: Vec<Lock<Region>>,
    summaries: Vec<AtomicU64>,
    index: Vec<AtomicU64>,
    types: Vec<AtomicU8>,
    huge_states: Vec<AtomicU8>,
    states: Vec<Vec<AtomicU8>>,
    huge_accounts: Vec<AtomicU16>,
    accounts: Vec<Vec<AtomicU16>>,
    lists: Vec<Lock<Pcp>>,
}

fn zeroed<T: Default>(count: usize) -> Vec<T> {
    std::iter::repeat_with(T::default).take(count).collect()
}

impl Storage {
    /// Storage for so many regions, with states for the first `frames` of each, and CPUs.
    pub fn new(regions: usize, frames: usize, cpus: usize, tuning: Tuning) -> Self {
        let lists = || Lock(Mutex::new(Pcp::new(tuning)));
        Self {
            regions: (0..regions)
                .map(|_| Lock(Mutex::new(Region::new())))
                .collect(),
            summaries: zeroed(regions),
            index: zeroed(index_words(regions)),
            types: zeroed(regions * PAGEBLOCKS),
            huge_states: zeroed(regions * PAGEBLOCKS),
            states: (0..regions).map(|_| zeroed(frames)).collect(),
            huge_accounts: zeroed(regions * PAGEBLOCKS),
            accounts: (0..regions).map(|_| zeroed(frames)).collect(),
            lists: (0..cpus).map(|_| lists()).collect(),
        }
    }
}

impl Memory for Storage {
    type Region = Lock<Region>;
    type Lists = Lock<Pcp>;

    fn regions(&self) -> &[Lock<Region>] {
        &self.regions
    }

    fn summaries(&self) -> &[AtomicU64] {
        &self.summaries
    }

    fn index(&self) -> &[AtomicU64] {
        &self.index
    }

    fn types(&self) -> &[AtomicU8] {
        &self.types
    }

    fn states(&self, region: usize) -> Option<&[AtomicU8]> {
        self.states.get(region).map(Vec::as_slice)
    }

    fn huge_states(&self) -> &[AtomicU8] {
        &self.huge_states
    }

    fn accounts(&self, region: usize) -> Option<&[AtomicU16]> {
        self.accounts.get(region).map(Vec::as_slice)
    }

    fn huge_accounts(&self) -> &[AtomicU16] {
        &self.huge_accounts
    }

    fn lists(&self, cpu: usize) -> Option<&Lock<Pcp>> {
        self.lists.get(cpu)
    }
}
