// SPDX-License-Identifier: GPL-2.0

//! Virtually contiguous areas of scattered pages: any size, any node, freed when dropped.
//!
//!   Area::alloc(12K)   addr + 0   addr + 4K  addr + 8K   (guard page, not mapped)
//!                         |          |          |
//!                      pfn 812    pfn 97     pfn 813     wherever the page allocator found them
//!
//! [`Area`] says where its pages are; [`Buffer`] is one whose bytes can be used.
//!
//! # Examples
//!
//! ```
//! let mut table = Buffer::new(Bytes::from_mib(1), Gfp::KERNEL, Some(node))?;
//! table[4096] = 7;
//! let pages_elsewhere = table.area().pages().filter(|page| page.node != Some(node.id()));
//! ```
//!
//! # Locking     none of its own; an allocation may sleep with `__GFP_DIRECT_RECLAIM`, and freeing
//!               always may.
//! # Cost        O(pages) to allocate, free and walk; a step of [`Area::pages`] walks the kernel's
//!               page tables. Linux keeps an array of pointers, 8 bytes a page, beside the pages.
//! # Limits      pages are mapped one by one, never by huge mappings: `vrealloc_node_align()` does
//!               not set `VM_ALLOW_HUGE_VMAP`. With KASAN the shadow costs another eighth that is
//!               not in [`Area::taken`]. Process context.
//! # Reference   `mm/vmalloc.c`: `__vmalloc_node_range_noprof()`, `vmalloc_to_page()`, `vfree()`.

use core::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
    slice,
};

use kernel::{
    bindings,
    ffi::c_void,
    page::PAGE_SIZE, //
};

use super::{
    ffi,
    gfp::{
        self,
        Gfp, //
    },
    node::{
        managed_pages,
        Node, //
    },
    zone,
    PAGE_SHIFT, //
};
use crate::algo::{
    gfp::Flag,
    snapshot::AreaPage,
    units::{
        Address,
        Bytes,
        NodeId,
        NrPages,
        Pfn, //
    },
};

/// The largest alignment: one page table maps so much.
///
/// Linux takes more, but never frees a page table of the area's address range, and each alignment
/// above this one would spread areas over more and more of them.
pub const MAX_ALIGN: usize = PAGE_SIZE * (PAGE_SIZE / size_of::<usize>());

/// The flags of `GFP_VMALLOC_SUPPORTED`, and `__GFP_THISNODE`, which `vrealloc_node_align()` has
/// its node for; `__GFP_NOFAIL` is left out, see [`Gfp::check`].
const TAKEN: &[Flag] = &[
    Flag::GfpKernelAccount,
    Flag::GfpAtomic,
    Flag::GfpNowait,
    Flag::GfpUser,
    Flag::Zero,
    Flag::Noretry,
    Flag::RetryMayfail,
    Flag::Nolockdep,
    Flag::SkipKasan,
    Flag::Thisnode,
];

/// Why Linux must not see a request, or what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// An area without a byte; WARN in Linux.
    Empty,
    /// More pages than the machine has.
    TooLarge(Bytes),
    /// An alignment that is no power of two, or more than [`MAX_ALIGN`].
    Align(usize),
    /// Flags that break a rule of [`Gfp::check`].
    Gfp(gfp::Refusal),
    /// Flags that `vmalloc()` does not support; WARN in Linux.
    Flags(Gfp),
    /// There is no memory for the pages now.
    NoMemory,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an area has at least 1 byte"),
            Self::TooLarge(size) => write!(
                f,
                "{size} is more than this machine's {} pages; ask for less",
                managed_pages()
            ),
            Self::Align(align) => write!(
                f,
                "an area cannot be aligned to {align}; take a power of two up to {MAX_ALIGN}"
            ),
            Self::Gfp(refusal) => refusal.fmt(f),
            Self::Flags(flags) => write!(
                f,
                "vmalloc() does not support {flags}; take parts of GFP_KERNEL, GFP_ATOMIC and \
                 GFP_USER, __GFP_ACCOUNT, __GFP_NORETRY, __GFP_NOWARN, __GFP_RETRY_MAYFAIL, \
                 __GFP_THISNODE and __GFP_ZERO"
            ),
            Self::NoMemory => {
                f.write_str("there is no memory for so many pages; free some, or ask for less")
            }
        }
    }
}

impl From<gfp::Refusal> for Refusal {
    fn from(refusal: gfp::Refusal) -> Self {
        Self::Gfp(refusal)
    }
}

