// SPDX-License-Identifier: GPL-2.0

//! What the compiler cannot see: zeroed state is valid, a block's pages belong to one user, and where
//! a lock of the kernel is nothing at all.
//!
//!   Sole       state that one task at a time works on, without SMP and without preemption
//!   OfFrames   what is kept of the frames of each region, in a place where it is published once
//!
//! The only file of the room with `unsafe`. Regions and page lists of a CPU have kibibytes: made
//! as values they would pass over the kernel's stack, of which a third would be gone, so that they
//! begin as zeroed memory instead. The bytes of a block are written where Linux has them, for a
//! reference to them would have to outlive the block.
//!
//! # Locking     none, but what `Sole` says.
//! # Cost        each byte of a block is written or read. To find states is one load, and `Sole` a flag:
//!               `SpinLock` and `SetOnce` call functions of the kernel for the same, which was a
//!               quarter of the time of an allocation and its free.
//! # Reference   Linux `rust/pin-init/src/lib.rs`: `Zeroable`; `mm/page_alloc.c`:
//!               `kernel_init_pages()`; `include/linux/spinlock_api_up.h`.

use core::{
    alloc::Layout,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};

use kernel::prelude::*;
use pin_init::Zeroable;

use crate::algo::{
    buddy::{
        pcp::Pcp,
        Region,
        FRAMES, //
    },
    units::{
        Bytes,
        NrPages, //
    }, //
};
use crate::linux::{
    pages::Pages,
    pinned::{
        PinnedVec,
        Space, //
    },
    quietly, //
};
use crate::seam::{
    AtomicU16,
    AtomicU8, //
};

// SAFETY: A region is plain numbers, of which all zero are the empty region, as its documentation
// says.
unsafe impl Zeroable for Region {}

// SAFETY: Page lists are plain numbers and flags, for all of which zero is a value.
unsafe impl Zeroable for Pcp {}

/// What is kept of each of a region's frames.
pub(super) struct Frames {
    /// Whether a block that begins there was given out.
    pub(super) states: [AtomicU8; FRAMES],
    /// To whom, or to whom the last one was.
    pub(super) accounts: [AtomicU16; FRAMES],
}

// SAFETY: States and accounts are atomic numbers, for all of which zero is a value.
unsafe impl Zeroable for Frames {}

/// What is kept of the frames of each region: in early memory from the start, or in a box once it is
/// asked for.
///
/// # Invariants
///
/// Of a region that has an array in `early` the pointer is to its element. Of the others it is null,
/// or what a box was turned into, which is ours. Once it is not null it never changes.
pub(super) struct OfFrames {
    all: KVVec<AtomicPtr<Frames>>,
    early: KVVec<PinnedVec<Frames>>,
}

impl OfFrames {
    /// What is taken for each region, beside what is kept of its frames.
    pub(super) const PER_REGION: Bytes =
        Bytes::new(size_of::<AtomicPtr<Frames>>() + size_of::<PinnedVec<Frames>>());

    /// Nothing is kept of so many regions yet, but in those spaces that are given, from the first
    /// region on.
    ///
    /// # Errors
    ///
    /// ENOMEM, and what `space` answers.
    pub(super) fn new(
        regions: usize,
        mut space: impl FnMut(Layout) -> Result<Option<Space>>,
    ) -> Result<Self> {
        let mut all = KVVec::with_capacity(regions, quietly())?;
        let mut early = KVVec::new();
        while let Some(space) = match early.len() < regions {
            true => space(Layout::new::<Frames>())?,
            false => None,
        } {
            let frames = PinnedVec::<Frames>::new_in(space, 1, |_| pin_init::init_zeroed())?;
            // INVARIANT: the array is kept below, and its element does not move.
            all.push(AtomicPtr::new(frames.as_ptr().cast_mut()), quietly())?;
            early.push(frames, quietly())?;
        }
        while all.len() < regions {
            // INVARIANT: null.
            all.push(AtomicPtr::new(null_mut()), quietly())?;
        }
        Ok(Self { all, early })
    }

    /// What is kept of a region, if anything is; the load pairs with the exchange in `make`.
    #[inline]
    pub(super) fn get(&self, region: usize) -> Option<&Frames> {
        let frames = self.all.get(region)?.load(Ordering::Acquire);
        // SAFETY: By the invariant null, an element of an array that is ours, or a box that stays ours
        // until `self` is dropped; nothing of it is changed but through atomics.
        Some(unsafe { NonNull::new(frames)?.as_ref() })
    }

    /// Allocates it, zeroed, if there is none; of two who do so at a time one has its own dropped.
    ///
    /// # Errors
    ///
    /// ENOMEM; ERANGE if there is no such region.
    pub(super) fn make(&self, region: usize) -> Result {
        let place = self.all.get(region).ok_or(ERANGE)?;
        if self.get(region).is_some() {
            return Ok(());
        }
        let frames = KVBox::into_raw(KVBox::<Frames>::zeroed(quietly())?);
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let kept = place.compare_exchange(null_mut(), frames, success, failure);
        // INVARIANT: was null, and is of a box.
        if kept.is_err() {
            // SAFETY: Of the box above, and nobody else has seen it.
            drop(unsafe { KVBox::from_raw(frames) });
        }
        Ok(())
    }
}

