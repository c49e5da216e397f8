// SPDX-License-Identifier: GPL-2.0

//! What Linux's page allocator looks at when it is asked for pages: the request, then zone by zone.
//!
//!   order, flags, node -> Asked       with what this kernel and the calling task go by
//!   Asked              -> Candidate   each zone of the list that the flags allow, in order
//!
//! # Locking     none: single words, as the allocator itself reads them before it takes a lock; a
//!               list is empty or not at the moment it is looked at. `pcp->lock` for the one list.
//! # Cost        a candidate reads some hundred words of its zone and node.
//! # Limits      the per-CPU list is that of the CPU which asks, and the next request may run on
//!               another. A zonelist may be rebuilt by memory hotplug while it is walked.
//! # Reference   `mm/page_alloc.c`: `prepare_alloc_pages()`, `get_page_from_freelist()`,
//!               `order_to_pindex()`; `mm/mempolicy.c`: `alloc_pages_noprof()`.

use kernel::{
    bindings,
    ffi::c_int, //
};

use super::{
    ffi,
    gfp::Gfp,
    node::Node,
    pages::MAX_ORDER,
    read_once,
    zone::{
        self,
        Zone, //
    },
};
use crate::algo::{
    snapshot::{
        would::{
            Asked,
            Blocks,
            Candidate,
            Kswapd,
            Rules, //
        },
        Count,
        PcpTypes, //
    },
    units::{
        Migratetype,
        NodeId,
        NrPages,
        Order, //
    },
};

// CAST: ten items.
const NR_FREE_CMA_PAGES: c_int = bindings::zone_stat_item_NR_FREE_CMA_PAGES as c_int;

/// kswapd gives up on its node after so many fruitless rounds (`MAX_RECLAIM_RETRIES`).
const HOPELESS: c_int = 16;

/// A request as Linux would understand it from the calling task; `None` without a zone for the
/// flags, or when the CPU's node is not online.
///
/// Without a node it is the one that the task runs on, which a memory policy may overrule.
pub fn asked(order: Order, gfp: Gfp, node: Option<Node>) -> Option<Asked> {
    // SAFETY: Takes nothing; the task may move on meanwhile, which makes the answer an old one.
    let cpu = unsafe { ffi::oxmm_cpu() };
    let node = match node {
        Some(node) => node,
        // SAFETY: The number is that of a CPU.
        None => Node::get(NodeId::from_int(unsafe { ffi::oxmm_cpu_to_node(cpu) })?)?,
    };
    let flags = gfp.flags();
    Some(Asked {
        order,
        flags,
        bits: gfp.as_raw(),
        migratetype: flags.migratetype(),
        node: node.id(),
        list: gfp.list(),
        nodes: None,
        highest: gfp.zone()?,
        cpu,
        rules: rules(),
    })
}

/// What this kernel goes by, and the calling task.
pub fn rules() -> Rules {
    // SAFETY: These take nothing, and read constants of the kernel or fields of the calling task.
    let (highatomic_first, is_realtime, pageblock_order) = unsafe {
        (
            ffi::oxmm_highatomic_first(),
            ffi::oxmm_task_is_realtime(),
            ffi::oxmm_pageblock_order(),
        )
    };
    Rules {
        has_cma: cfg!(CONFIG_CMA),
        avoids_mixing: cfg!(CONFIG_ZONE_DMA32),
        highatomic_first,
        is_realtime,
        has_policy: task_has_policy(),
        has_many_nodes: Node::online().nth(1).is_some(),
        pageblock_order: Order::new(pageblock_order).unwrap_or(Order::MAX),
        max_order: MAX_ORDER,
    }
}

/// The zones that the request tries, in order.
pub fn candidates(asked: &Asked) -> impl Iterator<Item = Candidate> {
    let asked = *asked;
    Node::get(asked.node)
        .into_iter()
        .flat_map(move |node| node.zonelist(asked.list))
        .filter(move |zone| zone.kind().is_some_and(|kind| kind <= asked.highest))
        .filter_map(move |zone| candidate(&asked, &zone))
}

