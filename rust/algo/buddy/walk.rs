// SPDX-License-Identifier: GPL-2.0

//! The way of a request through the zones of its list.
//!
//!   plan    order, flags, nodes ---> what every allocation of the kind needs, worked out once
//!   fast    the preferred zone, when it is above its high mark
//!   walk    zone by zone: rules of the attempt, watermark, then the zone itself
//!
//! # Locking     none of its own; figures of a zone are read as they are at the moment.
//! # Cost        the fast way: loads of lines that seldom change; near the marks also of the one that
//!               changes with each refill of any CPU.
//! # Limits      cpusets, dirty limits and node reclaim are Linux's alone. A node's reclaimer is
//!               never seen at work: it runs when it is woken.
//! # Reference   `mm/page_alloc.c`: `get_page_from_freelist()`, `alloc_flags_nofragment()`,
//!               `zone_watermark_fast()`; the end of `free_frozen_page_commit()`.

use core::ops::ControlFlow;

use super::{
    account::Account,
    frame::WrongFree,
    guarded::Guarded,
    pcp::Event,
    zone::{
        flag,
        Memory,
        Miss,
        Want,
        Zone, //
    },
    PAGEBLOCK_ORDER, //
};
use crate::algo::{
    snapshot::{
        would::{
            Asked,
            Blocks, //
        },
        Watermark, //
    },
    units::{
        FrameIdx,
        Migratetype,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
    watermark::{
        self,
        first_attempt,
        AllocFlag,
        AllocFlags,
        Facts, //
    },
};
use crate::seam::{
    AtomicUsize,
    Relaxed, //
};

/// A zone with its place in the machine, and what keeps requests off it.
pub struct Site<M> {
    /// The zone.
    pub zone: Zone<M>,
    /// Its node.
    pub node: NodeId,
    /// Which zone of the node.
    pub kind: ZoneKind,
    /// The page of its frame 0.
    pub base: Pfn,
    /// The marks without the boost, by `Watermark::index`.
    pub marks: [AtomicUsize; Watermark::COUNT],
    /// What is withheld from requests whose highest zone is another, by `ZoneKind::index`.
    pub reserve: [AtomicUsize; ZoneKind::COUNT],
}

impl<M: Memory> Site<M> {
    /// A zone at its place, with marks and reserves of zero.
    pub fn new(zone: Zone<M>, node: NodeId, kind: ZoneKind, base: Pfn) -> Self {
        Self {
            zone,
            node,
            kind,
            base,
            marks: Default::default(),
            reserve: Default::default(),
        }
    }

    /// The page of a frame.
    pub fn pfn(&self, frame: FrameIdx) -> Pfn {
        self.base + NrPages::new(frame.index())
    }

    /// Counts an event for a CPU.
    #[cold]
    pub fn note(&self, cpu: usize, event: Event) {
        if let Some(lists) = self.zone.memory().lists(cpu) {
            lists.with(|pcp| pcp.note(event, 1));
        }
    }

    /// Frees a block, on any CPU; notes when that lifts the zone above its high mark again.
    ///
    /// # Errors
    ///
    /// What is wrong; nothing was done then.
    #[inline(always)]
    pub fn free(&self, cpu: usize, frame: FrameIdx, order: Order) -> Result<(), WrongFree> {
        let flags = self.zone.figures().flags.load(Relaxed);
        if flags & flag::BELOW_HIGH != 0 {
            return self.free_when_low(cpu, frame, order);
        }
        self.zone.free(cpu, frame, order)
    }

    #[cold]
    #[inline(never)]
    fn free_when_low(&self, cpu: usize, frame: FrameIdx, order: Order) -> Result<(), WrongFree> {
        let free = &self.zone.figures().free;
        let before = free.load(Relaxed);
        let freed = self.zone.free_bulk(cpu, &[frame], order);
        freed.map_err(|(_, wrong)| wrong)?;
        // What went to a list of the CPU lifts nothing yet.
        if free.load(Relaxed) > before {
            self.note_relief();
        }
        Ok(())
    }

    /// Forgets that the zone was seen below its high mark, if it is above.
    #[cold]
    fn note_relief(&self) {
        let high = AllocFlags::new(Watermark::High);
        if self.passes(Order::ZERO, ZoneKind::Movable, high) {
            let flags = &self.zone.figures().flags;
            flags.fetch_and(!flag::BELOW_HIGH, Relaxed);
        }
    }

    fn reserve_for(&self, highest: ZoneKind) -> usize {
        let reserve = self.reserve.get(highest.index());
        reserve.map_or(0, |it| it.load(Relaxed))
    }

    /// Says whether a request passes a mark, by the numbers and by the blocks.
    pub fn passes(&self, order: Order, highest: ZoneKind, flags: AllocFlags) -> bool {
        let figures = self.zone.figures();
        let count = |it: isize| NrPages::new(usize::try_from(it).unwrap_or(0));
        let boost = NrPages::new(figures.boost.load(Relaxed));
        let mut blocks = Blocks::default();
        if order > Order::ZERO {
            for &migratetype in Migratetype::ALL {
                let has = self.zone.has_block(migratetype, order);
                blocks.set(order, migratetype, has);
            }
        }
        let facts = Facts {
            free: count(figures.free.load(Relaxed)),
            highatomic_free: count(figures.free_highatomic.load(Relaxed)),
            cma_free: count(figures.free_cma.load(Relaxed)),
            marks: core::array::from_fn(|it| {
                let mark = self.marks.get(it).map_or(0, |it| it.load(Relaxed));
                NrPages::new(mark) + boost
            }),
            boost,
            reserve: NrPages::new(self.reserve_for(highest)),
            blocks: &blocks,
        };
        watermark::test(&facts, order, flags).stopped_by.is_none()
    }

    /// Says at little cost whether a request is far above every mark; `false` decides nothing.
    #[inline(always)]
    fn has_plenty(&self, plan: &Plan) -> bool {
        self.has_frames(plan, plan.asked.order.nr_pages().get())
            && match plan.asked.order {
                Order::ZERO => true,
                order => order <= PAGEBLOCK_ORDER && self.zone.has_whole(),
            }
    }

    /// The same of so many frames, in whatever blocks.
    #[inline(always)]
    fn has_frames(&self, plan: &Plan, frames: usize) -> bool {
        let figures = self.zone.figures();
        let high = self.marks.get(Watermark::High.index());
        let needed = high.map_or(0, |it| it.load(Relaxed))
            + figures.boost.load(Relaxed)
            + self.reserve_for(plan.asked.highest)
            + frames;
        let closed = figures.free_highatomic.load(Relaxed) + figures.free_cma.load(Relaxed);
        let needed = isize::try_from(needed).unwrap_or(isize::MAX);
        figures.free_at_least() - closed > needed || figures.free.load(Relaxed) - closed > needed
    }

    /// Frees blocks on any CPU, see [`Site::free`].
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is wrong, and how many were freed: those before it.
    pub fn free_bulk(
        &self,
        cpu: usize,
        frames: &[FrameIdx],
        order: Order,
    ) -> Result<(), (usize, WrongFree)> {
        let freed = self.zone.free_bulk(cpu, frames, order);
        if self.zone.figures().flags.load(Relaxed) & flag::BELOW_HIGH != 0 {
            self.note_relief();
        }
        freed
    }
}

/// The machine as the walk sees it.
pub trait Machine {
    /// Where zones keep their state.
    type Memory: Memory;

    /// Every zone.
    fn sites(&self) -> &[Site<Self::Memory>];

    /// The zones that a request tries, by their place among [`Machine::sites`].
    fn list(&self, asked: &Asked) -> &[u16];
}

/// What every allocation of a kind needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    asked: Asked,
    /// The place among the sites of the first zone of the list; `None` if the list is empty.
    preferred: Option<u16>,
    first: AllocFlags,
    /// What the first attempt wants of the first zone.
    want: Want,
}

