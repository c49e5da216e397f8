// SPDX-License-Identifier: GPL-2.0

//! oxmm's own page allocator, as it is measured: a zone of the private manager.
//!
//! # Locking     a CPU's page lists are its thread's, without a lock: who passes a CPU's number in
//!               owns it, as in LLFree. Regions are behind spin locks.
//! # Limits      one zone, one type (movable), no watermarks: what is measured is what `rmqueue()`
//!               and `free_frozen_page_commit()` are in Linux.

use crate::pages::{
    Allocator,
    Pages, //
};
use crate::subject::{
    Of,
    Subject, //
};
use oxmm_model::algo::buddy::{
    guarded::Guarded,
    pcp::{
        Pcp,
        Tuning, //
    },
    zone::{
        Miss,
        Want,
        Zone, //
    },
    Region,
    FRAMES, //
};
use oxmm_model::algo::{
    figures::{
        marks,
        pcp_bounds,
        MarkRules,
        Sharers, //
    },
    snapshot::Watermark,
    units::{
        FrameIdx,
        Migratetype,
        NrPages,
        Order,
        ZoneKind, //
    },
    watermark::AllocFlags,
};
use oxmm_model::host::{
    HostMemory,
    Lock, //
};
use std::cell::UnsafeCell;
use std::sync::atomic::{
    AtomicBool,
    Ordering, //
};

/// The name that `report` knows oxmm by.
pub const NAME: &str = "oxmm";

/// Pages have 4 KiB.
const PAGE_SHIFT: u32 = 12;

/// The largest order, which is Linux's.
const MAX_ORDER: u32 = 10;

/// Returns oxmm's allocator under `NAME`, if there is one.
pub fn subject() -> Option<Box<dyn Subject>> {
    Some(Of::<Ours, Ours>::boxed(NAME))
}

/// What belongs to one thread, on a cache line of its own and on the line that is fetched with it.
#[repr(align(128))]
pub struct Owned<T>(UnsafeCell<T>);

// SAFETY: `Ours::cpu` is called once for each CPU, by the thread that is measured on it.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Lock<T> for Owned<T> {
    fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }
}

impl<T> Guarded<T> for Owned<T> {
    #[inline(always)]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the calling thread's alone, see `Sync`, and closures are not nested.
        work(unsafe { &mut *self.0.get() })
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(self.with(work))
    }
}

/// A spin lock that is taken with one exchange, and what it guards.
pub struct Spin<T> {
    is_held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached by the thread alone that has set `is_held`.
unsafe impl<T: Send> Sync for Spin<T> {}

impl<T> Spin<T> {
    #[inline]
    fn is_taken(&self) -> bool {
        // Acquire: what the holder before wrote is seen; `holding` is the partner.
        !self.is_held.swap(true, Ordering::Acquire)
    }

    #[inline]
    fn holding<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: both callers have found `is_taken`.
        let result = work(unsafe { &mut *self.value.get() });
        // Release: pairs with `is_taken`.
        self.is_held.store(false, Ordering::Release);
        result
    }
}

impl<T> Lock<T> for Spin<T> {
    fn new(value: T) -> Self {
        let is_held = AtomicBool::new(false);
        let value = UnsafeCell::new(value);
        Self { is_held, value }
    }
}

impl<T> Guarded<T> for Spin<T> {
    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        while !self.is_taken() {
            while self.is_held.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }
        self.holding(work)
    }

    #[inline]
    fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let is_free = !self.is_held.load(Ordering::Relaxed) && self.is_taken();
        is_free.then(|| self.holding(work))
    }
}

/// A zone with all frames.
pub struct Ours(Zone<HostMemory<Spin<Region>, Owned<Pcp>>>);

/// What the module would tune a zone to that is a machine's only one.
fn tuning(frames: NrPages, nr_cpus: usize) -> Tuning {
    let rules = MarkRules::usual(frames, PAGE_SHIFT);
    let marks = marks(ZoneKind::Normal, frames, &rules);
    let nr_cpus = u32::try_from(nr_cpus).unwrap_or(u32::MAX);
    let cpus = Sharers {
        of_node: nr_cpus,
        online: nr_cpus,
    };
    let low = marks[Watermark::Low.index()];
    Tuning::new(pcp_bounds(frames, low, cpus, PAGE_SHIFT), true)
}

