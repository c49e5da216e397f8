// SPDX-License-Identifier: GPL-2.0

//! Why a slab cache, or an object of one, is not to be had.
//!
//! # Reference   `mm/slab_common.c`: `kmem_cache_sanity_check()`, `create_cache()`; `mm/slub.c`:
//!               `new_slab()`.

use core::fmt;

use super::{
    names,
    Constructor,
    MAX_SIZE, //
};
use crate::algo::units::Bytes;
use crate::linux::gfp;

/// Why Linux is not asked, or what it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A name that the files of /sys/kernel/slab and /proc/slabinfo cannot carry.
    Name,
    /// There is a cache with this name.
    NameTaken,
    /// More caches than there are places for.
    TooMany,
    /// More caches with a constructor than there are places for.
    TooManyConstructors,
    /// A size that no cache takes.
    Size(Bytes),
    /// An alignment that no cache takes.
    Align(usize),
    /// A flag that this kernel is built without.
    Flag(&'static str),
    /// An object that is too small for the constructor's pattern.
    Pattern(Bytes),
    /// The GFP flags break a rule.
    Gfp(gfp::Refusal),
    /// `__GFP_ZERO` would wipe out what the constructor made.
    Zeroed,
    /// A size that `kmalloc()` does not take.
    KmallocSize(Bytes),
    /// There is no memory for it now.
    NoMemory,
}

impl From<gfp::Refusal> for Refusal {
    fn from(refusal: gfp::Refusal) -> Self {
        Self::Gfp(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Name => write!(
                f,
                "a cache is named by 1 to {} letters, digits and characters of {}",
                names::MAX_LEN,
                names::OTHERS
            ),
            Self::NameTaken => f.write_str("there is a cache with this name; take another"),
            Self::TooMany => write!(f, "there are {} caches; destroy one", names::MAX_CACHES),
            Self::TooManyConstructors => write!(
                f,
                "there are {} caches with a constructor; destroy one",
                Constructor::MAX_CACHES
            ),
            Self::Size(size) => write!(
                f,
                "a cache has no objects of {} bytes; take 1 to {}",
                size.get(),
                MAX_SIZE.get()
            ),
            Self::Align(align) => write!(
                f,
                "objects are not aligned to {align} bytes; take a power of two up to {}",
                MAX_SIZE.get()
            ),
            Self::Flag(flags) => write!(f, "this kernel is built without {flags} for caches"),
            Self::Pattern(size) => write!(
                f,
                "an object of {} bytes is too small for the constructor's pattern; take {} or more",
                size.get(),
                Constructor::MIN_SIZE.get()
            ),
            Self::Gfp(refusal) => refusal.fmt(f),
            Self::Zeroed => f.write_str(
                "__GFP_ZERO would wipe out what the constructor made; leave one of them away",
            ),
            Self::KmallocSize(size) => write!(
                f,
                "kmalloc gives no {} bytes; take 1 to {}",
                size.get(),
                crate::linux::kmalloc::MAX_SIZE.get()
            ),
            Self::NoMemory => f.write_str("there is no memory for it with these flags"),
        }
    }
}
