// SPDX-License-Identifier: GPL-2.0

//! The crate that the samples stand on: oxmm's wrappers of Linux's memory manager, and their units.
//!
//!   pages_zones.rs, ...  ->  oxmm::linux   what can be looked at and asked for
//!                            oxmm::algo    numbers with a meaning: pfn, order, bytes, node
//!
//! They are the files of `rust/`, as they are; Kbuild compiles them once for all samples, and links
//! them into each.

#[path = "../rust/algo/mod.rs"]
pub mod algo;
#[path = "../rust/linux/mod.rs"]
pub mod linux;
#[path = "../rust/seam.rs"]
mod seam;

/// What `pr_err!` and its like put before each line; in a module's own crate, `module!` makes it.
const __LOG_PREFIX: &[u8] = b"oxmm\0";
