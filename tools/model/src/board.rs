// SPDX-License-Identifier: GPL-2.0

//! A small machine of the private manager on the host: zones with their marks, zonelists, and a
//! record of what is held.
//!
//!   node 0   DMA32 | Normal        node 1   Normal | Movable
//!
//! What is held is freed again by `reclaim`, so many blocks a time.

use std::cell::{
    Cell,
    RefCell, //
};
use std::sync::atomic::Ordering::Relaxed;

use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::{
    ListIdx,
    Pcp,
    Tuning, //
};
use crate::algo::buddy::region::Region;
use crate::algo::buddy::slow::{
    Helper,
    Step, //
};
use crate::algo::buddy::walk::{
    Block,
    Machine,
    Plan,
    Site, //
};
use crate::algo::buddy::zone::compact::Scope;
use crate::algo::buddy::zone::Memory;
use crate::algo::buddy::{
    FRAMES,
    PAGEBLOCKS,
    PAGEBLOCK_ORDER, //
};
use crate::algo::figures;
use crate::algo::gfp::{
    Flag,
    FlagSet, //
};
use crate::algo::snapshot::would::{
    Asked,
    Blocks,
    Candidate,
    Kswapd,
    Rules, //
};
use crate::algo::snapshot::{
    Count,
    ListKind,
    Watermark,
    Zone, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NodeId,
    NodeMask,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};
use crate::algo::watermark::AllocFlags;
use crate::algo::zonelist::{
    fallback_order,
    zones_in_order,
    Distances,
    Nodes,
    Step as ListStep, //
};
use crate::host::{
    zone,
    Alone,
    HostMemory, //
};

/// CPUs of a board: one on each node.
pub const CPUS: usize = 2;

const NODES: usize = 2;

/// The most regions of a zone.
const MAX_REGIONS: usize = 2;

const PAGE_SHIFT: u32 = 12;

/// The storage of a board's zones.
pub type Storage = HostMemory<Alone<Region>, Alone<Pcp>>;

/// A zone as it is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its node, below 2.
    pub node: u32,
    /// Which zone of the node.
    pub kind: ZoneKind,
    /// How many frames it has, from the first one of its region on.
    pub frames: u32,
    /// How many of them, at their end and in whole pageblocks, are a CMA area.
    pub cma: u32,
}

/// A machine.
pub struct Board {
    sites: Vec<Site<Storage>>,
    parts: Vec<Part>,
    /// Lists by kind and node.
    lists: [Vec<Vec<u16>>; ListKind::COUNT],
    rules: Rules,
    held: RefCell<Vec<(Block, Order)>>,
    steps: RefCell<[u32; Step::COUNT]>,
    /// How many blocks a reclaim frees.
    reclaims: Cell<usize>,
}

fn node(number: usize) -> NodeId {
    let number = u32::try_from(number).expect("few nodes");
    NodeId::new(number).expect("few nodes")
}

fn pages(number: u32) -> NrPages {
    NrPages::new(usize::try_from(number).expect("usize has 32 bits"))
}

/// The rules of a board with these parts: a kernel's on x86-64.
fn rules_of(parts: &[Part], max_order: Order) -> Rules {
    Rules {
        has_cma: parts.iter().any(|it| it.cma > 0),
        avoids_mixing: true,
        highatomic_first: false,
        is_realtime: false,
        has_policy: false,
        has_many_nodes: parts.iter().any(|it| it.node != parts[0].node),
        pageblock_order: PAGEBLOCK_ORDER,
        max_order,
    }
}

fn site(place: usize, part: &Part) -> Site<Storage> {
    let regions = pages(part.frames).get().div_ceil(FRAMES);
    assert!(regions <= MAX_REGIONS);
    let zone = zone(regions, CPUS, Tuning::default());
    let plain = pages(part.frames) - pages(part.cma);
    zone.add(FrameIdx::new(0), plain, Migratetype::Movable);
    let cma = FrameIdx::new(part.frames - part.cma);
    zone.add(cma, pages(part.cma), Migratetype::Cma);
    let base = Pfn::new(place * MAX_REGIONS * FRAMES);
    Site::new(zone, node(pages(part.node).get()), part.kind, base)
}

/// The zonelists: near before far, high before low.
fn lists(parts: &[Part]) -> [Vec<Vec<u16>>; ListKind::COUNT] {
    let mut memory = NodeMask::EMPTY;
    for part in parts {
        memory.insert(node(pages(part.node).get()));
    }
    let distances = Distances::new(&[10, 20, 20, 10], NODES).expect("a table of both");
    let nodes = Nodes {
        memory: &memory,
        cpus: &NodeMask::EMPTY,
        distances,
    };
    let place_of = |step: &ListStep| {
        let is_it = |it: &Part| node(pages(it.node).get()) == step.node && it.kind == step.kind;
        let place = parts.iter().position(is_it).expect("it is populated");
        u16::try_from(place).expect("few sites")
    };
    let list_of = |order: &[NodeId]| -> Vec<u16> {
        let has = |step: ListStep| {
            let is_it = |it: &Part| node(pages(it.node).get()) == step.node && it.kind == step.kind;
            parts.iter().any(is_it)
        };
        let mut list = [ListStep {
            node: node(0),
            kind: ZoneKind::Normal,
        }; NODES * ZoneKind::COUNT];
        let list = zones_in_order(order, has, &mut list).expect("place for all");
        list.iter().map(place_of).collect()
    };
    let mut load = [0; NODES];
    let mut order = [node(0); NODES];
    let fallback = (0..NODES).map(|from| {
        let order = fallback_order(node(from), &nodes, &mut load, &mut order);
        list_of(order.expect("place for all"))
    });
    let fallback = fallback.collect();
    let own = (0..NODES).map(|from| list_of(&[node(from)])).collect();
    [fallback, own]
}

