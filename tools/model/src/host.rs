// SPDX-License-Identifier: GPL-2.0

//! Zones of the private manager on the host: their storage on the heap, and locks of the host.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicU8};
use std::sync::{Mutex, OnceLock};

use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::{Pcp, Tuning};
use crate::algo::buddy::region::Region;
use crate::algo::buddy::zone::{index_words, Memory, Noted, Zone};
use crate::algo::buddy::{FRAMES, PAGEBLOCKS};
use crate::algo::units::{FrameIdx, Order};

/// A lock of the host.
pub trait Lock<T>: Guarded<T> {
    /// Puts a value behind a lock.
    fn new(value: T) -> Self;
}

/// No lock at all, for one thread.
pub struct Alone<T>(RefCell<T>);

impl<T> Lock<T> for Alone<T> {
    fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }
}

impl<T> Guarded<T> for Alone<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.borrow_mut())
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok().map(|mut it| work(&mut it))
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> Guarded<T> for Mutex<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock().expect("no test ends with the lock held"))
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.try_lock().ok().map(|mut it| work(&mut it))
    }
}

/// What is kept of each of a region's frames.
struct Frames {
    states: Box<[AtomicU8; FRAMES]>,
    accounts: Box<[AtomicU16; FRAMES]>,
}

/// The storage of a zone; locks of regions are `R`, those of a CPU's lists are `P`.
///
/// States are allocated region by region, by `prepare`.
pub struct HostMemory<R, P> {
    regions: Vec<R>,
    summaries: Vec<AtomicU64>,
    index: Vec<AtomicU64>,
    types: Vec<AtomicU8>,
    huge_states: Vec<AtomicU8>,
    huge_accounts: Vec<AtomicU16>,
    frames: Vec<OnceLock<Frames>>,
    lists: Vec<P>,
}

fn zeroed<T: Default>(count: usize) -> Vec<T> {
    std::iter::repeat_with(T::default).take(count).collect()
}

impl<R: Lock<Region>, P: Lock<Pcp>> HostMemory<R, P> {
    /// Storage for so many regions and CPUs.
    pub fn new(regions: usize, cpus: usize, tuning: Tuning) -> Self {
        Self {
            regions: (0..regions).map(|_| R::new(Region::new())).collect(),
            summaries: zeroed(regions),
            index: zeroed(index_words(regions)),
            types: zeroed(regions * PAGEBLOCKS),
            huge_states: zeroed(regions * PAGEBLOCKS),
            huge_accounts: zeroed(regions * PAGEBLOCKS),
            frames: zeroed(regions),
            lists: (0..cpus).map(|_| P::new(Pcp::new(tuning))).collect(),
        }
    }

    /// Allocates the states of a region, which a zone says are not ready.
    #[cold]
    pub fn prepare(&self, region: usize) {
        if let Some(frames) = self.frames.get(region) {
            frames.get_or_init(|| Frames {
                states: Box::new([const { AtomicU8::new(0) }; FRAMES]),
                accounts: Box::new([const { AtomicU16::new(0) }; FRAMES]),
            });
        }
    }
}

impl<R: Lock<Region>, P: Lock<Pcp>> Memory for HostMemory<R, P> {
    type Region = R;
    type Lists = P;

    fn regions(&self) -> &[R] {
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
        Some(self.frames.get(region)?.get()?.states.as_slice())
    }

    #[inline]
    fn state(&self, frame: FrameIdx) -> Option<&AtomicU8> {
        self.frames
            .get(frame.region())?
            .get()?
            .states
            .get(frame.offset().get())
    }

    fn huge_states(&self) -> &[AtomicU8] {
        &self.huge_states
    }

    #[inline]
    fn noted_at(&self, frame: FrameIdx) -> Option<Noted<'_>> {
        let frames = self.frames.get(frame.region())?.get()?;
        let at = frame.offset().get();
        Some(Noted {
            state: frames.states.get(at)?,
            account: frames.accounts.get(at)?,
        })
    }

    fn accounts(&self, region: usize) -> Option<&[AtomicU16]> {
        Some(self.frames.get(region)?.get()?.accounts.as_slice())
    }

    fn huge_accounts(&self) -> &[AtomicU16] {
        &self.huge_accounts
    }

    #[inline]
    fn lists(&self, cpu: usize) -> Option<&P> {
        self.lists.get(cpu)
    }
}

/// The storage of a zone for one thread.
pub type LoneMemory = HostMemory<Alone<Region>, Alone<Pcp>>;

/// An empty zone for one thread.
pub type LoneZone = Zone<LoneMemory>;

/// An empty zone for threads.
pub type SharedZone = Zone<HostMemory<Mutex<Region>, Mutex<Pcp>>>;

/// An empty zone of this many regions, whose states are all ready.
pub fn zone<R: Lock<Region>, P: Lock<Pcp>>(
    regions: usize,
    cpus: usize,
    tuning: Tuning,
) -> Zone<HostMemory<R, P>> {
    let max_order = Order::new(10).expect("an order");
    let memory = HostMemory::new(regions, cpus, tuning);
    (0..regions).for_each(|region| memory.prepare(region));
    Zone::new(memory, max_order)
}