fn candidate(asked: &Asked, zone: &Zone) -> Option<Candidate> {
    let node = Node::get(zone.node_id()?)?;
    let place = zone.as_ptr();
    // SAFETY: A zone is live by its invariant, and the item is one of a zone.
    let cma_free = unsafe { ffi::oxmm_zone_page_state(place, NR_FREE_CMA_PAGES) };
    // SAFETY: A zone is live by its invariant; Linux stores to the field, whole words.
    let drift_mark = unsafe { read_once(&raw const (*place).percpu_drift_mark) };
    Some(Candidate {
        zone: zone.snapshot()?,
        cma_free: NrPages::new(cma_free),
        drift_mark: NrPages::new(drift_mark),
        blocks: blocks(zone),
        pcp: pcp(asked, zone),
        has_cold: false,
        kswapd: kswapd(&node),
        is_allowed: is_allowed(&node),
    })
}

/// Whether the list with this head is empty at this moment (`list_empty()`).
///
/// # Safety
///
/// The head is live.
unsafe fn is_empty(head: *const bindings::list_head) -> bool {
    // SAFETY: The caller's promise; Linux stores to the field, whole words.
    let next = unsafe { read_once(&raw const (*head).next) };
    core::ptr::eq(next, head)
}

fn blocks(zone: &Zone) -> Blocks {
    let place = zone.as_ptr();
    let mut blocks = Blocks::default();
    for order in Order::up_to(MAX_ORDER) {
        // SAFETY: A zone is live by its invariant, and the order is at most `MAX_PAGE_ORDER`.
        let lists = unsafe { &raw const (*place).free_area[order.index()].free_list };
        for &migratetype in Migratetype::ALL {
            let Some(index) = zone::list_of_type(migratetype) else {
                continue;
            };
            // SAFETY: `list_of_type` gives indices below the number of lists.
            let head = unsafe { lists.cast::<bindings::list_head>().add(index) };
            // SAFETY: A head in a live zone.
            blocks.set(order, migratetype, !unsafe { is_empty(head) });
        }
    }
    blocks
}

/// The runs on the per-CPU list that would serve the request; `None` where there is none for it,
/// and without other CPUs, where Linux does not use them.
fn pcp(asked: &Asked, zone: &Zone) -> Option<Count> {
    if !cfg!(CONFIG_SMP) {
        return None;
    }
    let serves = |types| match types {
        PcpTypes::Unmovable => asked.migratetype == Migratetype::Unmovable,
        PcpTypes::Movable => asked.migratetype == Migratetype::Movable,
        PcpTypes::Reclaimable => asked.migratetype == Migratetype::Reclaimable,
        PcpTypes::NotMovable => asked.migratetype != Migratetype::Movable,
        PcpTypes::All => false,
    };
    let lists = zone.pcp(asked.cpu)?.lists;
    let mut lists = lists.iter().flatten();
    let list = lists.find(|list| list.order == asked.order && serves(list.types))?;
    Some(list.blocks)
}

fn kswapd(node: &Node) -> Kswapd {
    let pgdat = node.as_ptr();
    // SAFETY: A node is live by its invariant.
    let waiting = unsafe { &raw const (*pgdat).kswapd_wait.head };
    // SAFETY: A node is live by its invariant; Linux stores to the field, whole words.
    let failures = unsafe { read_once(&raw const (*pgdat).kswapd_failures.counter) };
    Kswapd {
        // SAFETY: The head lies in a live node.
        is_idle: !unsafe { is_empty(waiting) },
        is_hopeless: failures >= HOPELESS,
    }
}

/// Whether the calling task has a memory policy.
pub fn task_has_policy() -> bool {
    // SAFETY: Takes nothing, and reads a field of the calling task.
    unsafe { ffi::oxmm_task_has_policy() }
}

