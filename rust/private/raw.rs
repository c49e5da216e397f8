// SPDX-License-Identifier: GPL-2.0

//! What the compiler cannot see: zeroed state is valid, a block's pages belong to one user, and where
//! a lock of the kernel is nothing at all.
//!
//!   Sole       state that one task at a time works on, without SMP and without preemption
//!   OfFrames   what is kept of a region's frames, in a place where it is published once
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
    units::NrPages, //
};
use crate::linux::{
    pages::Pages,
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

/// What is kept of a region's frames, once it is allocated.
///
/// # Invariants
///
/// Null, or what a box of `Frames` was turned into, which is ours; once that, never another.
#[derive(Default)]
pub(super) struct OfFrames(AtomicPtr<Frames>);

impl OfFrames {
    /// What is kept, if anything is; the load pairs with the exchange in `make`.
    #[inline]
    pub(super) fn get(&self) -> Option<&Frames> {
        let frames = NonNull::new(self.0.load(Ordering::Acquire))?;
        // SAFETY: By the invariant a box that stays ours until `self` is dropped; nothing of it is
        // changed but through atomics.
        Some(unsafe { frames.as_ref() })
    }

    /// Allocates it, zeroed, if there is none; of two who do so at a time one has its own dropped.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn make(&self) -> Result {
        if self.get().is_some() {
            return Ok(());
        }
        let frames = KVBox::into_raw(KVBox::<Frames>::zeroed(quietly())?);
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let kept = self
            .0
            .compare_exchange(null_mut(), frames, success, failure);
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
        let frames = *self.0.get_mut();
        if !frames.is_null() {
            // SAFETY: By the invariant it is of a box and ours, and nobody else is left.
            drop(unsafe { KVBox::from_raw(frames) });
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
