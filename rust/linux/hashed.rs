// SPDX-License-Identifier: GPL-2.0

//! Kernel addresses as the kernel itself prints them.
//!
//!   Hashed(address) -> 00000000a1b2c3d4        the real one with the boot parameter `no_hash_pointers`
//!
//! # Limits      until the kernel's entropy is ready all addresses print alike.
//! # Reference   `Documentation/core-api/printk-formats.rst`: plain pointers; `lib/vsprintf.c`:
//!               `ptr_to_id()`.

use core::fmt;

use super::ffi;
use crate::algo::units::Address;

/// Prints an address as `%p` does: the same text for the same address, and no address.
pub struct Hashed(pub Address);

/// The digits of an address, and a NUL.
const LENGTH: usize = 2 * size_of::<usize>() + 1;

impl fmt::Display for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LENGTH];
        // SAFETY: `text` is `LENGTH` bytes long, and the shim writes no more.
        unsafe { ffi::oxmm_print_pointer(text.as_mut_ptr().cast(), text.len(), self.0.get()) };
        let digits = text.split(|&byte| byte == 0).next().unwrap_or_default();
        f.pad(core::str::from_utf8(digits).unwrap_or("?"))
    }
}