/// An owned area.
///
/// # Invariants
///
/// `start` was returned by `vrealloc_node_align()` for `size` bytes, more than none, and nobody
/// else owns it.
#[must_use = "dropping the area frees it"]
pub struct Area {
    start: NonNull<c_void>,
    size: Bytes,
    _owned: PhantomData<u8>,
}

// SAFETY: An area may be freed by another task than the one that allocated it.
unsafe impl Send for Area {}

// SAFETY: `&Area` only reads where its pages are, which stays as it is while it is allocated.
unsafe impl Sync for Area {}

impl Area {
    /// Allocates `size` bytes in whole pages, aligned to `align` and to a page in any case; from
    /// `node` first when one is named, else by the task's memory policy.
    ///
    /// # Errors
    ///
    /// What Linux would answer with a WARN is refused before; [`Refusal::NoMemory`].
    pub fn alloc(
        size: Bytes,
        align: Option<usize>,
        gfp: Gfp,
        node: Option<Node>,
    ) -> Result<Self, Refusal> {
        if size == Bytes::new(0) {
            return Err(Refusal::Empty);
        }
        if size.whole_pages(PAGE_SHIFT) > managed_pages() {
            return Err(Refusal::TooLarge(size));
        }
        let align = align.unwrap_or(1);
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return Err(Refusal::Align(align));
        }
        let unsupported = gfp.check()?.without(Gfp::of(TAKEN)?);
        if unsupported != Gfp::NONE {
            return Err(Refusal::Flags(unsupported));
        }
        let nid = node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int());
        // SAFETY: No area is grown, a new one is made; size, alignment and flags are in the bounds
        // that Linux sets, see above. Process context: callers of this room may sleep.
        let start = unsafe {
            bindings::vrealloc_node_align(ptr::null(), size.get(), align, gfp.as_raw(), nid)
        };
        // INVARIANT: Linux gave us this area of this size.
        Ok(Self {
            start: NonNull::new(start).ok_or(Refusal::NoMemory)?,
            size,
            _owned: PhantomData,
        })
    }

    /// The bytes that were asked for.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// The pages that the area has, without the guard page, which is none.
    pub fn taken(&self) -> NrPages {
        let whole = self.size.whole_pages(PAGE_SHIFT);
        NrPages::new(whole.get() + usize::from(self.size.get() % PAGE_SIZE != 0))
    }

    /// Where it starts in the kernel's address space.
    pub fn address(&self) -> Address {
        Address::new(self.start.as_ptr().addr())
    }

    /// The pages, from the area's start to its end.
    ///
    /// Whoever walks a large area gives way now and then.
    pub fn pages(&self) -> impl Iterator<Item = AreaPage> + '_ {
        self.pages_from(NrPages::ZERO)
    }

    /// The pages, from this one to the area's end.
    pub fn pages_from(&self, first: NrPages) -> impl Iterator<Item = AreaPage> + '_ {
        (first.get()..self.taken().get()).map_while(|index| self.page(NrPages::new(index)))
    }

    fn page(&self, offset: NrPages) -> Option<AreaPage> {
        let at = self.start.as_ptr().cast_const();
        let at = at.wrapping_byte_add(offset.bytes(PAGE_SHIFT)?.get());
        // SAFETY: By the invariant the area is mapped, and `pages_from()` stays inside of it.
        let page = NonNull::new(unsafe { bindings::vmalloc_to_page(at) })?.as_ptr();
        // SAFETY: A page of ours, which stays where it is.
        let (pfn, nid, zone) = unsafe {
            (
                ffi::oxmm_page_to_pfn(page),
                ffi::oxmm_page_to_nid(page),
                ffi::oxmm_page_zonenum(page),
            )
        };
        Some(AreaPage {
            offset,
            pfn: Pfn::new(pfn),
            node: NodeId::from_int(nid),
            zone: zone::kind_of_index(zone),
        })
    }
}

impl Area {
    /// Frees it once every reader of RCU that may still see it is done (`kvfree_rcu_mightsleep()`).
    pub fn free_deferred(self) {
        let area = ManuallyDrop::new(self);
        // SAFETY: By the invariant it is ours to free, and it is forgotten here.
        unsafe { super::free_deferred(area.start.cast()) };
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the area that Linux gave us, and nobody else frees it.
        // Process context: owners of areas are dropped where tasks may sleep.
        unsafe { ffi::oxmm_vfree(self.start.as_ptr()) };
    }
}

/// An area of bytes, all zero at first.
///
/// # Invariants
///
/// All of the area's bytes are initialised, and reached through this value alone.
#[must_use = "dropping the buffer frees it"]
pub struct Buffer(Area);

