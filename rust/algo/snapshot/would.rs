// SPDX-License-Identifier: GPL-2.0

//! What a prediction needs: the request as a manager understands it, and the zones it would try.
//!
//!   Asked      order, flags, node, list, highest zone      Rules   what this manager goes by
//!   Candidate  a zone of the list: figures, block lists, per-CPU list, its node's kswapd
//!
//! # Locking     none: copies; the zones of a list are read one after the other.
//! # Cost        a candidate is about 500 bytes: a list of them does not fit a kernel stack.
//! # Limits      whether a list has a block is one bit; how many there are is in `FreeArea`.
//! # Reference   `mm/internal.h`: `struct alloc_context`.

use super::{
    Count,
    ListKind,
    Zone, //
};
use crate::algo::{
    gfp::FlagSet,
    units::{
        Migratetype,
        NodeId,
        NodeMask,
        NrPages,
        Order,
        ZoneKind, //
    },
};

/// A request as a manager understands it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The order.
    pub order: Order,
    /// The single flags, combinations taken apart.
    pub flags: FlagSet,
    /// The bits of the flags.
    pub bits: u32,
    /// The type of pageblock it is served from.
    pub migratetype: Migratetype,
    /// The node whose zonelist is walked.
    pub node: NodeId,
    /// Which of the node's lists.
    pub list: ListKind,
    /// The nodes that may serve; `None` for all.
    pub nodes: Option<NodeMask>,
    /// The highest zone that the flags allow; those above it are left out of the walk.
    pub highest: ZoneKind,
    /// The CPU whose per-CPU lists were looked at.
    pub cpu: u32,
    /// What the manager goes by.
    pub rules: Rules,
}

impl Asked {
    /// Says whether the nodemask lets a node serve.
    pub fn takes_from(&self, node: NodeId) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.has(node))
    }
}

/// What a manager goes by, apart from request and zones.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether movable requests may use CMA areas: whether there is such a thing.
    pub has_cma: bool,
    /// Whether the first attempt avoids mixing pageblock types: kernels with a zone DMA32 do.
    pub avoids_mixing: bool,
    /// Whether the first attempt already takes from the highatomic reserve, as from 7.3 on.
    pub highatomic_first: bool,
    /// Whether the task that asks has a real-time or deadline policy.
    pub is_realtime: bool,
    /// Whether it has a memory policy, which may choose another node where none is named.
    pub has_policy: bool,
    /// Whether more than one node is online.
    pub has_many_nodes: bool,
    /// The order of a pageblock.
    pub pageblock_order: Order,
    /// The largest order.
    pub max_order: Order,
}

/// Which block lists of a zone hold a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    lists: [[bool; Migratetype::COUNT]; Order::COUNT],
}

impl Blocks {
    /// Notes whether the list of an order and a type holds a block.
    pub fn set(&mut self, order: Order, migratetype: Migratetype, holds: bool) {
        let list = self.lists.get_mut(order.index());
        if let Some(list) = list.and_then(|lists| lists.get_mut(migratetype.index())) {
            *list = holds;
        }
    }

    /// Says whether the list of an order and a type holds a block.
    pub fn has(&self, order: Order, migratetype: Migratetype) -> bool {
        let lists = self.lists.get(order.index());
        lists
            .and_then(|lists| lists.get(migratetype.index()))
            .is_some_and(|&holds| holds)
    }
}

/// A node's page reclaim daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kswapd {
    /// It sleeps, waiting to be woken.
    pub is_idle: bool,
    /// It has given up on its node, and is not woken any more.
    pub is_hopeless: bool,
}

/// A zone that a request tries.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The zone's figures.
    pub zone: Zone,
    /// Free pages in CMA areas, by the counter that allocation decisions use.
    pub cma_free: NrPages,
    /// Below so many free pages kswapd's counter is made exact; 0 for never.
    pub drift_mark: NrPages,
    /// Which lists hold a block.
    pub blocks: Blocks,
    /// The runs on the per-CPU list that would serve the request; `None` where it has no such list.
    pub pcp: Option<Count>,
    /// Whether a per-CPU list that is taken from last of all holds a page for the request; the
    /// private manager's alone.
    pub has_cold: bool,
    /// Its node's kswapd.
    pub kswapd: Kswapd,
    /// Whether the cpuset of the task that asks allows its node.
    pub is_allowed: bool,
}
