// SPDX-License-Identifier: GPL-2.0

//! The pure room: algorithms of memory management that need nothing but `core`.
//!
//!   buddy          free page frames of the private manager: blocks found, taken and given back
//!   command        text of a user -> typed command; the grammar as data
//!   figures        sizes -> watermarks, reserves, bounds of per-CPU lists and of drift
//!   fragmentation  free block counts -> the kernel's fragmentation indices
//!   gfp            names of gfp flags; their values are the kernel's and come from outside
//!   machine        lines of a user -> nodes, zones and CPUs of a machine, laid out
//!   memblock       early regions: memory, reserved, allocated; what the buddy is built from
//!   memory         the parts of memory, what no part holds, and what is available
//!   runs           pages put together where they follow each other
//!   slab           objects of one size cut out of pages
//!   snapshot       what a view shows of a manager at one moment
//!   snapshot_slab  what a view shows of a slab cache
//!   sort           sorting in place
//!   watermark      alloc flags of a request; the watermark test, with the rule that stops it
//!   would          a request and the zones of its list -> which of them serves it
//!   zonelist       distances -> the order of nodes and zones; memory policies
//!   units          pfn, pages, order, node, zone, migratetype, bytes; all else stands on it
//!
//! The same files are compiled into the module and, by `tools/model`, into programs of the host,
//! where they are tested and fuzzed. Both crates name the room `algo`, so that paths which start
//! with `crate::algo` hold in both.
//!
//! # Locking     none: values in, values out.
//! # Cost        no heap, no recursion; bounded by the input.
//! # Limits      no `kernel`, no `unsafe`, no clock, no printing, no panic (`debug_assert!`
//!               excepted).
//! # Reference   STYLE.md section 2 says what this room may touch.

#![deny(unsafe_code)]

pub mod units;

pub mod buddy;
pub mod command;
pub mod figures;
pub mod fragmentation;
pub mod gfp;
pub mod machine;
pub mod memblock;
pub mod memory;
pub mod runs;
pub mod slab;
pub mod snapshot;
pub mod snapshot_slab;
pub mod sort;
pub mod watermark;
pub mod would;
pub mod zonelist;

pub use units::{
    Address,
    Bytes,
    Migratetype,
    NodeId,
    NrPages,
    Order,
    Pfn,
    PhysAddr,
    PhysRange,
    ZoneKind, //
};
