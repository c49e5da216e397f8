// SPDX-License-Identifier: GPL-2.0

//! Memory that stays while it is looked at: readers, and the hot-remove that waits for them.
//!
//!   offline_pages()   GOING_OFFLINE      zone without pages:       OFFLINE          memory removed:
//!                           |            per-CPU lists are freed      |             memmap is freed
//!   notifier          LEAVING = zone,                              wait for readers,
//!                     wait for readers                             LEAVING = none
//!   reader            rcu_read_lock ... look at LEAVING, at what is online ... rcu_read_unlock
//!
//! `mem_hotplug_lock` and `get_online_mems()` are not exported; memory notifiers are. A section is
//! marked offline before `MEM_OFFLINE` is sent, so that a reader either sees the mark, or began
//! before it and is waited for: what [`Reader`] finds online keeps its `struct page`, its section
//! and its pageblock bits until the reader is dropped.
//!
//! # Locking     RCU on the readers' side, which may not sleep; the notifier runs under
//!               `mem_hotplug_lock`, one at a time, and sleeps.
//! # Cost        a reader: `rcu_read_lock()`. Taking memory offline: two grace periods more.
//! # Limits      memory that comes online needs no care: it is complete before it is marked.
//! # Reference   `mm/memory_hotplug.c`: `offline_pages()`, `try_remove_memory()`.

use core::{
    cell::UnsafeCell,
    ffi::c_void, //
};

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_ulong, //
    },
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu, //
    },
};

use super::{
    ffi,
    zone::Zone, //
};

/// The address of the zone that memory is being taken from, or 0.
///
/// Stored before a grace period and read inside of RCU: a reader that the grace period does not
/// wait for sees the store.
static LEAVING: Atomic<usize> = Atomic::new(0);

/// What the chain of notifiers links.
struct Notifier(UnsafeCell<bindings::notifier_block>);

// SAFETY: The chain alone writes to it, under the chain's lock.
unsafe impl Sync for Notifier {}

static NOTIFIER: Notifier = Notifier(UnsafeCell::new(bindings::notifier_block {
    notifier_call: Some(notified),
    next: core::ptr::null_mut(),
    priority: 0,
}));

/// Makes hot-remove wait for every [`Reader`]; there is one, which the crate root keeps for as long
/// as anything else of the module runs.
pub struct Watch(());

impl Watch {
    /// Joins the chain of memory notifiers.
    ///
    /// # Errors
    ///
    /// EEXIST if there is a watch already.
    pub fn new() -> Result<Self> {
        // SAFETY: The notifier is a static, which lives as long as the module, and `Drop` takes it
        // off the chain before the module goes.
        let errno = unsafe { ffi::oxmm_register_memory_notifier(NOTIFIER.0.get()) };
        kernel::error::to_result(errno)?;
        Ok(Self(()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: `new` put it on the chain. The call waits for a notifier that runs.
        unsafe { ffi::oxmm_unregister_memory_notifier(NOTIFIER.0.get()) };
    }
}

/// Waits for the readers when memory goes.
///
/// # Safety
///
/// Called by the chain of memory notifiers alone, with a `struct memory_notify`, under
/// `mem_hotplug_lock` for writing.
unsafe extern "C" fn notified(
    _: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    match action {
        MEM_GOING_OFFLINE => {
            // SAFETY: The chain's callers pass this struct, see above.
            let start = unsafe { (*data.cast::<ffi::MemoryNotify>()).start_pfn };
            // SAFETY: Takes a number; what it returns is online, for it is about to leave.
            let page = unsafe { ffi::oxmm_pfn_to_online_page(start) };
            if !page.is_null() {
                // SAFETY: An online page, see above.
                let zone = unsafe { ffi::oxmm_page_zone(page) };
                LEAVING.store(zone.addr(), Relaxed);
            }
            wait_for_readers();
        }
        MEM_OFFLINE => {
            wait_for_readers();
            // Pairs with `Reader::is_leaving`: whoever sees 0 sees what became of the zone.
            LEAVING.store(0, Release);
        }
        MEM_CANCEL_OFFLINE => LEAVING.store(0, Release),
        _ => {}
    }
    // CAST: one.
    bindings::NOTIFY_OK as c_int
}

// `enum memory_block_state`, which bindgen does not see; `helpers_page.c` asserts the values.
const MEM_GOING_OFFLINE: c_ulong = 1;
const MEM_OFFLINE: c_ulong = 2;
const MEM_CANCEL_OFFLINE: c_ulong = 5;

fn wait_for_readers() {
    // SAFETY: A notifier may sleep, and holds no lock that a reader waits for.
    unsafe { bindings::synchronize_rcu() };
}

/// Evidence that what is online stays as long as this does; nothing may sleep meanwhile.
///
/// # Invariants
///
/// RCU's read side is locked, and the module's [`Watch`] is on the chain of notifiers.
pub struct Reader {
    _rcu: rcu::Guard,
}

impl Reader {
    /// Starts to read.
    pub fn new() -> Self {
        // INVARIANT: locked here; the crate root keeps the watch while this code can run.
        Self {
            _rcu: rcu::Guard::new(),
        }
    }

    /// Whether memory is being taken from this zone, so that its per-CPU lists and counters may go
    /// at any moment.
    pub(super) fn is_leaving(&self, zone: &Zone) -> bool {
        LEAVING.load(Acquire) == zone.as_ptr().addr()
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}
