// SPDX-License-Identifier: GPL-2.0

//! Why a machine was not replaced, or early memory not changed: the sentences.
//!
//! # Reference   `rust/private/build/error.rs`; algo/machine/error.rs has those about drafts.

use core::fmt;

use super::Refusal;
use crate::private::{
    BuildError,
    EarlyError, //
};

/// Prints what stands in the way of another machine, or of an allocation from this one.
pub(super) fn fmt(refusal: &Refusal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match refusal {
        Refusal::NoStates => f.write_str(
            "there is a free block, but no memory for the states of its frames, which come when a \
             region is first used; they may take what max_mb and Linux leave them",
        ),
        Refusal::MachineInUse { places, held } => write!(
            f,
            "{places} allocations with {} bytes are held, or about to be; a machine is replaced \
             when nothing is allocated: free all first",
            held.get()
        ),
        Refusal::MachineChanged => {
            f.write_str("the machine was replaced at that moment; say it again for the new one")
        }
        // The others are printed by their own.
        _ => Ok(()),
    }
}

/// Prints why there is no machine.
pub(super) fn fmt_build(error: BuildError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        BuildError::Draft(error) => write!(f, "{error}"),
        BuildError::Order { node, asked, max } => write!(
            f,
            "node {node} has memory behind it, and Linux gives no blocks above order {max}; order \
             {asked} is for machines whose nodes all say shadow=1"
        ),
        BuildError::Memory { asked, most } => {
            match asked {
                Some(asked) => write!(f, "the nodes have {} bytes", asked.get())?,
                None => f.write_str("the nodes have more bytes than can be counted")?,
            }
            write!(
                f,
                " behind them, {} may be taken (parameter max_mb, at most half of memory); make \
                 them smaller, or say shadow=1",
                most.get()
            )
        }
        BuildError::State { asked, most } => {
            match asked {
                Some(asked) => write!(f, "the state would take {} bytes", asked.get())?,
                None => f.write_str("the state would take more bytes than can be counted")?,
            }
            write!(
                f,
                ", {} may be taken (parameter max_mb, at most half of what is free); take fewer \
                 pages, zones or CPUs",
                most.get()
            )
        }
        BuildError::Pages {
            node,
            kind,
            asked,
            had,
        } => write!(
            f,
            "zone {kind} of node {node} needs {asked} pages, and Linux had {had} in blocks that are \
             large enough; make it smaller, or say shadow=1"
        ),
        BuildError::NoTable => {
            f.write_str("no memory for the tables of the machine; the one that there is runs on")
        }
    }
}

/// Prints why early memory is as it was.
pub(super) fn fmt_early(error: EarlyError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        EarlyError::NoSpace => f.write_str(
            "no free memory is so large where it may be; the file memblock shows what there is, and \
             the first page is never given",
        ),
        EarlyError::BadAlign => f.write_str("the alignment is no power of two"),
        EarlyError::Full(most) => write!(
            f,
            "that would make more than {most} regions; memblock reset forgets them"
        ),
        EarlyError::NoTable => f.write_str("no memory for a longer array of regions"),
    }
}
