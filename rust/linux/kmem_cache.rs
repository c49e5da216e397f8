// SPDX-License-Identifier: GPL-2.0

//! Slab caches of Linux: objects of one size, made and freed one by one or in bulk.
//!
//!   Config -> Cache::create -> Arc<Cache>    struct kmem_cache, destroyed with the last reference
//!                                 ^
//!                       Object ---+          one object; dropping it frees it to its cache
//!
//! A [`Cache`] hands out bytes: it is for a user who picks the size at run time. A cache of values of
//! one Rust type is [`KmemCache`](typed::KmemCache).
//!
//! Linux knows the cache as `oxmm-NAME`: no name that a user picks meets one of the kernel's own.
//!
//! # Locking     none of its own. `create`, `shrink` and the drop of a `Cache` take Linux's
//!               `slab_mutex` and may sleep; `alloc` sleeps as its flags say; freeing never does.
//! # Cost        `kmem_cache_alloc_node()` and `kmem_cache_free()`, and two counters that all CPUs
//!               share for each object: `nr_objects` and the reference to the cache.
//! # Limits      what Linux would answer with a WARN, a BUG or a stack in the log is refused before,
//!               [`Refusal`]. A cache with a debugging flag turns the kernel's checks for such
//!               caches on for good, as `slab_debug=` does.
//! # Reference   `mm/slab_common.c`: `__kmem_cache_create_args()`, `kmem_cache_destroy()`;
//!               `mm/slub.c`: `do_kmem_cache_create()`, `calculate_sizes()`, `new_slab()`.

mod constructor;
mod names;
mod raw;
mod refusal;
#[cfg(CONFIG_KUNIT)]
mod tests;
pub mod typed;

