// SPDX-License-Identifier: GPL-2.0

//! What a manager gave out, as the lab holds it: where it is, and what is in it.
//!
//! # Locking     a holding may be moved by its manager at any moment, so that each answer is of the
//!               moment it was asked in.
//! # Cost        see the managers.
//! # Reference   lab/mod.rs: [`Manager`](super::Manager).

use core::num::NonZeroU64;

use crate::algo::{
    snapshot,
    units::{
        Address,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};

/// What a manager gave out.
pub trait Holding: Send + Sync {
    /// Where it is.
    fn place(&self) -> Place;

    /// Whether any of it lies in this page.
    fn covers(&self, pfn: Pfn) -> bool;

    /// The copies of a per-CPU variable, by CPU; nothing for all else.
    fn copies(&self) -> impl Iterator<Item = snapshot::CpuCopy>;

    /// The word that a CPU's copy of a per-CPU variable begins with.
    fn value(&self, cpu: u32) -> Option<u64>;

    /// Writes a pattern to all of it, which begins with `first`; `false` if it has no memory for that.
    fn fill(&mut self, first: NonZeroU64) -> bool;

    /// Whether it has the pattern still.
    fn contents(&self) -> Contents;

    /// Where it starts in the kernel's address space, if it has one place there.
    fn address(&self) -> Option<Address>;

    /// The pages of a virtually contiguous area, in order from this one on; nothing for all else.
    fn pages(&self, from: NrPages) -> impl Iterator<Item = snapshot::AreaPage>;

    /// Adds to the first word of every online CPU's copy, on that CPU; `false` if this is no
    /// per-CPU variable.
    fn add_on_each_cpu(&self, value: u64) -> bool;
}

/// What something holds that may have been filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// It was not filled.
    Unknown,
    /// What it was filled with.
    Intact,
    /// Something else in this page, counted from its start.
    Wrong(NrPages),
}

/// Where something is that is held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Its first page, if it has one: a per-CPU variable has one for each CPU.
    pub pfn: Option<Pfn>,
    /// Its order, if it is whole pages.
    pub order: Option<Order>,
    /// The node that page is on.
    pub node: Option<NodeId>,
    /// The zone it is in.
    pub zone: Option<ZoneKind>,
}
