// SPDX-License-Identifier: GPL-2.0

//! Slab caches of values of one Rust type, with an owner for each value.
//!
//!   KmemCache<T>               alloc(value) -> Object<T, C>     drop: T's drop, then kmem_cache_free()
//!   KmemCache<T, Constructed>  take()       -> Object<T, C>     T was made with its slab, and stays
//!
//!   C says what keeps the cache while the object lives, and is chosen for each object:
//!     &'a KmemCache<T>      the borrow checker does; nothing is stored or counted for it
//!     Arc<KmemCache<T>>     the object does; it can be stored anywhere
//!
//! ```ignore
//! struct Request { id: u64, page: KBox<[u8; 64]> }
//!
//! let cache = KmemCache::<Request>::new(c"my-request", Flags::HWCACHE_ALIGN)?;
//! let one = KmemCache::alloc(&cache, Request { id: 1, page }, Gfp::KERNEL, None)?;
//! let many = KmemCache::alloc_bulk(&cache, 16, Gfp::KERNEL, |i| Request::numbered(i))?;
//! drop(cache);                    // error: `cache` is borrowed by `one` and `many`
//! ```
//!
//! A constructor in Linux runs once for each object of a new slab. What it makes must still be there
//! when the object is given out for the second time, so a free object of a [`Constructed`] cache is
//! a value of its type, and the type has no `Drop`: a slab may go back to the buddy at any time, and
//! nobody would run it.
//!
//! # Locking     that of `kmem_cache.rs`. An object can be freed in any context in which `T` can be
//!               dropped; with `Arc` the last one destroys the cache, which sleeps.
//! # Cost        an object costs what SLUB takes, plus one counter that all CPUs share, which is what
//!               tells of leaks: where that hurts, it can go per CPU without a change outside.
//! # Limits      two caches of one name make Linux warn: names are the caller's to keep apart. An
//!               object that is forgotten keeps its memory: the cache is then reported and kept,
//!               not destroyed, since Linux would WARN and leak it too.
//! # Reference   `include/linux/slab.h`: `kmem_cache_create()`, `struct kmem_cache_args`;
//!               Documentation/core-api/memory-allocation.rst.

#[cfg(CONFIG_KUNIT)]
mod tests;

use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

