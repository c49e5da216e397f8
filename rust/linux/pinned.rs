// SPDX-License-Identifier: GPL-2.0

//! Arrays of what must not move: every element is made where it stays.
//!
//!   PinnedVec::new(3, |index| new_spinlock!(...))
//!     [ lock 0 | lock 1 | lock 2 ]      made one after the other; none passes over the stack
//!
//! `KVVec` moves what is pushed, and a lock of the kernel must not be moved. An element may be larger
//! than a kernel stack too: its initialiser writes it to its place.
//!
//! # Locking     none: the elements bring their own.
//! # Cost        one allocation; a slice from then on.
//! # Limits      the length is fixed, and there is no way to the elements but `&T`.
//! # Reference   Linux `rust/kernel/alloc/kvec.rs`; `rust/pin-init/src/lib.rs`.

use core::{
    mem::MaybeUninit,
    ops::Deref, //
};

use kernel::prelude::*;

use pin_init::InPlaceWrite;

use super::quietly;

/// An array of elements that stay where they are.
///
/// # Invariants
///
/// An element is neither moved nor lent as `&mut T` until it is dropped in its place.
pub struct PinnedVec<T> {
    elements: KVVec<T>,
}

impl<T: 'static> PinnedVec<T> {
    /// Makes `count` elements; `make` gets the number of each.
    ///
    /// # Errors
    ///
    /// ENOMEM, and the first error of an initialiser; what was made is dropped then.
    pub fn new<I, E>(count: usize, mut make: impl FnMut(usize) -> I) -> Result<Self>
    where
        I: PinInit<T, E>,
        Error: From<E>,
    {
        let mut elements = KVVec::with_capacity(count, quietly())?;
        for index in 0..count {
            let place = elements.spare_capacity_mut().first_mut().ok_or(ENOMEM)?;
            let place = core::ptr::from_mut::<MaybeUninit<T>>(place);
            // SAFETY: A place for one element, which nobody else knows of. The borrow ends with the
            // next line, before the array can go; it is called static since `pin_init` knows no
            // other. What is pinned by it stays there: there is room for all, so that the array is
            // not moved, and `elements` goes into a `PinnedVec`, whose invariant says so, or is
            // dropped.
            let place: &'static mut MaybeUninit<T> = unsafe { &mut *place };
            place.write_pin_init(make(index))?;
            // SAFETY:
            // - There was a place, so that the length is below the capacity.
            // - The element there was made just now.
            unsafe { elements.inc_len(1) };
        }
        // INVARIANT: nobody has seen the elements yet; `Deref` alone lends them, as `&T`, and the
        // drop of `KVVec` drops each in its place.
        Ok(Self { elements })
    }
}

impl<T> Deref for PinnedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.elements
    }
}

#[kunit_tests(oxmm_pinned)]
mod tests {
    use super::*;
    use core::marker::PhantomPinned;
    use kernel::{
        new_spinlock,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc,
            SpinLock, //
        },
    };

    /// What witnesses saw.
    struct Counts {
        moved: Atomic<u32>,
        dropped: Atomic<u32>,
    }

    fn counts() -> Option<Arc<Counts>> {
        let counts = Counts {
            moved: Atomic::new(0),
            dropped: Atomic::new(0),
        };
        Arc::new(counts, GFP_KERNEL).ok()
    }

    /// Knows where it was made, and counts when it goes.
    #[pin_data(PinnedDrop)]
    struct Witness {
        made_at: usize,
        number: usize,
        counts: Arc<Counts>,
        #[pin]
        _pin: PhantomPinned,
    }

    impl Witness {
        /// Number 13 cannot be made.
        fn new(number: usize, counts: &Arc<Counts>) -> impl PinInit<Self, Error> {
            let counts = counts.clone();
            try_pin_init!(&this in Self {
                made_at: this.as_ptr().addr(),
                number: if number == 13 { return Err(EDOM) } else { number },
                counts,
                _pin: PhantomPinned,
            }? Error)
        }
    }

    #[pinned_drop]
    impl PinnedDrop for Witness {
        fn drop(self: Pin<&mut Self>) {
            if self.made_at != core::ptr::from_ref(&*self).addr() {
                self.counts.moved.fetch_add(1, Relaxed);
            }
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Every element is dropped where it was made, once.
    #[test]
    fn elements_stay_where_they_were_made() {
        let Some(counts) = counts() else { return };
        let all = PinnedVec::new(10, |number| Witness::new(number, &counts));
        assert!(all.is_ok_and(|all| {
            let mut places = all.iter().enumerate();
            places.all(|(at, it)| it.number == at && it.made_at == core::ptr::from_ref(it).addr())
        }));
        assert_eq!(counts.moved.load(Relaxed), 0);
        assert_eq!(counts.dropped.load(Relaxed), 10);
    }

    /// The error of an initialiser ends it; what was made before is dropped.
    #[test]
    fn an_error_drops_what_was_made() {
        let Some(counts) = counts() else { return };
        let all = PinnedVec::new(20, |number| Witness::new(number, &counts));
        assert!(matches!(all, Err(error) if error == EDOM));
        assert_eq!(counts.dropped.load(Relaxed), 13);
        assert_eq!(counts.moved.load(Relaxed), 0);
    }

    /// Thousands of locks, each with more than a page behind it: more than any stack.
    #[test]
    fn large_elements_are_made_in_place() {
        let make = |_| new_spinlock!(pin_init::init_zeroed::<[u64; 1024]>());
        let locks: Result<PinnedVec<SpinLock<[u64; 1024]>>> = PinnedVec::new(1000, make);
        assert!(locks.is_ok_and(|locks| {
            for (number, lock) in (0..).zip(locks.iter()) {
                lock.lock()[1023] = number;
            }
            let sum = |sum: u64, lock: &SpinLock<[u64; 1024]>| sum + lock.lock()[1023];
            locks.iter().fold(0, sum) == 999 * 1000 / 2
        }));
    }

    /// No element takes no memory.
    #[test]
    fn an_array_may_be_empty() {
        let none: Result<PinnedVec<u64>> = PinnedVec::new(0, |_| pin_init::init_zeroed());
        assert!(none.is_ok_and(|none| none.is_empty()));
    }

    /// What no memory can hold is refused, not tried.
    #[test]
    fn too_many_elements_are_refused() {
        let all: Result<PinnedVec<u64>> = PinnedVec::new(usize::MAX, |_| pin_init::init_zeroed());
        assert!(matches!(all, Err(error) if error == ENOMEM));
    }
}
