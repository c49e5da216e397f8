// SPDX-License-Identifier: GPL-2.0

//! The private memory manager as a [`Manager`].
//!
//! # Limits      a block of a machine with shadow nodes counts for 128 bytes, whatever its size.
//!               Pages alone: objects, caches, per-CPU variables and areas are still to come, and
//!               answer EOPNOTSUPP.
//! # Reference   `rust/private/`.

mod bench;
mod holding;
mod no_cache;
mod owners;
mod plan;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Changed,
    Decoded,
    Isolation,
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
        ListKind,
        Region, //
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
        Migratetype,
        NodeId,
        NrPages,
        Order,
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
    Block,
    Control,
    Counts,
    Outcome,
    UserKind,
    Violation,
    Wish, //
};

pub use holding::Holding;
pub use no_cache::NoCache;
use plan::range_of;
pub use plan::Plan;

/// The private memory manager, with the machine that it runs.
#[derive(Clone)]
pub struct Private {
    manager: Arc<private::Private>,
    control: Arc<Control>,
}

impl Private {
    /// The manager of the mirror of Linux's machine, and who builds others.
    pub fn new(control: Arc<Control>) -> Self {
        Self {
            manager: control.mirror(),
            control,
        }
    }

    /// Early memory as it was when the machine's zones got theirs, memory first.
    pub fn early(&self) -> impl Iterator<Item = Region> + '_ {
        self.manager.early()
    }

    /// A copy of the early memory that commands work on, memory first.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn scratch(&self) -> Result<KVVec<Region>> {
        self.control.scratch().map_err(|_| ENOMEM)
    }

    /// Recounts every zone, and says what is wrong with it.
    pub fn check(&self) -> impl Iterator<Item = (NodeId, ZoneKind, Result<(), Violation>)> + '_ {
        self.manager.check()
    }
}

/// What a block without memory behind it takes: its place in the table, and its share of a copy.
const SHADOW_BLOCK: Bytes = Bytes::new(128);
/// How many single pages are allocated under one lock.
const BULK: usize = 64;

impl Private {
    /// Takes note of a block that was allocated just now; frees it without memory for that.
    fn hold(&self, block: Block, plan: &Plan, into: &mut KVVec<Holding>) -> Result<(), Refusal> {
        let asked = plan.plan.asked();
        let is_movable = asked.migratetype == Migratetype::Movable;
        let held = self.manager.hold(block, asked.order, is_movable);
        let held = held.map_err(|block| {
            self.give_back(block, asked.order);
            Refusal::NoTable
        })?;
        into.push(Holding::new(plan.owner.clone(), held), GFP_KERNEL)
            .map_err(|_| Refusal::NoTable)
    }

    /// Frees a block that was given out just now.
    fn give_back(&self, block: Block, order: Order) {
        let freed = self.manager.free(block, order);
        debug_assert!(freed.is_ok());
    }
}

/// What the manager does not have yet.
const PAGES_ALONE: Refusal = Refusal::NotOffered(
    "the private manager gives out pages; it has no objects, per-CPU variables and areas yet",
);

