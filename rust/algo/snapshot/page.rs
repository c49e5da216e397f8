// SPDX-License-Identifier: GPL-2.0

//! All that a manager knows of one page, and where an address leads.
//!
//!   address -> pfn -> section -> node, zone -> pageblock -> block -> page -> who has it
//!
//! # Locking     none: copies.
//! # Cost        a third of a KiB; the path of a group is the caller's storage.
//! # Limits      the names of page flags are the manager's.
//! # Reference   `include/linux/mm_types.h`: `struct page`; `include/linux/page-flags.h`;
//!               Documentation/admin-guide/mm/pagemap.rst.

use super::{
    Pageblock,
    PcpList, //
};
use crate::algo::buddy::account::Owner;
use crate::algo::units::{
    named,
    NodeId,
    Order,
    Pfn,
    ZoneKind, //
};

named! {
    /// Which part of the kernel's address space an address lies in.
    pub enum AddressKind {
        DirectMap = "direct_map",
        /// The kernel's own text and data, which the direct map has a second time.
        Image = "image",
        Vmalloc = "vmalloc",
        /// Text and data of modules.
        Module = "module",
        /// A `struct page`; it leads to the page that it describes.
        Vmemmap = "vmemmap",
        /// None of these, or not there at all.
        None = "none",
    }
}

named! {
    /// What a page is, where that stands in place of its map count.
    pub enum PageType {
        Buddy = "buddy",
        Offline = "offline",
        Table = "table",
        Guard = "guard",
        Hugetlb = "hugetlb",
        Slab = "slab",
        Zsmalloc = "zsmalloc",
        Unaccepted = "unaccepted",
        LargeKmalloc = "large_kmalloc",
        /// One that this list does not have.
        Other = "other",
    }
}

named! {
    /// What a page holds for user space.
    pub enum Mapping {
        File = "file",
        Anon = "anon",
        Ksm = "ksm",
    }
}

named! {
    /// Which lists of reclaim a page is on.
    pub enum Lru {
        Anon = "anon",
        File = "file",
        Unevictable = "unevictable",
    }
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Where the address lies.
    pub kind: AddressKind,
    /// The page; `None` if nothing is mapped there.
    pub pfn: Option<Pfn>,
}

/// The section of memory that a pfn is in: what comes and goes, and is described, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its number.
    pub nr: usize,
    /// The memory block of /sys/devices/system/memory that it belongs to.
    pub block: Option<usize>,
    /// Whether there is memory in it.
    pub present: bool,
    /// Whether that memory is in use.
    pub online: bool,
    /// Whether it was there at boot.
    pub early: bool,
}

/// Who has a page.
#[derive(Clone, Copy, Debug)]
pub enum PagePlace {
    /// The buddy, in a free block.
    Free {
        /// The first page of the block.
        head: Pfn,
        /// Its order.
        order: Order,
    },
    /// A CPU, in one of its page lists.
    Pcp {
        /// Which CPU.
        cpu: u32,
        /// The first page of the block.
        head: Pfn,
        /// Which list.
        list: PcpList,
    },
    /// Somebody who counts no references.
    Frozen,
    /// Somebody who holds a reference.
    Allocated,
    /// A page without a reference that moved, or lists that were too long to search.
    Unknown,
}

/// The group that a page is charged to.
#[derive(Clone, Copy, Debug)]
pub struct PageGroup {
    /// The inode of the group, or of the nearest one above it that is still there.
    pub ino: u64,
    /// Whether the group is still there.
    pub online: bool,
    /// How many bytes of the caller's storage its path takes; 0 if that was too short.
    pub path: usize,
}

/// A page that is online.
#[derive(Clone, Copy, Debug)]
pub struct OnlinePage {
    /// The node it is on.
    pub node: Option<NodeId>,
    /// The zone it is in.
    pub zone: Option<ZoneKind>,
    /// The pageblock it is in; `free` is not counted.
    pub pageblock: Option<Pageblock>,
    /// Who has it.
    pub place: PagePlace,
    /// Its own flags, with whatever else the word holds.
    pub flags: usize,
    /// Those of the first page of the compound it is in; its own if it is in none.
    pub folio_flags: usize,
    /// What it is.
    pub page_type: Option<PageType>,
    /// References to it, or to the compound it is in.
    pub refcount: i64,
    /// How often user space maps it.
    pub mapcount: i64,
    /// Whether it is part of a compound.
    pub is_compound: bool,
    /// The first page of the compound; itself if it is in none.
    pub head: Pfn,
    /// The order of the compound; 0 if it is in none.
    pub order: u32,
    /// Whether the kernel keeps it from the buddy for good.
    pub reserved: bool,
    /// What it holds for user space.
    pub mapping: Option<Mapping>,
    /// The lists of reclaim that it is on.
    pub lru: Option<Lru>,
    /// Whether it would be written to swap.
    pub swap_backed: bool,
    /// The group it is charged to.
    pub group: Option<PageGroup>,
    /// Whose it is, where the manager keeps accounts.
    pub owner: Option<Owner>,
    /// Whose it was, as far as that is known of a page that nobody has.
    pub last_owner: Option<Owner>,
}

/// All that is known of a page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its number.
    pub pfn: Pfn,
    /// Its section; `None` where there are no sections.
    pub section: Option<Section>,
    /// Whether anything describes it at all.
    pub present: bool,
    /// The rest, which only a page that is online has.
    pub online: Option<OnlinePage>,
}
