// SPDX-License-Identifier: GPL-2.0

//! The seam for atomics: what the pure room stores that several CPUs look at.
//!
//! Each crate that compiles `algo` has a module of this name: this one is the module's, and a
//! concurrency checker brings its own.
//!
//! # Locking     every store is of a byte or a word of its own; what orders them is the lock around
//!               the step, so that relaxed operations are enough.
//! # Limits      `core`'s atomics and not the kernel's: bytes are needed, and functions that are
//!               inlined. For relaxed operations and for those that change and return a value both
//!               memory models say the same.

pub(crate) use core::sync::atomic::{
    AtomicIsize,
    AtomicU16,
    AtomicU32,
    AtomicU64,
    AtomicU8,
    AtomicUsize,
    Ordering::Relaxed, //
};
