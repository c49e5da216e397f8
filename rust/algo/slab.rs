// SPDX-License-Identifier: GPL-2.0

//! Slab allocation: objects of one size cut out of runs of pages.
//!
//!   layout   how large an object becomes, and how many make a slab
//!
//! # Locking     none: values in, values out.
//! # Limits      see each file.
//! # Reference   `mm/slub.c`.

pub mod layout;