impl Allocator for Ours {
    type Cpu<'a> = Cpu<'a>;

    const MAX_ORDER: u32 = MAX_ORDER;

    fn new(nr_frames: usize, nr_cpus: usize) -> Option<Self> {
        let frames = NrPages::new(nr_frames);
        let memory = HostMemory::new(nr_frames.div_ceil(FRAMES), nr_cpus, tuning(frames, nr_cpus));
        let zone = Zone::new(memory, Order::new(MAX_ORDER)?);
        zone.add(FrameIdx::new(0), frames, Migratetype::Movable);
        Some(Self(zone))
    }

    fn cpu(&self, cpu: usize) -> Cpu<'_> {
        Cpu { ours: self, cpu }
    }
}

/// One CPU of it.
pub struct Cpu<'a> {
    ours: &'a Ours,
    cpu: usize,
}

impl Cpu<'_> {
    /// Allocates again once the states of a region are ready.
    #[cold]
    #[inline(never)]
    fn again(&self, want: &Want, mut miss: Miss) -> Option<usize> {
        let zone = &self.ours.0;
        while let Miss::NotReady(region) = miss {
            zone.memory().prepare(region);
            match zone.alloc(self.cpu, want) {
                Ok(frame) => return Some(frame.index()),
                Err(next) => miss = next,
            }
        }
        None
    }
}

/// Blocks that are allocated or freed together.
const GROUP: usize = 64;

#[inline]
fn frame_of(at: usize) -> FrameIdx {
    // CAST: frames of a zone are counted in 32 bits.
    FrameIdx::new(at as u32)
}

#[inline(always)]
fn want(order: u32) -> Want {
    let order = Order::new(order).unwrap_or(Order::MAX);
    Want::new(order, Migratetype::Movable, AllocFlags::new(Watermark::Low))
}

impl Pages for Cpu<'_> {
    #[inline]
    fn alloc(&mut self, order: u32) -> Option<usize> {
        let want = want(order);
        match self.ours.0.alloc(self.cpu, &want) {
            Ok(frame) => Some(frame.index()),
            Err(miss) => self.again(&want, miss),
        }
    }

    #[inline]
    fn free(&mut self, at: usize, order: u32) {
        let order = Order::new(order).unwrap_or(Order::MAX);
        let freed = self.ours.0.free(self.cpu, frame_of(at), order);
        assert!(freed.is_ok());
    }

    fn alloc_bulk(&mut self, order: u32, at: &mut [usize]) -> usize {
        let want = want(order);
        let mut taken = 0;
        let mut frames = [FrameIdx::default(); GROUP];
        for places in at.chunks_mut(GROUP) {
            let wanted = places.len();
            let zone = &self.ours.0;
            let mut nr = zone.alloc_bulk(self.cpu, &want, &mut frames[..wanted]);
            if nr < wanted {
                // What was missing may be the states of a region.
                while let Some(frame) = (nr < wanted).then(|| self.alloc(order)).flatten() {
                    frames[nr] = frame_of(frame);
                    nr += 1;
                }
            }
            for (place, frame) in places.iter_mut().zip(&frames[..nr]) {
                *place = frame.index();
            }
            taken += nr;
            if nr < wanted {
                break;
            }
        }
        taken
    }

    fn free_bulk(&mut self, at: &[usize], order: u32) {
        let order = Order::new(order).unwrap_or(Order::MAX);
        let mut frames = [FrameIdx::default(); GROUP];
        for blocks in at.chunks(GROUP) {
            for (frame, block) in frames.iter_mut().zip(blocks) {
                *frame = frame_of(*block);
            }
            let freed = self
                .ours
                .0
                .free_bulk(self.cpu, &frames[..blocks.len()], order);
            assert!(freed.is_ok());
        }
    }

    fn drain(&mut self) {
        self.ours.0.drain(self.cpu);
    }
}
