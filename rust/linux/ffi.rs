// SPDX-License-Identifier: GPL-2.0

//! Declarations of the C shims in `helpers.c`, and what Rust and C must agree on.
//!
//! # Limits      a shim is here only while neither bindgen nor `kernel` offers the thing.
//! # Reference   `rust/helpers.c`; each shim names the kernel header it opens up.

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    prelude::*, //
};

// Some configurations leave structs inside `pglist_data` and `zone` empty; only pointers cross.
#[allow(improper_ctypes)]
extern "C" {
    fn oxmm_sizeof_zone() -> usize;
    fn oxmm_sizeof_pglist_data() -> usize;
    fn oxmm_sizeof_per_cpu_zonestat() -> usize;
    fn oxmm_sizeof_per_cpu_nodestat() -> usize;

    pub(super) fn oxmm_node_data(nid: c_int) -> *mut bindings::pglist_data;
    pub(super) fn oxmm_node_state(nid: c_int, state: c_int) -> bool;
    pub(super) fn oxmm_node_distance(from: c_int, to: c_int) -> c_int;
    pub(super) fn oxmm_node_has_online_cpu(nid: c_int, cpu: c_uint) -> bool;

    pub(super) fn oxmm_zone_node(zone: *mut bindings::zone) -> c_int;
    pub(super) fn oxmm_zone_managed_pages(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_cma_pages(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_page_state(zone: *mut bindings::zone, item: c_int) -> c_ulong;
    pub(super) fn oxmm_zone_page_state_snapshot(zone: *mut bindings::zone, item: c_int) -> c_ulong;
    pub(super) fn oxmm_zone_lock(zone: *mut bindings::zone) -> c_ulong;
    pub(super) fn oxmm_zone_unlock(zone: *mut bindings::zone, flags: c_ulong);

    pub(super) fn oxmm_zone_stat_name(item: c_uint) -> *const c_char;
    pub(super) fn oxmm_node_stat_name(item: c_uint) -> *const c_char;

    pub(super) fn oxmm_alloc_pages(
        nid: c_int,
        gfp: bindings::gfp_t,
        order: c_uint,
    ) -> *mut bindings::page;
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

    pub(super) fn oxmm_cpu_online(cpu: c_uint) -> bool;
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

/// Checks that bindgen's structs have the sizes that C gives them.
///
/// Every field that `node`, `zone` and `vmstat` read lies in one of these; a module that was built
/// against other headers than its helpers must not be let loose on them.
///
/// # Errors
///
/// EINVAL, with a line in the kernel log.
pub fn check_layout() -> Result {
    // SAFETY: The shims take nothing and return a constant.
    let sizes = unsafe {
        [
            (oxmm_sizeof_zone(), size_of::<bindings::zone>()),
            (
                oxmm_sizeof_pglist_data(),
                size_of::<bindings::pglist_data>(),
            ),
            (
                oxmm_sizeof_per_cpu_zonestat(),
                size_of::<bindings::per_cpu_zonestat>(),
            ),
            (
                oxmm_sizeof_per_cpu_nodestat(),
                size_of::<bindings::per_cpu_nodestat>(),
            ),
        ]
    };
    if sizes.iter().any(|(c, rust)| c != rust) {
        pr_err!("a struct of zones or nodes differs between Rust and C; rebuild the module\n");
        return Err(EINVAL);
    }
    Ok(())
}