/// Whether the cpuset of the calling task allows a node.
pub fn is_allowed(node: &Node) -> bool {
    // SAFETY: The number is that of a node.
    unsafe { ffi::oxmm_node_allowed(node.id().int()) }
}

#[kernel::prelude::kunit_tests(oxmm_would)]
mod tests {
    use super::*;
    use crate::algo::{
        gfp::Flag,
        snapshot::ListKind,
        units::ZoneKind,
        would::predict, //
    };
    use crate::linux::pages::Pages;
    use kernel::prelude::*;

    fn each_node(mut check: impl FnMut(Asked, Node)) {
        for node in Node::online() {
            if let Some(asked) = asked(Order::ZERO, Gfp::KERNEL | Gfp::NOWARN, Some(node)) {
                check(asked, node);
            }
        }
    }

    /// A request walks the zones of its node's list, all but those above the highest.
    #[test]
    fn candidates_are_those_of_the_zonelist() {
        each_node(|asked, node| {
            let zones = node.zonelist(ListKind::Fallback).filter_map(|it| it.kind());
            let expected = zones.filter(|&kind| kind <= ZoneKind::Normal).count();
            assert_eq!(candidates(&asked).count(), expected);
            assert!(expected > 0);
        });
    }

    /// Lists are empty or not as the counted free area has it, on a machine that stands still.
    #[test]
    fn blocks_are_those_of_the_free_area() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let same = || {
                let (area, blocks) = (zone.free_area(), blocks(&zone));
                Order::up_to(MAX_ORDER)
                    .zip(&area.lists)
                    .all(|(order, counts)| {
                        let mut types = Migratetype::ALL.iter().zip(counts);
                        types.all(|(&it, count)| {
                            count.more || blocks.has(order, it) == (count.blocks > 0)
                        })
                    })
            };
            assert!((0..100).any(|_| same()));
        }
    }

    /// A machine at rest serves a page from the zone that is predicted.
    #[test]
    fn a_page_comes_from_the_zone_predicted() {
        each_node(|asked, node| {
            let agrees = || {
                let mut list = KVVec::new();
                list.reserve(16, GFP_KERNEL).ok()?;
                for it in candidates(&asked) {
                    list.push(it, GFP_KERNEL).ok()?;
                }
                let place = predict(&asked, &list).first.served_by?;
                let zone = list.get(place)?.zone;
                let pages =
                    Pages::alloc(Order::ZERO, Gfp::KERNEL | Gfp::NOWARN, Some(node)).ok()?;
                Some(pages.node() == Some(zone.node) && pages.zone() == Some(zone.kind))
            };
            assert!((0..100).any(|_| agrees() == Some(true)));
        });
    }

    /// The kswapd of a node with memory comes to rest; a node without memory has none that could.
    #[test]
    fn kswapd_sleeps_where_there_is_memory() {
        for node in Node::online() {
            let sleeps = || {
                kernel::time::delay::fsleep(kernel::time::Delta::from_millis(10));
                kswapd(&node).is_idle
            };
            assert_eq!((0..100).any(|_| sleeps()), node.has_memory());
        }
    }

    /// Flags stand for the list they ask for, and for a type.
    #[test]
    fn flags_choose_list_and_type() {
        each_node(|asked, node| {
            assert_eq!(asked.list, ListKind::Fallback);
            assert_eq!(asked.migratetype, Migratetype::Unmovable);
            assert!(asked.flags.contains(Flag::DirectReclaim));
            let gfp = Gfp::KERNEL | Gfp::THISNODE;
            let alone = super::asked(Order::ZERO, gfp, Some(node)).map(|it| it.list);
            let expected = match cfg!(CONFIG_NUMA) {
                true => ListKind::NoFallback,
                false => ListKind::Fallback,
            };
            assert_eq!(alone, Some(expected));
        });
    }
}
