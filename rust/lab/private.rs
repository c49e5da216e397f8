// SPDX-License-Identifier: GPL-2.0

//! The private memory manager as a [`Manager`].
//!
//! # Limits      pages alone: objects, caches, per-CPU variables and areas are still to come, and
//!               answer EOPNOTSUPP.
//! # Reference   `rust/private/`.

mod bench;
mod holding;
mod no_cache;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Decoded,
    Kind,
    Manager,
    PagesWish,
    Refusal,
    Request,
    Wanted, //
};
use crate::algo::{
    command::{
        CacheCreate,
        Command, //
    },
    gfp::Gfp as Expression,
    snapshot::{
        self,
        would::{
            Asked,
            Candidate, //
        },
        ListKind, //
    },
    snapshot_slab::{
        Class,
        Fits,
        ObjectPlace,
        Unknown, //
    },
    units::{
        Address,
        Bytes,
        NodeId,
        NrPages,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::{
    cpu,
    gfp::Gfp,
    node,
    PAGE_SHIFT, //
};
use crate::private::{
    self,
    Violation,
    LARGEST, //
};

pub use holding::Holding;
pub use no_cache::NoCache;

/// The private memory manager.
pub struct Private {
    manager: Arc<private::Private>,
}

/// A request that the manager takes.
pub struct Plan {
    plan: private::Plan,
    /// The memoryless node that alone may serve it, and who serves it otherwise.
    alone: Option<(NodeId, Option<NodeId>)>,
}

impl Private {
    /// The manager of a machine.
    pub fn new(manager: Arc<private::Private>) -> Self {
        Self { manager }
    }

    /// Recounts every zone, and says what is wrong with it.
    pub fn check(&self) -> impl Iterator<Item = (NodeId, ZoneKind, Result<(), Violation>)> + '_ {
        self.manager.check()
    }
}

/// What the manager does not have yet.
const PAGES_ALONE: Refusal = Refusal::NotOffered(
    "the private manager gives out pages; it has no objects, per-CPU variables and areas yet",
);

impl Manager for Private {
    const NAME: &'static CStr = c"private";
    type Plan = Plan;
    type Holding = Holding;
    type Cache = NoCache;
    type Slots = bench::Slots;

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.manager.nodes()
    }

    fn node(&self, node: NodeId) -> Option<snapshot::Node> {
        self.manager.node(node)
    }

    fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        self.manager.distance(from, to)
    }

    fn cpus(&self, node: NodeId) -> impl Iterator<Item = u32> {
        self.manager.cpus(node)
    }

    fn zones(&self, node: NodeId) -> impl Iterator<Item = ZoneKind> {
        self.manager.zones(node)
    }

    fn serves(&self, node: NodeId) -> bool {
        let node = self.manager.node(node);
        node.is_some_and(|node| node.managed > NrPages::ZERO)
    }

    fn zone(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::Zone> {
        self.manager.zone(node, zone)
    }

    fn online_cpus(&self) -> impl Iterator<Item = u32> {
        node::online_cpus()
    }

    fn pcp(&self, node: NodeId, zone: ZoneKind, cpu: u32) -> Option<snapshot::Pcp> {
        self.manager.pcp(node, zone, cpu)
    }

    fn pageblocks(
        &self,
        node: NodeId,
        zone: ZoneKind,
    ) -> impl Iterator<Item = snapshot::Pageblock> {
        self.manager.pageblocks(node, zone)
    }

    fn translate(&self, address: Address) -> snapshot::Translation {
        self.manager.translate(address)
    }

    fn page(&self, pfn: Pfn, _path: &mut [u8]) -> snapshot::Page {
        self.manager.page(pfn)
    }

    fn object_in(
        &self,
        _pfn: Pfn,
        _address: Option<Address>,
        _own: Option<&Self::Cache>,
    ) -> Result<Option<ObjectPlace>, Unknown> {
        Ok(None)
    }

    fn page_flags(&self, _flags: usize) -> impl Iterator<Item = &'static str> {
        core::iter::empty()
    }

    fn free_area(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::FreeArea> {
        self.manager.free_area(node, zone)
    }

    fn zonelist(&self, node: NodeId, list: ListKind) -> impl Iterator<Item = snapshot::ZoneRef> {
        self.manager.zonelist(node, list)
    }

    fn counters(&self) -> impl Iterator<Item = snapshot::Counter> {
        self.manager.counters()
    }

    fn asked(&self, wish: &PagesWish) -> Result<Asked, Refusal> {
        if wish.order > LARGEST {
            return Err(Refusal::Order {
                asked: wish.order,
                max: LARGEST,
            });
        }
        let mut gfp = Gfp::new(wish.gfp)?;
        if let Some(migratetype) = wish.migratetype {
            gfp = gfp.with_type(migratetype)?;
        }
        let gfp = gfp.check()?;
        let cpu = cpu::current();
        let node = match wish.node {
            Some(node) => Some(node),
            None => node::of_cpu(cpu),
        };
        let node = node.ok_or(Refusal::NotOffered("the CPU has no node"))?;
        if !self.manager.nodes().any(|it| it == node) {
            return Err(Refusal::NoNode(node));
        }
        let flags = gfp.flags();
        Ok(Asked {
            order: wish.order,
            flags,
            bits: gfp.as_raw(),
            migratetype: flags.migratetype(),
            node,
            list: gfp.list(),
            nodes: wish.nodes,
            highest: gfp.zone().unwrap_or(ZoneKind::Normal),
            cpu,
            rules: self.manager.rules(),
        })
    }

    fn candidates(&self, asked: &Asked) -> impl Iterator<Item = Candidate> {
        self.manager.candidates(asked)
    }

    fn decode(&self, gfp: Expression) -> Result<Decoded, Refusal> {
        let gfp = Gfp::new(gfp)?;
        Ok(Decoded {
            bits: gfp.as_raw(),
            flags: gfp.flags(),
            zone: gfp.zone(),
            list: gfp.list(),
            rules: self.manager.rules(),
            refused: gfp.check().err().map(Refusal::from),
        })
    }

    fn not_offered(&self, command: &Command<'_>) -> &'static str {
        match command {
            Command::Alloc(_) => "memcg= and kind= are not offered: there are no groups yet",
            Command::MemcgCreate { .. }
            | Command::MemcgRemove { .. }
            | Command::MemcgSet(_)
            | Command::MemcgReclaim { .. } => "the private manager has no memory cgroups yet",
            Command::MachineNode(_) | Command::MachineBuild { .. } | Command::MachineReset => {
                "the private manager runs the machine of load time and no other yet"
            }
            Command::Memblock(_) => {
                "the private manager has its memory from Linux's buddy, and no early memory yet"
            }
            Command::AddPercpu { .. }
            | Command::Shrink { .. }
            | Command::CacheCreate(_)
            | Command::CacheDestroy { .. } => {
                "the private manager has no caches and no per-CPU variables yet"
            }
            // These are offered.
            Command::Drain | Command::Free(_) => "these keys are not offered together",
            Command::Query(_) => "a question is written to the view that answers it",
        }
    }

    fn plan(&self, request: &Request<Self::Cache>) -> Result<Plan, Refusal> {
        let Wanted::Pages {
            order,
            migratetype,
            nodes,
        } = request.wanted
        else {
            return Err(PAGES_ALONE);
        };
        let asked = self.asked(&PagesWish {
            order,
            gfp: request.gfp,
            node: request.node,
            migratetype,
            nodes,
        })?;
        let node = self.manager.node(asked.node);
        let is_alone = asked.list == ListKind::NoFallback;
        let server = node.filter(|it| is_alone && it.managed == NrPages::ZERO);
        Ok(Plan {
            plan: self.manager.plan(asked),
            alone: server.map(|it| (asked.node, it.served_by)),
        })
    }

    fn alloc(&self, plan: &Plan, want: usize, into: &mut KVVec<Holding>) -> Result<(), Refusal> {
        for allocated in 0..want {
            let Ok(block) = self.manager.alloc(&plan.plan) else {
                // What there was is an answer too; the next call will say that there is no more.
                return match allocated {
                    0 => Err(plan.no_memory()),
                    _ => Ok(()),
                };
            };
            let holding = Holding::new(self.manager.clone(), block, plan.plan.asked().order);
            into.push(holding, GFP_KERNEL)
                .map_err(|_| Refusal::NoTable)?;
        }
        Ok(())
    }

    fn count_turn(&self, plan: &Plan, holding: &Holding) {
        self.manager.count_turn(&plan.plan, holding.block());
    }

    fn bench_slots(&self, count: usize, wish: &PagesWish) -> Result<Self::Slots, Refusal> {
        let plan = self.manager.plan(self.asked(wish)?);
        bench::Slots::new(self.manager.clone(), plan, count)
    }

    fn defers(&self, _kind: Kind) -> bool {
        false
    }

    fn free_deferred(&self, holding: Holding) {
        drop(holding);
    }

    fn drain(&self) -> Option<NrPages> {
        Some(self.manager.drain())
    }

    fn kmalloc_classes(&self) -> impl Iterator<Item = Class> {
        core::iter::empty()
    }

    fn kmalloc_fits(&self, _asked: Bytes) -> Result<Fits, Refusal> {
        Err(PAGES_ALONE)
    }

    fn cache_create(&self, _create: &CacheCreate<'_>) -> Result<Self::Cache, Refusal> {
        Err(PAGES_ALONE)
    }
}

impl Plan {
    fn no_memory(&self) -> Refusal {
        Refusal::NoMemory {
            order: self.plan.asked().order,
            alone: self.alone,
        }
    }
}

impl super::Plan for Plan {
    fn taken(&self) -> Option<Bytes> {
        self.plan.asked().order.nr_pages().bytes(PAGE_SHIFT)
    }
}
