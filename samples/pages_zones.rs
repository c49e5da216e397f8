// SPDX-License-Identifier: GPL-2.0

//! Pages and zones: where a machine's free pages are, and what one allocation does to them.
//!
//!   node 1 -> zone Normal -> free blocks of   1   2   4 ... 256 512 1024 pages
//!                                  order      0   1   2       8   9   10
//!   Pages::alloc(order 8) takes a block of order 8, or the half of one of order 9
//!
//!   insmod sample_pages_zones.ko order=8 node=1
//!   dmesg | grep sample_pages_zones
//!   rmmod sample_pages_zones
//!
//! What to try, and what to see:
//!
//!   order=8    the zone has 256 free pages less at once, though nobody has written to one of them:
//!              physical pages are not handed out on the first touch, that is what user memory does
//!   twice      again after `rmmod`: mostly the same pages, since what was freed last is warm
//!   order=0    one page, and the counts move by a whole batch or not at all: blocks up to order 3
//!              come from lists that each CPU keeps for itself, and that are filled by the batch
//!   node=1     a wish: where node 1 has no such block, the next node of its zonelist gives one
//!   thisnode=1 makes it a condition (`__GFP_THISNODE`); a node without memory then refuses
//!   order=11   more than `MAX_PAGE_ORDER`: EINVAL, where `alloc_pages()` would WARN
//!
//! # Locking     free lists are counted under the zone lock, into a copy; lines are printed after.
//! # Limits      pages that others allocate meanwhile show up in the same differences.
//! # Reference   `mm/page_alloc.c`: `get_page_from_freelist()`, `__free_one_page()`; the kernel's own
//!               words for it are /proc/zoneinfo and /proc/buddyinfo.

use kernel::{
    fmt,
    prelude::*, //
};
use oxmm::{
    algo::{
        snapshot,
        units::{
            NodeId,
            NrPages,
            Order,
            ZoneKind, //
        },
    },
    linux::{
        self,
        gfp::Gfp,
        node::Node,
        pages::{
            Pages,
            MAX_ORDER, //
        },
        zone::Zone, //
    },
};

module! {
    type: PagesZones,
    name: "sample_pages_zones",
    authors: ["The oxmm developers"],
    description: "Shows nodes and zones, allocates pages, and shows where they came from",
    license: "GPL",
    params: {
        order: u32 {
            default: 8,
            description: "Allocate 2^order pages",
        },
        node: i32 {
            default: -1,
            description: "The node to ask first; -1 leaves it to the task's memory policy",
        },
        thisnode: u8 {
            default: 0,
            description: "1: no other node will do",
        },
    },
}

/// The module: whoever owns a [`Pages`] owns the pages, and dropping it frees them.
///
/// In C the free is written by hand in the exit function, once for each way that leads there. Here
/// the field does it, on `rmmod` and when `init` fails half-way.
struct PagesZones {
    /// An `Option` only so that `drop` below can free the pages before its last look.
    pages: Option<Pages>,
}

impl kernel::Module for PagesZones {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Wrappers read `struct zone` as bindgen saw it; this compares that with what C sees.
        linux::check_layout()?;
        let request = Request::of_parameters()?;
        show_nodes();

        let before = pictures()?;
        let pages = request.alloc()?;
        let after = pictures()?;

        show_free(&before);
        show_pages(&pages);
        show_moves("allocating", &before, &after);
        Ok(Self { pages: Some(pages) })
    }
}

impl Drop for PagesZones {
    fn drop(&mut self) {
        // Without memory for the pictures there is nothing to show; the field is dropped after this
        // function all the same, and the pages with it.
        let Ok(before) = pictures() else { return };
        drop(self.pages.take());
        let Ok(after) = pictures() else { return };
        show_moves("freeing", &before, &after);
    }
}

/// What the parameters ask for.
struct Request {
    order: Order,
    node: Option<Node>,
    gfp: Gfp,
}

impl Request {
    /// Turns numbers from outside into types: a `Node` is one that has been online, and an `Order`
    /// that this kernel's buddy does not have is refused here, before anything is printed. The
    /// wrapper would refuse it as well.
    ///
    /// # Errors
    ///
    /// EINVAL for an order, ENODEV for a node.
    fn of_parameters() -> Result<Self> {
        let order: u32 = linux::parameter(module_parameters::order.value());
        let node: i32 = linux::parameter(module_parameters::node.value());
        let thisnode: u8 = linux::parameter(module_parameters::thisnode.value());
        let order = Order::new(order).filter(|&order| order <= MAX_ORDER);
        let node = match NodeId::from_int(node) {
            Some(id) => Some(Node::get(id).ok_or(ENODEV)?),
            None => None,
        };
        // `GFP_KERNEL` is what most of the kernel asks with: it may wait and reclaim, and takes any
        // zone that the kernel has mapped. `__GFP_NOWARN` is for who answers a failure himself, as
        // `insmod` does here with ENOMEM; without it the kernel log gets a page of text.
        let gfp = Gfp::KERNEL | Gfp::NOWARN;
        Ok(Self {
            order: order.ok_or(EINVAL)?,
            node,
            gfp: if thisnode == 0 {
                gfp
            } else {
                gfp | Gfp::THISNODE
            },
        })
    }

