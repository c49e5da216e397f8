// SPDX-License-Identifier: GPL-2.0

//! Where a zone of the private manager keeps its state: in early memory, or in the kernel's heap.
//!
//!   regions    one lock and 4.4 KiB each           lists   one lock and 18 KiB for each CPU
//!   summaries, index, types, huge states   a few bytes a region, read without a lock
//!   frames     states, 32 KiB a region, and accounts, 64 KiB a region, allocated together, in the heap
//!              when a block of the region is first given out
//!
//! # Locking     regions and lists have locks of their own, see lock.rs; the rest are atomics. States
//!               and accounts are published by an exchange with release and found by a load with
//!               acquire ([`OfFrames`]), and stay until the zone goes. They are allocated under the
//!               mutex of the budget, under which no other lock of oxmm is taken.
//! # Cost        38 KiB per GiB, and 18 KiB for each CPU; 256 KiB per GiB more for states and 512 KiB
//!               for accounts, once used: with all that is known of who has a frame, 806 KiB.
//! # Limits      which of both it is, build/tables.rs says. What all zones of a machine take of the
//!               heap for frames is within one [`Budget`].
//! # Reference   algo/buddy/zone.rs: `Memory`.

use core::alloc::Layout;

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

use super::{
    lock::Locked,
    raw::OfFrames, //
};
use crate::algo::{
    buddy::{
        pcp::Pcp,
        zone::{
            index_words,
            Memory,
            Noted, //
        },
        Region,
        FRAMES,
        PAGEBLOCKS, //
    },
    units::{
        Bytes,
        FrameIdx,
        Order, //
    },
};
use crate::linux::{
    pinned::{
        PinnedVec,
        Space, //
    },
    quietly, //
};
#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
use crate::seam::Relaxed;
use crate::seam::{
    AtomicU16,
    AtomicU64,
    AtomicU8, //
};

/// The storage of a zone.
pub(super) struct ZoneMemory {
    regions: PinnedVec<Locked<Region>>,
    lists: PinnedVec<Locked<Pcp>>,
    summaries: PinnedVec<AtomicU64>,
    index: PinnedVec<AtomicU64>,
    types: PinnedVec<AtomicU8>,
    huge_states: PinnedVec<AtomicU8>,
    huge_accounts: PinnedVec<AtomicU16>,
    frames: OfFrames,
}

/// What states and accounts of a region take.
pub(super) const STATES: Bytes = Bytes::new(3 * FRAMES);

/// The most that the state of a machine may take of the kernel's memory.
///
/// It is behind a mutex, so that of two who make the same region ready one pays: the other would be
/// refused what has been made, where the budget is for no more than there is.
pub(super) struct Budget {
    left: Pin<KBox<Mutex<usize>>>,
}

impl Budget {
    /// So much and no more.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(most: Bytes) -> Result<Self> {
        Ok(Self {
            left: KBox::pin_init(new_mutex!(most.get(), "oxmm::budget"), quietly())?,
        })
    }
}

/// Where tables are made: asked with the layout of each, it answers a space for it, or `None` if it
/// is to be in the heap.
type Spaces<'a> = dyn FnMut(Layout) -> Result<Option<Space>> + 'a;

/// So many elements, in a space or in the heap.
fn table<T: 'static, I: PinInit<T>>(
    count: usize,
    spaces: &mut Spaces<'_>,
    make: impl FnMut(usize) -> I,
) -> Result<PinnedVec<T>> {
    let layout = Layout::array::<T>(count).map_err(|_| ENOMEM)?;
    match spaces(layout)? {
        Some(space) => PinnedVec::new_in(space, count, make),
        None => PinnedVec::new(count, make),
    }
}

/// So many zeroes.
fn zeroes<T: Default + 'static>(count: usize, spaces: &mut Spaces<'_>) -> Result<PinnedVec<T>> {
    table(count, spaces, |_| T::default())
}

impl ZoneMemory {
    /// What storage for so many regions and CPUs takes, the states apart; `None` if that is more
    /// than can be counted.
    pub(super) fn size(regions: usize, cpus: usize) -> Option<Bytes> {
        let of_region = size_of::<Locked<Region>>()
            + OfFrames::PER_REGION.get()
            + size_of::<AtomicU64>()
            + (2 * size_of::<AtomicU8>() + size_of::<AtomicU16>()) * PAGEBLOCKS;
        let of_regions = Bytes::new(of_region).checked_mul(regions)?;
        let of_cpus = Bytes::new(size_of::<Locked<Pcp>>()).checked_mul(cpus)?;
        of_regions.checked_add(of_cpus)
    }