impl Drop for OfFrames {
    fn drop(&mut self) {
        let boxes = self.all.iter_mut().skip(self.early.len());
        for frames in boxes.map(AtomicPtr::get_mut).filter(|it| !it.is_null()) {
            // SAFETY: By the invariant it is of a box and ours, and nobody else is left.
            drop(unsafe { KVBox::from_raw(*frames) });
        }
    }
}

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
pub(super) use sole::Sole;

#[cfg(not(any(CONFIG_SMP, CONFIG_PREEMPT_COUNT, CONFIG_DEBUG_SPINLOCK)))]
mod sole {
    use core::{
        cell::UnsafeCell,
        sync::atomic::AtomicBool, //
    };

    use pin_init::Wrapper;

    use super::*;

    /// State that one task at a time works on, in a kernel with one CPU that does not preempt.
    ///
    /// There `spin_lock()` is nothing but what keeps the compiler from moving memory accesses over it,
    /// for a task is never away from the CPU unless it sleeps; and nobody sleeps here, nor comes from
    /// interrupts. The flag stands for the lock all the same: if somebody did, he would wait for ever, as
    /// for a lock, and could not get at what another works on.
    ///
    /// # Invariants
    ///
    /// The state is borrowed while `is_taken` is set by whoever borrows it, and not otherwise.
    #[pin_data]
    pub(in crate::private) struct Sole<T> {
        is_taken: AtomicBool,
        #[pin]
        state: UnsafeCell<T>,
    }

    // SAFETY: One borrow at a time, by the invariant, which may be of any task.
    unsafe impl<T: Send> Sync for Sole<T> {}

    impl<T> Sole<T> {
        /// The state that `state` makes.
        pub(in crate::private) fn new(state: impl PinInit<T>) -> impl PinInit<Self> {
            // INVARIANT: not borrowed.
            pin_init!(Self {
                is_taken: AtomicBool::new(false),
                state <- UnsafeCell::pin_init(state),
            })
        }

        /// Works on the state.
        #[inline(always)]
        pub(in crate::private) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
            // Loads and stores in place of exchanges: there is no other CPU, and no preemption.
            if self.is_taken.load(Ordering::Acquire) {
                self.wait();
            }
            self.work(work)
        }

        /// Works on the state, unless somebody does.
        #[inline(always)]
        pub(in crate::private) fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
            (!self.is_taken.load(Ordering::Acquire)).then(|| self.work(work))
        }

        #[cold]
        fn wait(&self) {
            while self.is_taken.load(Ordering::Acquire) {
                core::hint::spin_loop();
            }
        }

        #[inline(always)]
        fn work<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
            // INVARIANT: was not set, and is until the borrow has ended.
            self.is_taken.store(true, Ordering::Relaxed);
            // SAFETY: Nobody has borrowed it, by the invariant, and nobody will until `work` returns.
            let result = work(unsafe { &mut *self.state.get() });
            self.is_taken.store(false, Ordering::Release);
            result
        }
    }
}

/// Bytes of a run for a table of its machine, which early memory has reserved; `None` if the run does
/// not have them all.
pub(super) fn space(run: &Pages, from: usize, len: usize) -> Option<Space> {
    // SAFETY: What is reserved is given to nobody else, neither by early memory nor by a zone. A
    // machine drops its zones, whose tables these are, before its arenas, whose runs.
    unsafe { run.space(from, len) }
}

/// Fills a page of a run, for a block on its way to being free: the zone lets one do so at a time,
/// see algo/buddy/zone/damage.rs.
pub(super) fn fill_page(run: &Pages, page: NrPages, byte: u8) {
    // SAFETY: The page is that of a block that is given out, whose holder frees it and looks at it no
    // more; nobody else is given it before. Who writes by mistake has no reference.
    unsafe { run.fill_page(page, byte) };
}

/// Changes a byte of a page that is free, behind the manager's back; returns what was there.
pub(super) fn poke(run: &Pages, page: NrPages, offset: usize, byte: u8) -> Option<u8> {
    // SAFETY: Bytes of pages of this manager are written by `fill_page` and `zero`, and by those who
    // hold blocks, none of whom makes references to them.
    unsafe { run.set_byte(page, offset, byte) }
}

/// Zeroes `count` pages of a run, from the page `from` on, for a block that was just allocated.
///
/// Nobody else looks at them: a block has one user, and its pages are no other block's.
pub(super) fn zero(run: &Pages, from: NrPages, count: NrPages) {
    // SAFETY: The pages are those of a block that the zone has just given out, which it does once
    // until it is freed.
    unsafe { run.zero_part(from, count) };
}

/// Copies pages of a run to pages of another, each from the page named on: for a block that is
/// moved, whose marks in the zone keep both ends from being given to others.
pub(super) fn copy(from: (&Pages, NrPages), to: (&Pages, NrPages), count: NrPages) {
    // SAFETY: Both blocks were given out, the one to its holder, who does not look at it while it is
    // moved, the other to the mover; blocks do not overlap.
    unsafe { from.0.copy_part(from.1, to, count) };
}

/// Writes a pattern to pages of a block, see [`Pages::fill_words`].
pub(super) fn fill(run: &Pages, from: NrPages, count: NrPages, first: u64) {
    // SAFETY: The block is the caller's and is not moved meanwhile.
    unsafe { run.fill_words(from, count, first) };
}

/// The first page that does not have the pattern, counted from `from`.
pub(super) fn first_wrong(
    run: &Pages,
    from: NrPages,
    count: NrPages,
    first: u64, //
) -> Option<NrPages> {
    // SAFETY: As for `fill`.
    unsafe { run.first_wrong_page(from, count, first) }
}
