// SPDX-License-Identifier: GPL-2.0

//! The machine that the private manager runs: nodes, their zones and lists, and who makes room.
//!
//!   node 0  CPU 0-1  site 0   frames 0..    = pfn 0 ..          list 0: site 0, site 1
//!   node 1  CPU 2-3  site 1   frames 0..    = pfn 32768 ..      list 1: site 1, site 0
//!   node 2  CPU 4    none                                       list 2: site 1, site 0
//!
//! A site is a zone with its place. All that allocation goes by without a lock is fixed when the
//! machine is made (build.rs), but the numbers of the zones.
//!
//! # Locking     those of the zones, see algo/buddy/zone.rs.
//! # Cost        a table of CPUs and one of nodes, with two lists each.
//! # Limits      nobody reclaims yet: what can be made free for a request is what the CPUs keep on
//!               their lists. Compaction that failed is tried anew for each request.
//! # Reference   algo/buddy/walk.rs: `Machine`; algo/buddy/slow.rs: `Helper`.

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

use super::{
    arena::Arena,
    holders::{
        Follow,
        Holders, //
    },
    memory::ZoneMemory, //
};
use crate::algo::{
    buddy::{
        compact_list::{
            compact_list,
            Terms, //
        },
        slow::{
            Helper,
            Step, //
        },
        walk::{
            Machine as AsWalked,
            Plan,
            Site, //
        },
        zone::compact::{
            Budget,
            Count,
            Counts,
            Outcome,
            Scope, //
        },
    },
    snapshot::{
        would::Asked,
        ListKind,
        NodeState, //
    },
    units::{
        NodeId,
        NrPages,
        Pfn,
        ZoneKind, //
    },
    watermark::AllocFlags,
};
use crate::linux::{
    node,
    quietly, //
};

/// A node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) states: [bool; NodeState::COUNT],
    /// Its zone's place among the sites; `None` for a memoryless node.
    pub(super) site: Option<u16>,
    /// Where its frames begin; those of a memoryless node are none.
    pub(super) start: Pfn,
    /// The sites that a request for it tries, by `ListKind::index`.
    pub(super) lists: [KVVec<u16>; ListKind::COUNT],
    /// How far it is to each node, in the order of [`Machine::nodes`].
    pub(super) distances: KVVec<u8>,
}

/// The machine.
pub(super) struct Machine {
    pub(super) sites: KVVec<Site<ZoneMemory>>,
    /// By number.
    pub(super) nodes: KVVec<Node>,
    /// The node of each CPU that there can be.
    pub(super) cpus: KVVec<Option<NodeId>>,
    pub(super) steps: [Atomic<u64>; Step::COUNT],
    /// What compaction did, by `Count::index`.
    pub(super) moves: [Atomic<u64>; Count::COUNT],
    /// Who holds blocks that may be moved.
    pub(super) holders: Holders,
    /// The memory of each site; dropped after the zones that it is given out by.
    pub(super) arenas: KVVec<Arena>,
}

impl Machine {
    /// A node by number.
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The zone of a node, if it has this kind.
    pub(super) fn site(&self, id: NodeId, kind: ZoneKind) -> Option<&Site<ZoneMemory>> {
        let site = self.sites.get(usize::from(self.node(id)?.site?))?;
        (site.kind == kind).then_some(site)
    }

    /// The sites with the memory that they give out.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Site<ZoneMemory>, &Arena)> {
        self.sites.iter().zip(self.arenas.iter())
    }

    /// The site that a page is of, and the frame's number there, which may be that of a hole.
    pub(super) fn find(&self, pfn: Pfn) -> Option<(u16, NrPages)> {
        let mut places = (0..).zip(self.pairs());
        places.find_map(|(place, (site, arena))| {
            let frame = pfn.checked_sub(site.base)?;
            (frame < arena.spanned()).then_some((place, frame))
        })
    }

    /// The node of a CPU.
    pub(super) fn node_of(&self, cpu: usize) -> Option<NodeId> {
        self.cpus.get(cpu).copied().flatten()
    }

    /// How many CPUs there can be.
    pub(super) fn nr_cpus(&self) -> usize {
        self.cpus.len()
    }

    /// Drains the lists that every CPU keeps of every zone; returns how many frames they held.
    pub(super) fn drain(&self) -> NrPages {
        let mut drained = NrPages::ZERO;
        for site in self.sites.iter() {
            for cpu in 0..self.nr_cpus() {
                drained += site.zone.drain(cpu);
            }
        }
        drained
    }
}

/// What a request's own compaction may cost in a zone: 128 GiB looked at, 128 MiB moved.
const DIRECT: Budget = Budget {
    pageblocks: 65_536,
    frames: 32_768,
};

impl Machine {
    /// Adds to what compaction has done.
    pub(super) fn count_moves(&self, counts: &Counts) {
        for (sum, &count) in self.moves.iter().zip(Count::ALL) {
            sum.fetch_add(counts.get(count), Relaxed);
        }
    }
}

impl AsWalked for Machine {
    type Memory = ZoneMemory;

    #[inline]
    fn sites(&self) -> &[Site<ZoneMemory>] {
        &self.sites
    }

    #[inline]
    fn list(&self, asked: &Asked) -> &[u16] {
        let lists = self.node(asked.node).map(|node| &node.lists);
        let list = lists.and_then(|lists| lists.get(asked.list.index()));
        list.map_or(&[], |list| list)
    }
}

impl Helper for Machine {
    /// There is no reclaimer to wake.
    fn wake_reclaim(&self, _plan: &Plan) {}

    /// What the CPUs keep back is all that can be made free.
    fn reclaim(&self, _plan: &Plan) -> usize {
        self.drain().get()
    }

    fn compact(&self, plan: &Plan, flags: AllocFlags, scope: Scope) -> bool {
        // What lies on lists could not be moved, and need not be.
        self.drain();
        let terms = Terms {
            flags,
            scope,
            budget: DIRECT,
        };
        let (outcome, counts) = compact_list(self, plan, &terms, &mut Follow(self));
        self.count_moves(&counts);
        outcome == Outcome::Success
    }

    fn drain_all(&self) {
        self.drain();
    }

    fn count(&self, step: Step) {
        if let Some(count) = self.steps.get(step.index()) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// The nodes of the CPUs that there can be, as Linux has them.
pub(super) fn cpus_of_linux() -> Result<KVVec<Option<NodeId>>> {
    let mut cpus = KVVec::new();
    for cpu in 0..kernel::cpu::nr_cpu_ids() {
        cpus.push(node::of_cpu(cpu), quietly())?;
    }
    Ok(cpus)
}