impl Plan {
    /// Works out what the first attempt does.
    pub fn new<A: Machine>(machine: &A, asked: Asked) -> Self {
        let allowed = |&&it: &&u16| {
            let site = machine.sites().get(usize::from(it));
            site.is_some_and(|site| site.kind <= asked.highest && asked.takes_from(site.node))
        };
        let preferred = machine.list(&asked).iter().find(allowed).copied();
        let site = preferred.and_then(|it| machine.sites().get(usize::from(it)));
        let starts_at = site.map(|site| {
            let mut sites = machine.sites().iter();
            let dma32 = |it: &Site<_>| it.node == site.node && it.kind == ZoneKind::Dma32;
            (site.kind, sites.any(dma32))
        });
        let first = first_attempt(asked.order, asked.flags, &asked.rules, starts_at);
        Self {
            asked,
            preferred,
            first,
            want: Want::new(asked.order, asked.migratetype, first),
        }
    }

    /// The same for whoever has this account, who keeps it open while there is a block.
    pub const fn with_account(mut self, account: Account) -> Self {
        self.want.account = account;
        self
    }

    /// The request.
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Says whether no zone may serve the request.
    pub const fn is_hopeless(&self) -> bool {
        self.preferred.is_none()
    }

    /// What the first attempt may do.
    pub const fn first_attempt(&self) -> AllocFlags {
        self.first
    }

