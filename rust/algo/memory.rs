// SPDX-License-Identifier: GPL-2.0

//! Where all of memory is: parts that do not overlap, what no part holds, what is available.
//!
//!   total = free + pcp + active_anon + ... + page_tables + ... + unaccounted
//!   available = free - reserved + page_cache - kept + reclaimable - kept,   at least 0
//!
//! Every amount comes twice: as the counters say that most readers look at, and with what CPUs have
//! not folded into them yet.
//!
//! # Locking     none: values. The parts are read one after the other; `unaccounted` takes up what
//!               moves meanwhile, and may be below zero for that.
//! # Cost        O(parts).
//! # Limits      a page in two counters is in one part: stacks that `vmalloc()` made are `stacks`.
//! # Reference   `mm/show_mem.c`: `si_mem_available()`; `fs/proc/meminfo.c`.

use core::{
    iter::Sum,
    ops::{
        Add,
        Neg,
        Sub, //
    },
};

use super::units::named;

named! {
    /// A part of memory; no page is in two.
    pub enum Part {
        /// Free in the buddy, of every migratetype.
        Free = "free",
        /// On the page lists of CPUs: not free for the buddy, and not in use.
        Pcp = "pcp",
        ActiveAnon = "active_anon",
        InactiveAnon = "inactive_anon",
        ActiveFile = "active_file",
        InactiveFile = "inactive_file",
        Unevictable = "unevictable",
        /// Taken from the lists to be reclaimed or moved.
        IsolatedAnon = "isolated_anon",
        /// Taken from the lists to be reclaimed or moved.
        IsolatedFile = "isolated_file",
        SlabReclaimable = "slab_reclaimable",
        SlabUnreclaimable = "slab_unreclaimable",
        /// Kernel stacks, shadow call stacks included.
        Stacks = "stacks",
        /// `vmalloc()` without the stacks that it made.
        Vmalloc = "vmalloc",
        PageTables = "page_tables",
        /// Those of virtual machines and IOMMUs.
        SecPageTables = "sec_page_tables",
        /// What the kernel can give back that is no slab.
        MiscReclaimable = "misc_reclaimable",
        /// Compressed pages.
        Zsmalloc = "zsmalloc",
        /// Huge pages in use; those that wait in their pool are in no counter that is exported.
        Hugetlb = "hugetlb",
        GpuActive = "gpu_active",
        GpuReclaim = "gpu_reclaim",
        /// Pages that oxmm holds, in no counter of Linux's.
        OxmmPages = "oxmm_pages",
    }
}

named! {
    /// An amount that lies within parts, or beside them, and does not add to the sum.
    pub enum Within {
        /// In the anonymous lists, and unevictable.
        Shmem = "shmem",
        /// In the file lists.
        Buffers = "buffers",
        /// In the anonymous lists: mapped by processes.
        AnonMapped = "anon_mapped",
        /// In the file lists, and shmem: mapped by processes.
        FileMapped = "file_mapped",
        /// In all lists: what belongs to a file, shmem and the swap cache too.
        FilePages = "file_pages",
        /// In all lists: waits to be written.
        Dirty = "dirty",
        /// In all lists: is being written.
        Writeback = "writeback",
        /// `vmalloc()` with the stacks.
        VmallocAll = "vmalloc_all",
        /// In free: in areas for large contiguous requests.
        FreeCma = "free_cma",
        /// Taken by the host, most drivers take it off the total too.
        Balloon = "balloon",
        /// In vmalloc: areas that oxmm holds.
        OxmmVmalloc = "oxmm_vmalloc",
        /// In the slabs: objects that oxmm holds.
        OxmmObjects = "oxmm_objects",
        /// In unaccounted: per-CPU memory that oxmm holds.
        OxmmPercpu = "oxmm_percpu",
    }
}

/// A number of pages, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// As the counters say.
    pub fast: i64,
    /// With what CPUs keep.
    pub exact: i64,
}

impl Amount {
    /// An amount that is known exactly.
    pub const fn known(pages: i64) -> Self {
        Self {
            fast: pages,
            exact: pages,
        }
    }

