// SPDX-License-Identifier: GPL-2.0

//! A machine of the private manager: nodes, their zones and lists, and who makes room.
//!
//!   node 0  CPU 0-1  site 0 DMA32   frames 0..  = pfn 0 ..       list 0: site 1, site 0, site 2
//!                    site 1 Normal  frames 0..  = pfn 32768 ..
//!   node 1  CPU 2-3  site 2 Normal  frames 0..  = pfn 65536 ..   list 1: site 2, site 1, site 0
//!   node 2  CPU 4    none                                        list 2: site 2, site 1, site 0
//!
//! A site is a zone with its place. All that allocation goes by without a lock is fixed when the
//! machine is made (build.rs), but the numbers of the zones.
//!
//! A CPU of Linux that the machine does not have may allocate all the same: it has page lists, and
//! is taken for one of the first node with CPUs.
//!
//! # Locking     those of the zones, see algo/buddy/zone.rs.
//! # Cost        a table of CPUs and one of nodes, with two lists each.
//! # Limits      nobody reclaims yet: what can be made free for a request is what the CPUs keep on
//!               their lists, and marks that were boosted stay so until a request is refused.
//!               Compaction that failed is tried anew for each request.
//! # Reference   algo/buddy/walk.rs: `Machine`; algo/buddy/slow.rs: `Helper`.

use core::ops::Range;

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
    memory::{
        Budget as StateBudget,
        ZoneMemory, //
    },
    owner::Ledger,
    poison::Poison, //
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
        zone::{
            compact::{
                Budget,
                Count,
                Counts,
                Outcome,
                Scope, //
            },
            Miss, //
        },
    },
    machine::ZoneDesc,
    snapshot::{
        would::Asked,
        ListKind,
        NodeState,
        Region,
        RegionKind, //
    },
    units::{
        usize_from,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
    watermark::AllocFlags,
};
use crate::linux::PAGE_SHIFT;

/// A node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) states: [bool; NodeState::COUNT],
    /// Its zones' places among the sites, from low to high; none for a memoryless node.
    pub(super) sites: Range<usize>,
    /// The sites that a request for it tries, by `ListKind::index`.
    pub(super) lists: [KVVec<u16>; ListKind::COUNT],
    /// How far it is to each node, in the order of [`Machine::nodes`].
    pub(super) distances: KVVec<u8>,
}

/// The machine.
pub(super) struct Machine {
    pub(super) sites: KVVec<Site<ZoneMemory>>,
    /// Where the frames of each site are.
    pub(super) places: KVVec<ZoneDesc>,
    /// By number.
    pub(super) nodes: KVVec<Node>,
    /// The node of each CPU that it has.
    pub(super) cpus: KVVec<Option<NodeId>>,
    /// The node that each CPU of Linux allocates from first.
    pub(super) homes: KVVec<Option<NodeId>>,
    pub(super) largest: Order,
    pub(super) steps: [Atomic<u64>; Step::COUNT],
    /// What compaction did, by `Count::index`.
    pub(super) moves: [Atomic<u64>; Count::COUNT],
    /// Who holds blocks that may be moved.
    pub(super) holders: Holders,
    /// What states of frames may still take.
    pub(super) budget: StateBudget,
    /// Early memory as it was when the zones got theirs.
    pub(super) early: KVVec<Region>,
    /// The accounts of those who have blocks.
    pub(super) ledger: Pin<KBox<Ledger>>,
    /// What is known of the contents of free pages, if they are looked at.
    pub(super) poison: Option<Pin<KBox<Poison>>>,
    /// The memory of each site; dropped after the zones that it is given out by.
    pub(super) arenas: KVVec<Arena>,
}

impl Machine {
    /// A node by number.
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        let at = self.nodes.binary_search_by_key(&id, |node| node.id).ok()?;
        self.nodes.get(at)
    }

    /// The sites of a node, from low to high.
    pub(super) fn sites_of(&self, node: &Node) -> &[Site<ZoneMemory>] {
        self.sites.get(node.sites.clone()).unwrap_or_default()
    }

    /// The place of a node's zone among the sites, if it has this kind.
    pub(super) fn place(&self, id: NodeId, kind: ZoneKind) -> Option<usize> {
        let node = self.node(id)?;
        let mut zones = self.sites_of(node).iter();
        Some(node.sites.start + zones.position(|site| site.kind == kind)?)
    }

    /// The zone of a node, if it has this kind.
    pub(super) fn site(&self, id: NodeId, kind: ZoneKind) -> Option<&Site<ZoneMemory>> {
        self.sites.get(self.place(id, kind)?)
    }

    /// The sites with the memory that they give out.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Site<ZoneMemory>, &Arena)> {
        self.sites.iter().zip(self.arenas.iter())
    }

    /// The site that a page is of, and the frame's number there, which may be that of a hole.
    pub(super) fn find(&self, pfn: Pfn) -> Option<(u16, NrPages)> {
        let mut places = (0..).zip(self.places.iter());
        places.find_map(|(place, zone)| {
            let frame = pfn.checked_sub(zone.base)?;
            (frame < zone.nr_frames()).then_some((place, frame))
        })
    }

    /// Makes a region of a zone ready: see [`ZoneMemory::ready`].
    ///
    /// # Errors
    ///
    /// [`Miss::NotReady`] without memory for the states of its frames.
    pub(super) fn ready(&self, site: &Site<ZoneMemory>, region: usize) -> Result<(), Miss> {
        let ready = site.zone.memory().ready(region, &self.budget);
        ready.map_err(|_| Miss::NotReady(region))
    }

    /// Says whether early memory gave a page, or a part of it, to the manager's own tables. What was
    /// reserved otherwise are CMA areas, which the zones have.
    pub(super) fn is_reserved(&self, pfn: Pfn) -> bool {
        let taken = |it: &&Region| it.owner.kind == RegionKind::Allocated;
        self.early.iter().filter(taken).any(|it| {
            let first = it.range.start().get() >> PAGE_SHIFT;
            let end = it.range.end().get().div_ceil(1 << PAGE_SHIFT);
            first <= pfn.get() && pfn.get() < end
        })
    }

    /// The node that a CPU of Linux allocates from first.
    pub(super) fn home_of(&self, cpu: u32) -> Option<NodeId> {
        self.homes.get(usize_from(cpu)).copied().flatten()
    }

    /// Says whether a zone has no memory behind its frames.
    pub(super) fn has_shadow(&self) -> bool {
        let mut arenas = self.arenas.iter();
        arenas.any(|arena| arena.pages() == NrPages::ZERO)
    }

    /// Says whether there is memory behind some of its frames.
    pub(super) fn has_memory(&self) -> bool {
        let mut arenas = self.arenas.iter();
        arenas.any(|arena| arena.pages() > NrPages::ZERO)
    }

    /// How many CPUs there can be.
    pub(super) fn nr_cpus(&self) -> usize {
        self.homes.len()
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
    /// What reclaimers end with is done at once: there is nothing that they could reclaim first.
    fn wake_reclaim(&self, plan: &Plan) {
        for &place in self.list(plan.asked()) {
            let site = self.sites.get(usize::from(place));
            if let Some(site) = site.filter(|site| plan.allows(site)) {
                site.zone.end_boost();
            }
        }
    }

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