    /// Says whether the request may be served from a zone, which is in its list.
    pub fn allows<M>(&self, site: &Site<M>) -> bool {
        site.kind <= self.asked.highest && self.asked.takes_from(site.node)
    }
}

/// A block that was allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The place of its zone among the sites.
    pub site: u16,
    /// Its first frame.
    pub frame: FrameIdx,
}

/// What a zone wants of a request.
#[inline]
fn want<M>(plan: &Plan, site: &Site<M>, preferred: NodeId, flags: AllocFlags) -> Want {
    let mut want = Want::new(plan.asked.order, plan.asked.migratetype, flags);
    want.is_hit = site.node == preferred;
    want.account = plan.want.account;
    want
}

/// Allocates from the first zone that lets the request (the fast path of
/// __alloc_frozen_pages_noprof()).
///
/// # Errors
///
/// [`Miss::Empty`] if no zone does, which leaves the slow path.
pub fn alloc<A: Machine>(machine: &A, cpu: usize, plan: &Plan) -> Result<Block, Miss> {
    let Some((place, site)) = preferred(machine, plan) else {
        return attempt(machine, cpu, plan, plan.first);
    };
    match site.zone.alloc(cpu, &plan.want) {
        Ok(frame) => Ok(Block { site: place, frame }),
        Err(Miss::Empty) => attempt(machine, cpu, plan, plan.first),
        Err(miss) => Err(miss),
    }
}

/// Allocates from the CPU's list of the preferred zone, if that is far above every mark.
#[inline(always)]
pub fn alloc_listed<A: Machine>(machine: &A, cpu: usize, plan: &Plan) -> Option<Block> {
    let (place, site) = preferred(machine, plan)?;
    let frame = site.zone.alloc_listed(cpu, &plan.want)?;
    Some(Block { site: place, frame })
}

/// The preferred zone, if that is far above every mark.
#[inline(always)]
fn preferred<'a, A: Machine>(machine: &'a A, plan: &Plan) -> Option<(u16, &'a Site<A::Memory>)> {
    let place = plan.preferred?;
    let site = machine.sites().get(usize::from(place))?;
    site.has_plenty(plan).then_some((place, site))
}

/// Allocates pages to an array from the preferred zone, as many as it has places, if that leaves the
/// zone above its high mark; returns which zone it is and how many it gave. `None` if that is not so,
/// and for other orders.
pub fn alloc_bulk<A: Machine>(
    machine: &A,
    cpu: usize,
    plan: &Plan,
    out: &mut [FrameIdx],
) -> Option<(u16, usize)> {
    let place = plan.preferred.filter(|_| plan.asked.order == Order::ZERO)?;
    let site = machine.sites().get(usize::from(place))?;
    if !site.has_frames(plan, out.len()) {
        return None;
    }
    Some((place, site.zone.alloc_bulk(cpu, &plan.want, out)))
}