use core::{
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

use super::{
    gfp::Gfp,
    node::Node,
    pages, //
};
use crate::algo::units::{
    Bytes,
    NodeId,
    Pfn,
    ZoneKind, //
};
use raw::RawCache;

pub use constructor::Constructor;
pub use refusal::Refusal;

/// The largest object that a [`Cache`] takes, and the largest alignment.
///
/// `calculate_order()` must find an order for the object with all that Linux may add to it: debugging
/// words and KASAN's red zone are well below a page, and a red zone to the left is as large as the
/// alignment.
pub const MAX_SIZE: Bytes = Bytes::new(1 << 20);

/// Properties of a cache (`slab_flags_t`).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(bindings::slab_flags_t);

/// Makes a [`Flags`] of a bit that every configuration has.
macro_rules! flag {
    ($bit:ident) => {
        Flags(1 << bindings::$bit)
    };
}

impl Flags {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// Objects start at cache lines, small ones at even parts of one.
    pub const HWCACHE_ALIGN: Self = flag!(_slab_flag_bits__SLAB_HWCACHE_ALIGN);
    /// Slabs go back to the buddy after a grace period, so that a stale pointer finds an object of
    /// the same cache under `rcu_read_lock()`.
    pub const TYPESAFE_BY_RCU: Self = flag!(_slab_flag_bits__SLAB_TYPESAFE_BY_RCU);
    /// The cache is not shared with another of like objects.
    pub const NO_MERGE: Self = flag!(_slab_flag_bits__SLAB_NO_MERGE);
    /// Objects are charged to the memory cgroup of the task that allocates.
    pub const ACCOUNT: Self = Self(ACCOUNT);
    /// Slabs count as reclaimable, and come from reclaimable pageblocks.
    pub const RECLAIM_ACCOUNT: Self = Self(RECLAIM_ACCOUNT);
    /// Bytes around an object show a write out of bounds.
    pub const RED_ZONE: Self = flag!(_slab_flag_bits__SLAB_RED_ZONE);
    /// Free objects are filled, which shows a write after free.
    pub const POISON: Self = flag!(_slab_flag_bits__SLAB_POISON);
    /// The last users of an object are kept.
    pub const STORE_USER: Self = flag!(_slab_flag_bits__SLAB_STORE_USER);
    /// Every allocation and every free checks the object.
    pub const CONSISTENCY_CHECKS: Self = flag!(_slab_flag_bits__SLAB_CONSISTENCY_CHECKS);

    const DEBUG: Self =
        Self(Self::RED_ZONE.0 | Self::POISON.0 | Self::STORE_USER.0 | Self::CONSISTENCY_CHECKS.0);

    /// The flags of a `struct kmem_cache`.
    pub(super) const fn from_bits(bits: bindings::slab_flags_t) -> Self {
        Self(bits)
    }

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Checks that this kernel has all of them.
    fn check(self) -> Result<(), Refusal> {
        if self.meets(Self(ABSENT)) {
            return Err(Refusal::Flag("account or reclaim"));
        }
        if cfg!(not(CONFIG_SLUB_DEBUG)) && self.meets(Self::DEBUG) {
            return Err(Refusal::Flag("redzone, poison, track and checks"));
        }
        Ok(())
    }

    /// Whether one of `other`'s flags is set.
    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A bit that no kernel gives a meaning to: stands for a flag that this kernel is built without, so
/// that [`Config`] can carry it here and `create` can refuse it.
const ABSENT: bindings::slab_flags_t = 1 << 31;

#[cfg(CONFIG_MEMCG)]
const ACCOUNT: bindings::slab_flags_t = 1 << bindings::_slab_flag_bits__SLAB_ACCOUNT;
#[cfg(not(CONFIG_MEMCG))]
const ACCOUNT: bindings::slab_flags_t = ABSENT;

#[cfg(not(CONFIG_SLUB_TINY))]
const RECLAIM_ACCOUNT: bindings::slab_flags_t =
    1 << bindings::_slab_flag_bits__SLAB_RECLAIM_ACCOUNT;
#[cfg(CONFIG_SLUB_TINY)]
const RECLAIM_ACCOUNT: bindings::slab_flags_t = ABSENT;

/// What a cache shall be.
pub struct Config<'a> {
    /// Its name, without the `oxmm-` that Linux sees before it.
    pub name: &'a CStr,
    /// The size of an object.
    pub size: Bytes,
    /// The least alignment of an object, a power of two; `None` leaves it to Linux.
    pub align: Option<usize>,
    /// Its properties.
    pub flags: Flags,
    /// What runs once for each object, when its slab is made.
    pub constructor: Option<Constructor>,
}

impl Config<'_> {
    /// Checks all but whether there is memory, and whether the name is free.
    ///
    /// # Errors
    ///
    /// The rule that Linux would see broken.
    pub fn check(&self) -> Result<(), Refusal> {
        names::check(self.name)?;
        if self.size.get() == 0 || self.size > MAX_SIZE {
            return Err(Refusal::Size(self.size));
        }
        if let Some(align) = self.align {
            if !align.is_power_of_two() || align > MAX_SIZE.get() {
                return Err(Refusal::Align(align));
            }
        }
        self.flags.check()?;
        match self.constructor {
            Some(_) if self.size < Constructor::MIN_SIZE => Err(Refusal::Pattern(self.size)),
            _ => Ok(()),
        }
    }
}

/// A slab cache of objects of one size.
///
/// # Invariants
///
/// `nr_objects` is the number of [`Object`]s of this cache; each of them holds a reference.
pub struct Cache {
    // The order is that of tear-down: the cache, what it calls, then its name.
    raw: RawCache,
    constructor: Option<constructor::Seat>,
    config_flags: Flags,
    size: Bytes,
    align: Option<usize>,
    name: CString,
    _name: names::Taken,
    nr_objects: Atomic<usize>,
}

