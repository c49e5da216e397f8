// SPDX-License-Identifier: GPL-2.0

//! The truth about a slab cache: how many of its objects are used, and where the free ones are.
//!
//!   cpu 0  main 12 spare 60 rcu_free -      sheaves: arrays of free objects
//!   node 0 barn 3 full 1 empty              sheaves for the node's CPUs
//!          partial [5/21] [20/21] [0/21]    slabs with free objects, linked
//!          full slabs                       counted, not linked
//!
//! Linux shows neither the sheaves nor the barns, and counts what is free in them as used. The
//! structs are private to `mm/`; `mirror.rs` has them once more, and `proof.rs` holds that mirror
//! against the running kernel before a single field is believed. [`Slub::get`] answers with why not,
//! if it does not hold, and nothing is read then.
//!
//! # Locking     partial lists under `list_lock`, barns under their lock, both with interrupts off, as
//!               SLUB takes them, never two at a time. A CPU's sheaves are read on that CPU with
//!               interrupts off: whoever changes them is not preempted meanwhile, and nobody else
//!               does.
//! # Cost        a partial list is walked for 10,000 slabs at most in one lock hold, as
//!               /proc/slabinfo does; a CPU's sheaves cost a switch to a worker on that CPU, and
//!               wait until that one may run.
//! # Limits      with CONFIG_PREEMPT_RT tasks that change sheaves are preempted, so that sheaves are
//!               not read at all; without CONFIG_SLUB_DEBUG nobody counts slabs. Objects that
//!               KASAN keeps back after they were freed are used, by SLUB's count and by ours.
//! # Reference   `mm/slub.c`: the comment at its head, `get_slabinfo()`,
//!               `count_partial_free_approx()`.

mod locked;
mod mirror;
mod place;
mod proof;
#[cfg(CONFIG_KUNIT)]
mod tests;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::{
        c_long,
        c_void, //
    },
    prelude::*, //
};

use super::{
    ffi,
    kmem_cache::Cache,
    node::{
        self,
        Node, //
    },
    read_once, //
};
use crate::algo::{
    snapshot_slab::{
        CpuSheaves,
        Name,
        NodeSlabs,
        Shape,
        Totals,
        Unknown, //
    },
    units::{
        usize_from,
        Bytes,
        NodeId, //
    },
};
use locked::{
    holds,
    LockedBarn,
    LockedNode, //
};
use mirror::{
    KmemCache,
    PerNode,
    PercpuSheaves,
    SlabSheaf, //
};

pub use proof::prove;

/// Evidence that `mirror.rs` shows the running kernel's structs.
///
/// # Invariants
///
/// [`prove`] has succeeded.
#[derive(Clone, Copy)]
pub struct Slub(());

impl Slub {
    /// The evidence, if there is.
    ///
    /// # Errors
    ///
    /// Why the kernel's structs are not known.
    pub fn get() -> Result<Self, Unknown> {
        proof::outcome()?;
        // INVARIANT: just seen.
        Ok(Self(()))
    }

    /// The truth about a cache that oxmm made.
    pub fn cache<'a>(&self, cache: &'a Cache) -> Known<'a> {
        // INVARIANT: `cache` keeps its struct alive for `'a`.
        Known {
            cache: cache.as_raw().cast(),
            _alive: PhantomData,
        }
    }

    /// The truth about the cache that `kmalloc()` takes objects of class `class` from, the number
    /// of the array `kmalloc_caches`; `None` if there is none.
    pub fn kmalloc(&self, class: usize) -> Option<Known<'static>> {
        // SAFETY: Set up at boot and never changed; the address alone is taken.
        let normal = unsafe { &raw const bindings::kmalloc_caches[0] };
        if class >= KMALLOC_CLASSES {
            return None;
        }
        // SAFETY: As above, and `class` is below the length of the array.
        let cache = unsafe { normal.cast::<*mut KmemCache>().add(class).read() };
        // INVARIANT: these caches are never destroyed.
        Some(Known {
            cache: NonNull::new(cache)?,
            _alive: PhantomData,
        })
    }
}

/// How many classes `kmalloc()` has at most.
// CAST: widens.
pub const KMALLOC_CLASSES: usize = bindings::KMALLOC_SHIFT_HIGH as usize + 1;

