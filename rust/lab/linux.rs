// SPDX-License-Identifier: GPL-2.0

//! Linux's memory manager as a [`Manager`].
//!
//! # Limits      `__GFP_NOWARN` is added to every request: a failure is reported in `result`, with
//!               what to do about it, and the kernel log stays for faults.
//! # Reference   `rust/linux/`.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

mod bench;
mod holding;
mod range;
mod slab;
mod would;

use super::{
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
        Align,
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
        NodeMask,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::{
    address,
    bench::Slots,
    bulk::Single,
    cpu,
    exact::ExactPages,
    gfp::Gfp,
    kmalloc::{
        self,
        Kmalloc, //
    },
    kmem_cache::{
        self,
        Config,
        Constructor, //
    },
    node::{
        self,
        Node, //
    },
    page,
    pages::{
        Pages,
        MAX_ORDER, //
    },
    percpu::{
        self,
        Percpu, //
    },
    slub::Slub,
    vmalloc::Area,
    vmstat,
    would::task_has_policy,
    PAGE_SHIFT, //
};
use crate::private::{
    Counts,
    Outcome, //
};

use range::range;

pub use holding::Holding;

/// The running kernel's memory manager.
#[derive(Clone)]
pub struct Linux;

/// A request that Linux may see.
pub struct Plan {
    what: What,
    gfp: Gfp,
    node: Option<Node>,
    /// The nodes that may serve; `None` for all.
    nodes: Option<NodeMask>,
}

/// What is planned.
enum What {
    Pages(Order),
    /// A block, and how many of its pages are kept.
    Range(Order, NrPages),
    Sized(Bytes),
    Cached(Arc<kmem_cache::Cache>),
    Percpu(Bytes, Option<usize>),
    Vmalloc(Bytes, Option<usize>),
}

impl Manager for Linux {
    const NAME: &'static CStr = c"linux";
    type Plan = Plan;
    type Holding = Holding;
    type Cache = Arc<kmem_cache::Cache>;
    type Slots = Slots;

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        Node::online().map(|node| node.id())
    }

    fn node(&self, node: NodeId) -> Option<snapshot::Node> {
        Some(Node::get(node)?.snapshot())
    }

    fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        Some(Node::get(from)?.distance(&Node::get(to)?))
    }

    fn cpus(&self, node: NodeId) -> impl Iterator<Item = u32> {
        Node::get(node).into_iter().flat_map(|node| node.cpus())
    }

    fn zones(&self, node: NodeId) -> impl Iterator<Item = ZoneKind> {
        Node::get(node)
            .into_iter()
            .flat_map(|node| node.populated_zones())
            .filter_map(|zone| zone.kind())
    }

    fn serves(&self, node: NodeId) -> bool {
        let node = Node::get(node);
        node.is_some_and(|node| node.has_memory() && crate::linux::would::is_allowed(&node))
    }

    fn zone(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::Zone> {
        Node::get(node)?.zone(zone)?.snapshot()
    }

    fn online_cpus(&self) -> impl Iterator<Item = u32> {
        node::online_cpus()
    }

    fn pcp(&self, node: NodeId, zone: ZoneKind, cpu: u32) -> Option<snapshot::Pcp> {
        Node::get(node)?.zone(zone)?.pcp(cpu)
    }

    fn pageblocks(
        &self,
        node: NodeId,
        zone: ZoneKind,
    ) -> impl Iterator<Item = snapshot::Pageblock> {
        let zone = Node::get(node).and_then(|node| node.zone(zone));
        zone.into_iter().flat_map(|zone| zone.pageblocks())
    }

    fn translate(&self, address: Address) -> snapshot::Translation {
        address::translate(address)
    }

    fn page(&self, pfn: Pfn, path: &mut [u8]) -> snapshot::Page {
        page::look(pfn, path)
    }

    fn object_in(
        &self,
        pfn: Pfn,
        address: Option<Address>,
        own: Option<&Self::Cache>,
    ) -> Result<Option<ObjectPlace>, Unknown> {
        let Some(at) = address.or_else(|| address::linear(pfn)) else {
            return Ok(None);
        };
        Slub::get()?.place(at.get(), own.map(|cache| &**cache))
    }

    fn page_flags(&self, flags: usize) -> impl Iterator<Item = &'static str> {
        page::flags(flags)
    }

    fn free_area(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::FreeArea> {
        Some(Node::get(node)?.zone(zone)?.free_area())
    }

    fn zonelist(&self, node: NodeId, list: ListKind) -> impl Iterator<Item = snapshot::ZoneRef> {
        let own = Node::get(node);
        own.into_iter()
            .flat_map(move |node| node.zonelist(list))
            .filter_map(move |zone| {
                let node = Node::get(zone.node_id()?)?;
                Some(snapshot::ZoneRef {
                    node: node.id(),
                    kind: zone.kind()?,
                    distance: own?.distance(&node),
                    managed: zone.managed(),
                })
            })
    }

    fn counters(&self) -> impl Iterator<Item = snapshot::Counter> {
        vmstat::counters()
    }

    fn asked(&self, wish: &PagesWish) -> Result<Asked, Refusal> {
        would::asked(wish)
    }

    fn candidates(&self, asked: &Asked) -> impl Iterator<Item = Candidate> {
        crate::linux::would::candidates(asked)
    }

    fn decode(&self, gfp: Expression) -> Result<Decoded, Refusal> {
        would::decode(gfp)
    }

    fn not_offered(&self, command: &Command<'_>) -> &'static str {
        match command {
            Command::Alloc(_) => {
                "memcg= and kind= are not offered: Linux charges the writer's own group when gfp= \
                 has __GFP_ACCOUNT"
            }
            Command::Compact(_) => {
                "Linux exports no way to compact; root writes to /proc/sys/vm/compact_memory or to \
                 compact of a node in sysfs"
            }
            Command::Isolate(_) | Command::Unisolate(_) => {
                "Linux exports no way to isolate pageblocks; memory hotplug isolates whole sections"
            }
            Command::Poke { .. } | Command::Unpoison { .. } => {
                "pages of Linux are written to by nobody here; Linux has page_poison= and hwpoison"
            }
            Command::Drain => "Linux exports no way to empty its per-CPU page lists",
            Command::MemcgCreate { .. }
            | Command::MemcgRemove { .. }
            | Command::MemcgSet(_)
            | Command::MemcgReclaim { .. } => {
                "Linux's memory cgroups are made and set in the cgroup file system"
            }
            Command::MachineNode(_) | Command::MachineBuild { .. } | Command::MachineReset => {
                "the machine that Linux runs on cannot be rebuilt"
            }
            Command::Memblock(_) => {
                "Linux gave its early memory to the page allocator at boot, and lets no module at it"
            }
            // The lab runs these whatever keys they have, and does not ask.
            Command::AddPercpu { .. }
            | Command::Free(_)
            | Command::Verify(_)
            | Command::Shrink { .. }
            | Command::CacheCreate(_)
            | Command::CacheDestroy { .. } => "these keys are not offered together",
            Command::Query(_) => "a question is written to the view that answers it",
        }
    }

    fn plan(&self, request: &Request<'_, Self::Cache>) -> Result<Plan, Refusal> {
        let mut gfp = Gfp::new(request.gfp)?;
        let what = match &request.wanted {
            Wanted::Pages { order, .. } if *order > MAX_ORDER => {
                return Err(Refusal::Order {
                    asked: *order,
                    max: MAX_ORDER,
                })
            }
            Wanted::Pages {
                order, migratetype, ..
            } => {
                if let Some(migratetype) = *migratetype {
                    gfp = gfp.with_type(migratetype)?;
                }
                What::Pages(*order)
            }
            Wanted::Range(wish) => {
                if let Some(migratetype) = wish.migratetype {
                    gfp = gfp.with_type(migratetype)?;
                }
                range(wish, gfp)?
            }
            Wanted::Sized(size) => What::Sized(*size),
            Wanted::Cached(cache) => What::Cached(cache.clone()),
            Wanted::Percpu { size, align } => What::Percpu(*size, align.map(number)),
            Wanted::Vmalloc { size, align } => What::Vmalloc(*size, align.map(number)),
        };
        let gfp = gfp.check()? | Gfp::NOWARN;
        let node = match request.node {
            None => None,
            Some(id) => Some(Node::get(id).ok_or(Refusal::NoNode(id))?),
        };
        Ok(Plan {
            what,
            gfp,
            node,
            nodes: match request.wanted {
                Wanted::Pages { nodes, .. } => nodes,
                _ => None,
            },
        })
    }

    fn alloc(&self, plan: &Plan, want: usize, into: &mut KVVec<Holding>) -> Result<(), Refusal> {
        let holding = match &plan.what {
            // Without a node the bulk allocator would pass over the task's memory policy; it is not
            // asked with a nodemask either.
            What::Pages(Order::ZERO) if want > 1 && plan.takes_bulk() => {
                return plan.single_pages(want, into)
            }
            What::Pages(order) => plan.pages(*order)?,
            What::Range(order, pages) => {
                let run = ExactPages::alloc(*order, *pages, plan.gfp, plan.node);
                Holding::Range(run.map_err(|_| plan.no_memory(*order))?)
            }
            What::Sized(size) => Holding::Sized(Kmalloc::alloc(*size, plan.gfp, plan.node)?),
            What::Cached(cache) => match plan.node {
                Some(_) => Holding::Cached(cache.alloc(plan.gfp, plan.node)?),
                None => return slab::bulk(cache, plan.gfp, want, into),
            },
            What::Percpu(size, align) => Holding::Percpu(Percpu::alloc(*size, *align, plan.gfp)?),
            What::Vmalloc(size, align) => {
                Holding::Area(Area::alloc(*size, *align, plan.gfp, plan.node)?)
            }
        };
        into.push(holding, GFP_KERNEL).map_err(|_| Refusal::NoTable)
    }

    /// `vm_numa_stat_key` is not exported, by which Linux decides whether it counts; its counter is
    /// left to itself.
    fn count_turn(&self, _plan: &Plan, _holding: &Holding) {}

    fn bench_slots(&self, count: usize, wish: &PagesWish) -> Result<Self::Slots, Refusal> {
        bench::slots(count, wish)
    }

    fn defers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Object | Kind::Vmalloc)
    }

    fn free_deferred(&self, holding: Holding) {
        match holding {
            Holding::Sized(memory) => memory.free_deferred(),
            Holding::Cached(object) => object.free_deferred(),
            Holding::Area(area) => area.free_deferred(),
            Holding::Pages(..) | Holding::Range(_) | Holding::Percpu(_) => drop(holding),
        }
    }

    fn compact(
        &self,
        _node: Option<NodeId>,
        _order: Option<Order>,
        _go_on: impl FnMut() -> bool,
    ) -> Option<Result<(Outcome, Counts), Refusal>> {
        None
    }

    fn isolate(
        &self,
        _pfn: Pfn,
        _pages: NrPages,
        _wish: Isolation,
    ) -> Option<Result<usize, Refusal>> {
        None
    }

    fn drain(&self) -> Option<NrPages> {
        None
    }

    fn kmalloc_classes(&self) -> impl Iterator<Item = Class> {
        slab::classes()
    }

    fn kmalloc_fits(&self, asked: Bytes) -> Result<Fits, Refusal> {
        slab::fits(asked)
    }

    fn cache_create(&self, create: &CacheCreate<'_>) -> Result<Self::Cache, Refusal> {
        let name = CString::try_from_fmt(fmt!("{}", create.name.as_str()))
            .map_err(|_| Refusal::NoTable)?;
        Ok(kmem_cache::Cache::create(&Config {
            name: &name,
            size: create.size,
            align: create.align.map(number),
            flags: slab::flags(create.flags.unwrap_or_default()),
            constructor: create.ctor.then_some(Constructor::Pattern),
        })?)
    }
}

