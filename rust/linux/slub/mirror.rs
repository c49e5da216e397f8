// SPDX-License-Identifier: GPL-2.0

//! SLUB's own structs as Linux 7.2 and 7.3 lay them out, which no header shows to a module.
//!
//! Field by field in C's order, with bindgen's types for the parts that headers do show, and `cfg`
//! for what depends on the configuration. None of it is believed before `proof.rs` has held it
//! against the running kernel.
//!
//! # Limits      little-endian bit fields, as on all architectures that Linux has Rust on.
//! # Reference   `mm/slab.h`: `struct slab`, `struct kmem_cache`; `mm/slub.c`: `struct node_barn`,
//!               `struct slab_sheaf`, `struct slub_percpu_sheaves`, `struct kmem_cache_node`.

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_long,
        c_uint,
        c_ulong,
        c_void, //
    },
};

use crate::algo::units::{
    usize_from,
    Order, //
};

/// `struct kmem_cache`.
#[repr(C)]
pub(super) struct KmemCache {
    /// A per-CPU cookie.
    pub(super) cpu_sheaves: *mut PercpuSheaves,
    pub(super) flags: bindings::slab_flags_t,
    pub(super) min_partial: c_ulong,
    pub(super) size: c_uint,
    pub(super) object_size: c_uint,
    reciprocal_size: (u32, u8, u8),
    pub(super) offset: c_uint,
    pub(super) sheaf_capacity: c_uint,
    pub(super) oo: OrderObjects,
    pub(super) min: OrderObjects,
    allocflags: bindings::gfp_t,
    pub(super) refcount: c_int,
    pub(super) ctor: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) inuse: c_uint,
    pub(super) align: c_uint,
    pub(super) red_left_pad: c_uint,
    pub(super) name: *const c_char,
    pub(super) list: bindings::list_head,
    #[cfg(CONFIG_SYSFS)]
    kobj: bindings::kobject,
    #[cfg(CONFIG_SLAB_FREELIST_HARDENED)]
    pub(super) random: c_ulong,
    #[cfg(CONFIG_NUMA)]
    remote_node_defrag_ratio: c_uint,
    #[cfg(CONFIG_SLAB_FREELIST_RANDOM)]
    random_seq: *mut c_uint,
    #[cfg(CONFIG_KASAN_GENERIC)]
    kasan_info: bindings::kasan_cache,
    #[cfg(CONFIG_HARDENED_USERCOPY)]
    user: (c_uint, c_uint),
    #[cfg(CONFIG_SLUB_STATS)]
    cpu_stats: *mut c_void,
    /// As many as there are node numbers.
    pub(super) per_node: [PerNode; 0],
}

/// `struct kmem_cache_per_node_ptrs`; each may be null.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PerNode {
    pub(super) barn: *mut NodeBarn,
    pub(super) node: *mut KmemCacheNode,
}

/// `struct kmem_cache_order_objects`: an order above 16 bits of objects.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct OrderObjects(c_uint);

impl OrderObjects {
    pub(super) fn order(self) -> Order {
        Order::new(self.0 >> 16).unwrap_or(Order::MAX)
    }

    pub(super) fn objects(self) -> usize {
        usize_from(self.0 & 0xffff)
    }
}

/// `struct kmem_cache_node`.
#[repr(C)]
pub(super) struct KmemCacheNode {
    pub(super) list_lock: bindings::spinlock_t,
    pub(super) nr_partial: c_ulong,
    pub(super) partial: bindings::list_head,
    #[cfg(CONFIG_SLUB_DEBUG)]
    pub(super) nr_slabs: c_long,
    #[cfg(CONFIG_SLUB_DEBUG)]
    pub(super) total_objects: c_long,
    #[cfg(CONFIG_SLUB_DEBUG)]
    full: bindings::list_head,
}

/// `struct node_barn`.
#[repr(C)]
pub(super) struct NodeBarn {
    pub(super) lock: bindings::spinlock_t,
    pub(super) sheaves_full: bindings::list_head,
    sheaves_empty: bindings::list_head,
    pub(super) nr_full: c_uint,
    pub(super) nr_empty: c_uint,
}

/// `struct slab_sheaf`; as many objects as the cache's capacity says follow.
#[repr(C)]
pub(super) struct SlabSheaf {
    /// Shares its place with `rcu_head` and others of two words at most.
    pub(super) barn_list: bindings::list_head,
    pub(super) cache: *mut KmemCache,
    pub(super) size: c_uint,
    node: c_int,
    pub(super) objects: [*mut c_void; 0],
}

/// `struct slub_percpu_sheaves`.
#[repr(C)]
pub(super) struct PercpuSheaves {
    lock: bindings::local_trylock_t,
    pub(super) main: *mut SlabSheaf,
    pub(super) spare: *mut SlabSheaf,
    pub(super) rcu_free: *mut SlabSheaf,
}

/// `struct slab`: what the first `struct page` of a slab is.
#[repr(C)]
pub(super) struct Slab {
    flags: c_ulong,
    pub(super) slab_cache: *mut KmemCache,
    pub(super) slab_list: bindings::list_head,
    pub(super) freelist: *mut c_void,
    pub(super) counters: Counters,
}

/// The word of a slab that changes with its freelist: 16 bits `inuse`, 15 bits `objects`, and one
/// `frozen`; what is above is not ours.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters(c_ulong);

impl Counters {
    pub(super) fn from_word(word: usize) -> Self {
        Self(word)
    }

    pub(super) fn inuse(self) -> usize {
        self.0 & 0xffff
    }

    pub(super) fn objects(self) -> usize {
        self.0 >> 16 & 0x7fff
    }
}
