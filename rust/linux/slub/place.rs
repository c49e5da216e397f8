// SPDX-License-Identifier: GPL-2.0

//! Which object of which cache an address is in, and whether it is free.
//!
//!   slab   [ obj 0 | obj 1 | obj 2 | ... | rest ]     freelist: obj 2 -> obj 0 -> end
//!                     ^ address: index 1, offset n     sheaves:  obj 1?
//!
//! The slab is nobody's to hold: it may be freed, and its memory used anew, while it is looked at.
//! So everything is copied by `copy_from_kernel_nofault()`, every number is checked before it is
//! used, and what was read counts only if the slab's word of counters and its freelist are the same
//! after as before.
//!
//! # Locking     none for the slab; sheaves as `slub.rs` says.
//! # Cost        a step for each free object of the slab, and if it is not among them a look into
//!               every sheaf of the cache.
//! # Limits      kernels that keep tags in pointers answer unknown; an object of KFENCE is no slab's.
//! # Reference   `mm/slub.c`: `get_freepointer()`, `freelist_ptr_decode()`, `on_freelist()`;
//!               `mm/slab.h`: `nearest_obj()`.

use core::mem::offset_of;

use super::{
    mirror::{
        Counters,
        KmemCache,
        Slab, //
    },
    proof::{
        peek,
        peek_text,
        slab_of, //
    },
    Known,
    Slub,
    KMALLOC_CLASSES, //
};
use crate::algo::{
    snapshot_slab::{
        Name,
        ObjectPlace,
        ObjectState,
        Unknown, //
    },
    units::{
        usize_from,
        Bytes, //
    },
};
use crate::linux::{
    ffi,
    kmem_cache::{
        Cache,
        Flags, //
    },
};

/// How often a slab that changes is looked at anew.
const TRIES: usize = 3;

impl Slub {
    /// The object that an address is in; `None` if no slab is there. `own` is a cache of oxmm's that
    /// the address may be of, whose sheaves can be searched.
    ///
    /// # Errors
    ///
    /// Why it is not known.
    pub fn place(&self, addr: usize, own: Option<&Cache>) -> Result<Option<ObjectPlace>, Unknown> {
        if cfg!(any(CONFIG_KASAN_SW_TAGS, CONFIG_KASAN_HW_TAGS)) {
            return Err(Unknown("pointers carry tags in this kernel"));
        }
        let Some(copy) = slab_of(addr).and_then(|slab| Copied::new(addr, slab)) else {
            return Ok(None);
        };
        let index = (addr - copy.base) / copy.size;
        let is_object = index < copy.counters.objects();
        let object = copy.base + index * copy.size + copy.pad;
        let state = match copy.on_freelist(object) {
            _ if !is_object => ObjectState::Free,
            None => ObjectState::Changing,
            Some(true) => ObjectState::Free,
            Some(false) => self.off_freelist(&copy, object, own),
        };
        Ok(Some(ObjectPlace {
            cache: copy.name,
            object_size: Bytes::new(copy.object_size),
            size: Bytes::new(copy.size),
            index: is_object.then_some(index),
            offset: addr.saturating_sub(object),
            objects: copy.counters.objects(),
            inuse: copy.counters.inuse(),
            state,
        }))
    }

    /// What an object is that is not on its slab's freelist.
    fn off_freelist(&self, copy: &Copied, object: usize, own: Option<&Cache>) -> ObjectState {
        if copy.capacity == 0 {
            return ObjectState::Allocated;
        }
        let is_it = |known: &Known<'_>| known.cache.as_ptr().addr() == copy.cache;
        // Caches that do not go away meanwhile: the caller's, and those of `kmalloc()`.
        let own = own.map(|own| self.cache(own));
        let mut kmalloc = (0..KMALLOC_CLASSES).filter_map(|class| self.kmalloc(class));
        let known = own.filter(is_it).or_else(|| kmalloc.find(is_it));
        let object = core::ptr::with_exposed_provenance_mut(object);
        match known.map(|known| known.in_sheaves(object)) {
            Some(Ok(true)) => ObjectState::InSheaf,
            Some(Ok(false)) => ObjectState::Allocated,
            _ => ObjectState::NotOnSlab,
        }
    }
}