/// A cache that can be looked into.
///
/// # Invariants
///
/// `cache` is a live `struct kmem_cache` for `'a`, laid out as `mirror.rs` says.
pub struct Known<'a> {
    cache: NonNull<KmemCache>,
    _alive: PhantomData<&'a Cache>,
}

/// Reads one field of a [`Known`], once.
macro_rules! field {
    ($self:ident . $field:ident) => {
        // SAFETY: By the invariant the cache is live; Linux stores to the field, whole words.
        unsafe { read_once(&raw const (*$self.cache.as_ptr()).$field) }
    };
}

impl Known<'_> {
    /// How it lays its objects out.
    pub fn shape(&self) -> Shape {
        let (oo, min) = (field!(self.oo), field!(self.min));
        Shape {
            object_size: Bytes::new(usize_from(field!(self.object_size))),
            size: Bytes::new(usize_from(field!(self.size))),
            align: usize_from(field!(self.align)),
            order: oo.order(),
            objs_per_slab: oo.objects(),
            min_order: min.order(),
            min_objs_per_slab: min.objects(),
            min_partial: field!(self.min_partial),
            sheaf_capacity: usize_from(field!(self.sheaf_capacity)),
            aliases: usize::try_from(field!(self.refcount) - 1).unwrap_or(0),
            has_constructor: field!(self.ctor).is_some(),
        }
    }

    /// The name that Linux knows it by; that of the first one, if caches were merged.
    pub fn linux_name(&self) -> Name {
        let name = field!(self.name);
        // SAFETY: By the invariant the cache is live, and its name lives as long and never changes.
        Name::new(unsafe { CStr::from_char_ptr(name) }.to_bytes())
    }

    /// What it has on a node; `None` for a number that no node has.
    pub fn node(&self, node: NodeId) -> Option<NodeSlabs> {
        let PerNode { barn, node } = self.per_node(node)?;
        let mut slabs = NodeSlabs::default();
        if let Some(node) = NonNull::new(node) {
            // SAFETY: A node's struct is freed with its cache alone, which is live.
            let node = unsafe { LockedNode::new(node) };
            slabs.partial = Some(node.partial());
            slabs.made = node.made();
        }
        // SAFETY: A barn is freed with its cache alone, which is live.
        slabs.barn = NonNull::new(barn).map(|barn| unsafe { LockedBarn::new(barn) }.count());
        Some(slabs)
    }

    fn per_node(&self, id: NodeId) -> Option<PerNode> {
        if !node::possible_numbers().any(|possible| possible == id) {
            return None;
        }
        // SAFETY: By the invariant the cache is live, and it has an entry for each possible number.
        let entry = unsafe {
            (&raw const (*self.cache.as_ptr()).per_node)
                .cast::<PerNode>()
                .add(id.index())
        };
        // SAFETY: As above; memory hotplug stores to the pointers, whole words.
        Some(unsafe {
            PerNode {
                barn: read_once(&raw const (*entry).barn),
                node: read_once(&raw const (*entry).node),
            }
        })
    }

    /// A CPU's sheaves, counted on that CPU.
    ///
    /// # Errors
    ///
    /// Why they are not known.
    pub fn cpu(&self, cpu: u32) -> Result<CpuSheaves, Unknown> {
        if cfg!(CONFIG_PREEMPT_RT) {
            return Err(Unknown("tasks that change sheaves are preempted"));
        }
        let mut visit = Visit {
            cache: self.cache.as_ptr(),
            cpu,
            find: core::ptr::null_mut(),
            sheaves: None,
            found: false,
        };
        visit.go()?;
        visit.sheaves.ok_or(Unknown("the cache has no sheaves"))
    }

    /// Its sums over all nodes and online CPUs.
    ///
    /// # Errors
    ///
    /// Why they are not known: they would be wrong without the sheaves.
    pub fn totals(&self) -> Result<Totals, Unknown> {
        if cfg!(CONFIG_PREEMPT_RT) && field!(self.sheaf_capacity) != 0 {
            return Err(Unknown("tasks that change sheaves are preempted"));
        }
        let mut totals = Totals::NOTHING;
        for cpu in Node::online().flat_map(|node| node.cpus()) {
            if let Ok(sheaves) = self.cpu(cpu) {
                totals.add_cpu(&sheaves);
            }
        }
        for id in node::possible_numbers() {
            if let Some(node) = self.node(id) {
                totals.add_node(&node);
            }
        }
        Ok(totals)
    }

    /// Whether `object` lies free in a sheaf of a CPU or of a barn.
    fn in_sheaves(&self, object: *mut c_void) -> Result<bool, Unknown> {
        if field!(self.sheaf_capacity) == 0 {
            return Ok(false);
        }
        for cpu in Node::online().flat_map(|node| node.cpus()) {
            let mut visit = Visit {
                cache: self.cache.as_ptr(),
                cpu,
                find: object,
                sheaves: None,
                found: false,
            };
            visit.go()?;
            if visit.found {
                return Ok(true);
            }
        }
        let barns = node::possible_numbers().filter_map(|id| self.per_node(id));
        let mut barns = barns.filter_map(|entry| NonNull::new(entry.barn));
        // SAFETY: As in `node`.
        Ok(barns.any(|barn| unsafe { LockedBarn::new(barn) }.has(object)))
    }
}

