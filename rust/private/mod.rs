// SPDX-License-Identifier: GPL-2.0

//! The private memory manager: the algorithms of `algo` with locks and memory of the kernel.
//!
//!   control   who builds machines                    early    early memory they are made of
//!   arena     memory of each zone, from Linux        memory   where a zone keeps its state
//!   machine   nodes, zones, lists; made by build,    lock     spin locks around that state
//!             with numbers of figures
//!   view, page   what can be seen of it              raw      the little that needs `unsafe`
//!   compact   moving blocks, on request              holders  who follows when a block moves
//!   range     pages that are no power of two         bulk     many at a time
//!   owner     accounts of who has blocks             poison   contents of free pages, if asked for
//!
//! # Locking     Ranks, taken upwards only and never from interrupt context:
//!
//!   1 control         who builds machines; the table of accounts; reports of bad pages   sleeps
//!   2 memcg tree      not there yet
//!   3 slab cache      not there yet
//!   4 pcp             page lists of a CPU and zone      spins, `Locked<Pcp>`
//!   5 zone            a region of a zone                spins, `Locked<Region>`
//!   6 leaf            the index of who holds movable blocks; counters of a zone are atomics
//!
//!               Two locks of one rank are never held together. Memory is allocated, and sleeping is
//!               done, without any of them.
//! # Cost        an allocation from a CPU's list: one lock that no other CPU wants, and one byte.
//! # Limits      frames and the pages behind them; objects, caches and groups are still to come.
//! # Reference   DESIGN.md section 4.

mod arena;
mod build;
mod bulk;
mod compact;
mod control;
mod early;
mod figures;
mod holders;
mod lock;
mod machine;
mod memory;
mod owner;
mod page;
mod poison;
mod range;
mod raw;
#[cfg(CONFIG_KUNIT)]
mod testing;
mod tests;
mod view;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::algo::{
    buddy::{
        pcp::Event,
        slow::alloc_slow,
        walk,
        walk::Machine as _,
        zone::Memory, //
    },
    gfp::Flag,
    snapshot::would::{
        Asked,
        Rules, //
    },
    units::{
        usize_from,
        Address,
        Bytes,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::{
    address,
    cpu,
    quietly,
    would, //
};
use machine::Machine;
use poison::Poison;

pub use build::BuildError;
pub use compact::{
    Refused,
    Wish, //
};
pub use control::Control;
pub use early::{
    EarlyDone,
    EarlyError, //
};
pub use holders::Held;
pub use owner::{
    Account,
    Counted,
    GroupId,
    Open,
    Owner,
    Share,
    UserKind,
    WrongOwners, //
};
pub use poison::Unpokable;
pub use range::RangeWish;

pub use crate::algo::zonelist::{
    policy_zone,
    BadPolicy,
    Mode,
    Policy,
    Request as PolicyRequest, //
};

pub use crate::algo::buddy::{
    frame::WrongFree,
    poison::Report,
    walk::{
        Block,
        Plan, //
    },
    zone::{
        compact::{
            Count,
            Counts,
            Outcome, //
        },
        Miss,
        Violation, //
    },
    PAGEBLOCK_ORDER,
};
pub use crate::algo::machine::Error as DraftError;

/// What free pages contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreePages {
    /// What their last users left.
    AsLeft,
    /// Poison, which is looked for when they are allocated.
    Poisoned,
}

/// The manager of one machine.
pub struct Private {
    machine: Machine,
}

impl Private {
    /// A mirror of the machine that Linux runs on, with up to so much memory of each node, which is
    /// filled with poison while it is free if `free` says so.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for its tables.
    pub fn new(arena: Bytes, free: FreePages) -> Result<Arc<Self>> {
        let machine = Machine::mirror(arena).map_err(|_| ENOMEM)?;
        Self::of(machine, free)
    }

    /// The manager of a machine that nobody has anything of yet.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn of(mut machine: Machine, free: FreePages) -> Result<Arc<Self>> {
        if free == FreePages::Poisoned && machine.has_memory() {
            machine.poison = Some(Poison::start(&machine)?);
        }
        Ok(Arc::new(Self { machine }, quietly())?)
    }

    /// What the manager goes by: the rules of Linux, with blocks of its own sizes, and without what
    /// it does not have.
    pub fn rules(&self) -> Rules {
        Rules {
            has_cma: self.machine.places.iter().any(|it| it.cma > NrPages::ZERO),
            has_policy: false,
            has_many_nodes: self.machine.nodes.len() > 1,
            pageblock_order: PAGEBLOCK_ORDER,
            max_order: self.machine.largest,
            ..would::rules()
        }
    }

    /// The order of its largest blocks.
    pub fn largest(&self) -> Order {
        self.machine.largest
    }

    /// The node that a CPU of Linux allocates from first.
    pub fn home_of(&self, cpu: u32) -> Option<NodeId> {
        self.machine.home_of(cpu)
    }

