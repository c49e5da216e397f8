// SPDX-License-Identifier: GPL-2.0

//! The allocators of others that a registry has, and the names of those that it has not.
//!
//! An allocator without a lock of its own is measured bare on one CPU, behind a spin lock on two,
//! as a kernel would use it.
//!
//! # Locking     `Locked` takes a spin lock for each operation, `Bare` holds its own for as long as
//!               the thread has it.

mod bitmap;
mod buddy_system;

use crate::pages::{
    Allocator,
    Pages, //
};
use crate::subject::{
    Of,
    Subject, //
};
use spin::mutex::{
    SpinMutex,
    SpinMutexGuard, //
};

/// Peers that targets are set against, whether or not they are at hand.
pub const WANTED: &[&str] = &["llfree"];

/// Returns the peers that are always at hand.
pub fn all() -> Vec<Box<dyn Subject>> {
    vec![
        Of::<Bare<buddy_system::Frames>, Locked<buddy_system::Frames>>::boxed("buddy_system"),
        Of::<Bare<bitmap::Frames>, Locked<bitmap::Frames>>::boxed("bitmap"),
    ]
}

/// Frames that one user at a time can allocate from.
pub trait Single: Pages + Send + Sized {
    /// As in `Allocator`.
    const MAX_ORDER: u32;

    /// Makes it with all frames free.
    fn new(nr_frames: usize) -> Option<Self>;
}

/// An allocator for one thread: taken once, then used without a lock.
pub struct Bare<T>(SpinMutex<T>);

impl<T: Single> Allocator for Bare<T> {
    type Cpu<'a>
        = BareCpu<'a, T>
    where
        T: 'a;

    const MAX_ORDER: u32 = T::MAX_ORDER;

    fn new(nr_frames: usize, _nr_cpus: usize) -> Option<Self> {
        T::new(nr_frames).map(|frames| Self(SpinMutex::new(frames)))
    }

    fn cpu(&self, _cpu: usize) -> BareCpu<'_, T> {
        BareCpu(self.0.lock())
    }
}

/// What the only thread of a `Bare` calls.
pub struct BareCpu<'a, T>(SpinMutexGuard<'a, T>);

impl<T: Single> Pages for BareCpu<'_, T> {
    #[inline]
    fn alloc(&mut self, order: u32) -> Option<usize> {
        self.0.alloc(order)
    }

    #[inline]
    fn free(&mut self, at: usize, order: u32) {
        self.0.free(at, order);
    }
}

/// An allocator behind a spin lock.
pub struct Locked<T>(SpinMutex<T>);

impl<T: Single> Allocator for Locked<T> {
    type Cpu<'a>
        = &'a Self
    where
        T: 'a;

    const MAX_ORDER: u32 = T::MAX_ORDER;

    fn new(nr_frames: usize, _nr_cpus: usize) -> Option<Self> {
        T::new(nr_frames).map(|frames| Self(SpinMutex::new(frames)))
    }

    fn cpu(&self, _cpu: usize) -> &Self {
        self
    }
}

impl<T: Single> Pages for &Locked<T> {
    #[inline]
    fn alloc(&mut self, order: u32) -> Option<usize> {
        self.0.lock().alloc(order)
    }

    #[inline]
    fn free(&mut self, at: usize, order: u32) {
        self.0.lock().free(at, order);
    }
}
