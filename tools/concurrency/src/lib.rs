// SPDX-License-Identifier: GPL-2.0

//! The pure room on the atomics and locks of a concurrency checker, shuttle: at each operation of
//! one of them it may let another thread go on, and it tries thousands of orders.
//!
//! `algo` is compiled from the folder that the module is compiled from; `seam` and `storage` are
//! what this crate brings to it. `rig` is a zone with a record of who holds what; `explore` runs
//! a scenario under many schedules.
//!
//! # Limits      schedules are of steps that each CPU sees at once: what a weak memory model
//!               allows beyond that is not tried.

#[path = "../../../rust/algo/mod.rs"]
pub mod algo;

pub mod explore;
pub mod rig;
pub mod storage;

mod seam;