impl Cache {
    /// Makes a cache.
    ///
    /// # Errors
    ///
    /// What is wrong with `config`, [`Refusal::NameTaken`], [`Refusal::NoMemory`].
    pub fn create(config: &Config<'_>) -> Result<Arc<Self>, Refusal> {
        config.check()?;
        let taken = names::Taken::new(config.name)?;
        let linux_name = names::linux_name(config.name)?;
        let seat = config
            .constructor
            .map(|kind| constructor::Seat::new(kind, config.size))
            .transpose()?;
        let mut args = bindings::kmem_cache_args {
            // CAST: at most `MAX_SIZE`, checked above.
            align: config.align.unwrap_or(0) as u32,
            ctor: seat.as_ref().map(constructor::Seat::function),
            ..Default::default()
        };
        // SAFETY: `config` was checked, the name is ours alone, and the constructor's seat knows the
        // size of the objects and is kept until the cache is gone.
        let raw = unsafe { RawCache::new(&linux_name, config.size, config.flags, &mut args) };
        let cache = Self {
            raw: raw.ok_or(Refusal::NoMemory)?,
            constructor: seat,
            config_flags: config.flags,
            size: config.size,
            align: config.align,
            name: CString::try_from(config.name).map_err(|_| Refusal::NoMemory)?,
            _name: taken,
            // INVARIANT: no object yet.
            nr_objects: Atomic::new(0),
        };
        Arc::new(cache, GFP_KERNEL).map_err(|_| Refusal::NoMemory)
    }

    /// Its name, as it was asked for.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The size of an object, as it was asked for.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// The alignment that was asked for.
    pub fn align(&self) -> Option<usize> {
        self.align
    }

    /// The properties that were asked for.
    pub fn flags(&self) -> Flags {
        self.config_flags
    }

    /// How many objects are allocated now.
    pub fn nr_objects(&self) -> usize {
        self.nr_objects.load(Relaxed)
    }

    /// How often its constructor has run; `None` without one.
    pub fn constructed(&self) -> Option<u64> {
        self.constructor.as_ref().map(constructor::Seat::runs)
    }

    /// The C struct, for `slub`.
    pub(super) fn as_raw(&self) -> NonNull<bindings::kmem_cache> {
        self.raw.as_raw()
    }

    /// The address of the constructor that Linux calls, for `slub`.
    pub(super) fn constructor_address(&self) -> Option<usize> {
        let seat = self.constructor.as_ref()?;
        // CAST: a function's address.
        Some(seat.function() as usize)
    }

    /// Gives wholly free slabs back to the buddy, those of per-CPU sheaves and barns too.
    pub fn shrink(&self) {
        self.raw.shrink();
    }

    /// Allocates one object; from `node` first when one is named.
    ///
    /// # Errors
    ///
    /// The rule that `gfp` breaks, [`Refusal::NoMemory`].
    pub fn alloc(self: &Arc<Self>, gfp: Gfp, node: Option<Node>) -> Result<Object, Refusal> {
        let gfp = self.check_gfp(gfp)?;
        // SAFETY: The flags were checked, and a constructor is not asked for zeroes.
        let addr = unsafe { self.raw.alloc(gfp, node) }.ok_or(Refusal::NoMemory)?;
        // SAFETY: Allocated from this cache just now, and nobody else knows of it.
        Ok(unsafe { self.own(addr) })
    }

    /// Allocates `nr` objects in batches and gives them to `take` one by one; what it refuses, and
    /// what was not taken by then, is freed.
    ///
    /// # Errors
    ///
    /// The rule that `gfp` breaks, [`Refusal::NoMemory`], and what `take` refuses with. What was
    /// taken before stays the taker's.
    pub fn alloc_bulk<E: From<Refusal>>(
        self: &Arc<Self>,
        gfp: Gfp,
        nr: usize,
        mut take: impl FnMut(Object) -> Result<(), E>,
    ) -> Result<(), E> {
        let gfp = self.check_gfp(gfp)?;
        let mut left = nr;
        while left > 0 {
            let mut batch = [core::ptr::null_mut(); BATCH];
            let (wanted, _) = batch.split_at_mut(left.min(BATCH));
            // SAFETY: As in `alloc`.
            unsafe { self.raw.alloc_bulk(gfp, wanted) }.map_err(|()| Refusal::NoMemory)?;
            left -= wanted.len();
            // SAFETY: Allocated from this cache just now; each becomes one owner, and owners that are
            // not taken are dropped at the end of the loop.
            let mut objects = wanted
                .iter()
                .filter_map(|&addr| NonNull::new(addr.cast()))
                .map(|addr| unsafe { self.own(addr) });
            let taken = objects.by_ref().try_for_each(&mut take);
            objects.for_each(drop);
            taken?;
        }
        Ok(())
    }