impl Board {
    /// A machine with these zones, all of it free.
    pub fn new(parts: &[Part], min_free_kbytes: usize) -> Self {
        let sites = parts.iter().enumerate();
        let sites: Vec<_> = sites.map(|(place, part)| site(place, part)).collect();
        let max_order = sites[0].zone.max_order();
        let board = Self {
            lists: lists(parts),
            rules: rules_of(parts, max_order),
            sites,
            parts: parts.to_vec(),
            held: RefCell::default(),
            steps: RefCell::new([0; Step::COUNT]),
            reclaims: Cell::new(0),
        };
        board.set_marks(min_free_kbytes);
        board
    }

    /// The same machine by other rules.
    #[must_use]
    pub fn with_rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    fn set_marks(&self, min_free_kbytes: usize) {
        let is_low = |it: &&Part| it.kind != ZoneKind::Movable;
        let low = self.parts.iter().filter(is_low).map(|it| it.frames);
        let rules = figures::MarkRules {
            min_free_kbytes,
            lowmem: pages(low.sum()),
            scale_factor: figures::MarkRules::SCALE_FACTOR,
            page_shift: PAGE_SHIFT,
        };
        for (site, part) in self.sites.iter().zip(&self.parts) {
            let marks = figures::marks(part.kind, pages(part.frames), &rules);
            for (place, mark) in site.marks.iter().zip(marks) {
                place.store(mark.get(), Relaxed);
            }
            let mut managed = [NrPages::ZERO; ZoneKind::COUNT];
            for it in self.parts.iter().filter(|it| it.node == part.node) {
                managed[it.kind.index()] = pages(it.frames);
            }
            let reserve = figures::lowmem_reserve(part.kind, &managed, &figures::RESERVE_RATIOS);
            for (place, pages) in site.reserve.iter().zip(reserve) {
                place.store(pages.get(), Relaxed);
            }
            self.tune(site, part, marks[Watermark::Low.index()]);
            let most = marks[Watermark::High.index()].get() * 3 / 2;
            site.zone.figures().boost_max.store(most, Relaxed);
        }
    }

    fn tune(&self, site: &Site<Storage>, part: &Part, low: NrPages) {
        let cpus = figures::Sharers {
            of_node: 1,
            online: 2,
        };
        let bounds = figures::pcp_bounds(pages(part.frames), low, cpus, PAGE_SHIFT);
        for cpu in 0..CPUS {
            let lists = site.zone.memory().lists(cpu).expect("a CPU of the board");
            lists.with(|it| {
                it.tune(Tuning::new(bounds, false));
                it.set_local(node(cpu) == site.node);
            });
        }
    }

    /// A request as the machine understands it.
    pub fn ask(&self, order: Order, flags: FlagSet, cpu: usize, from: usize) -> Asked {
        let highest = match flags.migratetype() {
            _ if flags.contains(Flag::Dma32) => ZoneKind::Dma32,
            Migratetype::Movable if flags.contains(Flag::Highmem) => ZoneKind::Movable,
            _ => ZoneKind::Normal,
        };
        let list = match flags.contains(Flag::Thisnode) {
            true => ListKind::NoFallback,
            false => ListKind::Fallback,
        };
        Asked {
            order,
            flags,
            bits: 0,
            migratetype: flags.migratetype(),
            node: node(from),
            list,
            nodes: None,
            highest,
            cpu: u32::try_from(cpu).expect("few CPUs"),
            rules: self.rules,
        }
    }

    /// The zones that a request tries, by their places.
    pub fn tried(&self, asked: &Asked) -> Vec<u16> {
        let may = |&&it: &&u16| self.sites[usize::from(it)].kind <= asked.highest;
        self.list(asked).iter().filter(may).copied().collect()
    }

    /// What a prediction is told of them.
    pub fn candidates(&self, asked: &Asked) -> Vec<Candidate> {
        let places = self.tried(asked).into_iter();
        places.map(|it| self.candidate(asked, it)).collect()
    }

