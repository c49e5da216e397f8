// SPDX-License-Identifier: GPL-2.0

//! Where all of Linux's memory is, as far as a module can see.
//!
//! # Locking     as `vmstat`: words, read one after the other.
//! # Cost        O(counters x nodes x online CPUs).
//! # Limits      out of reach, and so in what is unaccounted: pages that wait to be put on a list
//!               (`folio_batch`), huge pages in their pool, per-CPU memory (`pcpu_nr_pages()`),
//!               pages with hardware errors, and whatever drivers took from the page allocator.
//!               Per-CPU memory of the first block is no part of the total either.
//! # Reference   `mm/show_mem.c`: `si_mem_available()`, `si_meminfo()`; `fs/proc/meminfo.c`;
//!               `kernel/fork.c`: `account_kernel_stack()`.

use kernel::bindings;

use super::{
    ffi,
    node::Node,
    percpu,
    read_once,
    vmstat::{
        of_all_nodes,
        of_all_zones,
        NodeItem,
        Reading,
        ZoneItem, //
    },
    zone::Zone,
    PAGE_SHIFT, //
};
use crate::algo::{
    memory::{
        Amount,
        Inputs,
        Memory,
        Part,
        Within, //
    },
    snapshot::Watermark,
    units::{
        u64_from,
        NrPages, //
    },
};

/// Where all memory is; what oxmm holds is for its caller to add.
pub fn snapshot() -> Memory {
    let (total, buffers) = total_and_buffers();
    let mut memory = Memory {
        total,
        parts: [None; Part::COUNT],
        within: [None; Within::COUNT],
        inputs: inputs(),
    };
    for (&part, amount) in Part::ALL.iter().zip(&mut memory.parts) {
        *amount = self::part(part);
    }
    for (&within, amount) in Within::ALL.iter().zip(&mut memory.within) {
        *amount = match within {
            Within::Buffers => Some(buffers),
            other => self::within(other),
        };
    }
    memory
}

/// The amount of a part; `None` if this kernel does not have it, or does not count it.
fn part(part: Part) -> Option<Amount> {
    match part {
        Part::Free => of_zones(bindings::zone_stat_item_NR_FREE_PAGES),
        Part::Pcp => Some(pcp()),
        Part::ActiveAnon => of_nodes(bindings::node_stat_item_NR_ACTIVE_ANON),
        Part::InactiveAnon => of_nodes(bindings::node_stat_item_NR_INACTIVE_ANON),
        Part::ActiveFile => of_nodes(bindings::node_stat_item_NR_ACTIVE_FILE),
        Part::InactiveFile => of_nodes(bindings::node_stat_item_NR_INACTIVE_FILE),
        Part::Unevictable => of_nodes(bindings::node_stat_item_NR_UNEVICTABLE),
        Part::IsolatedAnon => of_nodes(bindings::node_stat_item_NR_ISOLATED_ANON),
        Part::IsolatedFile => of_nodes(bindings::node_stat_item_NR_ISOLATED_FILE),
        // In bytes for cgroups, in pages for nodes.
        Part::SlabReclaimable => of_nodes(bindings::node_stat_item_NR_SLAB_RECLAIMABLE_B),
        Part::SlabUnreclaimable => of_nodes(bindings::node_stat_item_NR_SLAB_UNRECLAIMABLE_B),
        Part::Stacks => Some(stacks()),
        Part::Vmalloc => {
            of_nodes(bindings::node_stat_item_NR_VMALLOC).map(|all| all - mapped_stacks())
        }
        Part::PageTables => of_nodes(bindings::node_stat_item_NR_PAGETABLE),
        Part::SecPageTables => of_nodes(bindings::node_stat_item_NR_SECONDARY_PAGETABLE),
        Part::MiscReclaimable => of_nodes(bindings::node_stat_item_NR_KERNEL_MISC_RECLAIMABLE),
        #[cfg(any(CONFIG_ZSMALLOC, CONFIG_ZSMALLOC_MODULE))]
        Part::Zsmalloc => of_zones(bindings::zone_stat_item_NR_ZSPAGES),
        #[cfg(CONFIG_HUGETLB_PAGE)]
        Part::Hugetlb => of_nodes(bindings::node_stat_item_NR_HUGETLB),
        Part::GpuActive => of_nodes(bindings::node_stat_item_NR_GPU_ACTIVE),
        Part::GpuReclaim => of_nodes(bindings::node_stat_item_NR_GPU_RECLAIM),
        _ => None,
    }
}

/// An amount that lies within parts.
fn within(within: Within) -> Option<Amount> {
    match within {
        Within::Shmem => of_nodes(bindings::node_stat_item_NR_SHMEM),
        Within::AnonMapped => of_nodes(bindings::node_stat_item_NR_ANON_MAPPED),
        Within::FileMapped => of_nodes(bindings::node_stat_item_NR_FILE_MAPPED),
        Within::FilePages => of_nodes(bindings::node_stat_item_NR_FILE_PAGES),
        Within::Dirty => of_nodes(bindings::node_stat_item_NR_FILE_DIRTY),
        Within::Writeback => of_nodes(bindings::node_stat_item_NR_WRITEBACK),
        Within::VmallocAll => of_nodes(bindings::node_stat_item_NR_VMALLOC),
        #[cfg(CONFIG_CMA)]
        Within::FreeCma => of_zones(bindings::zone_stat_item_NR_FREE_CMA_PAGES),
        Within::Balloon => of_nodes(bindings::node_stat_item_NR_BALLOON_PAGES),
        _ => None,
    }
}