impl Manager for Private {
    const NAME: &'static CStr = c"private";
    const HAS_MACHINES: bool = true;
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
        let max = self.manager.largest();
        if wish.order > max {
            return Err(Refusal::Order {
                asked: wish.order,
                max,
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
            None => self.manager.home_of(cpu),
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
            Command::AddPercpu { .. }
            | Command::Shrink { .. }
            | Command::CacheCreate(_)
            | Command::CacheDestroy { .. } => {
                "the private manager has no caches and no per-CPU variables yet"
            }
            // These are offered.
            Command::Unpoison { .. } if self.control.poisons() => {
                "the machine has no memory behind its pages"
            }
            Command::Unpoison { .. } => "the module was loaded without poison=1",
            Command::MachineNode(_)
            | Command::MachineBuild { .. }
            | Command::MachineReset
            | Command::Memblock(_)
            | Command::Drain
            | Command::Free(_)
            | Command::Verify(_)
            | Command::Compact(_)
            | Command::Isolate(_)
            | Command::Unisolate(_)
            | Command::Poke { .. } => "these keys are not offered together",
            Command::Query(_) => "a question is written to the view that answers it",
        }
    }

    fn plan(&self, request: &Request<'_, Self::Cache>) -> Result<Plan, Refusal> {
        let (order, migratetype, nodes, range) = match request.wanted {
            Wanted::Pages {
                order,
                migratetype,
                nodes,
            } => (order, migratetype, nodes, None),
            Wanted::Range(wish) => (Order::ZERO, wish.migratetype, None, Some(wish)),
            _ => return Err(PAGES_ALONE),
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
        let owner = self.open(UserKind::Lab, request.tag)?;
        let range = range.map(|wish| range_of(&wish, asked, owner.account()));
        // Where there may be no memory behind a block, all that it takes is its place in the table.
        let range = range.transpose()?;
        let taken = match (self.manager.has_shadow(), &range) {
            (true, _) => Some(SHADOW_BLOCK),
            (false, Some(range)) => range.pages.bytes(PAGE_SHIFT),
            (false, None) => order.nr_pages().bytes(PAGE_SHIFT),
        };
        Ok(Plan {
            plan: self.manager.plan(asked).with_account(owner.account()),
            owner,
            range,
            taken,
            alone: server.map(|it| (asked.node, it.served_by)),
        })
    }

    fn alloc(&self, plan: &Plan, want: usize, into: &mut KVVec<Holding>) -> Result<(), Refusal> {
        if let Some(range) = &plan.range {
            let held = self.manager.alloc_range(range);
            let held = held.map_err(|miss| plan.refusal(miss))?;
            let holding = Holding::new(plan.owner.clone(), held);
            return into.push(holding, GFP_KERNEL).map_err(|_| Refusal::NoTable);
        }
        let mut blocks = [None; BULK];
        let (blocks, _) = blocks.split_at_mut(want.min(BULK));
        // One alone may do what many do not: wait, and go to other zones.
        if self.manager.alloc_bulk(&plan.plan, blocks) == 0 {
            let block = self.manager.alloc(&plan.plan);
            let block = block.map_err(|miss| plan.refusal(miss))?;
            return self.hold(block, plan, into);
        }
        for at in 0..blocks.len() {
            let Some(block) = blocks.get_mut(at).and_then(Option::take) else {
                break;
            };
            if let Err(refusal) = self.hold(block, plan, into) {
                for block in blocks.iter_mut().filter_map(Option::take) {
                    self.give_back(block, plan.plan.asked().order);
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn count_turn(&self, plan: &Plan, holding: &Holding) {
        if let Some(block) = holding.block() {
            self.manager.count_turn(&plan.plan, block);
        }
    }

    fn free(&self, holdings: &mut [Option<Holding>]) {
        Holding::free_all(holdings);
    }

    fn bench_slots(&self, count: usize, wish: &PagesWish) -> Result<Self::Slots, Refusal> {
        let plan = self.manager.plan(self.asked(wish)?);
        bench::Slots::new(self.open(UserKind::Bench, "")?, plan, count)
    }

    fn defers(&self, _kind: Kind) -> bool {
        false
    }

    fn free_deferred(&self, holding: Holding) {
        drop(holding);
    }

    fn compact(
        &self,
        node: Option<NodeId>,
        order: Option<Order>,
        go_on: impl FnMut() -> bool,
    ) -> Option<Result<(Outcome, Counts), Refusal>> {
        if let Some(node) = node.filter(|&it| !self.nodes().any(|node| node == it)) {
            return Some(Err(Refusal::NoNode(node)));
        }
        if let Some(asked) = order.filter(|&it| it > self.manager.rules().max_order) {
            let max = self.manager.rules().max_order;
            return Some(Err(Refusal::Order { asked, max }));
        }
        Some(Ok(self.manager.compact(Wish { node, order }, go_on)))
    }

    fn isolate(&self, pfn: Pfn, pages: NrPages, wish: Isolation) -> Option<Result<usize, Refusal>> {
        let changed = match wish {
            Isolation::Begin => self.manager.isolate(pfn, pages),
            Isolation::End => self.manager.unisolate(pfn, pages),
        };
        Some(changed.map_err(Refusal::Pages))
    }

    fn drain(&self) -> Option<NrPages> {
        Some(self.manager.drain())
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.manager, &other.manager)
    }

    fn machine(&self, command: &Command<'_>) -> Result<Changed<Self>, Refusal> {
        let manager = match command {
            Command::MachineNode(line) => {
                self.control.describe(line)?;
                return Ok(Changed::Described);
            }
            Command::Memblock(command) => {
                return Ok(Changed::Early(self.control.memblock(command)?));
            }
            Command::MachineBuild { order } => self.control.build(*order)?,
            Command::MachineReset => self.control.mirror(),
            _ => return Err(Refusal::NotOffered(self.not_offered(command))),
        };
        Ok(Changed::Machine(Self {
            manager,
            control: self.control.clone(),
        }))
    }

    fn installed(&self) {
        // The mirror may have come back with pages on the lists of CPUs.
        self.manager.drain();
        self.control.forget();
    }

    fn poke(&self, pfn: Pfn, offset: usize, byte: u8) -> Option<Result<u8, Refusal>> {
        let poked = self.manager.poke(pfn, offset, byte);
        Some(poked.map_err(Refusal::Poke))
    }

    fn unpoison(&self, pfn: Option<Pfn>) -> Option<NrPages> {
        self.manager
            .is_poisoned()
            .then(|| self.manager.unpoison(pfn))
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
