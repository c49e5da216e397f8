// SPDX-License-Identifier: GPL-2.0

//! What a view shows of a manager at one moment: plain values, the same for every manager.
//!
//!   Node   states, span, sizes, who serves it        Zone      span, sizes, marks, reserves
//!   FreeArea   free blocks by migratetype and order  ZoneRef   one step of a zonelist
//!   Counter    fast and exact value, error bound
//!   CpuCopy    a CPU's copy of per-CPU memory        AreaPage  a page of a vmalloc() area
//!   Pcp        the page lists of a CPU and zone      Pageblock one pageblock, and runs of like ones
//!   Page       all that is known of one page      Region    a run of early memory of one owner
//!
//! # Locking     none: copies; whoever takes one says what it held meanwhile.
//! # Cost        `FreeArea` is the largest, 2 KiB: one fits a kernel stack, not many.
//! # Limits      orders up to `Order::MAX`, zones of `ZoneKind`.
//! # Reference   `include/linux/mmzone.h`: `struct pglist_data`, `struct zone`, `struct zonelist`.

mod memblock;
mod page;
mod pageblock;
mod pcp;

pub use memblock::{
    Owner,
    Region,
    RegionKind,
    What, //
};
pub use page::{
    AddressKind,
    Lru,
    Mapping,
    OnlinePage,
    Page,
    PageGroup,
    PagePlace,
    PageType,
    Section,
    Translation, //
};
pub use pageblock::{
    Pageblock,
    PageblockRun,
    PageblockRuns, //
};
pub use pcp::{
    Drift,
    Pcp,
    PcpFlag,
    PcpList,
    PcpTypes, //
};
pub mod would;

use super::units::{
    named,
    Address,
    Migratetype,
    NodeId,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};

named! {
    /// A state that a node can be in, spelled as in /sys/devices/system/node.
    pub enum NodeState {
        Possible = "possible",
        Online = "online",
        NormalMemory = "has_normal_memory",
        Memory = "has_memory",
        Cpu = "has_cpu",
        GenericInitiator = "has_generic_initiator",
    }
}

named! {
    /// Which of a node's two zonelists.
    pub enum ListKind {
        Fallback = "fallback",
        NoFallback = "nofallback",
    }
}

named! {
    /// A watermark of a zone, from low to high.
    pub enum Watermark {
        Min = "min",
        Low = "low",
        High = "high",
        Promo = "promo",
    }
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Which states it is in, by `NodeState::index`.
    pub states: [bool; NodeState::COUNT],
    /// Its first page.
    pub start: Pfn,
    /// From its first page to its last, holes included.
    pub spanned: NrPages,
    /// Pages that exist.
    pub present: NrPages,
    /// Pages that the buddy manages.
    pub managed: NrPages,
    /// Pages free in the buddy.
    pub free: NrPages,
    /// The node that an allocation on this one comes from first: itself, or for a memoryless node
    /// the nearest with memory.
    pub served_by: Option<NodeId>,
}

/// A zone of a node.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    /// The node it belongs to.
    pub node: NodeId,
    /// Which zone of the node.
    pub kind: ZoneKind,
    /// Its first page.
    pub start: Pfn,
    /// From its first page to its last, holes included.
    pub spanned: NrPages,
    /// Pages that exist.
    pub present: NrPages,
    /// Pages that the buddy manages.
    pub managed: NrPages,
    /// Pages in CMA areas.
    pub cma: NrPages,
    /// Free pages as the counter says that allocation decisions use first.
    pub free: NrPages,
    /// Free pages with what each CPU has not yet added to that counter.
    pub free_exact: NrPages,
    /// The most that the two can differ by.
    pub free_bound: NrPages,
    /// Its watermarks, boost included, by `Watermark::index`.
    pub marks: [NrPages; Watermark::COUNT],
    /// What is added to the marks until fragmentation has been worked on.
    pub boost: NrPages,
    /// Pages it withholds from requests that could have been served by a higher zone, by
    /// `ZoneKind::index`; `None` for zones that the kernel does not have.
    pub lowmem_reserve: [Option<NrPages>; ZoneKind::COUNT],
    /// Pages in pageblocks reserved for high-order atomic requests.
    pub highatomic_reserved: NrPages,
    /// Those of them that are free.
    pub highatomic_free: NrPages,
}

/// Free blocks of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many blocks were counted.
    pub blocks: usize,
    /// Whether there are more, because counting stopped at its bound.
    pub more: bool,
}

/// The free areas of one zone.
#[derive(Clone, Copy, Debug)]
pub struct FreeArea {
    /// The largest order.
    pub max_order: Order,
    /// The migratetypes that have lists, by `Migratetype::index`.
    pub types: [bool; Migratetype::COUNT],
    /// Free blocks by order and migratetype.
    pub lists: [[Count; Migratetype::COUNT]; Order::COUNT],
    /// Free blocks of each order, all types together, exact.
    pub blocks: [usize; Order::COUNT],
}

/// One step of a zonelist.
#[derive(Clone, Copy, Debug)]
pub struct ZoneRef {
    /// The node whose zone it is.
    pub node: NodeId,
    /// Which zone.
    pub kind: ZoneKind,
    /// How far that node is from the list's own.
    pub distance: u32,
    /// Pages that the buddy manages there.
    pub managed: NrPages,
}

/// A counter that CPUs add to in steps: each keeps what it counted until that is worth folding in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, as /proc/vmstat spells it.
    pub name: &'static str,
    /// The node it counts on; `None` for a counter of the whole machine.
    pub node: Option<NodeId>,
    /// The zone it counts in; `None` for a counter of the node, or of the machine.
    pub zone: Option<ZoneKind>,
    /// The counter alone, which most decisions look at; may be below zero for a moment.
    pub fast: i64,
    /// The counter with what each online CPU keeps.
    pub exact: i64,
    /// The most that the two can differ.
    pub bound: u64,
}

/// A CPU's copy of an area of per-CPU memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuCopy {
    /// The CPU whose copy it is.
    pub cpu: u32,
    /// Where it is in the kernel's address space.
    pub address: Address,
    /// The page it begins in.
    pub pfn: Pfn,
    /// The node that page is on.
    pub node: Option<NodeId>,
}

/// A page of a virtually contiguous area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaPage {
    /// Its place in the area.
    pub offset: NrPages,
    /// Its frame.
    pub pfn: Pfn,
    /// The node it is on.
    pub node: Option<NodeId>,
    /// The zone it is in.
    pub zone: Option<ZoneKind>,
}
