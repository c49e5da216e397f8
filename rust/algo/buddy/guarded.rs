// SPDX-License-Identifier: GPL-2.0

//! The seam for locks: state that is reached under one, whatever kind of lock it is.
//!
//!   module           spin locks of the kernel
//!   host             spin locks of the benchmark, or none where one thread has it all
//!   checker          locks that a concurrency checker steps through
//!
//! # Locking     a closure runs under the lock and never takes another of a lower rank: page lists
//!               of a CPU (4) come before regions (5), and no two of one rank are held together.
//! # Cost        that of the lock; closures are inlined.
//! # Reference   STYLE.md section 6 has the ranks.

/// State behind a lock.
pub trait Guarded<T> {
    /// Waits for the lock and works on what it guards.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R;

    /// The same if nobody holds the lock; `None` without waiting otherwise.
    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R>;
}
