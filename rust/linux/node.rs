// SPDX-License-Identifier: GPL-2.0

//! Nodes of the running kernel: states, sizes, distances, CPUs, zonelists.
//!
//!   Node::online() -> node 0 [ DMA  DMA32  Normal ]   zonelist 0: 0/Normal 0/DMA32 0/DMA 1/Normal
//!                  -> node 1 [ Normal ]               zonelist 1: 1/Normal 0/Normal ...
//!
//! # Locking     none. Sizes are single words; a zonelist may be rebuilt by memory hotplug while
//!               it is walked: each step is one that was or is in it, and the walk is bounded.
//! # Cost        O(nodes) to walk, O(steps) to reach a step of a zonelist.
//! # Limits      the pgdat iterators are not exported; nodes are walked by number.
//! # Reference   `include/linux/mmzone.h`, `mm/page_alloc.c`: `build_zonelists()`.

use core::ptr::NonNull;

use kernel::{
    bindings,
    ffi::c_int, //
};

use super::{
    ffi,
    percpu::possible_cpus,
    read_once,
    zone::Zone, //
};
use crate::algo::{
    snapshot::{
        self,
        ListKind,
        NodeState, //
    },
    units::{
        NodeId,
        NrPages,
        Pfn,
        ZoneKind, //
    },
};

/// A node that is or was online.
///
/// # Invariants
///
/// `pgdat` is `NODE_DATA(id)` of a node that has been online. Linux sets such a node up once and
/// never frees it, not even when the node goes offline (`try_offline_node()`).
#[derive(Clone, Copy)]
pub struct Node {
    id: NodeId,
    pgdat: NonNull<bindings::pglist_data>,
}

// SAFETY: A node may be looked at from any task: see the invariant and "Locking" above.
unsafe impl Send for Node {}

// SAFETY: As for `Send`.
unsafe impl Sync for Node {}

impl Node {
    /// The node with this number, if it is online.
    pub fn get(id: NodeId) -> Option<Self> {
        if !in_state(id, NodeState::Online) {
            return None;
        }
        // SAFETY: The node is online, so its number is below `MAX_NUMNODES`.
        let pgdat = unsafe { ffi::oxmm_node_data(id.int()) };
        // INVARIANT: seen online just now.
        NonNull::new(pgdat).map(|pgdat| Self { id, pgdat })
    }

    /// All online nodes, by number.
    pub fn online() -> impl Iterator<Item = Self> {
        possible_numbers().filter_map(Self::get)
    }

    /// Linux's own, for the rest of this room; never freed, see the invariant.
    pub(super) fn as_ptr(&self) -> *mut bindings::pglist_data {
        self.pgdat.as_ptr()
    }

    /// The node's number.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The zone of this kind, if the kernel has that kind; it may be empty.
    pub fn zone(&self, kind: ZoneKind) -> Option<Zone> {
        let index = super::zone::index_of_kind(kind)?;
        // SAFETY: By the invariant `pgdat` is live, and `index` is below `MAX_NR_ZONES`.
        let zone = unsafe { (&raw mut (*self.pgdat.as_ptr()).node_zones[index]) };
        // SAFETY: A zone of a live node.
        NonNull::new(zone).map(|zone| unsafe { Zone::from_raw(zone) })
    }

    /// Its zones, from low to high, those without pages too.
    pub fn zones(&self) -> impl Iterator<Item = Zone> {
        let node = *self;
        ZoneKind::ALL
            .iter()
            .filter_map(move |&kind| node.zone(kind))
    }

    /// The zones that have pages, from low to high.
    pub fn populated_zones(&self) -> impl Iterator<Item = Zone> {
        self.zones().filter(Zone::is_populated)
    }

    /// How far `to` is, as firmware or the architecture says; 10 is local.
    pub fn distance(&self, to: &Self) -> u32 {
        // SAFETY: Takes and returns numbers; those of nodes.
        let distance = unsafe { ffi::oxmm_node_distance(self.id.int(), to.id.int()) };
        u32::try_from(distance).unwrap_or(u32::MAX)
    }