impl Plan {
    fn takes_bulk(&self) -> bool {
        self.node.is_some() && self.nodes.is_none()
    }

    fn pages(&self, order: Order) -> Result<Holding, Refusal> {
        let pages = match (self.node, &self.nodes) {
            (Some(node), Some(nodes)) => Pages::alloc_on(order, self.gfp, node, nodes),
            _ => Pages::alloc(order, self.gfp, self.node),
        };
        let pages = pages.map(|pages| Holding::Pages(pages, None));
        pages.map_err(|_| self.no_memory(order))
    }

    /// Allocates up to `want` single pages in one go; what there is without reclaim, and one at
    /// least.
    fn single_pages(&self, want: usize, into: &mut KVVec<Holding>) -> Result<(), Refusal> {
        let mut slots = [const { None }; SINGLES];
        let (slots, _) = slots.split_at_mut(want.min(SINGLES));
        match Single::fill(slots, self.gfp, self.node) {
            Ok(added) if added > 0 => {}
            _ => return Err(self.no_memory(Order::ZERO)),
        }
        for page in slots.iter_mut().filter_map(Option::take) {
            into.push(Holding::Pages(page.into(), None), GFP_KERNEL)
                .map_err(|_| Refusal::NoTable)?;
        }
        Ok(())
    }

