// SPDX-License-Identifier: GPL-2.0

//! What a user asks of a manager.
//!
//! # Reference   lab/mod.rs: [`Manager::plan`](super::Manager::plan).

use crate::algo::{
    command::{
        Align,
        RangeWish, //
    },
    gfp::Gfp,
    units::{
        Bytes,
        Migratetype,
        NodeId,
        NodeMask,
        Order, //
    },
};

/// What a user asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, C> {
    /// What.
    pub wanted: Wanted<C>,
    /// The flags; GFP_KERNEL when none were given.
    pub gfp: Gfp,
    /// The preferred node; `None` leaves it to the manager.
    pub node: Option<NodeId>,
    /// The mark that what it gets is freed by; empty for none.
    pub tag: &'a str,
}

/// What a user can ask for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<C> {
    /// A run of pages.
    Pages {
        /// The order of the run.
        order: Order,
        /// The type of pageblock wanted; `None` leaves it to the flags.
        migratetype: Option<Migratetype>,
        /// The nodes that may serve; `None` for all.
        nodes: Option<NodeMask>,
    },
    /// Pages that follow each other.
    Range(RangeWish),
    /// An object of a size.
    Sized(Bytes),
    /// An object of a cache.
    Cached(C),
    /// A per-CPU variable.
    Percpu {
        /// The size of each copy.
        size: Bytes,
        /// The alignment of each copy.
        align: Option<Align>,
    },
    /// A virtually contiguous area.
    Vmalloc {
        /// Its size.
        size: Bytes,
        /// Its alignment.
        align: Option<Align>,
    },
}