impl Buffer {
    /// Allocates `size` zero bytes; from `node` first when one is named.
    ///
    /// # Errors
    ///
    /// As [`Area::alloc`].
    pub fn new(size: Bytes, gfp: Gfp, node: Option<Node>) -> Result<Self, Refusal> {
        // INVARIANT: Linux zeroes the pages, and the area is ours alone.
        Area::alloc(size, None, gfp | Gfp::ZERO, node).map(Self)
    }

    /// Where its pages are.
    pub fn area(&self) -> &Area {
        &self.0
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Area { start, size, .. } = &self.0;
        // SAFETY:
        // - by the area's invariant it is mapped for `size` bytes, which live as long as `self`;
        // - by the invariant they are initialised, and `self` is borrowed, so nobody writes them;
        // - `size` is below `isize::MAX`: there are not so many pages.
        unsafe { slice::from_raw_parts(start.as_ptr().cast_const().cast(), size.get()) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let Area { start, size, .. } = &self.0;
        // SAFETY: As for `deref()`; `self` is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(start.as_ptr().cast(), size.get()) }
    }
}

#[kernel::prelude::kunit_tests(oxmm_vmalloc)]
mod tests {
    use super::*;

    /// An area has whole pages, each at its offset, with node and zone; none comes twice.
    #[test]
    fn pages_are_in_order_and_placed() -> Result<(), Refusal> {
        let area = Area::alloc(Bytes::new(5 * PAGE_SIZE + 1), None, Gfp::KERNEL, None)?;
        assert_eq!(area.taken(), NrPages::new(6));
        assert_eq!(area.address().get() % PAGE_SIZE, 0);
        for (index, page) in area.pages().enumerate() {
            assert_eq!(page.offset, NrPages::new(index));
            assert!(page.node.is_some() && page.zone.is_some());
            let same = area.pages().filter(|other| other.pfn == page.pfn);
            assert_eq!(same.count(), 1);
        }
        assert_eq!(area.pages().count(), 6);
        Ok(())
    }

    /// With `__GFP_THISNODE` every page lies on the node, or there is no area.
    #[test]
    fn thisnode_stays_on_the_node() {
        for node in Node::online() {
            let gfp = Gfp::KERNEL | Gfp::THISNODE | Gfp::NOWARN;
            let area = Area::alloc(Bytes::new(3 * PAGE_SIZE), None, gfp, Some(node));
            assert_eq!(area.is_ok(), node.has_memory());
            for page in area.iter().flat_map(|area| area.pages()) {
                assert_eq!(page.node, Some(node.id()));
            }
        }
    }

    /// An area starts where its alignment says, up to the largest.
    #[test]
    fn alignment_is_kept() -> Result<(), Refusal> {
        for align in [1, 64, PAGE_SIZE, 16 * PAGE_SIZE, MAX_ALIGN] {
            let area = Area::alloc(Bytes::new(1), Some(align), Gfp::KERNEL, None)?;
            assert_eq!(area.address().get() % align, 0);
        }
        Ok(())
    }

    /// A buffer is zero, keeps what is written across its pages, and ends where it should.
    #[test]
    fn a_buffer_keeps_its_bytes() -> Result<(), Refusal> {
        let size = 2 * PAGE_SIZE + 3;
        let mut buffer = Buffer::new(Bytes::new(size), Gfp::KERNEL, None)?;
        assert_eq!(buffer.len(), size);
        assert!(buffer.iter().all(|&byte| byte == 0));
        for (byte, value) in buffer.iter_mut().zip((0..=u8::MAX).cycle()) {
            *byte = value;
        }
        let mut bytes = buffer.iter().zip((0..=u8::MAX).cycle());
        assert!(bytes.all(|(&byte, value)| byte == value));
        assert_eq!(buffer.area().taken(), NrPages::new(3));
        Ok(())
    }

    /// What Linux would answer with a WARN is refused.
    #[test]
    fn limits_are_those_of_linux() {
        let refusal = |size, align, gfp| Area::alloc(Bytes::new(size), align, gfp, None).err();
        assert_eq!(refusal(0, None, Gfp::KERNEL), Some(Refusal::Empty));
        for size in [usize::MAX, isize::MAX.unsigned_abs()] {
            assert_eq!(
                refusal(size, None, Gfp::KERNEL),
                Some(Refusal::TooLarge(Bytes::new(size)))
            );
        }
        for align in [0, 24, 2 * MAX_ALIGN] {
            assert_eq!(
                refusal(8, Some(align), Gfp::KERNEL),
                Some(Refusal::Align(align))
            );
        }
        assert_eq!(
            refusal(8, None, Gfp::KERNEL | Gfp::RECLAIMABLE),
            Some(Refusal::Flags(Gfp::RECLAIMABLE))
        );
    }
}