/// What the available amount is made of.
fn inputs() -> Inputs {
    let nodes = |item| of_nodes(item).unwrap_or_default();
    Inputs {
        free: of_zones(bindings::zone_stat_item_NR_FREE_PAGES).unwrap_or_default(),
        reserved: Node::online().map(|node| reserved(&node)).sum(),
        page_cache: nodes(bindings::node_stat_item_NR_ACTIVE_FILE)
            + nodes(bindings::node_stat_item_NR_INACTIVE_FILE),
        reclaimable: nodes(bindings::node_stat_item_NR_SLAB_RECLAIMABLE_B)
            + nodes(bindings::node_stat_item_NR_KERNEL_MISC_RECLAIMABLE),
        // Linux adds those of zones without pages too, which may have marks.
        low_marks: Node::online()
            .flat_map(|node| node.zones())
            .map(|zone| known(zone.mark(Watermark::Low)))
            .sum(),
    }
}

/// What a node's zones withhold; `totalreserve_pages`, which is not exported, is the sum.
fn reserved(node: &Node) -> Amount {
    // SAFETY: Nodes are never freed; Linux stores to the field, whole.
    let pages = unsafe { read_once(&raw const (*node.as_ptr()).totalreserve_pages) };
    known(NrPages::new(pages))
}

/// All pages, and those that buffer block devices.
fn total_and_buffers() -> (Amount, Amount) {
    let mut info = bindings::sysinfo::default();
    // SAFETY: `info` is a local of the type that is written.
    unsafe { bindings::si_meminfo(&mut info) };
    (
        known(NrPages::new(info.totalram)),
        known(NrPages::new(info.bufferram)),
    )
}

/// Pages on the lists of all online CPUs.
fn pcp() -> Amount {
    Node::online()
        .flat_map(|node| node.populated_zones())
        .flat_map(|zone| percpu::online_cpus().map(move |cpu| pcp_of(&zone, cpu)))
        .sum()
}

/// Pages on a CPU's lists of a zone.
fn pcp_of(zone: &Zone, cpu: u32) -> Amount {
    // SAFETY: Zones are never freed; hotplug stores to the field, whole.
    let lists = unsafe { read_once(&raw const (*zone.as_ptr()).per_cpu_pageset) };
    // SAFETY: `lists` is per-CPU memory of Linux's, and an online CPU has a copy.
    let lists = unsafe { ffi::oxmm_per_cpu_ptr(lists.cast(), cpu) };
    let lists = lists.cast_const().cast::<bindings::per_cpu_pages>();
    // SAFETY: The copy lives as long as its zone; its CPU stores to the field, whole.
    Amount::known(unsafe { read_once(&raw const (*lists).count) }.into())
}

/// Kernel stacks of all kinds.
fn stacks() -> Amount {
    let stacks = kib(bindings::node_stat_item_NR_KERNEL_STACK_KB);
    #[cfg(CONFIG_SHADOW_CALL_STACK)]
    let stacks = stacks + kib(bindings::node_stat_item_NR_KERNEL_SCS_KB);
    stacks
}

/// Those of them that `vmalloc()` made, and counts too.
#[cfg(CONFIG_VMAP_STACK)]
fn mapped_stacks() -> Amount {
    stacks()
}

/// Those of them that `vmalloc()` made, and counts too: shadow call stacks always are.
#[cfg(not(CONFIG_VMAP_STACK))]
fn mapped_stacks() -> Amount {
    stacks() - kib(bindings::node_stat_item_NR_KERNEL_STACK_KB)
}

/// The pages of a counter in KiB.
fn kib(item: u32) -> Amount {
    let kib = of_nodes(item).unwrap_or_default();
    // Stacks are whole pages, and so is their sum.
    Amount {
        fast: kib.fast >> (PAGE_SHIFT - 10),
        exact: kib.exact >> (PAGE_SHIFT - 10),
    }
}

fn of_zones(item: u32) -> Option<Amount> {
    ZoneItem::new(item).map(|item| amount(of_all_zones(item)))
}

fn of_nodes(item: u32) -> Option<Amount> {
    NodeItem::new(item).map(|item| amount(of_all_nodes(item)))
}

/// A reading as Linux's readers see it: what is below zero for a moment counts as nothing.
fn amount(reading: Reading) -> Amount {
    Amount {
        fast: reading.fast.max(0),
        exact: (reading.fast + reading.kept.sum).max(0),
    }
}

fn known(pages: NrPages) -> Amount {
    // No machine has so many pages that `i64` ends.
    Amount::known(i64::try_from(u64_from(pages.get())).unwrap_or(i64::MAX))
}

#[kernel::prelude::kunit_tests(oxmm_memory)]
mod tests {
    use super::*;

    /// The parts leave less unaccounted than there is, and hardly overlap.
    #[test]
    fn parts_fit_into_memory() {
        let memory = snapshot();
        let rest = memory.unaccounted().exact;
        assert!(rest < memory.total.exact && rest > -memory.total.exact / 100);
    }

    /// What is available agrees with Linux's own sum, unless something moved in every try.
    #[test]
    fn available_is_that_of_linux() {
        let agree = (0..100).any(|_| {
            // SAFETY: Takes nothing and returns a number.
            let theirs = unsafe { bindings::si_mem_available() };
            i64::try_from(theirs) == Ok(inputs().available().fast)
        });
        assert!(agree);
    }
}