    /// The node's online CPUs, by number.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        let nid = self.id.int();
        // SAFETY: Both arguments are in range: a node's number, and a CPU below `nr_cpu_ids`.
        (0..nr_cpu_ids()).filter(move |&cpu| unsafe { ffi::oxmm_node_has_online_cpu(nid, cpu) })
    }

    /// The zones that a request for this node tries, in order.
    ///
    /// Empty for the no-fallback list of a memoryless node, and where the kernel has no such list.
    pub fn zonelist(&self, list: ListKind) -> impl Iterator<Item = Zone> {
        let lists: usize = (bindings::MAX_ZONELISTS as usize).min(ListKind::COUNT);
        let steps = if list.index() < lists { STEPS } else { 0 };
        let pgdat = self.pgdat.as_ptr();
        (0..steps).map_while(move |step| {
            // SAFETY: By the invariant `pgdat` is live; both indices are below the lengths of
            // their arrays.
            let entry =
                unsafe { &raw const (*pgdat).node_zonelists[list.index()]._zonerefs[step].zone };
            // SAFETY: `entry` points into a live node; hotplug stores to it, whole words.
            let zone = unsafe { read_once(entry) };
            // SAFETY: What is not null in a zonelist is a zone of a node, which is never freed.
            NonNull::new(zone).map(|zone| unsafe { Zone::from_raw(zone) })
        })
    }

    /// Whether it has memory at all.
    pub fn has_memory(&self) -> bool {
        in_state(self.id, NodeState::Memory)
    }

    /// The node that requests for this one are served from first.
    pub fn served_by(&self) -> Option<NodeId> {
        self.zonelist(ListKind::Fallback).next()?.node_id()
    }

    /// The node's figures.
    pub fn snapshot(&self) -> snapshot::Node {
        let pgdat = self.pgdat.as_ptr();
        // SAFETY: By the invariant `pgdat` is live; hotplug stores to these fields, whole words.
        let (start, spanned, present) = unsafe {
            (
                read_once(&raw const (*pgdat).node_start_pfn),
                read_once(&raw const (*pgdat).node_spanned_pages),
                read_once(&raw const (*pgdat).node_present_pages),
            )
        };
        let mut states = [false; NodeState::COUNT];
        for (state, is_in) in NodeState::ALL.iter().zip(&mut states) {
            *is_in = in_state(self.id, *state);
        }
        let zones = || self.populated_zones();
        snapshot::Node {
            states,
            start: Pfn::new(start),
            spanned: NrPages::new(spanned),
            present: NrPages::new(present),
            managed: zones().fold(NrPages::ZERO, |sum, zone| sum + zone.managed()),
            free: zones().fold(NrPages::ZERO, |sum, zone| sum + zone.free()),
            served_by: self.served_by(),
        }
    }
}

/// Pages that the buddy manages on all online nodes.
pub fn managed_pages() -> NrPages {
    Node::online()
        .flat_map(|node| node.populated_zones())
        .fold(NrPages::ZERO, |sum, zone| sum + zone.managed())
}

/// The online CPUs of all nodes, by number.
pub fn online_cpus() -> impl Iterator<Item = u32> {
    // SAFETY: The argument is in range, below `nr_cpu_ids`.
    (0..nr_cpu_ids()).filter(|&cpu| unsafe { ffi::oxmm_cpu_online(cpu) })
}

/// The node of a CPU that there can be, online or not (`cpu_to_node()`).
pub fn of_cpu(cpu: u32) -> Option<NodeId> {
    if !possible_cpus().any(|it| it == cpu) {
        return None;
    }
    // SAFETY: The CPU is a possible one, so that it has an entry.
    NodeId::from_int(unsafe { ffi::oxmm_cpu_to_node(cpu) })
}

/// Steps of a zonelist, without the null one that always ends it.
// CAST: widens.
const STEPS: usize = bindings::MAX_ZONES_PER_ZONELIST as usize;

/// Numbers that a node can have on this machine.
pub(super) fn possible_numbers() -> impl Iterator<Item = NodeId> {
    #[cfg(CONFIG_NUMA)]
    // SAFETY: Set once at boot.
    let numbers = unsafe { bindings::nr_node_ids };
    #[cfg(not(CONFIG_NUMA))]
    let numbers = 1;
    (0..numbers).map_while(NodeId::new)
}

fn in_state(id: NodeId, state: NodeState) -> bool {
    let state = match state {
        NodeState::Possible => bindings::node_states_N_POSSIBLE,
        NodeState::Online => bindings::node_states_N_ONLINE,
        NodeState::NormalMemory => bindings::node_states_N_NORMAL_MEMORY,
        NodeState::Memory => bindings::node_states_N_MEMORY,
        NodeState::Cpu => bindings::node_states_N_CPU,
        NodeState::GenericInitiator => bindings::node_states_N_GENERIC_INITIATOR,
    };
    // CAST: six states.
    let state = state as c_int;
    // SAFETY: A number beyond the mask would be read beyond it; see the first condition.
    id.get() < bindings::MAX_NUMNODES && unsafe { ffi::oxmm_node_state(id.int(), state) }
}

fn nr_cpu_ids() -> u32 {
    kernel::cpu::nr_cpu_ids()
}

#[kernel::prelude::kunit_tests(oxmm_node)]
mod tests {
    use super::*;

    /// The nearest node of a node is itself.
    #[test]
    fn no_node_is_nearer_than_itself() {
        for from in Node::online() {
            for to in Node::online() {
                assert!(from.distance(&from) <= from.distance(&to));
            }
        }
    }

    /// Every populated zone of every node is a step of every fallback list, exactly once.
    #[test]
    fn fallback_reaches_every_zone_once() {
        let all: usize = Node::online()
            .map(|node| node.populated_zones().count())
            .sum();
        for node in Node::online() {
            assert_eq!(node.zonelist(ListKind::Fallback).count(), all);
        }
    }

    /// The no-fallback list, where there is one, holds the node's own zones.
    #[test]
    fn nofallback_stays_on_the_node() {
        for node in Node::online() {
            for zone in node.zonelist(ListKind::NoFallback) {
                assert_eq!(zone.node_id(), Some(node.id()));
            }
        }
    }

    /// A node past those that are online is not there.
    #[test]
    fn an_absent_node_is_none() {
        let last = u32::try_from(NodeId::COUNT)
            .ok()
            .and_then(|count| NodeId::new(count - 1));
        assert!(last.is_some_and(|last| Node::get(last).is_none()));
    }
}
