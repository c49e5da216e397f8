// SPDX-License-Identifier: GPL-2.0

//! Why a machine was refused, in one sentence that says what was wrong and what would be right.
//!
//!   CPU 1 is on node 0 already; a CPU is on one node
//!
//! # Locking     none: plain values.
//! # Cost        a sentence is below 200 bytes.
//! # Limits      the first error of a line, or of the machine.
//! # Reference   draft.rs finds those of a line, build.rs those of the machine.

use core::fmt;

use super::{
    MAX_FRAMES,
    PAGEBLOCK_ORDER, //
};
use crate::algo::{
    units::{
        Bytes,
        NodeId,
        ZoneKind, //
    },
    zonelist::Distances,
};

/// Why a line or a machine was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant prints the sentence that explains it"
)]
pub enum Error {
    NodeTwice {
        node: NodeId,
    },
    NoSuchNode {
        node: NodeId,
        nr_nodes: usize,
    },
    NoSuchCpu {
        cpu: u32,
        nr_cpus: usize,
    },
    CpuTwice {
        cpu: u32,
        node: NodeId,
    },
    PartOfPage {
        size: Bytes,
        page: Bytes,
    },
    SumDiffers {
        node: NodeId,
        mem: Bytes,
        zones: Bytes,
    },
    ZoneTooLarge {
        node: NodeId,
        kind: ZoneKind,
    },
    ZoneTooHigh {
        node: NodeId,
        kind: ZoneKind,
        end: Bytes,
        limit: Bytes,
    },
    PartOfPageblock {
        cma: Bytes,
    },
    CmaTooLarge {
        node: NodeId,
        cma: Bytes,
    },
    DistanceToSelf {
        node: NodeId,
        distance: u8,
    },
    DistanceToOther {
        from: NodeId,
        to: usize,
        distance: u8,
    },
    TooManyDistances {
        node: NodeId,
        nr_nodes: usize,
    },
    DistanceMissing {
        from: NodeId,
        to: NodeId,
    },
    NoNode,
    NoMemory,
    NoCpu,
    NoRoom,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NodeTwice { node } => write!(
                f,
                "node {node} is described already; one line describes a node"
            ),
            Self::NoSuchNode { node, nr_nodes } => write!(
                f,
                "node {node} is too high; a machine has {nr_nodes} nodes at most, from 0 on"
            ),
            Self::NoSuchCpu { cpu, nr_cpus } => write!(
                f,
                "CPU {cpu} is too high; a machine has {nr_cpus} CPUs at most, from 0 on"
            ),
            Self::CpuTwice { cpu, node } => write!(
                f,
                "CPU {cpu} is on node {node} already; a CPU is on one node"
            ),
            Self::NoNode => f.write_str("no node is described; say machine node=0 mem=64M first"),
            Self::NoMemory => f.write_str(
                "no node has memory in dma, dma32 or normal; a machine needs some for itself",
            ),
            Self::NoCpu => f.write_str("no node has CPUs; a machine runs on one at least"),
            Self::NoRoom => f.write_str("the tables for the machine are too short"),
            _ => self.fmt_size(f),
        }
    }
}

impl Error {
    /// Prints what is wrong with sizes.
    fn fmt_size(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PartOfPage { size, page } => {
                write!(f, "{size} is not a whole number of pages of {page}")
            }
            Self::SumDiffers { node, mem, zones } => write!(
                f,
                "the zones of node {node} have {zones} together, but mem is {mem}; leave mem out, \
                 or make them equal"
            ),
            Self::ZoneTooLarge { node, kind } => write!(
                f,
                "zone {kind} of node {node} is too large; a zone has {MAX_FRAMES} pages at most"
            ),
            Self::ZoneTooHigh {
                node,
                kind,
                end,
                limit,
            } => write!(
                f,
                "zone {kind} of node {node} would end at {end}; that of the last node ends at \
                 {limit} at most, each beginning where a block of the largest order may"
            ),
            Self::PartOfPageblock { cma } => write!(
                f,
                "{cma} for CMA is not a whole number of pageblocks of {} pages",
                PAGEBLOCK_ORDER.nr_pages()
            ),
            Self::CmaTooLarge { node, cma } => write!(
                f,
                "node {node} has no zone dma, dma32 or normal of {cma}, which is to be for CMA"
            ),
            _ => self.fmt_distance(f),
        }
    }

    /// Prints what is wrong with distances.
    fn fmt_distance(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, remote) = (Distances::LOCAL, Distances::REMOTE);
        match *self {
            Self::DistanceToSelf { node, distance } => write!(
                f,
                "the distance from node {node} to itself is {distance}; it must be {local}"
            ),
            Self::DistanceToOther { from, to, distance } => write!(
                f,
                "the distance from node {from} to node {to} is {distance}; it must be above \
                 {local}, which a node has to itself alone"
            ),
            Self::TooManyDistances { node, nr_nodes } => write!(
                f,
                "node {node} has more distances than a machine has nodes, {nr_nodes} at most"
            ),
            Self::DistanceMissing { from, to } => write!(
                f,
                "no distance is given between node {from} and node {to}, in neither direction; \
                 give all, or none for {local} and {remote}"
            ),
            // The others are printed above.
            _ => Ok(()),
        }
    }
}