/// What was copied of a slab and of its cache.
///
/// # Invariants
///
/// `size` is not 0; the slab begins at `base`, at or below the address that was asked for.
struct Copied {
    slab: usize,
    cache: usize,
    base: usize,
    counters: Counters,
    name: Name,
    size: usize,
    object_size: usize,
    /// Bytes before an object, in caches with red zones.
    pad: usize,
    /// Where a free object has the pointer to the next one.
    link: usize,
    /// What pointers are hidden by.
    random: usize,
    capacity: usize,
}

impl Copied {
    fn new(addr: usize, slab: usize) -> Option<Self> {
        let cache: usize = peek(slab + offset_of!(Slab, slab_cache))?;
        let word = |offset| peek::<u32>(cache.checked_add(offset)?).map(usize_from);
        let flags = Flags::from_bits(peek(cache.checked_add(offset_of!(KmemCache, flags))?)?);
        let has_pad = flags.contains(Flags::RED_ZONE);
        #[cfg(CONFIG_SLAB_FREELIST_HARDENED)]
        let random = peek(cache + offset_of!(KmemCache, random))?;
        #[cfg(not(CONFIG_SLAB_FREELIST_HARDENED))]
        let random = 0;
        // SAFETY: `slab` is the first page of a slab, or was a moment ago; a page in any case.
        let base = unsafe { ffi::oxmm_page_address(core::ptr::with_exposed_provenance(slab)) };
        let base = base.addr();
        let size = word(offset_of!(KmemCache, size))?;
        if size == 0 || base > addr {
            return None;
        }
        // INVARIANT: both checked above.
        Some(Self {
            slab,
            cache,
            base,
            counters: Counters::from_word(peek(slab + offset_of!(Slab, counters))?),
            name: Name::new(&peek_text::<{ Name::MAX }>(peek(
                cache + offset_of!(KmemCache, name),
            )?)?),
            size,
            object_size: word(offset_of!(KmemCache, object_size))?,
            pad: word(offset_of!(KmemCache, red_left_pad))
                .filter(|_| has_pad)
                .unwrap_or(0),
            link: word(offset_of!(KmemCache, offset))?,
            random,
            capacity: word(offset_of!(KmemCache, sheaf_capacity))?,
        })
    }

    /// Whether an object is on the slab's freelist; `None` if the list does not hold still.
    fn on_freelist(&self, object: usize) -> Option<bool> {
        let read = || {
            let counters: usize = peek(self.slab + offset_of!(Slab, counters))?;
            let freelist: usize = peek(self.slab + offset_of!(Slab, freelist))?;
            Some((counters, freelist))
        };
        for _ in 0..TRIES {
            let before = read()?;
            let found = self.walk(before.1, object);
            if found.is_some() && read()? == before {
                return found;
            }
        }
        None
    }

    /// Follows the list from `at`; `None` if it leads to what is no object of the slab.
    fn walk(&self, mut at: usize, object: usize) -> Option<bool> {
        for _ in 0..=self.counters.objects() {
            if at == 0 || at == object {
                return Some(at == object);
            }
            let offset = at.checked_sub(self.base + self.pad)?;
            let is_object = offset % self.size == 0 && offset / self.size < self.counters.objects();
            let link = is_object.then_some(at + self.link)?;
            at = self.decode(peek(link)?, link);
        }
        None
    }

    fn decode(&self, stored: usize, link: usize) -> usize {
        if cfg!(CONFIG_SLAB_FREELIST_HARDENED) {
            return stored ^ self.random ^ link.swap_bytes();
        }
        stored
    }
}
