// SPDX-License-Identifier: GPL-2.0

//! The seam for atomics: the checker's.
//!
//! # Limits      the checker knows one order of memory only, and warns of every other: what the
//!               pure room calls relaxed is sequentially consistent here.

pub(crate) use shuttle::sync::atomic::{
    AtomicIsize,
    AtomicU16,
    AtomicU32,
    AtomicU64,
    AtomicU8,
    AtomicUsize,
    Ordering::SeqCst as Relaxed, //
};
