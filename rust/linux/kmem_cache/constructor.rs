// SPDX-License-Identifier: GPL-2.0

//! A constructor that leaves a mark: it shows that Linux runs it once for each object, when a slab
//! is made, and not for each allocation.
//!
//!   object   [ run number | 0xc5 0xc5 0xc5 ... ]      8 bytes, then the pattern to the end
//!
//! A C constructor is told the object and nothing else, neither size nor cache. So there are
//! [`Constructor::MAX_CACHES`] of them, each with a seat that knows the size and counts the runs; a
//! cache with a constructor has one of the seats.
//!
//! # Locking     none: a seat is taken and left by compare-exchange, runs are counted atomically.
//! # Cost        a run writes the whole object.
//! # Limits      a number of fixed seats.
//! # Reference   `mm/slub.c`: `setup_object()`.

use core::ptr::NonNull;

use kernel::{
    ffi::c_void,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

use super::Refusal;
use crate::algo::units::Bytes;

/// What is run for each object of a new slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constructor {
    /// Writes the number of the run, from 0, into the first 8 bytes, and 0xc5 into all others.
    Pattern,
}

impl Constructor {
    /// The smallest object that the pattern shows in.
    pub const MIN_SIZE: Bytes = Bytes::new(size_of::<u64>());

    /// How many caches may have one at a time.
    pub const MAX_CACHES: usize = 16;

    const FILL: u8 = 0xc5;
}

/// What the constructor of one seat needs to know.
struct Place {
    /// The size of the objects; 0 while the seat is free.
    size: Atomic<usize>,
    runs: Atomic<u64>,
}

static PLACES: [Place; Constructor::MAX_CACHES] = [const {
    Place {
        size: Atomic::new(0),
        runs: Atomic::new(0),
    }
}; Constructor::MAX_CACHES];

/// The constructors, by seat.
const FUNCTIONS: [unsafe extern "C" fn(*mut c_void); Constructor::MAX_CACHES] = [
    construct::<0>,
    construct::<1>,
    construct::<2>,
    construct::<3>,
    construct::<4>,
    construct::<5>,
    construct::<6>,
    construct::<7>,
    construct::<8>,
    construct::<9>,
    construct::<10>,
    construct::<11>,
    construct::<12>,
    construct::<13>,
    construct::<14>,
    construct::<15>,
];

/// The constructor of seat `SEAT`.
///
/// # Safety
///
/// Called by Linux alone, for the cache that has the seat: `object` has the size that the seat says,
/// is aligned to words, and is not in use.
unsafe extern "C" fn construct<const SEAT: usize>(object: *mut c_void) {
    let place = &PLACES[SEAT];
    let run = place.runs.fetch_add(1, Relaxed);
    let size = place.size.load(Relaxed);
    // SAFETY: The caller's promise.
    unsafe { object.cast::<u8>().write_bytes(Constructor::FILL, size) };
    // SAFETY: As above; a seat's size is at least that of the number.
    unsafe { object.cast::<u64>().write(run) };
}

/// A seat that a cache has; dropping it frees the seat.
///
/// # Invariants
///
/// The place `seat` was taken by this value, and its size is at least `Constructor::MIN_SIZE`.
pub(super) struct Seat {
    seat: usize,
}

impl Seat {
    /// Takes a seat for a cache of objects of `size`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Pattern`], [`Refusal::TooManyConstructors`].
    pub(super) fn new(_kind: Constructor, size: Bytes) -> Result<Self, Refusal> {
        if size < Constructor::MIN_SIZE {
            return Err(Refusal::Pattern(size));
        }
        // `Acquire` pairs with the `Release` of the seat's last owner.
        let seat = PLACES
            .iter()
            .position(|place| place.size.cmpxchg(0, size.get(), Acquire).is_ok())
            .ok_or(Refusal::TooManyConstructors)?;
        PLACES[seat].runs.store(0, Relaxed);
        // INVARIANT: taken just now, with a size that was checked above.
        Ok(Self { seat })
    }

    /// The constructor of this seat.
    pub(super) fn function(&self) -> unsafe extern "C" fn(*mut c_void) {
        FUNCTIONS[self.seat]
    }

    /// How often it has run since the seat was taken.
    pub(super) fn runs(&self) -> u64 {
        PLACES[self.seat].runs.load(Relaxed)
    }

    /// Which run made `object`; `None` if the pattern is not there any more.
    ///
    /// # Safety
    ///
    /// `object` is a live object of the cache that has this seat, and nobody writes to it meanwhile.
    pub(super) unsafe fn read(&self, object: NonNull<u8>) -> Option<u64> {
        let size = PLACES[self.seat].size.load(Relaxed);
        // SAFETY: The caller's promise; the constructor has written all of these bytes.
        let bytes = unsafe { core::slice::from_raw_parts(object.as_ptr(), size) };
        let (number, rest) = bytes.split_first_chunk()?;
        rest.iter()
            .all(|&byte| byte == Constructor::FILL)
            .then(|| u64::from_ne_bytes(*number))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // INVARIANT: nobody else stores to a place that is taken.
        PLACES[self.seat].size.store(0, Release);
    }
}
