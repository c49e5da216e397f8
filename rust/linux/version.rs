// SPDX-License-Identifier: GPL-2.0

//! Versions: the kernel that runs, the kernel that the module was built for, the compilers.
//!
//! # Limits      the running kernel does not tell its rustc; the headers it was built with do.
//! # Reference   `init_utsname()`; `CONFIG_RUSTC_VERSION_TEXT`, `CONFIG_CC_VERSION_TEXT`.

use kernel::{
    ffi::c_char,
    prelude::*,
    str::CStrExt, //
};

use super::ffi;

/// What `uname -r` says.
pub fn running_release() -> &'static CStr {
    constant(ffi::oxmm_running_release)
}

/// The release of the kernel whose headers the module was built against.
pub fn built_release() -> &'static CStr {
    constant(ffi::oxmm_built_release)
}

/// The rustc that built the module.
pub fn built_rustc() -> &'static CStr {
    constant(ffi::oxmm_built_rustc)
}

/// The rustc that built that kernel.
pub fn kernel_rustc() -> &'static CStr {
    constant(ffi::oxmm_kernel_rustc)
}

/// The C compiler that built that kernel.
pub fn kernel_cc() -> &'static CStr {
    constant(ffi::oxmm_kernel_cc)
}

fn constant(text: unsafe extern "C" fn() -> *const c_char) -> &'static CStr {
    // SAFETY: The shims of `helpers.c` that are given here take nothing and return a string that
    // is never freed.
    unsafe { CStr::from_char_ptr(text()) }
}