    fn candidate(&self, asked: &Asked, place: u16) -> Candidate {
        let site = &self.sites[usize::from(place)];
        let figures = site.zone.figures();
        let count = |it: isize| NrPages::new(usize::try_from(it).expect("nobody is at work"));
        let mut blocks = Blocks::default();
        for region in site.zone.memory().regions() {
            region.with(|it| {
                it.count_blocks(self.rules.max_order, |migratetype, order, count| {
                    if count > 0 {
                        blocks.set(order, migratetype, true);
                    }
                });
            });
        }
        let cpu = usize::try_from(asked.cpu).expect("few CPUs");
        let lists = site.zone.memory().lists(cpu).expect("a CPU of the board");
        let length = |list| lists.with(|it| it.length(list));
        let pcp = ListIdx::of(asked.order, asked.migratetype).map(|list| Count {
            blocks: length(list),
            more: false,
        });
        Candidate {
            zone: self.snapshot(usize::from(place)),
            cma_free: count(figures.free_cma.load(Relaxed)),
            drift_mark: NrPages::ZERO,
            blocks,
            pcp,
            has_cold: site.zone.has_cold(cpu, asked.order, asked.migratetype),
            // Its reclaimers run when they are woken, and are never seen at work.
            kswapd: Kswapd {
                is_idle: true,
                is_hopeless: true,
            },
            is_allowed: true,
        }
    }

    fn snapshot(&self, place: usize) -> Zone {
        let (site, part) = (&self.sites[place], &self.parts[place]);
        let figures = site.zone.figures();
        let count = |it: isize| NrPages::new(usize::try_from(it).expect("nobody is at work"));
        let boost = NrPages::new(figures.boost.load(Relaxed));
        let free = count(figures.free.load(Relaxed));
        let pages_of = |it: &crate::seam::AtomicUsize| NrPages::new(it.load(Relaxed));
        Zone {
            node: site.node,
            kind: site.kind,
            start: site.base,
            spanned: pages(part.frames),
            present: pages(part.frames),
            managed: pages(part.frames),
            cma: pages(part.cma),
            free,
            free_exact: free,
            free_bound: NrPages::ZERO,
            marks: std::array::from_fn(|it| pages_of(&site.marks[it]) + boost),
            boost,
            lowmem_reserve: std::array::from_fn(|it| Some(pages_of(&site.reserve[it]))),
            highatomic_reserved: pages_of(&figures.highatomic),
            highatomic_free: count(figures.free_highatomic.load(Relaxed)),
        }
    }

    /// Notes a block that was allocated.
    pub fn hold(&self, block: Block, order: Order) {
        self.held.borrow_mut().push((block, order));
    }

    /// How many blocks are held.
    pub fn nr_held(&self) -> usize {
        self.held.borrow().len()
    }

    /// Frees one of the blocks that are held, on a CPU; `false` if there is none.
    pub fn free_one(&self, cpu: usize, which: usize) -> bool {
        let mut held = self.held.borrow_mut();
        let Some(at) = which.checked_rem(held.len()) else {
            return false;
        };
        let (block, order) = held.swap_remove(at);
        let site = &self.sites[usize::from(block.site)];
        site.free(cpu, block.frame, order).expect("it is held");
        true
    }

    /// Isolates a pageblock of a zone, or takes that back.
    pub fn isolate(&self, place: usize, block: usize, isolated: bool) {
        let site = &self.sites[place % self.sites.len()];
        let blocks = site.zone.memory().regions().len() * PAGEBLOCKS;
        site.zone.isolate(block % blocks, isolated);
    }

    /// Sets how many blocks each reclaim frees.
    pub fn reclaim_each(&self, blocks: usize) {
        self.reclaims.set(blocks);
    }

    /// How often a step was counted since the last look; all begin again.
    pub fn take_steps(&self) -> impl Fn(Step) -> u32 {
        let steps = self.steps.replace([0; Step::COUNT]);
        move |step| steps[step.index()]
    }

    /// Frees all and recounts: every zone is whole again.
    pub fn finish(&self) {
        while self.free_one(0, 0) {}
        self.drain_all();
        for (site, part) in self.sites.iter().zip(&self.parts) {
            for block in 0..MAX_REGIONS * PAGEBLOCKS {
                site.zone.isolate(block, false);
            }
            assert_eq!(site.zone.check(CPUS), Ok(()));
            let free = site.zone.figures().free.load(Relaxed);
            assert_eq!(u32::try_from(free), Ok(part.frames));
        }
    }
}

impl Machine for Board {
    type Memory = Storage;

    fn sites(&self) -> &[Site<Storage>] {
        &self.sites
    }

    fn list(&self, asked: &Asked) -> &[u16] {
        &self.lists[asked.list.index()][asked.node.index()]
    }
}

impl Helper for Board {
    fn wake_reclaim(&self, _plan: &Plan) {}

    fn reclaim(&self, _plan: &Plan) -> usize {
        let blocks = self.reclaims.get();
        (0..blocks).filter(|&it| self.free_one(1, it * 7)).count()
    }

    fn compact(&self, _plan: &Plan, _flags: AllocFlags, _scope: Scope) -> bool {
        false
    }

    fn drain_all(&self) {
        for site in &self.sites {
            for cpu in 0..CPUS {
                site.zone.drain(cpu);
            }
        }
    }

    fn count(&self, step: Step) {
        self.steps.borrow_mut()[step.index()] += 1;
    }
}
