// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that oxmm builds for: 7.2 and 7.3.
//!
//!   THIS_MODULE         7.2: a static at the crate's root; 7.3: a constant of `ModuleMetadata`
//!   parameter value()   7.2: a reference; 7.3: a value
//!
//! # Limits      a difference between configurations is no matter of this file: `cfg` tells those.
//! # Reference   `rust/macros/module.rs`, `rust/kernel/module_param.rs` of both.

use core::borrow::Borrow;

use kernel::{
    bindings,
    types::Opaque, //
};

// Not `expect`: it is up to the configuration.
#[allow(
    improper_ctypes,
    reason = "structs inside of `struct module` may be empty; only its address is taken"
)]
extern "C" {
    static __this_module: Opaque<bindings::module>;
}

/// This module, for the `owner` of file operations.
// SAFETY: The linker puts `__this_module` into every module; only its address is taken.
pub(super) const THIS_MODULE: *mut bindings::module = unsafe { __this_module.get() };

/// The value of a module parameter.
pub fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
