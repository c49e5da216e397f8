// SPDX-License-Identifier: GPL-2.0

//! The caches of a manager that has none: a type without values.
//!
//! # Limits      nothing here can ever be called.
//! # Reference   lab/mod.rs: [`Cache`].

use crate::algo::{
    snapshot_slab::{
        CpuSheaves,
        NodeSlabs,
        Shape,
        Totals,
        Unknown, //
    },
    units::{
        Bytes,
        NodeId, //
    },
};
use crate::lab::Cache;

/// A cache that there is not.
#[derive(Clone, Copy, Debug)]
pub enum NoCache {}

impl Cache for NoCache {
    fn object_size(&self) -> Bytes {
        match *self {}
    }

    fn nr_objects(&self) -> usize {
        match *self {}
    }

    fn shrink(&self) {
        match *self {}
    }

    fn constructed(&self) -> Option<u64> {
        match *self {}
    }

    fn shape(&self) -> Result<Shape, Unknown> {
        match *self {}
    }

    fn slabs(&self, _node: NodeId) -> Result<NodeSlabs, Unknown> {
        match *self {}
    }

    fn sheaves(&self, _cpu: u32) -> Result<CpuSheaves, Unknown> {
        match *self {}
    }

    fn totals(&self) -> Result<Totals, Unknown> {
        match *self {}
    }
}