    /// # Errors
    ///
    /// ENOMEM.
    fn alloc(&self) -> Result<Pages> {
        Pages::alloc(self.order, self.gfp, self.node)
    }
}

/// Prints the machine: its nodes, and the zones that have pages.
fn show_nodes() {
    for node in Node::online() {
        let figures = node.snapshot();
        // A node without memory is served by another one: the first of its zonelist.
        let server = figures.served_by.unwrap_or(node.id());
        pr_info!(
            "node {}: {} pages present, {} managed, served by node {}\n",
            node.id().get(),
            figures.present.get(),
            figures.managed.get(),
            server.get()
        );
        for zone in node.populated_zones().filter_map(|zone| zone.snapshot()) {
            show_zone(&zone);
        }
    }
}

/// Prints a zone.
///
/// `present` pages exist. `managed` ones are the buddy's: the rest was taken before there was one,
/// by the kernel's image and by the array of `struct page` itself.
fn show_zone(zone: &snapshot::Zone) {
    let [min, low, high, _] = zone.marks;
    pr_info!(
        "node {} {}: present {} managed {} marks {} {} {}\n",
        zone.node.get(),
        zone.kind.name(),
        zone.present.get(),
        zone.managed.get(),
        min.get(),
        low.get(),
        high.get()
    );
}

/// Prints where the pages came from, which is not always where they were asked.
fn show_pages(pages: &Pages) {
    let first = pages.pfn();
    pr_info!(
        "{} pages of order {}: pfn {} to {}, node {} {}\n",
        pages.nr_pages().get(),
        pages.order().get(),
        first.get(),
        first.get() + pages.nr_pages().get() - 1,
        pages.node().map_or(0, NodeId::get),
        pages.zone().map_or("?", ZoneKind::name)
    );
}

/// What is free in one zone at one moment.
struct Picture {
    node: NodeId,
    kind: ZoneKind,
    free: NrPages,
    blocks: [usize; Order::COUNT],
}

impl Picture {
    /// Takes the zone lock, copies, and lets it go: nothing may sleep, allocate or print while a
    /// spinlock is held with interrupts off, and this is the lock that all of the zone's allocations
    /// wait for.
    fn take(zone: &Zone) -> Option<Self> {
        Some(Self {
            node: zone.node_id()?,
            kind: zone.kind()?,
            // An array of the largest order that any kernel has; the rest of it stays zero.
            blocks: zone.free_area().blocks,
            free: zone.free_exact(),
        })
    }
}

/// A picture of each zone that has pages.
///
/// # Errors
///
/// ENOMEM, for the pictures.
fn pictures() -> Result<KVec<Picture>> {
    let mut pictures = KVec::new();
    for zone in Node::online().flat_map(|node| node.populated_zones()) {
        if let Some(picture) = Picture::take(&zone) {
            pictures.push(picture, GFP_KERNEL)?;
        }
    }
    Ok(pictures)
}

/// Prints how many blocks of each order the zones have free, from single pages to the largest.
fn show_free(pictures: &[Picture]) {
    for picture in pictures {
        pr_info!(
            "node {} {}: free {} blocks{}\n",
            picture.node.get(),
            picture.kind.name(),
            picture.free.get(),
            Row(picture.blocks.get(..=MAX_ORDER.index()).unwrap_or_default())
        );
    }
}

/// Prints the zones that changed from one picture to the next: each block that went, and the smaller
/// ones that it was split into, or the other way round.
fn show_moves(doing: &str, before: &[Picture], after: &[Picture]) {
    for (before, after) in before.iter().zip(after) {
        if before.blocks == after.blocks {
            continue;
        }
        pr_info!(
            "{doing}: node {} {} free {}, blocks{}\n",
            after.node.get(),
            after.kind.name(),
            Change(before.free.get(), after.free.get()),
            Changes(&before.blocks, &after.blocks)
        );
    }
}

/// Numbers in a row.
///
/// What `pr_info!` prints implements `kernel::fmt::Display`, which is not `core`'s.
struct Row<'a>(&'a [usize]);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, " {number}"))
    }
}

/// A number before and after, printed as the difference.
struct Change(usize, usize);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(before, after) = *self;
        let sign = if after < before { '-' } else { '+' };
        write!(f, "{sign}{}", after.abs_diff(before))
    }
}

/// The orders whose number of blocks changed: ` o8 +1 o9 -1`.
struct Changes<'a>(&'a [usize], &'a [usize]);

impl fmt::Display for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (order, (&before, &after)) in self.0.iter().zip(self.1).enumerate() {
            if before != after {
                write!(f, " o{order} ")?;
                Change(before, after).fmt(f)?;
            }
        }
        Ok(())
    }
}