/// Walks the list until a zone serves the request or no rule is left to relax
/// (get_page_from_freelist()).
///
/// # Errors
///
/// [`Miss::Empty`] if no zone does.
#[cold]
#[inline(never)]
pub fn attempt<A: Machine>(
    machine: &A,
    cpu: usize,
    plan: &Plan,
    flags: AllocFlags,
) -> Result<Block, Miss> {
    attempt_from(machine, cpu, plan, flags, true)
}

/// The same without the nodemask of the request: for those that are above memory policies.
///
/// # Errors
///
/// As [`attempt`].
#[cold]
pub fn attempt_anywhere<A: Machine>(
    machine: &A,
    cpu: usize,
    plan: &Plan,
    flags: AllocFlags,
) -> Result<Block, Miss> {
    attempt_from(machine, cpu, plan, flags, false)
}

fn attempt_from<A: Machine>(
    machine: &A,
    cpu: usize,
    plan: &Plan,
    flags: AllocFlags,
    heeds_nodemask: bool,
) -> Result<Block, Miss> {
    let mut walk = Walk {
        machine,
        cpu,
        plan,
        flags,
        heeds_nodemask,
        miss: Miss::Empty,
    };
    loop {
        match walk.once() {
            ControlFlow::Break(Some(block)) => return Ok(block),
            ControlFlow::Continue(()) if !walk.flags.has(AllocFlag::NoFragment) => {
                return Err(walk.miss);
            }
            // To leave the node or to fail is worse than to mix types.
            ControlFlow::Break(None) | ControlFlow::Continue(()) => {
                walk.flags = walk.flags.without(AllocFlag::NoFragment);
            }
        }
    }
}

/// One attempt under way.
struct Walk<'a, A: Machine> {
    machine: &'a A,
    cpu: usize,
    plan: &'a Plan,
    flags: AllocFlags,
    heeds_nodemask: bool,
    miss: Miss,
}

impl<A: Machine> Walk<'_, A> {
    /// Walks the list once: to a block, to where it would leave the node, or to the end.
    fn once(&mut self) -> ControlFlow<Option<Block>> {
        let (machine, asked) = (self.machine, &self.plan.asked);
        let mut preferred = None;
        for &place in machine.list(asked) {
            let Some(site) = machine.sites().get(usize::from(place)) else {
                continue;
            };
            let is_tried = !self.heeds_nodemask || asked.takes_from(site.node);
            if site.kind > asked.highest || !is_tried {
                continue;
            }
            let first = *preferred.get_or_insert(site);
            let leaves = site.node != first.node && asked.rules.has_many_nodes;
            if leaves && self.flags.has(AllocFlag::NoFragment) {
                return ControlFlow::Break(None);
            }
            if !self.may_take(site) {
                continue;
            }
            let want = want(self.plan, site, first.node, self.flags);
            match site.zone.alloc(self.cpu, &want) {
                Ok(frame) => {
                    if !want.is_hit {
                        first.note(self.cpu, Event::NumaForeign);
                    }
                    return ControlFlow::Break(Some(Block { site: place, frame }));
                }
                Err(Miss::Empty) => {}
                Err(miss) => self.miss = miss,
            }
        }
        ControlFlow::Continue(())
    }

    /// Says whether a zone is above the mark of this attempt; notes when it has sunk below high.
    fn may_take(&self, site: &Site<A::Memory>) -> bool {
        let (order, highest) = (self.plan.asked.order, self.plan.asked.highest);
        if self.flags.has(AllocFlag::NoWatermarks) {
            return true;
        }
        let zone_flags = &site.zone.figures().flags;
        if zone_flags.load(Relaxed) & flag::BELOW_HIGH == 0 {
            let high = self.flags.at(Watermark::High);
            if site.passes(order, highest, high) {
                return true;
            }
            zone_flags.fetch_or(flag::BELOW_HIGH, Relaxed);
        }
        site.passes(order, highest, self.flags)
    }
}