use kernel::{
    alloc::AllocError,
    bindings,
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

use pin_init::InPlaceWrite;

use super::{
    raw::RawCache,
    Flags,
    Refusal,
    BATCH,
    MAX_SIZE, //
};
use crate::algo::units::Bytes;
use crate::linux::{
    gfp::Gfp,
    node::Node, //
};

/// Objects get their value when they are allocated, and lose it when they are freed.
pub enum Plain {}

/// Objects have a value from the making of their slab on, whether they are free or not.
pub enum Constructed {}

/// A type that a [`Constructed`] cache can hold.
pub trait Construct: Send {
    /// Makes the value of an object of a new slab. Runs in the context of whoever allocates, so it
    /// neither sleeps nor allocates.
    fn construct() -> Self;
}

/// A slab cache of values of type `T`.
///
/// # Invariants
///
/// - `raw` is a cache of objects of `T`'s size, aligned for `T`.
/// - `nr_objects` is the number of objects that are allocated.
/// - In a [`Constructed`] cache every object, free or not, is a valid `T`, and `T` needs no drop.
pub struct KmemCache<T, M = Plain> {
    raw: ManuallyDrop<RawCache>,
    name: &'static CStr,
    nr_objects: Atomic<usize>,
    // Values go in and come out again: of a constructed cache one owner finds what another left, so
    // that a cache for long-lived values must not pass for one for short-lived ones.
    _values: PhantomData<fn(T) -> (T, M)>,
}

/// What keeps a cache while an object of it lives.
///
/// # Safety
///
/// `deref` gives the same cache each time, and the cache lives as long as the value and its copies.
pub unsafe trait Keeps<T, M>: Deref<Target = KmemCache<T, M>> {}

// SAFETY: A shared borrow leads to one place, which outlives it.
unsafe impl<T, M> Keeps<T, M> for &KmemCache<T, M> {}

// SAFETY: A reference count keeps one place.
unsafe impl<T, M> Keeps<T, M> for Arc<KmemCache<T, M>> {}

impl<T, M> KmemCache<T, M> {
    /// Linux divides by the size.
    const SIZE: Bytes = {
        assert!(size_of::<T>() > 0, "a cache has no objects without a byte");
        assert!(
            size_of::<T>() <= MAX_SIZE.get(),
            "the type is too large for a cache"
        );
        Bytes::new(size_of::<T>())
    };

    fn make(
        name: &'static CStr,
        flags: Flags,
        ctor: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Result<Self, Refusal> {
        flags.check()?;
        super::names::check(name)?;
        let mut args = bindings::kmem_cache_args {
            // CAST: an alignment is at most the size.
            align: align_of::<T>() as u32,
            ctor,
            ..Default::default()
        };
        // SAFETY: The size was checked when this was compiled, the flags and the name above, and the
        // alignment of a type is a power of two. A constructor of `with_constructor` may run at any
        // time, for it is a function of this module, which outlives the cache.
        let raw = unsafe { RawCache::new(name, Self::SIZE, flags, &mut args) };
        // INVARIANT: made for `T`; no object yet; a constructor makes a `T`.
        Ok(Self {
            raw: ManuallyDrop::new(raw.ok_or(Refusal::NoMemory)?),
            name,
            nr_objects: Atomic::new(0),
            _values: PhantomData,
        })
    }

    /// How many objects are allocated now.
    pub fn nr_objects(&self) -> usize {
        self.nr_objects.load(Relaxed)
    }

    /// Gives wholly free slabs back to the buddy.
    pub fn shrink(&self) {
        self.raw.shrink();
    }

    /// Frees objects of this cache in batches; those of another one by one.
    pub fn free_bulk<C: Keeps<T, M>>(&self, objects: KVec<Object<T, C, M>>) {
        let mut batch = [core::ptr::null_mut(); BATCH];
        let mut filled = 0;
        for object in objects {
            if !core::ptr::eq(&*object.cache, self) {
                continue;
            }
            let object = ManuallyDrop::new(object);
            // SAFETY: As in `Object::drop`; nobody uses the object after this.
            unsafe { object.object.drop_in_place() };
            // SAFETY: Read once, for `object` is not dropped.
            drop(unsafe { core::ptr::read(&object.cache) });
            if let Some(place) = batch.get_mut(filled) {
                *place = object.object.as_ptr().cast();
                filled += 1;
            }
            if filled == BATCH {
                // SAFETY: Allocated objects of this cache, as the invariant of `Object` and the
                // comparison above say; each was taken once.
                unsafe { self.free_batch(&mut batch) };
                filled = 0;
            }
        }
        let (rest, _) = batch.split_at_mut(filled);
        // SAFETY: As above.
        unsafe { self.free_batch(rest) };
    }

    /// # Safety
    ///
    /// `objects` are distinct allocated objects of this cache that nobody uses after this.
    unsafe fn free_batch(&self, objects: &mut [*mut c_void]) {
        // SAFETY: The caller's promise.
        unsafe { self.raw.free_bulk(objects) };
        // INVARIANT: so many objects less; pairs with the additions of the allocations.
        self.nr_objects.fetch_sub(objects.len(), Relaxed);
    }

    /// Allocates an object, which is no `T` yet in a [`Plain`] cache.
    fn alloc_raw(&self, gfp: Gfp, node: Option<Node>) -> Result<NonNull<T>, AllocError> {
        let gfp = gfp.check_slab().map_err(|_| AllocError)?;
        if gfp.contains(Gfp::ZERO) {
            return Err(AllocError);
        }
        // SAFETY: The flags were checked, and do not ask for zeroes.
        let object = unsafe { self.raw.alloc(gfp, node) }.ok_or(AllocError)?;
        // INVARIANT: one object more; pairs with `free_raw`.
        self.nr_objects.add(1, Relaxed);
        Ok(object.cast())
    }

    /// # Safety
    ///
    /// `object` is an allocated object of this cache that nobody uses after this.
    unsafe fn free_raw(&self, object: NonNull<T>) {
        // SAFETY: The caller's promise.
        unsafe { self.raw.free(object.cast()) };
        // INVARIANT: one object less; pairs with `alloc_raw`.
        self.nr_objects.fetch_sub(1, Relaxed);
    }
}

impl<T> KmemCache<T, Plain> {
    /// Makes a cache.
    ///
    /// # Errors
    ///
    /// [`Refusal::Name`], [`Refusal::Flag`], [`Refusal::NoMemory`].
    pub fn new(name: &'static CStr, flags: Flags) -> Result<Self, Refusal> {
        Self::make(name, flags, None)
    }

    /// Allocates an object and moves `value` into it; from `node` first when one is named.
    ///
    /// # Errors
    ///
    /// [`AllocError`] without memory, and for flags that no slab takes; `value` is dropped then.
    pub fn alloc<C: Keeps<T, Plain>>(
        cache: C,
        value: T,
        gfp: Gfp,
        node: Option<Node>,
    ) -> Result<Object<T, C, Plain>, AllocError> {
        let object = cache.alloc_raw(gfp, node)?;
        // SAFETY: The object is ours, and has the size and the alignment of a `T`.
        unsafe { object.write(value) };
        // INVARIANT: of this cache, and a value now.
        Ok(Object::own(object, cache))
    }

    /// Allocates an object and makes its value in place; it is never moved.
    ///
    /// # Errors
    ///
    /// ENOMEM as for [`KmemCache::alloc`], and those of `init`.
    pub fn pin_init<C: Keeps<T, Plain>, E>(
        cache: C,
        init: impl PinInit<T, E>,
        gfp: Gfp,
        node: Option<Node>,
    ) -> Result<Pin<Object<T, C, Plain>>>
    where
        T: 'static,
        Error: From<E>,
    {
        let object = cache.alloc_raw(gfp, node)?;
        let place = object.cast::<MaybeUninit<T>>();
        // SAFETY: The object is ours and of the size of a `T`. The borrow is given up below, before
        // the object is freed or owned; it is called static since `pin_init` knows no other.
        let place: &'static mut MaybeUninit<T> = unsafe { &mut *place.as_ptr() };
        if let Err(error) = place.write_pin_init(init) {
            // SAFETY: Allocated above, and nobody else knows of it.
            unsafe { cache.free_raw(object) };
            return Err(error.into());
        }
        // INVARIANT: of this cache, and a value now.
        Ok(Object::own(object, cache).into_pin())
    }

    /// Allocates `nr` objects in batches; the value of each is what `make` gives for its number.
    ///
    /// # Errors
    ///
    /// [`AllocError`] as for [`KmemCache::alloc`]; what was made by then is dropped.
    pub fn alloc_bulk<C: Keeps<T, Plain> + Clone>(
        cache: C,
        nr: usize,
        gfp: Gfp,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<KVec<Object<T, C, Plain>>, AllocError> {
        let gfp = gfp.check_slab().map_err(|_| AllocError)?;
        let mut objects = KVec::with_capacity(nr, GFP_KERNEL)?;
        while objects.len() < nr {
            let mut batch = [core::ptr::null_mut(); BATCH];
            let (wanted, _) = batch.split_at_mut((nr - objects.len()).min(BATCH));
            // SAFETY: The flags were checked; there is no constructor that zeroes would wipe out.
            unsafe { cache.raw.alloc_bulk(gfp, wanted) }.map_err(|()| AllocError)?;
            // INVARIANT: so many objects more; pairs with `free_raw`.
            cache.nr_objects.add(wanted.len(), Relaxed);
            for object in wanted.iter().filter_map(|&it| NonNull::new(it.cast::<T>())) {
                // SAFETY: The object is ours, and has the size and the alignment of a `T`.
                unsafe { object.write(make(objects.len())) };
                // There is room for `nr`, see above.
                let _ = objects.push_within_capacity(Object::own(object, cache.clone()));
            }
        }
        Ok(objects)
    }
}

impl<T: Construct> KmemCache<T, Constructed> {
    /// A slab goes away without a word.
    const NEEDS_NO_DROP: () = assert!(
        !core::mem::needs_drop::<T>(),
        "nobody would drop the free objects of a slab that goes back to the buddy"
    );

    /// Makes a cache whose objects are made with their slabs, by [`Construct::construct`].
    ///
    /// # Errors
    ///
    /// As for [`KmemCache::new`].
    pub fn with_constructor(name: &'static CStr, flags: Flags) -> Result<Self, Refusal> {
        let () = Self::NEEDS_NO_DROP;
        Self::make(name, flags, Some(construct::<T>))
    }

    /// Takes an object out, with the value that its constructor or its last owner left.
    ///
    /// # Errors
    ///
    /// [`AllocError`] as for [`KmemCache::alloc`].
    pub fn take<C: Keeps<T, Constructed>>(
        cache: C,
        gfp: Gfp,
        node: Option<Node>,
    ) -> Result<Object<T, C, Constructed>, AllocError> {
        let object = cache.alloc_raw(gfp, node)?;
        // INVARIANT: of this cache, and by the cache's invariant a value.
        Ok(Object::own(object, cache))
    }
}

/// # Safety
///
/// Called by Linux alone, for a free object of a cache for `T`.
unsafe extern "C" fn construct<T: Construct>(object: *mut c_void) {
    // SAFETY: The caller's promise.
    unsafe { object.cast::<T>().write(T::construct()) };
}

impl<T, M> Drop for KmemCache<T, M> {
    fn drop(&mut self) {
        match self.nr_objects() {
            // SAFETY: Not used after this.
            0 => unsafe { ManuallyDrop::drop(&mut self.raw) },
            left => pr_err!(
                "cache {}: {left} objects were forgotten and never freed; it stays\n",
                self.name
            ),
        }
    }
}

/// An owned object of a [`KmemCache`].
///
/// # Invariants
///
/// `object` is an allocated object of the cache that `cache` keeps, holds a value, and is nobody
/// else's.
#[must_use = "dropping the object frees it"]
pub struct Object<T, C: Keeps<T, M>, M = Plain> {
    object: NonNull<T>,
    cache: C,
    _owned: PhantomData<(T, M)>,
}

// SAFETY: The object owns a `T` and a `C`, and a slab's object may be freed by any task.
unsafe impl<T: Send, C: Keeps<T, M> + Send, M> Send for Object<T, C, M> {}

// SAFETY: A shared object gives out `&T` and nothing else.
unsafe impl<T: Sync, C: Keeps<T, M> + Sync, M> Sync for Object<T, C, M> {}

impl<T, C: Keeps<T, M>, M> Object<T, C, M> {
    /// INVARIANT: for the caller to say.
    fn own(object: NonNull<T>, cache: C) -> Self {
        Self {
            object,
            cache,
            _owned: PhantomData,
        }
    }

    /// Pins the value: it stays where it is until it is dropped there.
    pub fn into_pin(self) -> Pin<Self> {
        // SAFETY: Nothing moves the value out of a pinned object, and its drop runs in place.
        unsafe { Pin::new_unchecked(self) }
    }
}

impl<T, C: Keeps<T, Plain>> Object<T, C, Plain> {
    /// Moves the value out and frees the object.
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the invariant there is a value, which is read once: the object is freed below.
        let value = unsafe { this.object.read() };
        // SAFETY: By the invariant the object is of this cache and ours.
        unsafe { this.cache.free_raw(this.object) };
        // SAFETY: `this` is not used after this, so that what keeps the cache is dropped once.
        drop(unsafe { core::ptr::read(&this.cache) });
        value
    }
}

impl<T, C: Keeps<T, M>, M> Deref for Object<T, C, M> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant there is a value, and it is ours.
        unsafe { self.object.as_ref() }
    }
}

impl<T, C: Keeps<T, M>, M> DerefMut for Object<T, C, M> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant there is a value, and it is ours.
        unsafe { self.object.as_mut() }
    }
}

impl<T, C: Keeps<T, M>, M> Drop for Object<T, C, M> {
    fn drop(&mut self) {
        // SAFETY: By the invariant there is a value, which nobody sees after this; that of a
        // constructed cache needs no drop, and stays as it is for its next owner.
        unsafe { self.object.drop_in_place() };
        // SAFETY: By the invariant the object is of this cache and ours. `cache` is dropped after.
        unsafe { self.cache.free_raw(self.object) };
    }
}
