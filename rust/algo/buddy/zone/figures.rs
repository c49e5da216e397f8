// SPDX-License-Identifier: GPL-2.0

//! The numbers that allocation from a zone goes by.
//!
//!   free        changes with each refill and drain of any CPU: on a line of its own
//!   free_told   what it was when it last differed by a 64th of the zone: read by every allocation
//!
//! # Locking     none: atomics.
//! # Cost        a refill changes `free`; an allocation reads two lines that seldom change.
//! # Limits      what was told is behind by up to a 64th of the zone: it says that there is enough,
//!               never that there is not.
//! # Reference   `include/linux/mmzone.h`: struct zone; `percpu_drift_mark`.

use super::signed;
use crate::seam::{
    AtomicIsize,
    AtomicU32,
    AtomicUsize,
    Relaxed, //
};

/// A value on a cache line of its own, and on the line that is fetched with it.
#[derive(Default)]
#[repr(align(128))]
pub struct Apart<T>(T);

impl<T> core::ops::Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The numbers of a zone that allocation goes by; all are frames.
///
/// What every operation reads is on another line of the cache than what each refill writes.
#[derive(Default)]
pub struct Figures {
    /// Free ones in regions, those of isolated pageblocks apart (NR_FREE_PAGES).
    pub free: Apart<AtomicIsize>,
    /// What `free` was when it was told here last: see [`Figures::free_at_least`].
    free_told: AtomicIsize,
    /// Those of them in CMA areas (NR_FREE_CMA_PAGES).
    pub free_cma: AtomicIsize,
    /// Those of them in the highatomic reserve (nr_free_highatomic).
    pub free_highatomic: AtomicIsize,
    /// In pageblocks of the highatomic reserve (nr_reserved_highatomic).
    pub highatomic: AtomicUsize,
    /// The boost of the watermarks (watermark_boost).
    pub boost: AtomicUsize,
    /// The most that the boost comes to; 0 for never.
    pub boost_max: AtomicUsize,
    /// Handed over at boot (managed_pages).
    pub managed: AtomicUsize,
    /// The region that compaction begins with the next time (compact_cached_migrate_pfn).
    pub compact_from: AtomicUsize,
    /// `ZONE_BELOW_HIGH`, `ZONE_RECLAIM_ACTIVE`, `ZONE_BOOSTED_WATERMARK` as bits 0, 1, 2.
    pub flags: AtomicU32,
}

impl Figures {
    /// How far the number of free frames may be from what was told.
    fn drift(&self) -> isize {
        signed(self.managed.load(Relaxed) / 64)
    }

    /// A number that the free frames are not below, read without the line that each refill writes
    /// (percpu_drift_mark has the same end).
    ///
    /// If two CPUs tell at once the older number may stay, until the next change of `free`.
    #[inline]
    pub(in crate::algo::buddy) fn free_at_least(&self) -> isize {
        self.free_told.load(Relaxed) - self.drift()
    }

    /// Adds to the free frames; tells if that makes more of a difference than may be.
    pub(super) fn add_free(&self, change: isize) {
        let now = self.free.fetch_add(change, Relaxed).wrapping_add(change);
        if now.abs_diff(self.free_told.load(Relaxed)) > self.drift().unsigned_abs() {
            self.free_told.store(now, Relaxed);
        }
    }
}

/// Bits of [`Figures::flags`].
pub mod flag {
    /// Free frames were seen below the high mark (ZONE_BELOW_HIGH).
    pub const BELOW_HIGH: u32 = 1;
    /// Reclaim is at work (ZONE_RECLAIM_ACTIVE).
    pub const RECLAIM_ACTIVE: u32 = 2;
    /// The marks were boosted, and nobody was told yet (ZONE_BOOSTED_WATERMARK).
    pub const BOOSTED: u32 = 4;
}