    /// Storage for so many regions and CPUs, where `spaces` says.
    ///
    /// # Errors
    ///
    /// ENOMEM, and what `spaces` answers.
    pub(super) fn new(regions: usize, cpus: usize, spaces: &mut Spaces<'_>) -> Result<Self> {
        let pageblocks = regions.checked_mul(PAGEBLOCKS).ok_or(ENOMEM)?;
        Ok(Self {
            regions: table(regions, spaces, |_| Locked::region())?,
            lists: table(cpus, spaces, |_| Locked::lists())?,
            summaries: zeroes(regions, spaces)?,
            index: zeroes(index_words(regions), spaces)?,
            types: zeroes(pageblocks, spaces)?,
            huge_states: zeroes(pageblocks, spaces)?,
            huge_accounts: zeroes(pageblocks, spaces)?,
            frames: OfFrames::new(regions, spaces)?,
        })
    }

    /// Allocates states and accounts of a region, if it has none yet; in process context, without a
    /// lock that spins.
    ///
    /// # Errors
    ///
    /// ENOMEM, also when the budget is spent, and ERANGE if there is no such region.
    pub(super) fn ready(&self, region: usize, budget: &Budget) -> Result {
        if self.frames.get(region).is_some() {
            return Ok(());
        }
        let mut left = budget.left.lock();
        if self.frames.get(region).is_some() {
            return Ok(());
        }
        let rest = left.checked_sub(STATES.get()).ok_or(ENOMEM)?;
        self.frames.make(region)?;
        *left = rest;
        Ok(())
    }
}

impl Memory for ZoneMemory {
    type Region = Locked<Region>;
    type Lists = Locked<Pcp>;

    #[inline]
    fn regions(&self) -> &[Self::Region] {
        &self.regions
    }

    #[inline]
    fn summaries(&self) -> &[AtomicU64] {
        &self.summaries
    }

    #[inline]
    fn index(&self) -> &[AtomicU64] {
        &self.index
    }

    #[inline]
    fn types(&self) -> &[AtomicU8] {
        &self.types
    }

    #[inline]
    fn states(&self, region: usize) -> Option<&[AtomicU8]> {
        Some(&self.frames.get(region)?.states)
    }

    #[inline]
    fn state(&self, frame: FrameIdx) -> Option<&AtomicU8> {
        // Of a place in a region the compiler knows that it is within the array.
        self.frames
            .get(frame.region())?
            .states
            .get(frame.offset().get())
    }

    #[inline]
    fn huge_states(&self) -> &[AtomicU8] {
        &self.huge_states
    }

    #[inline]
    fn noted_at(&self, frame: FrameIdx) -> Option<Noted<'_>> {
        // Of a place in a region the compiler knows that it is within the arrays.
        let frames = self.frames.get(frame.region())?;
        let at = frame.offset().get();
        Some(Noted {
            state: frames.states.get(at)?,
            account: frames.accounts.get(at)?,
        })
    }

    fn accounts(&self, region: usize) -> Option<&[AtomicU16]> {
        Some(&self.frames.get(region)?.accounts)
    }

    fn huge_accounts(&self) -> &[AtomicU16] {
        &self.huge_accounts
    }

    #[inline]
    fn lists(&self, cpu: usize) -> Option<&Self::Lists> {
        self.lists.get(cpu)
    }

    /// A load and a store where a spin lock is nothing either: see `lock.rs`. Nobody comes between,
    /// for a task is taken off the CPU only where it sleeps.
    #[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
    #[inline]
    fn exchange(place: &AtomicU8, state: u8) -> u8 {
        let before = place.load(Relaxed);
        place.store(state, Relaxed);
        before
    }
}

#[kunit_tests(oxmm_private_memory)]
mod tests {
    use super::*;
    use crate::algo::{
        buddy::{
            guarded::Guarded,
            zone::{
                Miss,
                Want,
                Zone, //
            },
            FRAMES, //
        },
        snapshot::Watermark,
        units::{
            Migratetype,
            NrPages, //
        },
        watermark::AllocFlags,
    };