    fn check_gfp(&self, gfp: Gfp) -> Result<Gfp, Refusal> {
        let gfp = gfp.check_slab()?;
        if self.constructor.is_some() && gfp.contains(Gfp::ZERO) {
            return Err(Refusal::Zeroed);
        }
        Ok(gfp | Gfp::NOWARN)
    }

    /// # Safety
    ///
    /// `addr` is an allocated object of this cache that nobody else owns.
    unsafe fn own(self: &Arc<Self>, addr: NonNull<u8>) -> Object {
        // INVARIANT: one object more; `Object::drop` takes it off again.
        self.nr_objects.add(1, Relaxed);
        Object {
            addr,
            cache: self.clone(),
        }
    }
}

/// How many objects one call of Linux's bulk functions is asked for: their addresses are on the
/// stack.
const BATCH: usize = 32;

/// An object of a [`Cache`]; its bytes are the owner's.
///
/// # Invariants
///
/// `addr` is an object that `cache` gave out and that nobody else owns.
#[must_use = "dropping the object frees it"]
pub struct Object {
    addr: NonNull<u8>,
    cache: Arc<Cache>,
}

// SAFETY: An object may be freed by another task than the one that allocated it.
unsafe impl Send for Object {}

// SAFETY: `&Object` only reads the place of the object and what its constructor wrote, both of which
// stay as they are.
unsafe impl Sync for Object {}

impl Object {
    /// Its address.
    pub fn addr(&self) -> NonNull<u8> {
        self.addr
    }

    /// The cache it is of.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The size that was asked for.
    pub fn size(&self) -> Bytes {
        self.cache.size
    }

    /// The frame that its first byte is in.
    pub fn pfn(&self) -> Pfn {
        // SAFETY: By the invariant it is a live object of a slab.
        unsafe { pages::pfn_of(self.addr) }
    }

    /// The node it is on.
    pub fn node(&self) -> Option<NodeId> {
        // SAFETY: By the invariant it is a live object of a slab.
        unsafe { pages::node_of(self.addr) }
    }

    /// The zone it is in.
    pub fn zone(&self) -> Option<ZoneKind> {
        // SAFETY: By the invariant it is a live object of a slab.
        unsafe { pages::zone_of(self.addr) }
    }

    /// Which run of the cache's constructor made it, counted from 0: the same each time that this
    /// object is given out. `None` without a constructor, or if its pattern was written over.
    pub fn constructed_as(&self) -> Option<u64> {
        let seat = self.cache.constructor.as_ref()?;
        // SAFETY: By the invariant the object is live and this cache's, whose constructor ran on it.
        unsafe { seat.read(self.addr) }
    }
}

impl Object {
    /// Frees it once every reader of RCU that may still see it is done (`kvfree_rcu_mightsleep()`);
    /// until then its bytes stay.
    pub fn free_deferred(self) {
        let object = ManuallyDrop::new(self);
        // SAFETY: By the invariant it is ours to free, and it is forgotten here.
        unsafe { super::free_deferred(object.addr) };
        // SAFETY: `object` is not dropped, nor used any more.
        let cache = unsafe { ptr::read(&object.cache) };
        // INVARIANT: one object less; pairs with the addition in `own`. Linux waits for those that
        // are still on their way when the cache is destroyed.
        cache.nr_objects.fetch_sub(1, Relaxed);
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: By the invariant the object is of this cache, and ours to free.
        unsafe { self.cache.raw.free(self.addr) };
        // INVARIANT: one object less; pairs with the addition in `own`.
        self.cache.nr_objects.fetch_sub(1, Relaxed);
    }
}
