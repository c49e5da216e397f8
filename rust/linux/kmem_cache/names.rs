// SPDX-License-Identifier: GPL-2.0

//! Names of caches: what Linux takes, and which of them are in use.
//!
//!   TAKEN   [ hash | 0 | hash | hash | 0 ... ]     a place for each cache that oxmm has
//!
//! Linux answers a second cache of one name with a WARN, in debugging kernels from
//! `kmem_cache_sanity_check()`, in all others from sysfs. A cache lives on while a reader still holds
//! it, so that no table of what a user made can tell whether a name is free; this one can: a name
//! goes in before the cache is made and comes out after it is gone.
//!
//! # Locking     none: a place is taken and left by compare-exchange. Of two tasks that take one
//!               name at once at most one succeeds, and maybe neither.
//! # Cost        a scan of `MAX_CACHES` words to take a name.
//! # Limits      two names with one hash of 64 bits would be taken for the same.
//! # Reference   `mm/slab_common.c`: `kmem_cache_sanity_check()`; `mm/slub.c`: `sysfs_slab_add()`.

use kernel::{
    prelude::*,
    str::CString,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
};

use super::Refusal;

/// The longest name, without the prefix.
pub(super) const MAX_LEN: usize = 64;

/// What a name may have besides letters and digits. Neither a blank nor `/`, which would confuse
/// the readers of /proc/slabinfo and sysfs, nor `:`, which begins the names that SLUB makes up.
pub(super) const OTHERS: &str = "_-.+=@,#";

/// How many caches there can be.
pub(super) const MAX_CACHES: usize = 256;

/// Hashes of the names in use; 0 where there is none.
static TAKEN: [Atomic<u64>; MAX_CACHES] = [const { Atomic::new(0) }; MAX_CACHES];

/// Checks that Linux and its files can carry `name`.
///
/// # Errors
///
/// [`Refusal::Name`].
pub(super) fn check(name: &CStr) -> Result<(), Refusal> {
    let bytes = name.to_bytes();
    let is_good = |&byte: &u8| byte.is_ascii_alphanumeric() || OTHERS.as_bytes().contains(&byte);
    if bytes.is_empty() || bytes.len() > MAX_LEN || !bytes.iter().all(is_good) {
        return Err(Refusal::Name);
    }
    Ok(())
}

/// What Linux calls the cache.
///
/// # Errors
///
/// [`Refusal::NoMemory`].
pub(super) fn linux_name(name: &CStr) -> Result<CString, Refusal> {
    // `check` lets ASCII through only.
    let name = core::str::from_utf8(name.to_bytes()).map_err(|_| Refusal::Name)?;
    CString::try_from_fmt(fmt!("oxmm-{name}")).map_err(|_| Refusal::NoMemory)
}

/// A name that is in use; dropping it frees the name.
///
/// # Invariants
///
/// The place `place` of `TAKEN` was taken by this value.
pub(super) struct Taken {
    place: usize,
}

impl Taken {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NameTaken`], [`Refusal::TooMany`].
    pub(super) fn new(name: &CStr) -> Result<Self, Refusal> {
        let hash = hash(name.to_bytes());
        // `Full`: each of two takers of one name stores before it looks, so that not both can miss
        // the other's.
        let place = TAKEN
            .iter()
            .position(|place| place.cmpxchg(0, hash, Full).is_ok())
            .ok_or(Refusal::TooMany)?;
        // INVARIANT: taken just now.
        let taken = Self { place };
        let mut others = TAKEN.iter().enumerate();
        if others.any(|(at, other)| at != place && other.load(Relaxed) == hash) {
            return Err(Refusal::NameTaken);
        }
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(place) = TAKEN.get(self.place) {
            // INVARIANT: nobody else stores to a place that is taken. `Full`: the cache is gone
            // before another may take the name.
            place.xchg(0, Full);
        }
    }
}

/// FNV-1a, never 0.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step).max(1)
}