    /// Whether there is no memory behind some of its frames.
    pub fn has_shadow(&self) -> bool {
        self.machine.has_shadow()
    }

    /// Works out what every allocation of a kind needs; see [`Plan::with_account`] for who has them.
    pub fn plan(&self, asked: Asked) -> Plan {
        Plan::new(&self.machine, asked)
    }

    /// Allocates a block on the CPU that runs; in process context, for it may sleep.
    ///
    /// # Errors
    ///
    /// [`Miss::Empty`] if there is no memory, [`Miss::NotReady`] if there is none for the states of
    /// its frames.
    #[inline(always)]
    pub fn alloc(&self, plan: &Plan) -> Result<Block, Miss> {
        let cpu = usize_from(cpu::current());
        let mut block = match walk::alloc_listed(&self.machine, cpu, plan) {
            Some(block) => block,
            None => self.alloc_otherwise(plan)?,
        };
        if let Some(poison) = &self.machine.poison {
            block = self.alloc_clean(poison, plan, block)?;
        }
        if plan.asked().flags.contains(Flag::Zero) {
            self.zero(block, plan.asked().order.nr_pages());
        }
        Ok(block)
    }

    /// Allocates again for as long as somebody has written to a page of the block since it was free.
    #[cold]
    #[inline(never)]
    fn alloc_clean(&self, poison: &Poison, plan: &Plan, first: Block) -> Result<Block, Miss> {
        let mut block = first;
        // Ends: each time around a page less is free.
        while !self.is_clean(poison, block, plan.asked().order) {
            block = self.alloc_otherwise(plan)?;
        }
        Ok(block)
    }

    /// Allocates a block that was not on the CPU's list of the preferred zone.
    #[cold]
    #[inline(never)]
    fn alloc_otherwise(&self, plan: &Plan) -> Result<Block, Miss> {
        loop {
            let cpu = usize_from(cpu::current());
            let served = match walk::alloc(&self.machine, cpu, plan) {
                Err(Miss::Empty) => alloc_slow(&self.machine, cpu, plan),
                served => served,
            };
            match served {
                // Ends: each time around another region has become ready for good.
                Err(Miss::NotReady(region)) => self.make_ready(plan, region)?,
                // Ends: what is free by the lists and used by its state is left alone each time.
                Err(Miss::Corrupt(_)) => {}
                served => return served,
            }
        }
    }

    /// Zeroes pages that were just allocated, from the start of a block on.
    #[cold]
    #[inline(never)]
    fn zero(&self, block: Block, pages: NrPages) {
        if let Some(arena) = self.machine.arenas.get(usize::from(block.site)) {
            arena.zero(block.frame, pages);
        }
    }

    /// Allocates the states of a region, in each zone of the list that lacks them: the miss does not
    /// say which of them it was.
    #[cold]
    fn make_ready(&self, plan: &Plan, region: usize) -> Result<(), Miss> {
        for &place in self.machine.list(plan.asked()) {
            let site = self.machine.sites.get(usize::from(place));
            if let Some(site) = site.filter(|it| region < it.zone.memory().regions().len()) {
                self.machine.ready(site, region)?;
            }
        }
        Ok(())
    }

    /// Counts a block that was allocated in turn, if it is on the node that was asked for.
    pub fn count_turn(&self, plan: &Plan, block: Block) {
        let site = self.machine.sites.get(usize::from(block.site));
        if let Some(site) = site.filter(|site| site.node == plan.asked().node) {
            site.note(usize_from(cpu::current()), Event::NumaInterleave);
        }
    }

    /// Frees a block, on the CPU that runs.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing was done then.
    #[inline(always)]
    pub fn free(&self, block: Block, order: Order) -> Result<(), WrongFree> {
        if let Some(poison) = &self.machine.poison {
            self.retire(poison, block, order)?;
        }
        let site = self.machine.sites.get(usize::from(block.site));
        let site = site.ok_or(WrongFree::NotManaged)?;
        let cpu = usize_from(cpu::current());
        site.free(cpu, block.frame, order)
    }

    /// Drains the lists of every CPU; returns how many pages they held.
    pub fn drain(&self) -> NrPages {
        self.machine.drain()
    }

    /// The page that a block begins with, in the numbers of this manager.
    pub fn pfn(&self, block: Block) -> Option<Pfn> {
        let site = self.machine.sites.get(usize::from(block.site))?;
        Some(site.pfn(block.frame))
    }

    /// Where a block begins in the kernel's linear mapping.
    pub fn address(&self, block: Block) -> Option<Address> {
        let arena = self.machine.arenas.get(usize::from(block.site))?;
        address::linear(arena.pfn(block.frame)?)
    }

    /// The node and the zone of a block.
    pub fn place(&self, block: Block) -> Option<(NodeId, ZoneKind)> {
        let site = self.machine.sites.get(usize::from(block.site))?;
        Some((site.node, site.kind))
    }
}
