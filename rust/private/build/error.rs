// SPDX-License-Identifier: GPL-2.0

//! Why a machine was not made.
//!
//! # Reference   the sentences and errnos are in lab/refusal/.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

use crate::algo::{
    machine,
    units::{
        Bytes,
        NodeId,
        NrPages,
        Order,
        ZoneKind, //
    }, //
};
use crate::private::early::EarlyError;

/// Why a machine was not made; the one that there is runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// What was said of it makes no machine.
    Draft(machine::Error),
    /// A node has memory behind it, of which Linux gives no blocks so large.
    Order {
        /// The node.
        node: NodeId,
        /// What was asked for.
        asked: Order,
        /// The largest that Linux gives.
        max: Order,
    },
    /// The memory behind its nodes is more than may be taken.
    Memory {
        /// What was asked for; `None` if that cannot be counted.
        asked: Option<Bytes>,
        /// What may be taken.
        most: Bytes,
    },
    /// Its state would take more memory than it may.
    State {
        /// What it would take; `None` if that cannot be counted.
        asked: Option<Bytes>,
        /// What it may take.
        most: Bytes,
    },
    /// Linux had less to give for a zone than that needs.
    Pages {
        /// The zone's node.
        node: NodeId,
        /// The zone.
        kind: ZoneKind,
        /// What it needs.
        asked: NrPages,
        /// What was to be had.
        had: NrPages,
    },
    /// There is no memory for the manager's own tables.
    NoTable,
}

impl From<machine::Error> for BuildError {
    fn from(error: machine::Error) -> Self {
        Self::Draft(error)
    }
}

impl From<Error> for BuildError {
    fn from(_: Error) -> Self {
        Self::NoTable
    }
}

impl From<AllocError> for BuildError {
    fn from(_: AllocError) -> Self {
        Self::NoTable
    }
}

impl From<EarlyError> for BuildError {
    fn from(_: EarlyError) -> Self {
        Self::NoTable
    }
}
