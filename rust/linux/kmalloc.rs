// SPDX-License-Identifier: GPL-2.0

//! Memory from `kmalloc()`: any size up to [`MAX_SIZE`], freed when dropped.
//!
//!   asked 1500 -> taken 2048      the next larger class of caches, kmalloc-2k
//!   asked 9000 -> taken 12288 or  above the classes whole pages: a power of two of them, whatever
//!                 16384           `kmalloc_size_roundup()` says
//!
//! `kernel::alloc` has `KVec` and `KBox`, which do not tell what was taken, and where.
//!
//! # Locking     none of its own; with `__GFP_DIRECT_RECLAIM` the allocation may sleep.
//! # Cost        `kmalloc_node()` and `kfree()`; 16 bytes for each.
//! # Limits      no access to the bytes: their use is that they are taken.
//! # Reference   `mm/slub.c`: `__do_kmalloc_node()`, `__ksize()`; `mm/slab_common.c`:
//!               `kmalloc_size_roundup()`.

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    ffi,
    gfp::Gfp,
    kmem_cache::Refusal,
    node::Node,
    pages, //
};
use crate::algo::units::{
    Bytes,
    NodeId,
    Pfn,
    ZoneKind, //
};

/// The most that `kmalloc()` gives (`KMALLOC_MAX_SIZE`).
// CAST: widens.
pub const MAX_SIZE: Bytes = Bytes::new(bindings::KMALLOC_MAX_SIZE as usize);

/// The most that comes from a cache; what is larger comes from the buddy (`KMALLOC_MAX_CACHE_SIZE`).
// CAST: widens.
pub const MAX_CACHE_SIZE: Bytes = Bytes::new(bindings::KMALLOC_MAX_CACHE_SIZE as usize);

/// What `kmalloc()` takes for a request, by Linux's own rule.
pub fn roundup(size: Bytes) -> Bytes {
    // SAFETY: Takes and returns numbers.
    Bytes::new(unsafe { bindings::kmalloc_size_roundup(size.get()) })
}

/// Memory that `kmalloc()` gave.
///
/// # Invariants
///
/// `addr` is what `kmalloc_node()` returned for `asked` bytes, not freed, and nobody else's.
#[must_use = "dropping the memory frees it"]
pub struct Kmalloc {
    addr: NonNull<u8>,
    asked: Bytes,
}

// SAFETY: What one task allocated another may free.
unsafe impl Send for Kmalloc {}

// SAFETY: `&Kmalloc` only reads where the memory is, which stays as it is.
unsafe impl Sync for Kmalloc {}

impl Kmalloc {
    /// Allocates `size` bytes; from `node` first when one is named.
    ///
    /// # Errors
    ///
    /// [`Refusal::KmallocSize`], the rule that `gfp` breaks, [`Refusal::NoMemory`].
    pub fn alloc(size: Bytes, gfp: Gfp, node: Option<Node>) -> Result<Self, Refusal> {
        if size.get() == 0 || size > MAX_SIZE {
            return Err(Refusal::KmallocSize(size));
        }
        let gfp = gfp.check_slab()? | Gfp::NOWARN;
        let nid = node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int());
        // SAFETY: The size and the flags were checked; a `Node` has a `pglist_data`.
        let addr = unsafe { ffi::oxmm_kmalloc(size.get(), gfp.as_raw(), nid) };
        // INVARIANT: given just now.
        Ok(Self {
            addr: NonNull::new(addr.cast()).ok_or(Refusal::NoMemory)?,
            asked: size,
        })
    }

    /// Its address.
    pub fn addr(&self) -> NonNull<u8> {
        self.addr
    }

    /// What was asked for.
    pub fn asked(&self) -> Bytes {
        self.asked
    }

    /// What was taken for it: the object of the class, or whole pages (`ksize()`).
    pub fn taken(&self) -> Bytes {
        // SAFETY: By the invariant it came from `kmalloc()` and is not freed.
        Bytes::new(unsafe { bindings::ksize(self.addr.as_ptr().cast()) })
    }

    /// The frame that its first byte is in.
    pub fn pfn(&self) -> Pfn {
        // SAFETY: By the invariant it is memory of a slab or of the buddy, not freed.
        unsafe { pages::pfn_of(self.addr) }
    }

    /// The node it is on.
    pub fn node(&self) -> Option<NodeId> {
        // SAFETY: By the invariant it is memory of a slab or of the buddy, not freed.
        unsafe { pages::node_of(self.addr) }
    }

    /// The zone it is in.
    pub fn zone(&self) -> Option<ZoneKind> {
        // SAFETY: By the invariant it is memory of a slab or of the buddy, not freed.
        unsafe { pages::zone_of(self.addr) }
    }
}

impl Kmalloc {
    /// Frees it once every reader of RCU that may still see it is done (`kvfree_rcu_mightsleep()`).
    pub fn free_deferred(self) {
        let memory = ManuallyDrop::new(self);
        // SAFETY: By the invariant it is ours to free, and it is forgotten here.
        unsafe { super::free_deferred(memory.addr) };
    }
}

impl Drop for Kmalloc {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is ours, and came from `kmalloc()`.
        unsafe { bindings::kfree(self.addr.as_ptr().cast()) };
    }
}

#[kunit_tests(oxmm_kmalloc)]
mod tests {
    use super::*;

    /// What is taken is what the rule says, at least what was asked for, on a node and in a zone.
    #[test]
    fn taken_is_what_the_rule_says() {
        for size in [
            1, 8, 9, 96, 97, 192, 193, 1500, 2048, 2049, 8192, 8193, 70_000,
        ] {
            let size = Bytes::new(size);
            let Ok(memory) = Kmalloc::alloc(size, Gfp::KERNEL, None) else {
                continue;
            };
            assert!(memory.taken() >= size);
            // A debugging kernel keeps what was asked for and gives `ksize()` no more than that.
            assert!(memory.taken() == roundup(size) || memory.taken() == size);
            assert!(memory.node().is_some() && memory.zone().is_some());
        }
    }

    /// What Linux would answer with a WARN or a stack in the log is refused before.
    #[test]
    fn sizes_and_flags_are_refused() {
        let refused = |size, gfp| Kmalloc::alloc(Bytes::new(size), gfp, None).err();
        assert_eq!(
            refused(0, Gfp::KERNEL),
            Some(Refusal::KmallocSize(Bytes::new(0)))
        );
        assert!(refused(MAX_SIZE.get() + 1, Gfp::KERNEL).is_some());
        let highmem = Gfp::KERNEL | Gfp::HIGHMEM;
        assert!(matches!(refused(64, highmem), Some(Refusal::Gfp(_))));
    }

    /// Alone a node without memory gives nothing; with the others' help it does.
    #[test]
    fn a_memoryless_node_is_served() {
        for node in Node::online() {
            let alone = Gfp::KERNEL | Gfp::THISNODE;
            let size = Bytes::new(512);
            let memory = Kmalloc::alloc(size, alone, Some(node));
            assert_eq!(memory.is_ok(), node.has_memory());
            assert!(Kmalloc::alloc(size, Gfp::KERNEL, Some(node)).is_ok());
            if let Ok(memory) = memory {
                assert_eq!(memory.node(), Some(node.id()));
            }
        }
    }
}
