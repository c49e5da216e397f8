// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, for what formats itself by `core`.
//!
//! # Limits      one level; whoever writes often bounds it.
//! # Reference   `rust/kernel/print.rs`.

use core::fmt;

use kernel::pr_err;

/// Writes a line, as an error.
pub fn log_error(what: &impl fmt::Display) {
    pr_err!("{}\n", format_args!("{what}"));
}