    /// Combines two amounts, each side by itself.
    fn with(self, other: Self, combine: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            fast: combine(self.fast, other.fast),
            exact: combine(self.exact, other.exact),
        }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        self.with(more, i64::saturating_add)
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        self.with(less, i64::saturating_sub)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self::default() - self
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// Where all of memory is.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All pages that the buddy manages or gave out.
    pub total: Amount,
    /// The parts, by `Part::index`; `None` for what this kernel does not have.
    pub parts: [Option<Amount>; Part::COUNT],
    /// Amounts that are in the sum already, by `Within::index`.
    pub within: [Option<Amount>; Within::COUNT],
    /// What there is to make the available amount of.
    pub inputs: Inputs,
}

impl Memory {
    /// What no part holds: total without the parts.
    pub fn unaccounted(&self) -> Amount {
        self.total - self.parts.iter().flatten().copied().sum()
    }
}

/// What the available amount is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs {
    /// Free in the buddy.
    pub free: Amount,
    /// What requests of user space cannot take: high marks and the largest lowmem reserves.
    pub reserved: Amount,
    /// The file lists, active and inactive.
    pub page_cache: Amount,
    /// Slab and other kernel memory that can be given back.
    pub reclaimable: Amount,
    /// The low watermarks of all zones together.
    pub low_marks: Amount,
}

impl Inputs {
    /// What stays of the page cache: half, and never more than the low marks.
    pub fn page_cache_kept(&self) -> Amount {
        self.page_cache.with(self.low_marks, kept)
    }

    /// What stays of the reclaimable memory: half, and never more than the low marks.
    pub fn reclaimable_kept(&self) -> Amount {
        self.reclaimable.with(self.low_marks, kept)
    }

    /// What could be given to user space without swapping, as Linux estimates it.
    pub fn available(&self) -> Amount {
        let sum = self.free - self.reserved + self.page_cache - self.page_cache_kept()
            + self.reclaimable
            - self.reclaimable_kept();
        sum.with(Amount::default(), i64::max)
    }
}

fn kept(amount: i64, low_marks: i64) -> i64 {
    (amount / 2).min(low_marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(numbers: [i64; 5]) -> Inputs {
        let [free, reserved, page_cache, reclaimable, low_marks] = numbers.map(Amount::known);
        Inputs {
            free,
            reserved,
            page_cache,
            reclaimable,
            low_marks,
        }
    }

    #[test]
    fn parts_and_rest_are_the_whole() {
        let mut memory = Memory {
            total: Amount::known(1000),
            parts: [None; Part::COUNT],
            within: [Some(Amount::known(77)); Within::COUNT],
            inputs: Inputs::default(),
        };
        assert_eq!(memory.unaccounted(), Amount::known(1000));
        memory.parts[Part::Free.index()] = Some(Amount {
            fast: 600,
            exact: 610,
        });
        memory.parts[Part::Pcp.index()] = Some(Amount::known(30));
        let rest = Amount {
            fast: 370,
            exact: 360,
        };
        assert_eq!(memory.unaccounted(), rest);
        let parts: Amount = memory.parts.iter().flatten().copied().sum();
        assert_eq!(parts + memory.unaccounted(), memory.total);
    }

    #[test]
    fn parts_that_moved_leave_a_rest_below_zero() {
        let mut parts = [None; Part::COUNT];
        parts[Part::Free.index()] = Some(Amount::known(11));
        let memory = Memory {
            total: Amount::known(10),
            parts,
            within: [None; Within::COUNT],
            inputs: Inputs::default(),
        };
        assert_eq!(memory.unaccounted(), -Amount::known(1));
    }

    /// The smaller of half and the low marks stays: below, at and above the point where they meet.
    #[test]
    fn half_or_the_low_marks_stay() {
        for (amount, low, stays) in [
            (0, 100, 0),
            (1, 100, 0),
            (199, 100, 99),
            (200, 100, 100),
            (201, 100, 100),
            (5000, 100, 100),
            (5000, 0, 0),
        ] {
            let cache = inputs([0, 0, amount, 0, low]);
            assert_eq!(cache.page_cache_kept(), Amount::known(stays));
            assert_eq!(cache.available(), Amount::known(amount - stays));
            let slab = inputs([0, 0, 0, amount, low]);
            assert_eq!(slab.reclaimable_kept(), Amount::known(stays));
            assert_eq!(slab.available(), Amount::known(amount - stays));
        }
    }

    #[test]
    fn available_is_never_below_zero() {
        assert_eq!(inputs([10, 50, 20, 0, 100]).available(), Amount::known(0));
        assert_eq!(
            inputs([1000, 50, 400, 30, 100]).available(),
            Amount::known(1000 - 50 + 300 + 15)
        );
    }
}