    fn no_memory(&self, order: Order) -> Refusal {
        // A node without memory of its own has nothing to give when fallback is forbidden.
        // Where none is named it is that of the CPU, unless the task has a policy.
        let node = self.node.or_else(|| match task_has_policy() {
            true => None,
            false => Node::get(node::of_cpu(cpu::current())?),
        });
        let alone = node.filter(|node| self.gfp.contains(Gfp::THISNODE) && !node.has_memory());
        Refusal::NoMemory {
            order,
            alone: alone.map(|node| (node.id(), node.served_by())),
        }
    }
}

/// How many single pages are asked for in one go.
const SINGLES: usize = 64;

impl super::Plan for Plan {
    fn taken(&self) -> Option<Bytes> {
        match &self.what {
            What::Pages(order) => order.nr_pages().bytes(PAGE_SHIFT),
            What::Range(_, pages) => pages.bytes(PAGE_SHIFT),
            What::Sized(size) => Some(kmalloc::roundup(*size)),
            // With what debugging adds, where it is known.
            What::Cached(cache) => {
                Some(Slub::get().map_or(cache.size(), |slub| slub.cache(cache).shape().size))
            }
            What::Percpu(size, _) => size.checked_mul(percpu::possible_cpus().count()),
            What::Vmalloc(size, _) => whole(*size).bytes(PAGE_SHIFT),
        }
    }
}

/// The pages that hold so many bytes.
fn whole(size: Bytes) -> NrPages {
    let pages = size.whole_pages(PAGE_SHIFT);
    let rest = pages.bytes(PAGE_SHIFT) != Some(size);
    NrPages::new(pages.get() + usize::from(rest))
}

fn number(align: Align) -> usize {
    align.bytes().get()
}
