// SPDX-License-Identifier: GPL-2.0

//! oxmm's own page allocator, as it is measured.
//!
//! # Limits      the private buddy is not there yet: the peers are measured alone, and the column
//!               `oxmm_ns` says `-`.

use crate::subject::Subject;

/// The name that `report` knows oxmm by.
pub const NAME: &str = "oxmm";

/// Returns oxmm's allocator under `NAME`, if there is one.
pub fn subject() -> Option<Box<dyn Subject>> {
    None
}
