// SPDX-License-Identifier: GPL-2.0

//! Linux's slab caches as the views see them: layout, sums, and what a request takes.
//!
//! # Cost        [`fits`] allocates once and makes two caches for a moment, since Linux itself knows
//!               best what it would do.
//! # Limits      what `slub` cannot prove is answered with why.
//! # Reference   `rust/linux/slub.rs`.

use kernel::{
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

use super::Holding;
use crate::algo::{
    command::{
        CacheFlag,
        CacheFlags, //
    },
    snapshot_slab::{
        Class,
        CpuSheaves,
        Fit,
        Fits,
        Name,
        NodeSlabs,
        Shape,
        Totals,
        Unknown, //
    },
    units::{
        Bytes,
        NodeId,
        Order, //
    },
};
use crate::lab::{
    Cache,
    Refusal, //
};
use crate::linux::{
    gfp::Gfp,
    kmalloc::{
        self,
        Kmalloc, //
    },
    kmem_cache::{
        self,
        Config,
        Flags, //
    },
    slub::{
        Known,
        Slub,
        KMALLOC_CLASSES, //
    },
    PAGE_SHIFT, //
};

impl Cache for Arc<kmem_cache::Cache> {
    fn object_size(&self) -> Bytes {
        self.size()
    }

    fn nr_objects(&self) -> usize {
        kmem_cache::Cache::nr_objects(self)
    }

    fn shrink(&self) {
        kmem_cache::Cache::shrink(self);
    }

    fn constructed(&self) -> Option<u64> {
        kmem_cache::Cache::constructed(self)
    }

    fn shape(&self) -> Result<Shape, Unknown> {
        Ok(Slub::get()?.cache(self).shape())
    }

    fn slabs(&self, node: NodeId) -> Result<NodeSlabs, Unknown> {
        let slabs = Slub::get()?.cache(self).node(node);
        slabs.ok_or(Unknown("there is no such node"))
    }

    fn sheaves(&self, cpu: u32) -> Result<CpuSheaves, Unknown> {
        Slub::get()?.cache(self).cpu(cpu)
    }

    fn totals(&self) -> Result<Totals, Unknown> {
        Slub::get()?.cache(self).totals()
    }
}

/// The classes of `kmalloc()`, from small to large, by its own rule; what each looks like is read
/// off the caches.
pub(super) fn classes() -> impl Iterator<Item = Class> {
    let mut below = Bytes::ZERO;
    core::iter::from_fn(move || {
        let least = below.saturating_add(Bytes::new(1));
        if least > kmalloc::MAX_CACHE_SIZE {
            return None;
        }
        let size = kmalloc::roundup(least);
        let class = Class {
            size,
            below,
            shape: class_of(size).map(|known| (known.linux_name(), known.shape())),
        };
        // The rule never rounds down; a rule that did would end the walk.
        below = size.max(least);
        Some(class)
    })
}

/// The cache of the class whose objects have this size.
fn class_of(size: Bytes) -> Result<Known<'static>, Unknown> {
    let slub = Slub::get()?;
    (0..KMALLOC_CLASSES)
        .filter_map(|class| slub.kmalloc(class))
        .find(|known| known.shape().object_size == size)
        .ok_or(Unknown("no cache of kmalloc has objects of this size"))
}

/// What a request takes.
///
/// # Errors
///
/// Those of [`Kmalloc::alloc`].
pub(super) fn fits(asked: Bytes) -> Result<Fits, Refusal> {
    let memory = Kmalloc::alloc(asked, Gfp::KERNEL, None)?;
    let size = kmalloc::roundup(asked);
    let kmalloc = if size > kmalloc::MAX_CACHE_SIZE {
        Fit {
            name: Name::new(b"pages"),
            usable: memory.taken(),
            shape: Ok(pages(size)),
        }
    } else {
        let known = class_of(size);
        let name = known.as_ref().map(Known::linux_name);
        Fit {
            name: name.unwrap_or(Name::new(b"kmalloc")),
            usable: memory.taken(),
            shape: known.map(|known| known.shape()),
        }
    };
    Ok(Fits {
        asked,
        kmalloc,
        own: own(asked, Flags::NO_MERGE),
        own_at_lines: own(asked, Flags::NO_MERGE | Flags::HWCACHE_ALIGN),
    })
}

/// Whole pages as a slab of one object.
fn pages(size: Bytes) -> Shape {
    let pages = size.whole_pages(PAGE_SHIFT).get().max(1);
    let order = Order::new(pages.ilog2()).unwrap_or(Order::MAX);
    Shape {
        object_size: size,
        size,
        align: 1 << PAGE_SHIFT,
        order,
        objs_per_slab: 1,
        min_order: order,
        min_objs_per_slab: 1,
        min_partial: 0,
        sheaf_capacity: 0,
        aliases: 0,
        has_constructor: false,
    }
}

/// What a cache of objects of this size would be: makes one for a moment.
fn own(size: Bytes, flags: Flags) -> Result<Fit, Unknown> {
    let slub = Slub::get()?;
    let cache = passing_cache(size, flags).map_err(|refusal| {
        Unknown(match refusal {
            kmem_cache::Refusal::Size(_) => "no cache takes objects of this size",
            _ => "there is no memory for a cache to look at",
        })
    })?;
    let shape = slub.cache(&cache).shape();
    Ok(Fit {
        name: Name::new(b"-"),
        usable: shape.object_size,
        shape: Ok(shape),
    })
}

/// Makes a cache under a name that nobody has: several may ask at a time, and a user may have taken
/// any name.
fn passing_cache(size: Bytes, flags: Flags) -> Result<Arc<kmem_cache::Cache>, kmem_cache::Refusal> {
    static ASKED: Atomic<u64> = Atomic::new(0);
    loop {
        let number = ASKED.fetch_add(1, Relaxed);
        let name = CString::try_from_fmt(fmt!("asked.{number}"))
            .map_err(|_| kmem_cache::Refusal::NoMemory)?;
        let made = kmem_cache::Cache::create(&Config {
            name: &name,
            size,
            align: None,
            flags,
            constructor: None,
        });
        // Ends: there are more numbers than caches.
        if !matches!(made, Err(kmem_cache::Refusal::NameTaken)) {
            return made;
        }
    }
}

/// Allocates up to `want` objects of a cache in one go, from any node.
pub(super) fn bulk(
    cache: &Arc<kmem_cache::Cache>,
    gfp: Gfp,
    want: usize,
    into: &mut KVVec<Holding>,
) -> Result<(), Refusal> {
    cache.alloc_bulk(gfp, want, |object| {
        into.push(Holding::Cached(object), GFP_KERNEL)
            .map_err(|_| Refusal::NoTable)
    })
}

/// A cache's properties as Linux has them.
pub(super) fn flags(of: CacheFlags) -> Flags {
    of.iter().fold(Flags::NONE, |flags, flag| {
        flags
            | match flag {
                CacheFlag::Hwalign => Flags::HWCACHE_ALIGN,
                CacheFlag::Account => Flags::ACCOUNT,
                CacheFlag::Reclaim => Flags::RECLAIM_ACCOUNT,
                CacheFlag::Typesafe => Flags::TYPESAFE_BY_RCU,
                CacheFlag::NoMerge => Flags::NO_MERGE,
                CacheFlag::Redzone => Flags::RED_ZONE,
                CacheFlag::Poison => Flags::POISON,
                CacheFlag::Track => Flags::STORE_USER,
                CacheFlag::Checks => Flags::CONSISTENCY_CHECKS,
            }
    })
}
