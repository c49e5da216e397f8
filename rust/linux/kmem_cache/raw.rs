// SPDX-License-Identifier: GPL-2.0

//! A `struct kmem_cache` and the calls that take one; what is common to all Rust owners.
//!
//! # Locking     see `kmem_cache.rs`.
//! # Limits      says nothing of the objects: who owns them counts them.
//! # Reference   `include/linux/slab.h`.

use core::ptr::NonNull;

use kernel::{
    bindings,
    ffi::c_void,
    prelude::*, //
};

use super::Flags;
use crate::algo::units::Bytes;
use crate::linux::{
    ffi,
    gfp::Gfp,
    node::Node, //
};

/// An owned `struct kmem_cache`; dropping it destroys the cache.
///
/// # Invariants
///
/// `cache` came from `__kmem_cache_create_args()` and has not been destroyed.
pub(in crate::linux) struct RawCache {
    cache: NonNull<bindings::kmem_cache>,
}

// SAFETY: Every function that takes a cache may be called by any task.
unsafe impl Send for RawCache {}

// SAFETY: They lock for themselves.
unsafe impl Sync for RawCache {}

impl RawCache {
    /// Makes a cache; `None` without memory.
    ///
    /// # Safety
    ///
    /// - `size` is from 1 to `KMALLOC_MAX_SIZE`, `flags` are ones that this kernel takes, and `args`
    ///   is what `__kmem_cache_create_args()` takes with them.
    /// - `args.ctor` may run on any bytes of that size and alignment until the cache is dropped.
    pub(super) unsafe fn new(
        name: &CStr,
        size: Bytes,
        flags: Flags,
        args: &mut bindings::kmem_cache_args,
    ) -> Option<Self> {
        let size = u32::try_from(size.get()).ok()?;
        // SAFETY: The caller's promise; Linux copies the name.
        let cache =
            unsafe { bindings::__kmem_cache_create_args(name.as_char_ptr(), size, args, flags.0) };
        // INVARIANT: made just now.
        NonNull::new(cache).map(|cache| Self { cache })
    }

    /// The C struct.
    pub(super) fn as_raw(&self) -> NonNull<bindings::kmem_cache> {
        self.cache
    }

    /// Allocates an object.
    ///
    /// # Safety
    ///
    /// `gfp` passed [`Gfp::check_slab`], and has no `__GFP_ZERO` if there is a constructor.
    pub(super) unsafe fn alloc(&self, gfp: Gfp, node: Option<Node>) -> Option<NonNull<u8>> {
        let nid = node.map_or(bindings::NUMA_NO_NODE, |node| node.id().int());
        // SAFETY: By the invariant the cache is live; the flags are the caller's promise; a `Node`
        // has a `pglist_data`.
        let object = unsafe { ffi::oxmm_kmem_cache_alloc(self.cache.as_ptr(), gfp.as_raw(), nid) };
        NonNull::new(object.cast())
    }

    /// Fills `objects` with the addresses of objects; on error none is allocated.
    ///
    /// # Safety
    ///
    /// As for [`RawCache::alloc`].
    pub(super) unsafe fn alloc_bulk(
        &self,
        gfp: Gfp,
        objects: &mut [*mut c_void],
    ) -> Result<(), ()> {
        // SAFETY: As for `alloc`; the array has as many places as are told.
        let done = unsafe {
            ffi::oxmm_kmem_cache_alloc_bulk(
                self.cache.as_ptr(),
                gfp.as_raw(),
                objects.len(),
                objects.as_mut_ptr(),
            )
        };
        done.then_some(()).ok_or(())
    }

    /// Frees an object.
    ///
    /// # Safety
    ///
    /// `object` is an allocated object of this cache, and nobody uses it after this.
    pub(super) unsafe fn free(&self, object: NonNull<u8>) {
        // SAFETY: The caller's promise.
        unsafe { bindings::kmem_cache_free(self.cache.as_ptr(), object.as_ptr().cast()) };
    }

    /// Frees objects, all at once.
    ///
    /// # Safety
    ///
    /// `objects` are distinct allocated objects of this cache, and nobody uses them after this.
    pub(super) unsafe fn free_bulk(&self, objects: &mut [*mut c_void]) {
        if objects.is_empty() {
            return;
        }
        let (nr, first) = (objects.len(), objects.as_mut_ptr());
        // SAFETY: The caller's promise; the array has as many places as are told.
        unsafe { bindings::kmem_cache_free_bulk(self.cache.as_ptr(), nr, first) };
    }

    /// Gives free slabs back to the buddy.
    pub(super) fn shrink(&self) {
        // SAFETY: By the invariant the cache is live. Process context, as `kmem_cache.rs` says.
        unsafe { bindings::kmem_cache_shrink(self.cache.as_ptr()) };
    }
}

impl Drop for RawCache {
    fn drop(&mut self) {
        // SAFETY: By the invariant the cache is live, and it is ours: nobody uses it after this.
        unsafe { bindings::kmem_cache_destroy(self.cache.as_ptr()) };
    }
}
