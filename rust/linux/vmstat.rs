// SPDX-License-Identifier: GPL-2.0

//! Counters of nodes and zones: what Linux reads, what is true, and how far these can be apart.
//!
//!   zone->vm_stat[NR_FREE_PAGES]    5120         fast: one word
//!     CPU 0 keeps                    + 17
//!     CPU 1 keeps                    -  3        exact: 5134
//!     each folds its own in when more than 28    bound: 56
//!
//! # Locking     none: words, as Linux reads them. A CPU may fold while its amount is read; the
//!               counter has then moved, and it is read again, [`TRIES`] times at most.
//! # Cost        O(online CPUs) a counter.
//! # Limits      exact but for what is counted or folded during the read. NUMA hits and events are
//!               no counters of this kind: CPUs keep all of them, and readers add them up. Those of
//!               `percpu_counter`, as the committed pages, are not exported.
//! # Reference   `mm/vmstat.c`: `__mod_zone_page_state()`, `refresh_zone_stat_thresholds()`;
//!               `include/linux/vmstat.h`: `zone_page_state_snapshot()`.

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_uint, //
    },
    str::{
        CStr,
        CStrExt, //
    },
};

use super::{
    ffi,
    node::Node,
    read_once,
    zone::Zone, //
};
use crate::algo::{
    snapshot::Counter,
    units::usize_from, //
};

/// How often a counter is read that moves while it is read.
const TRIES: usize = 4;

/// A counter of a zone; an index of `vm_stat`.
///
/// # Invariants
///
/// The number is below `NR_VM_ZONE_STAT_ITEMS`.
#[derive(Clone, Copy)]
pub(super) struct ZoneItem(u32);

/// A counter of a node; an index of `vm_stat`.
///
/// # Invariants
///
/// The number is below `NR_VM_NODE_STAT_ITEMS`.
#[derive(Clone, Copy)]
pub(super) struct NodeItem(u32);

impl ZoneItem {
    /// The counter with this number of `enum zone_stat_item`.
    pub(super) const fn new(number: u32) -> Option<Self> {
        // INVARIANT: checked.
        if number < bindings::zone_stat_item_NR_VM_ZONE_STAT_ITEMS {
            Some(Self(number))
        } else {
            None
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }

    fn name(self) -> &'static str {
        // SAFETY: The shim checks the number.
        name_of(unsafe { ffi::oxmm_zone_stat_name(self.0) })
    }
}

impl NodeItem {
    /// The counter with this number of `enum node_stat_item`.
    pub(super) const fn new(number: u32) -> Option<Self> {
        // INVARIANT: checked.
        if number < bindings::node_stat_item_NR_VM_NODE_STAT_ITEMS {
            Some(Self(number))
        } else {
            None
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }

    fn name(self) -> &'static str {
        // SAFETY: The shim checks the number.
        name_of(unsafe { ffi::oxmm_node_stat_name(self.0) })
    }
}

/// A counter and what CPUs keep of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading {
    /// The counter alone.
    pub(super) fast: i64,
    /// What the CPUs keep.
    pub(super) kept: Kept,
}

/// What the online CPUs keep of a counter.
#[derive(Clone, Copy, Default)]
pub(super) struct Kept {
    /// The sum.
    pub(super) sum: i64,
    /// The most that its absolute value can be.
    pub(super) bound: u64,
}

impl Kept {
    /// Adds what one CPU keeps.
    ///
    /// A CPU folds what is above its threshold. Where the threshold has just been lowered it may
    /// keep more until it counts again: the bound holds for what was seen in any case.
    fn add(&mut self, diff: c_int, threshold: c_int) {
        self.sum += i64::from(diff);
        self.bound += u64::from(diff.unsigned_abs().max(threshold.unsigned_abs()));
    }
}

/// The counters of all online nodes: those of a node, then those of its zones.
pub fn counters() -> impl Iterator<Item = Counter> {
    Node::online().flat_map(|node| {
        let of_node = NodeItem::all().map(move |item| {
            let reading = read(|| node_counter(&node, item), || kept_of_node(&node, item));
            counter(item.name(), &node, None, reading)
        });
        let zones = node.populated_zones();
        of_node.chain(zones.flat_map(move |zone| {
            ZoneItem::all().map(move |item| {
                let reading = read(|| zone_counter(&zone, item), || kept_of_zone(&zone, item));
                counter(item.name(), &node, Some(zone), reading)
            })
        }))
    })
}

fn counter(name: &'static str, node: &Node, zone: Option<Zone>, reading: Reading) -> Counter {
    Counter {
        name,
        node: Some(node.id()),
        zone: zone.and_then(|zone| zone.kind()),
        fast: reading.fast,
        exact: reading.fast + reading.kept.sum,
        bound: reading.kept.bound,
    }
}

