// SPDX-License-Identifier: GPL-2.0

//! The glue room: Linux's memory manager behind safe types; the only home of `bindings`.
//!
//!   node -> zone -> free area            what is there
//!   vmstat -> memory                     what Linux counts, and what all of memory is
//!   cpu, thread                          staying on a CPU, running on all, or on some in threads
//!   bench                                what is measured of Linux
//!   zone -> pcp, pageblock               what is there, by CPU and by pfn
//!   address -> frame -> page             one page; hotplug keeps it there while it is looked at
//!   gfp  -> pages, bulk, percpu, vmalloc what can be asked for; contents: the bytes of pages
//!   pinned                               arrays of what must not move
//!   would                                what the page allocator looks at for a request
//!   debugfs                              how a user reads and asks
//!   kmem_cache, kmalloc -> slub          objects of slabs; where the free ones are
//!   hashed                               addresses as the kernel prints them
//!   ffi, compat                          the C shims of `helpers.c`; kernels that differ
//!
//! # Locking     each file says what it takes; nothing here outlives a call with a lock held.
//! # Limits      no policy: what is allocated, and when, is for `lab` to say.
//! # Reference   `include/linux/mmzone.h`, `include/linux/gfp.h`.

pub mod address;
pub mod bench;
pub mod bulk;
mod compat;
pub mod contents;
pub mod cpu;
pub mod debugfs;
pub mod exact;
mod ffi;
mod frame;
pub mod gfp;
mod hashed;
pub mod hotplug;
pub mod kmalloc;
pub mod kmem_cache;
mod list;
mod log;
pub mod memory;
pub mod node;
pub mod page;
pub mod pageblock;
pub mod pages;
pub mod pcp;
pub mod percpu;
pub mod pinned;
pub mod slub;
pub mod thread;
pub mod version;
pub mod vmalloc;
pub mod vmstat;
pub mod would;
pub mod zone;

use core::ptr::NonNull;

use kernel::{
    alloc::flags::__GFP_NOWARN,
    bindings,
    prelude::*, //
};

pub use compat::parameter;
pub use ffi::check_layout;
pub use hashed::Hashed;
pub use log::log_error;

/// A page has `1 << PAGE_SHIFT` bytes.
pub const PAGE_SHIFT: u32 = bindings::PAGE_SHIFT;

/// The interface could do it, this manager does not; `kernel::error` of 7.2 lacks it.
pub fn not_offered() -> Error {
    // CAST: a small number.
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}

/// The flags for tables and texts whose size is up to the user: a failure is an answer to the user,
/// not a matter for the kernel log, where `kvmalloc()` would put a WARN from 2 GiB on.
pub fn quietly() -> kernel::alloc::Flags {
    GFP_KERNEL | __GFP_NOWARN
}

/// Reads a word that Linux may be storing to (`READ_ONCE()`).
///
/// # Safety
///
/// `ptr` is valid for reads and aligned; only whole words are stored to it meanwhile.
unsafe fn read_once<T: Copy>(ptr: *const T) -> T {
    // SAFETY: The caller's promise; a volatile read is neither torn nor repeated.
    unsafe { ptr.read_volatile() }
}

/// Frees memory of `kmalloc()`, of a slab cache or of `vmalloc()` after a grace period of RCU.
///
/// # Safety
///
/// `addr` is the start of such memory, which is the caller's to free. Process context.
unsafe fn free_deferred(addr: NonNull<u8>) {
    // SAFETY: The caller's promise; without a head the call may sleep, which the context allows.
    unsafe { bindings::kvfree_call_rcu(core::ptr::null_mut(), addr.as_ptr().cast()) };
}

/// Gives way to other tasks in a long loop (`cond_resched()`); process context only.
pub fn cond_resched() {
    // SAFETY: The callers of this room run in process context and hold no spinlock.
    unsafe { ffi::oxmm_cond_resched() };
}
