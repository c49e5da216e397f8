// SPDX-License-Identifier: GPL-2.0

//! Page allocators measured side by side on the host, at native speed, with the CPU's number passed
//! in.
//!
//!   pages       what an allocator must offer to be measured
//!   ours        oxmm's own, and peers/ those of others
//!   subject     an allocator behind one interface, so that many can be measured in turn
//!   work        the timed loops; threads runs them on one CPU or two
//!   frag, heap  how much stays whole, how much the state of an allocator takes
//!   primitives  what an atomic, a lock and a cache line cost on this machine
//!   simulation  how the cost grows with the CPUs, up to 256 that are simulated
//!   report      the rows of build/bench.tsv; targets says what each ratio is to be
//!   draw        the same rows as a picture
//!
//! A peer whose source is in no registry is measured by a program of its owner's, which depends on
//! this crate, implements `Allocator` and hands its subject to `run`.
//!
//! # Locking     none of its own; threads meet at `threads::Meet` and share what the peer shares.
//! # Cost        some minutes; REPETITIONS and the sets of `work` say how much is done.
//! # Limits      no memory stands behind the frames: what a cache line of the pages themselves
//!               costs is not seen. One or two CPUs, but for those that are simulated.
//! # Reference   the benchmarks of LLFree (bulk, repeat, rand, frag), whose protocols are kept.

pub mod draw;
pub mod frag;
pub mod heap;
pub mod ours;
pub mod pages;
pub mod peers;
pub mod primitives;
pub mod random;
pub mod report;
pub mod simulation;
pub mod subject;
pub mod targets;
pub mod threads;
pub mod work;

mod measure;

pub use measure::run;