/// A look at the sheaves of one CPU, taken on that CPU.
///
/// # Invariants
///
/// `cache` is live, and laid out as `mirror.rs` says.
struct Visit {
    cache: *const KmemCache,
    cpu: u32,
    /// What to look for; null for nothing.
    find: *mut c_void,
    sheaves: Option<CpuSheaves>,
    found: bool,
}

impl Visit {
    fn go(&mut self) -> Result<(), Unknown> {
        let cpu = self.cpu;
        // SAFETY: `look` takes a `Visit`, and the call waits for it. Process context: callers of this
        // room may sleep.
        let done = unsafe { ffi::oxmm_on_cpu(cpu, Self::look, (&raw mut *self).cast()) };
        if done != 0 {
            return Err(Unknown("the CPU is not online"));
        }
        Ok(())
    }

    /// # Safety
    ///
    /// `visit` is a [`Visit`] that is nobody else's meanwhile; runs on its CPU.
    unsafe extern "C" fn look(visit: *mut c_void) -> c_long {
        // SAFETY: The caller's promise.
        let visit = unsafe { &mut *visit.cast::<Self>() };
        // SAFETY: By the invariant the cache is live; the capacity changes once, when the cache gets
        // sheaves in place of a shared empty one.
        let capacity = unsafe { read_once(&raw const (*visit.cache).sheaf_capacity) };
        if capacity == 0 {
            return 0;
        }
        // SAFETY: Restored below, on the same CPU: a worker that is bound to it runs this.
        let flags = unsafe { ffi::oxmm_irq_save() };
        // SAFETY: Interrupts are off, and the cache has sheaves.
        unsafe { visit.look_locked() };
        // SAFETY: Saved above.
        unsafe { ffi::oxmm_irq_restore(flags) };
        0
    }

    /// # Safety
    ///
    /// Runs on the CPU of the visit with interrupts off, and the cache has sheaves of its own.
    unsafe fn look_locked(&mut self) {
        // SAFETY: The cache is live, and its cookie is one of per-CPU memory.
        let own = unsafe { ffi::oxmm_per_cpu_ptr((*self.cache).cpu_sheaves.cast(), self.cpu) };
        let own = own.cast_const().cast::<PercpuSheaves>();
        // SAFETY: The sheaves of this CPU change under their local lock alone, and whoever holds
        // that is not preempted; so nobody holds it now, nor takes it with interrupts off.
        let (main, spare, rcu_free) = unsafe { ((*own).main, (*own).spare, (*own).rcu_free) };
        let mut size = |sheaf: *mut SlabSheaf| {
            let sheaf = NonNull::new(sheaf)?;
            // SAFETY: What is in these places is a sheaf of this cache and stays one meanwhile.
            self.found |= !self.find.is_null() && unsafe { holds(sheaf, self.find) };
            // SAFETY: As above.
            Some(usize_from(unsafe { (*sheaf.as_ptr()).size }))
        };
        let (main, spare) = (size(main), size(spare));
        let rcu_free = size(rcu_free);
        self.sheaves = main.map(|main| CpuSheaves {
            main,
            spare,
            rcu_free,
        });
    }
}
