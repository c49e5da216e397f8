// SPDX-License-Identifier: GPL-2.0

//! Zonelists: from which node and zone an allocation is tried, one after the other.
//!
//!   from node 1, with distances   31 10 21 31      nodes   1 2 3 0
//!   and memory on all of 0 to 3                    zones   N1 N2 N3 N0 D32-0 D-0
//!
//! The next node is the nearest that is not in the list yet. Of two that are equally far comes first
//! the one without CPUs or above the asking node, then the one that fewer lists have as the first of
//! its distance, then the one of the lower number. Within a node, zones go from high to low.
//!
//! # Locking     none: values in, values out; lists and loads are the caller's.
//! # Cost        an order O(nodes squared), all orders O(nodes cubed); a list O(nodes x zones).
//! # Limits      the load is compared after the distance; the kernel does the same by scaling the
//!               distance with MAX_NUMNODES, which no load reaches.
//! # Reference   mm/page_alloc.c: find_next_best_node(), build_zonelists(), build_zonerefs_node();
//!               include/linux/mempolicy.h: check_highest_zone(); mm/mempolicy.c for `Policy`.

mod policy;
#[cfg(test)]
mod tests;

pub use policy::{
    BadPolicy,
    Choice,
    Mode,
    Policy,
    Request, //
};

use crate::algo::units::{
    NodeId,
    NodeMask,
    ZoneKind, //
};

/// How far nodes are from each other.
///
/// # Invariants
///
/// The table has `width` rows of `width` distances.
#[derive(Clone, Copy, Debug)]
pub struct Distances<'a> {
    width: usize,
    table: &'a [u8],
}

impl<'a> Distances<'a> {
    /// From a node to itself.
    pub const LOCAL: u8 = 10;

    /// Between nodes of which nothing is known.
    pub const REMOTE: u8 = 20;

    /// Makes a table of rows, by node number, or `None` if they are not `width` rows of `width`.
    pub fn new(table: &'a [u8], width: usize) -> Option<Self> {
        // INVARIANT: the condition.
        (width.checked_mul(width)? == table.len()).then_some(Self { width, table })
    }

    /// Returns the distance between two nodes; outside of the table it is the usual one.
    pub fn get(&self, from: NodeId, to: NodeId) -> u8 {
        let place = from.index() * self.width + to.index();
        match self.table.get(place) {
            Some(&distance) if to.index() < self.width => distance,
            _ if from == to => Self::LOCAL,
            _ => Self::REMOTE,
        }
    }
}

/// What the order of nodes follows from.
#[derive(Clone, Copy, Debug)]
pub struct Nodes<'a> {
    /// The nodes with memory.
    pub memory: &'a NodeMask,
    /// The nodes with CPUs, as far as that is known when lists are made: at boot x86 makes them
    /// before any CPU is entered, so that all nodes count as without.
    pub cpus: &'a NodeMask,
    /// Their distances.
    pub distances: Distances<'a>,
}

/// Returns the node that comes next in the list of `from`, and adds it to `used`; `None` if all are
/// there (find_next_best_node()).
///
/// `load` says, by node number, in how many lists a node is the first of its distance.
pub fn next_best_node(
    from: NodeId,
    nodes: &Nodes<'_>,
    load: &[u16],
    used: &mut NodeMask,
) -> Option<NodeId> {
    let free = || nodes.memory.iter().filter(|&node| !used.has(node));
    let cost = |&node: &NodeId| {
        let distance = u16::from(nodes.distances.get(from, node))
            + u16::from(node < from)
            + u16::from(nodes.cpus.has(node));
        let load = load.get(node.index()).copied().unwrap_or_default();
        // Of equal costs `min_by_key` takes the first, which has the lowest number.
        (node != from, distance, load)
    };
    let best = free().min_by_key(cost)?;
    used.insert(best);
    Some(best)
}

/// Writes the nodes that the list of `from` has, in their order, and counts the load that they get
/// by it (build_zonelists()).
///
/// A node without memory is in no list, but has one. `load` is all 0 at first, and goes on from the
/// list of one node to that of the next, which the kernel makes by rising number. Returns `None`, and
/// counts nothing, if `order` has no place for all nodes with memory or `load` none for one of them.
pub fn fallback_order<'a>(
    from: NodeId,
    nodes: &Nodes<'_>,
    load: &mut [u16],
    order: &'a mut [NodeId],
) -> Option<&'a [NodeId]> {
    let order = order.get_mut(..nodes.memory.len())?;
    if nodes.memory.iter().any(|node| node.index() >= load.len()) {
        return None;
    }
    let mut used = NodeMask::EMPTY;
    let mut last = from;
    for place in order.iter_mut() {
        // There are as many places as nodes.
        *place = next_best_node(from, nodes, load, &mut used)?;
        let distance = |to| nodes.distances.get(from, to);
        if distance(*place) != distance(last) {
            if let Some(load) = load.get_mut(place.index()) {
                *load = load.saturating_add(1);
            }
        }
        last = *place;
    }
    Some(order)
}

/// One step of a zonelist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node whose zone it is.
    pub node: NodeId,
    /// Which zone.
    pub kind: ZoneKind,
}

/// Writes the zones of nodes in this order, each node's from high to low, and returns those that
/// were written (build_zonelists_in_node_order()); `None` if `list` is too short.
///
/// `is_populated` says whether a zone has pages: present ones in the kernel, not managed ones, so
/// that a zone whose pages were all reserved at boot is in the list. For the list of __GFP_THISNODE
/// `order` is the one node (build_thisnode_zonelists()).
pub fn zones_in_order<'a>(
    order: &[NodeId],
    is_populated: impl Fn(Step) -> bool,
    list: &'a mut [Step],
) -> Option<&'a [Step]> {
    let kinds = || ZoneKind::ALL.iter().rev();
    let steps = order
        .iter()
        .flat_map(|&node| kinds().map(move |&kind| Step { node, kind }));
    let mut nr_steps = 0;
    for step in steps.filter(|&step| is_populated(step)) {
        *list.get_mut(nr_steps)? = step;
        nr_steps += 1;
    }
    list.get(..nr_steps)
}

/// Returns the lowest zone that a request must reach for `Policy::Bind` to hold it: the highest with
/// pages on any node, Movable apart (check_highest_zone()).
pub fn policy_zone(populated: impl IntoIterator<Item = ZoneKind>) -> ZoneKind {
    let kinds = populated
        .into_iter()
        .filter(|&kind| kind != ZoneKind::Movable);
    kinds.max().unwrap_or(ZoneKind::Dma)
}