/// The machine's counter of a kind that zones have, and what CPUs keep of it in all zones.
pub(super) fn of_all_zones(item: ZoneItem) -> Reading {
    let fast = || {
        // SAFETY: By its invariant the item is an index of the table, whose words are stored whole.
        unsafe { read_once(&raw const bindings::vm_zone_stat[usize_from(item.0)].counter) }
    };
    let zones = || Node::online().flat_map(|node| node.populated_zones());
    read(fast, || sum(zones().map(|zone| kept_of_zone(&zone, item))))
}

/// The machine's counter of a kind that nodes have, and what CPUs keep of it on all nodes.
pub(super) fn of_all_nodes(item: NodeItem) -> Reading {
    let fast = || {
        // SAFETY: By its invariant the item is an index of the table, whose words are stored whole.
        unsafe { read_once(&raw const bindings::vm_node_stat[usize_from(item.0)].counter) }
    };
    read(fast, || {
        sum(Node::online().map(|node| kept_of_node(&node, item)))
    })
}

fn sum(parts: impl Iterator<Item = Kept>) -> Kept {
    parts.fold(Kept::default(), |sum, part| Kept {
        sum: sum.sum + part.sum,
        bound: sum.bound + part.bound,
    })
}

/// Reads a counter and what is kept of it, again if the counter moved in between.
fn read(fast: impl Fn() -> i64, kept: impl Fn() -> Kept) -> Reading {
    let mut reading = Reading::default();
    for _ in 0..TRIES {
        reading = Reading {
            fast: fast(),
            kept: kept(),
        };
        if fast() == reading.fast {
            break;
        }
    }
    reading
}

fn zone_counter(zone: &Zone, item: ZoneItem) -> i64 {
    // SAFETY: Zones are never freed, and by its invariant the item is an index of the table, whose
    // words are stored whole.
    unsafe { read_once(&raw const (*zone.as_ptr()).vm_stat[usize_from(item.0)].counter) }
}

fn node_counter(node: &Node, item: NodeItem) -> i64 {
    // SAFETY: Nodes are never freed, and by its invariant the item is an index of the table, whose
    // words are stored whole.
    unsafe { read_once(&raw const (*node.as_ptr()).vm_stat[usize_from(item.0)].counter) }
}

/// What CPUs keep of a zone's counter.
fn kept_of_zone(zone: &Zone, item: ZoneItem) -> Kept {
    kept_by_cpus(|cpu, threshold| {
        // SAFETY: Zones are never freed, the CPU is online, and by its invariant the item is one
        // of a zone; `threshold` is borrowed.
        unsafe { ffi::oxmm_zone_stat_diff(zone.as_ptr(), cpu, item.0, threshold) }
    })
}

/// What CPUs keep of a node's counter.
fn kept_of_node(node: &Node, item: NodeItem) -> Kept {
    kept_by_cpus(|cpu, threshold| {
        // SAFETY: Nodes are never freed, the CPU is online, and by its invariant the item is one
        // of a node; `threshold` is borrowed.
        unsafe { ffi::oxmm_node_stat_diff(node.as_ptr(), cpu, item.0, threshold) }
    })
}

/// Adds up what `diff` returns for each online CPU, which stores the CPU's threshold too.
fn kept_by_cpus(diff: impl Fn(c_uint, &mut c_int) -> c_int) -> Kept {
    let mut kept = Kept::default();
    for cpu in super::percpu::online_cpus() {
        let mut threshold = 0;
        let diff = diff(cpu, &mut threshold);
        kept.add(diff, threshold);
    }
    kept
}

/// A name of the tables in `helpers.c`; `-` for a counter that is newer than they are.
fn name_of(name: *const c_char) -> &'static str {
    if name.is_null() {
        return "-";
    }
    // SAFETY: Not null, so a string literal of this module.
    unsafe { CStr::from_char_ptr(name) }.to_str().unwrap_or("-")
}

#[kernel::prelude::kunit_tests(oxmm_vmstat)]
mod tests {
    use super::*;

    /// A counter is never further from the truth than its bound.
    #[test]
    fn no_counter_leaves_its_bound() {
        for counter in counters() {
            assert!((counter.exact - counter.fast).unsigned_abs() <= counter.bound);
        }
    }

    /// Every counter has a name, and no node has one twice.
    #[test]
    fn names_are_complete_and_apart() {
        for item in NodeItem::all() {
            assert!(item.name() != "-");
            let same = NodeItem::all().filter(|other| other.name() == item.name());
            assert_eq!(same.count(), 1);
        }
        assert!(ZoneItem::all().all(|item| item.name() != "-"));
        assert_eq!(
            ZoneItem::all().next().map(ZoneItem::name),
            Some("nr_free_pages")
        );
    }

    /// The threshold bounds each CPU by itself, and an amount beyond it widens the bound.
    #[test]
    fn a_bound_covers_what_was_seen() {
        let mut kept = Kept::default();
        kept.add(-3, 28);
        kept.add(17, 28);
        assert_eq!((kept.sum, kept.bound), (14, 56));
        kept.add(-60, 28);
        assert_eq!((kept.sum, kept.bound), (-46, 116));
    }
}
