// SPDX-License-Identifier: GPL-2.0

//! An area of `vmalloc()` beside memory of `kmalloc()`: the same size, from different frames.
//!
//!   address   +0    +4K   +8K   +12K  +16K        +0    +4K   +8K   +12K  +16K  +20K  ..
//!   frame     812   813   814   815   97          816   817   818   819   820   821   822  823
//!             vmalloc: 5 pages, of two runs       kmalloc: 5 pages asked, one run of 8 taken
//!
//!   insmod sample_vmalloc.ko pages=23
//!   dmesg | grep sample_vmalloc
//!   grep 0x...- /proc/vmallocinfo      the area, by the address that the first line gives
//!   rmmod sample_vmalloc
//!
//! What to try, and what to see:
//!
//!   pages=23   four runs of 16, 4, 2 and 1: `vmalloc()` asks the buddy for the largest block that
//!              fits what is left, and splits it. Older kernels took single pages from anywhere
//!   pages=16   one run: on a machine with large blocks left an area may be contiguous by chance.
//!              Nothing promises it, and after weeks of use the runs are short
//!   node=1     all frames are from node 1, as long as it has some
//!   pages=2000 is too much for `kmalloc()`, whose largest is one block of the largest order;
//!              `vmalloc()` does not mind. This is what `kvmalloc()` is for: it tries one, then the
//!              other
//!
//! What it costs is not to be seen here: each page of an area has its own entry in the kernel's page
//! tables and in the TLB, while memory of `kmalloc()` lies in the mapping of all memory, which has
//! entries of 2 MiB or more. And a device that reads memory by itself wants frames in one run.
//!
//! # Locking     none of its own; both calls may sleep.
//! # Limits      16 MiB at most, for this holds it until `rmmod`.
//! # Reference   `mm/vmalloc.c`: `vm_area_alloc_pages()`; `mm/slub.c`: `___kmalloc_large_node()`.

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use oxmm::{
    algo::{
        snapshot::AreaPage,
        units::{
            Bytes,
            NodeId,
            NrPages,
            ZoneKind, //
        },
    },
    linux::{
        self,
        gfp::Gfp,
        kmalloc::Kmalloc,
        node::Node,
        vmalloc::Area,
        Hashed, //
    },
};

module! {
    type: Vmalloc,
    name: "sample_vmalloc",
    authors: ["The oxmm developers"],
    description: "Shows the frames of a vmalloc() area, and of kmalloc() memory of its size",
    license: "GPL",
    params: {
        pages: usize {
            default: 23,
            description: "How many pages to ask for, 1 to 4096",
        },
        node: i32 {
            default: -1,
            description: "The node to ask first; -1 leaves it to the task's memory policy",
        },
    },
}

/// What may be asked for, in pages.
const MAX_PAGES: usize = 4096;

/// How many runs of an area are printed; a log is no place for thousands.
const MAX_RUNS: usize = 16;

/// The module: owns both until `rmmod`, so that /proc/vmallocinfo can be read meanwhile.
struct Vmalloc {
    _area: Area,
    /// `None` where `kmalloc()` could not.
    _memory: Option<Kmalloc>,
}

impl kernel::Module for Vmalloc {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let pages: usize = linux::parameter(module_parameters::pages.value());
        let node: i32 = linux::parameter(module_parameters::node.value());
        if pages == 0 || pages > MAX_PAGES {
            return Err(EINVAL);
        }
        let size = Bytes::new(pages * PAGE_SIZE);
        let node = match NodeId::from_int(node) {
            Some(id) => Some(Node::get(id).ok_or(ENODEV)?),
            None => None,
        };
        Ok(Self {
            _area: vmalloc(size, node)?,
            _memory: kmalloc(size, node),
        })
    }
}

/// Allocates an area and shows it.
fn vmalloc(size: Bytes, node: Option<Node>) -> Result<Area> {
    // The wrapper says why it refuses; a module can only fail with a number.
    let area = Area::alloc(size, None, Gfp::KERNEL | Gfp::NOWARN, node).map_err(|_| ENOMEM)?;
    let nr_runs = runs(&area).count();
    // Addresses are no matter of the log: this prints a number that stands for the address, as `%p`
    // does, and /proc/vmallocinfo prints the same one.
    let address = Hashed(area.address());
    pr_info!(
        "vmalloc: {} pages asked, {} taken at 0x{}, frames in {nr_runs} runs\n",
        size.get() / PAGE_SIZE,
        area.taken().get(),
        format_args!("{address}")
    );
    for run in runs(&area).take(MAX_RUNS) {
        show_run(&run);
    }
    if nr_runs > MAX_RUNS {
        pr_info!("vmalloc: and {} runs more\n", nr_runs - MAX_RUNS);
    }
    Ok(area)
}

/// Allocates the same from `kmalloc()` and shows it.
fn kmalloc(size: Bytes, node: Option<Node>) -> Option<Kmalloc> {
    let memory = match Kmalloc::alloc(size, Gfp::KERNEL, node) {
        Ok(memory) => memory,
        Err(_) => {
            pr_info!("kmalloc: has no {} bytes in one run\n", size.get());
            return None;
        }
    };
    // Its frames are those of one block of the buddy, so that the first one tells them all. The
    // block is a power of two, and what is above the size is lost.
    let taken = memory.taken().get() / PAGE_SIZE;
    let first = memory.pfn();
    pr_info!(
        "kmalloc: {} pages asked, {taken} taken, frames in 1 run\n",
        size.get() / PAGE_SIZE
    );
    pr_info!(
        "kmalloc: page 0: pfn {} to {}, node {} {}\n",
        first.get(),
        first.get() + taken - 1,
        memory.node().map_or(0, NodeId::get),
        memory.zone().map_or("?", ZoneKind::name)
    );
    Some(memory)
}

/// Pages of an area whose frames follow each other.
struct Run {
    first: AreaPage,
    pages: NrPages,
}

/// The runs of an area, from its start to its end.
///
/// For each page this asks the kernel's page tables for the frame (`vmalloc_to_page()`): there is no
/// sum that leads from such an address to its frame, as there is for memory of `kmalloc()`.
fn runs(area: &Area) -> impl Iterator<Item = Run> + '_ {
    let mut pages = area.pages().peekable();
    core::iter::from_fn(move || {
        let first = pages.next()?;
        let mut length = 1;
        while pages
            .next_if(|page| page.pfn == first.pfn + NrPages::new(length))
            .is_some()
        {
            length += 1;
        }
        Some(Run {
            first,
            pages: NrPages::new(length),
        })
    })
}

fn show_run(run: &Run) {
    let first = run.first.pfn;
    pr_info!(
        "vmalloc: page {}: pfn {} to {}, node {} {}\n",
        run.first.offset.get(),
        first.get(),
        first.get() + run.pages.get() - 1,
        run.first.node.map_or(0, NodeId::get),
        run.first.zone.map_or("?", ZoneKind::name)
    );
}
