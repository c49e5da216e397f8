// SPDX-License-Identifier: GPL-2.0

//! Declarations of the C shims in `helpers*.c`, and what Rust and C must agree on.
//!
//! # Limits      a shim is here only while neither bindgen nor `kernel` offers the thing.
//! # Reference   `rust/helpers*.c`; each shim names the kernel header it opens up.

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
    prelude::*, //
};

// Not `expect`: it is up to the configuration.
#[allow(
    improper_ctypes,
    reason = "structs inside of those of Linux may be empty; only pointers to them cross"
)]
extern "C" {
    fn oxmm_sizeof_zone() -> usize;
    fn oxmm_sizeof_pglist_data() -> usize;
    fn oxmm_sizeof_per_cpu_pages() -> usize;
    fn oxmm_sizeof_memory_notify() -> usize;
    fn oxmm_sizeof_page_copy() -> usize;

    pub(super) fn oxmm_node_data(nid: c_int) -> *mut bindings::pglist_data;
    pub(super) fn oxmm_node_state(nid: c_int, state: c_int) -> bool;
    pub(super) fn oxmm_node_distance(from: c_int, to: c_int) -> c_int;
    pub(super) fn oxmm_node_has_online_cpu(nid: c_int, cpu: c_uint) -> bool;

    pub(super) fn oxmm_cpu_online(cpu: c_uint) -> bool;

    pub(super) fn oxmm_zone_node(zone: *mut bindings::zone) -> c_int;
    pub(super) fn oxmm_zone_managed_pages(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_cma_pages(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_page_state(zone: *mut bindings::zone, item: c_int) -> c_ulong;
    pub(super) fn oxmm_zone_page_state_snapshot(zone: *mut bindings::zone, item: c_int) -> c_ulong;
    pub(super) fn oxmm_zone_lock(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_unlock(zone: *mut bindings::zone, flags: c_ulong);

    pub(super) fn oxmm_zone_stat_name(item: c_uint) -> *const c_char;
    pub(super) fn oxmm_node_stat_name(item: c_uint) -> *const c_char;
    pub(super) fn oxmm_zone_pcp(
        zone: *mut bindings::zone,
        cpu: c_uint,
    ) -> *mut bindings::per_cpu_pages;
    pub(super) fn oxmm_pcp_lock(pcp: *mut bindings::per_cpu_pages);
    pub(super) fn oxmm_pcp_unlock(pcp: *mut bindings::per_cpu_pages);
    pub(super) fn oxmm_pcp_entry_to_pfn(entry: *const bindings::list_head) -> c_ulong;
    pub(super) fn oxmm_pcp_thp_order() -> c_int;
    pub(super) fn oxmm_zone_stat_diff(
        zone: *mut bindings::zone,
        cpu: c_uint,
        item: c_uint,
        threshold: *mut c_int,
    ) -> c_int;
    pub(super) fn oxmm_node_stat_diff(
        node: *mut bindings::pglist_data,
        cpu: c_uint,
        item: c_uint,
        threshold: *mut c_int,
    ) -> c_int;

    pub(super) fn oxmm_register_memory_notifier(notifier: *mut bindings::notifier_block) -> c_int;
    pub(super) fn oxmm_unregister_memory_notifier(notifier: *mut bindings::notifier_block);
    pub(super) fn oxmm_pfn_to_online_page(pfn: c_ulong) -> *mut bindings::page;
    pub(super) fn oxmm_pfns_per_section() -> c_ulong;
    pub(super) fn oxmm_pageblock_order() -> c_uint;
    pub(super) fn oxmm_pageblock_bits(
        page: *const bindings::page,
        pfn: c_ulong,
        order: c_uint,
    ) -> c_int;
    pub(super) fn oxmm_buddy_order(page: *const bindings::page) -> c_int;
    pub(super) fn oxmm_page_zone(page: *const bindings::page) -> *mut bindings::zone;
    pub(super) fn oxmm_pfn_valid(pfn: c_ulong) -> bool;
    pub(super) fn oxmm_section(pfn: c_ulong, nr: *mut c_ulong, block: *mut c_ulong) -> c_uint;
    pub(super) fn oxmm_address_to_pfn(address: c_ulong, pfn: *mut c_ulong) -> c_uint;
    pub(super) fn oxmm_copy_page(page: *const bindings::page, to: *mut PageCopy);
    pub(super) fn oxmm_page_flag(index: c_uint, mask: *mut c_ulong) -> *const c_char;
    pub(super) fn oxmm_page_cgroup(
        page: *mut bindings::page,
        path: *mut c_char,
        size: usize,
        online: *mut bool,
    ) -> c_ulong;

    pub(super) fn oxmm_cpu() -> c_uint;
    pub(super) fn oxmm_cpu_to_node(cpu: c_uint) -> c_int;
    pub(super) fn oxmm_node_allowed(nid: c_int) -> bool;
    pub(super) fn oxmm_task_has_policy() -> bool;
    pub(super) fn oxmm_task_is_realtime() -> bool;
    pub(super) fn oxmm_highatomic_first() -> bool;

    pub(super) fn oxmm_thread_on(
        cpu: c_uint,
        work: unsafe extern "C" fn(*mut c_void) -> c_int,
        data: *mut c_void,
    ) -> *mut bindings::task_struct;
    pub(super) fn oxmm_thread_start(thread: *mut bindings::task_struct);
    pub(super) fn oxmm_thread_wait_for_stop();
    pub(super) fn oxmm_thread_stop(thread: *mut bindings::task_struct) -> c_int;
    pub(super) fn oxmm_loop_irqsave(times: c_ulong);
    pub(super) fn oxmm_loop_spinlock(times: c_ulong);
    pub(super) fn oxmm_loop_count(times: c_ulong);

    pub(super) fn oxmm_alloc_pages(
        nid: c_int,
        gfp: bindings::gfp_t,
        order: c_uint,
    ) -> *mut bindings::page;
    pub(super) fn oxmm_alloc_pages_nodes(
        nid: c_int,
        gfp: bindings::gfp_t,
        order: c_uint,
        words: *const u64,
    ) -> *mut bindings::page;
    pub(super) fn oxmm_alloc_pages_bulk(
        nid: c_int,
        gfp: bindings::gfp_t,
        count: c_int,
        pages: *mut *mut bindings::page,
    ) -> c_ulong;
    pub(super) fn oxmm_page_address(page: *const bindings::page) -> *mut c_void;
    pub(super) fn oxmm_page_to_pfn(page: *const bindings::page) -> c_ulong;
    pub(super) fn oxmm_page_to_nid(page: *const bindings::page) -> c_int;
    pub(super) fn oxmm_page_zonenum(page: *const bindings::page) -> c_int;
    pub(super) fn oxmm_virt_to_page(addr: *const c_void) -> *mut bindings::page;

    pub(super) fn oxmm_kmem_cache_alloc(
        cache: *mut bindings::kmem_cache,
        gfp: bindings::gfp_t,
        nid: c_int,
    ) -> *mut c_void;
    pub(super) fn oxmm_kmem_cache_alloc_bulk(
        cache: *mut bindings::kmem_cache,
        gfp: bindings::gfp_t,
        nr: usize,
        objects: *mut *mut c_void,
    ) -> bool;
    pub(super) fn oxmm_kmalloc(size: usize, gfp: bindings::gfp_t, nid: c_int) -> *mut c_void;

    pub(super) fn oxmm_slab_page(page: *mut bindings::page) -> *mut bindings::page;
    pub(super) fn oxmm_spin_lock(lock: *mut bindings::spinlock_t) -> c_ulong;
    pub(super) fn oxmm_spin_unlock(lock: *mut bindings::spinlock_t, flags: c_ulong);
    pub(super) fn oxmm_on_cpu(
        cpu: c_uint,
        call: unsafe extern "C" fn(*mut c_void) -> c_long,
        info: *mut c_void,
    ) -> c_long;

    pub(super) fn oxmm_num_present_cpus() -> c_uint;
    pub(super) fn oxmm_cpu_possible(cpu: c_uint) -> bool;
    pub(super) fn oxmm_alloc_percpu(size: usize, align: usize, gfp: bindings::gfp_t)
        -> *mut c_void;
    pub(super) fn oxmm_free_percpu(cookie: *mut c_void);
    pub(super) fn oxmm_per_cpu_ptr(cookie: *mut c_void, cpu: c_uint) -> *mut c_void;
    pub(super) fn oxmm_this_cpu_ptr(cookie: *mut c_void) -> *mut c_void;
    pub(super) fn oxmm_percpu_page(copy: *const c_void) -> *mut bindings::page;
    pub(super) fn oxmm_on_each_cpu(call: unsafe extern "C" fn(*mut c_void), info: *mut c_void);

    pub(super) fn oxmm_preempt_disable();
    pub(super) fn oxmm_preempt_enable();
    pub(super) fn oxmm_irq_save() -> c_ulong;
    pub(super) fn oxmm_irq_restore(flags: c_ulong);

    pub(super) fn oxmm_vfree(area: *const c_void);

    pub(super) fn oxmm_gfp_zone(gfp: bindings::gfp_t) -> c_int;
    pub(super) fn oxmm_gfp_known(gfp: bindings::gfp_t) -> bool;
    pub(super) fn oxmm_gfp_by_name(
        name: *const c_char,
        len: usize,
        gfp: *mut bindings::gfp_t,
    ) -> bool;

    pub(super) fn oxmm_cond_resched();
    pub(super) fn oxmm_print_pointer(text: *mut c_char, size: usize, address: usize);

    pub(super) fn oxmm_running_release() -> *const c_char;
    pub(super) fn oxmm_built_release() -> *const c_char;
    pub(super) fn oxmm_built_rustc() -> *const c_char;
    pub(super) fn oxmm_kernel_rustc() -> *const c_char;
    pub(super) fn oxmm_kernel_cc() -> *const c_char;
}

/// What a memory notifier is told, `struct memory_notify`, which bindgen does not see.
#[repr(C)]
pub(super) struct MemoryNotify {
    pub(super) start_pfn: c_ulong,
    pub(super) nr_pages: c_ulong,
}

/// A page and the folio it is in, copied; `struct oxmm_page` of `helpers_page.c`.
#[repr(C)]
#[derive(Default)]
pub(super) struct PageCopy {
    pub(super) flags: c_ulong,
    pub(super) folio_flags: c_ulong,
    pub(super) head_pfn: c_ulong,
    pub(super) page_type: c_uint,
    pub(super) refcount: c_int,
    pub(super) mapcount: c_int,
    pub(super) order: c_uint,
    pub(super) mapping: c_uint,
    pub(super) is_compound: c_uint,
}

/// Checks that Rust's structs have the sizes that C gives them.
///
/// Every field that this room reads lies in one of these; a module that was built against other
/// headers than its helpers must not be let loose on them.
///
/// # Errors
///
/// EINVAL, with a line in the kernel log that names the struct.
pub fn check_layout() -> Result {
    /// The name of a struct, and its sizes on both sides.
    macro_rules! sizes {
        ($name:literal, $Struct:ty, $shim:ident) => {
            // SAFETY: The shim takes nothing and returns a constant.
            ($name, size_of::<$Struct>(), unsafe { $shim() })
        };
    }
    let pairs = [
        sizes!("zone", bindings::zone, oxmm_sizeof_zone),
        sizes!(
            "pglist_data",
            bindings::pglist_data,
            oxmm_sizeof_pglist_data
        ),
        sizes!(
            "per_cpu_pages",
            bindings::per_cpu_pages,
            oxmm_sizeof_per_cpu_pages
        ),
        sizes!("memory_notify", MemoryNotify, oxmm_sizeof_memory_notify),
        sizes!("oxmm_page", PageCopy, oxmm_sizeof_page_copy),
    ];
    for (name, here, there) in pairs {
        if here != there {
            pr_err!("struct {name} differs between Rust and C; rebuild the module\n");
            return Err(EINVAL);
        }
    }
    Ok(())
}
