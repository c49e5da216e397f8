// SPDX-License-Identifier: GPL-2.0

//! The kernel's spin locks as `algo` sees them, around state that begins as zeroes.
//!
//! # Locking     spin locks with preemption off and interrupts on: no interrupt comes here. Page
//!               lists of a CPU have rank 4, regions rank 5.
//! # Cost        the lock is in the first cache line of what it guards, which no other state shares.
//! # Reference   algo/buddy/guarded.rs; STYLE.md section 6 for the ranks.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

use crate::algo::buddy::{
    guarded::Guarded,
    pcp::{
        Pcp,
        Tuning, //
    },
    Region, //
};

/// State behind a spin lock, on cache lines of its own.
#[pin_data]
#[repr(align(64))]
pub(super) struct Locked<T> {
    #[pin]
    lock: SpinLock<T>,
}

impl Locked<Region> {
    /// An empty region.
    pub(super) fn region() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_spinlock!(pin_init::init_zeroed::<Region>(), "oxmm::region"),
        })
    }
}

impl Locked<Pcp> {
    /// Page lists of a CPU, empty and not tuned yet.
    pub(super) fn lists() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_spinlock!(
                pin_init::init_zeroed::<Pcp>().chain(|lists| {
                    lists.init(Tuning::default());
                    Ok(())
                }),
                "oxmm::pcp"
            ),
        })
    }
}

impl<T: Unpin> Guarded<T> for Locked<T> {
    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock.lock())
    }

    #[inline]
    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(work(&mut *self.lock.try_lock()?))
    }
}