    fn in_heap(regions: usize, cpus: usize) -> Result<ZoneMemory> {
        ZoneMemory::new(regions, cpus, &mut |_| Ok(None))
    }

    /// Memory begins as empty regions and lists, aligned to cache lines.
    #[test]
    fn memory_begins_empty() {
        let memory = in_heap(3, 2);
        assert!(memory.is_ok_and(|memory| {
            memory.regions().len() == 3
                && memory.lists(1).is_some()
                && memory.lists(2).is_none()
                && memory.regions().iter().all(|it| {
                    core::ptr::from_ref(it).addr() % 64 == 0
                        && it.with(|it| it.managed() == 0 && it.check().is_ok())
                })
                && memory
                    .lists(0)
                    .is_some_and(|it| it.with(|it| it.recount() == Some(0)))
        }));
    }

    /// States and accounts come when they are asked for, once, and one for each frame.
    #[test]
    fn states_come_when_asked_for() {
        let (memory, Ok(budget)) = (in_heap(2, 1), Budget::new(STATES)) else {
            return;
        };
        assert!(memory.is_ok_and(|memory| {
            let before = memory.states(1).is_none();
            let made = memory.ready(1, &budget).is_ok();
            let first = memory.states(1).map(|it| it.as_ptr());
            let again = memory.ready(1, &budget).is_ok();
            let again = again && memory.states(1).map(|it| it.as_ptr()) == first;
            let all = memory.states(1).is_some_and(|it| it.len() == FRAMES)
                && memory.accounts(1).is_some_and(|it| it.len() == FRAMES);
            before && made && again && all && memory.states(0).is_none()
        }));
    }

    /// A budget is spent and no more; what was refused can be had with another one.
    #[test]
    fn a_budget_is_kept() {
        let (one, next) = (STATES.get() + 1, STATES.get());
        let (one, next) = (Bytes::new(one), Bytes::new(next));
        let (Ok(one), Ok(next)) = (Budget::new(one), Budget::new(next)) else {
            return;
        };
        let memory = in_heap(2, 1);
        assert!(memory.is_ok_and(|memory| {
            let first = memory.ready(0, &one);
            let again = memory.ready(0, &one);
            let second = memory.ready(1, &one);
            let refused = second == Err(ENOMEM) && memory.states(1).is_none();
            first.is_ok() && again.is_ok() && refused && memory.ready(1, &next).is_ok()
        }));
    }

    /// A region past the last has no states and gets none.
    #[test]
    fn a_region_too_far_is_refused() {
        let (memory, Ok(budget)) = (in_heap(2, 1), Budget::new(STATES)) else {
            return;
        };
        assert!(memory.is_ok_and(|memory| {
            memory.ready(2, &budget) == Err(ERANGE) && memory.states(2).is_none()
        }));
    }

    /// A zone on this memory says which region it needs the states of, and then gives every page
    /// that it was given, and takes each back.
    #[test]
    fn a_zone_gives_all_that_it_has() {
        let (Ok(memory), Ok(budget)) = (in_heap(1, 1), Budget::new(STATES)) else {
            return;
        };
        let zone = Zone::new(memory, Order::new(10).unwrap_or_default());
        zone.add(FrameIdx::new(512), NrPages::new(1024), Migratetype::Movable);
        let flags = AllocFlags::new(Watermark::Min);
        let want = Want::new(Order::ZERO, Migratetype::Movable, flags);
        assert_eq!(zone.alloc(0, &want), Err(Miss::NotReady(0)));
        assert_eq!(zone.memory().ready(0, &budget), Ok(()));
        let mut frames = KVVec::new();
        while let Ok(frame) = zone.alloc(0, &want) {
            if frames.push(frame, GFP_KERNEL).is_err() {
                break;
            }
        }
        assert_eq!(frames.len(), 1024);
        assert!(zone.check(1).is_ok());
        let mut freed = frames.iter().map(|&frame| zone.free(0, frame, Order::ZERO));
        assert!(freed.all(|it| it.is_ok()));
        zone.drain(0);
        assert_eq!(zone.figures().free.load(crate::seam::Relaxed), 1024);
        assert!(zone.check(1).is_ok());
    }
}
