// SPDX-License-Identifier: GPL-2.0

//! The kernel's spin locks as `algo` sees them, around state that begins as zeroes.
//!
//!   SMP, preemption or lock debugging    `SpinLock`: two calls of the kernel each time
//!   none of them                         `Sole`: a spin lock would be two calls that do nothing
//!
//! # Locking     spin locks with preemption off and interrupts on: no interrupt comes here. Page
//!               lists of a CPU have rank 4, regions rank 5. Kernels with lockdep have `SpinLock`,
//!               which it knows, and so have those where a task can be taken off the CPU.
//! # Cost        the lock is in the first cache line of what it guards, which no other state shares.
//! # Reference   algo/buddy/guarded.rs; STYLE.md section 6 for the ranks;
//!               `include/linux/spinlock_api_up.h`.

#[cfg(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK))]
use kernel::{
    new_spinlock,
    sync::SpinLock, //
};

use kernel::prelude::*;

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
use super::raw::Sole;
use crate::algo::buddy::{
    guarded::Guarded,
    pcp::{
        Pcp,
        Tuning, //
    },
    Region, //
};

#[cfg(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK))]
type Lock<T> = SpinLock<T>;

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
type Lock<T> = Sole<T>;

/// Makes a lock around what is made by an initialiser; lockdep sees it by this name.
#[cfg(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK))]
macro_rules! new_lock {
    ($state:expr, $name:literal) => {
        new_spinlock!($state, $name)
    };
}

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
macro_rules! new_lock {
    ($state:expr, $name:literal) => {
        Sole::new($state)
    };
}

/// State behind a spin lock, on cache lines of its own.
#[pin_data]
#[repr(align(64))]
pub(super) struct Locked<T> {
    #[pin]
    lock: Lock<T>,
}

impl Locked<Region> {
    /// An empty region.
    pub(super) fn region() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_lock!(pin_init::init_zeroed::<Region>(), "oxmm::region"),
        })
    }
}

impl Locked<Pcp> {
    /// Page lists of a CPU, empty and not tuned yet.
    pub(super) fn lists() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_lock!(
                pin_init::init_zeroed::<Pcp>().chain(|lists| {
                    lists.init(Tuning::default());
                    Ok(())
                }),
                "oxmm::pcp"
            ),
        })
    }
}

#[cfg(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK))]
impl<T: Unpin> Guarded<T> for Locked<T> {
    #[inline(always)]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock.lock())
    }

    #[inline(always)]
    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(work(&mut *self.lock.try_lock()?))
    }
}

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
impl<T> Guarded<T> for Locked<T> {
    #[inline(always)]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.lock.with(work)
    }

    #[inline(always)]
    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lock.try_with(work)
    }
}
