// SPDX-License-Identifier: GPL-2.0

//! Partial lists and barns with their locks held, and what can be read off them then.
//!
//! # Locking     `list_lock` of a node's struct, the lock of a barn: each with interrupts off, as SLUB
//!               takes them; a value of this file holds one, and nothing here takes a second.
//! # Cost        [`MAX_STEPS`] slabs, or [`MAX_SHEAVES`] sheaves, in one lock hold.
//! # Limits      a slab's counters change without the lock, as whole words.
//! # Reference   `mm/slub.c`: `count_partial()`, `barn_get_full_sheaf()`.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::{
        c_ulong,
        c_void, //
    },
};

use super::mirror::{
    KmemCacheNode,
    NodeBarn,
    Slab,
    SlabSheaf, //
};
use crate::algo::{
    snapshot_slab::{
        Barn,
        Partial, //
    },
    units::usize_from, //
};
use crate::linux::{
    ffi,
    read_once, //
};

/// The most slabs of a partial list that are looked at while its lock is held, as many as
/// /proc/slabinfo allows itself.
pub(super) const MAX_STEPS: usize = 10_000;

/// The most sheaves of a barn that are looked at; SLUB keeps ten.
const MAX_SHEAVES: usize = 64;

/// Whether an object is in a sheaf.
///
/// # Safety
///
/// `sheaf` is a sheaf that does not change meanwhile.
pub(super) unsafe fn holds(sheaf: NonNull<SlabSheaf>, object: *mut c_void) -> bool {
    let sheaf = sheaf.as_ptr();
    // SAFETY: The caller's promise; as many objects as its size says follow the sheaf.
    let objects = unsafe {
        core::slice::from_raw_parts(
            (&raw const (*sheaf).objects).cast::<*mut c_void>(),
            usize_from((*sheaf).size),
        )
    };
    objects.contains(&object)
}

/// A spinlock of SLUB's that is held, with interrupts off.
///
/// # Invariants
///
/// `lock` was taken by this task on this CPU, which `flags` belong to, and lives as long.
struct Held {
    lock: *mut bindings::spinlock_t,
    flags: c_ulong,
    _not_send: PhantomData<*mut ()>,
}

impl Held {
    /// # Safety
    ///
    /// `lock` is an initialised spinlock that lives until this is dropped.
    unsafe fn new(lock: *mut bindings::spinlock_t) -> Self {
        // SAFETY: The caller's promise; dropping this unlocks.
        let flags = unsafe { ffi::oxmm_spin_lock(lock) };
        // INVARIANT: taken just now.
        Self {
            lock,
            flags,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: By the invariant this task holds the lock, and these are its flags.
        unsafe { ffi::oxmm_spin_unlock(self.lock, self.flags) };
    }
}

/// A cache's struct for a node whose `list_lock` is held.
pub(super) struct LockedNode {
    node: NonNull<KmemCacheNode>,
    _held: Held,
}

impl LockedNode {
    /// # Safety
    ///
    /// `node` is one of a cache that lives until this is dropped.
    pub(super) unsafe fn new(node: NonNull<KmemCacheNode>) -> Self {
        // SAFETY: The caller's promise.
        let held = unsafe { Held::new(&raw mut (*node.as_ptr()).list_lock) };
        Self { node, _held: held }
    }

    pub(super) fn made(&self) -> Option<(usize, usize)> {
        #[cfg(CONFIG_SLUB_DEBUG)]
        {
            let node = self.node.as_ptr();
            // SAFETY: The node is live; others change these words atomically.
            let (slabs, objects) = unsafe {
                (
                    read_once(&raw const (*node).nr_slabs),
                    read_once(&raw const (*node).total_objects),
                )
            };
            Some((
                usize::try_from(slabs).unwrap_or(0),
                usize::try_from(objects).unwrap_or(0),
            ))
        }
        #[cfg(not(CONFIG_SLUB_DEBUG))]
        None
    }

    /// Counts along the partial list.
    pub(super) fn partial(&self) -> Partial {
        let node = self.node.as_ptr();
        // SAFETY: The node is live and its lock is held.
        let (slabs, head) = unsafe { ((*node).nr_partial, &raw const (*node).partial) };
        let mut partial = Partial {
            slabs,
            ..Partial::default()
        };
        // SAFETY: As above.
        let entries = unsafe { Entries::new(head) };
        for entry in entries.take(MAX_STEPS) {
            // SAFETY: What is on the list is the `slab_list` of a slab, and stays while the lock is
            // held.
            let slab = unsafe { entry.byte_sub(core::mem::offset_of!(Slab, slab_list)) };
            // SAFETY: As above; others change the word atomically.
            let counters = unsafe { read_once(&raw const (*slab.cast::<Slab>()).counters) };
            partial.count(counters.inuse(), counters.objects());
        }
        partial
    }
}

/// A barn whose lock is held.
pub(super) struct LockedBarn {
    barn: NonNull<NodeBarn>,
    _held: Held,
}

impl LockedBarn {
    /// # Safety
    ///
    /// `barn` is one of a cache that lives until this is dropped.
    pub(super) unsafe fn new(barn: NonNull<NodeBarn>) -> Self {
        // SAFETY: The caller's promise.
        let held = unsafe { Held::new(&raw mut (*barn.as_ptr()).lock) };
        Self { barn, _held: held }
    }

    fn full(&self) -> impl Iterator<Item = NonNull<SlabSheaf>> + '_ {
        // SAFETY: The barn is live and its lock is held.
        let entries = unsafe { Entries::new(&raw const (*self.barn.as_ptr()).sheaves_full) };
        // The list is the first field of a sheaf.
        let sheaves = entries.map(|entry| entry.cast_mut().cast());
        sheaves.filter_map(NonNull::new).take(MAX_SHEAVES)
    }

    pub(super) fn count(&self) -> Barn {
        let barn = self.barn.as_ptr();
        // SAFETY: The barn is live and its lock is held.
        let (full, empty) = unsafe { ((*barn).nr_full, (*barn).nr_empty) };
        Barn {
            full: usize_from(full),
            empty: usize_from(empty),
            // SAFETY: Sheaves of a barn change with its lock held alone.
            objects: self
                .full()
                .map(|sheaf| usize_from(unsafe { (*sheaf.as_ptr()).size }))
                .sum(),
        }
    }

    /// Whether its list has as many sheaves as it says.
    pub(super) fn is_sound(&self) -> bool {
        self.full().count() == self.count().full
    }

    pub(super) fn has(&self, object: *mut c_void) -> bool {
        // SAFETY: Sheaves of a barn change with its lock held alone.
        self.full().any(|sheaf| unsafe { holds(sheaf, object) })
    }
}

/// The entries of a list that nobody changes.
///
/// # Invariants
///
/// `at` is an entry of the list with this head, or the head.
struct Entries {
    head: *const bindings::list_head,
    at: *const bindings::list_head,
}

impl Entries {
    /// # Safety
    ///
    /// `head` is the head of a list that does not change while this is used.
    unsafe fn new(head: *const bindings::list_head) -> Self {
        // INVARIANT: starts at the head.
        Self { head, at: head }
    }
}

impl Iterator for Entries {
    type Item = *const bindings::list_head;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: By the invariant `at` is in the list, which does not change.
        // INVARIANT: the next of an entry is an entry or the head.
        self.at = unsafe { (*self.at).next };
        (self.at != self.head).then_some(self.at)
    }
}
