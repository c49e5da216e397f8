// SPDX-License-Identifier: GPL-2.0

//! Arrays of what must not move: every element is made where it stays.
//!
//!   PinnedVec::new(3, |index| new_spinlock!(...))
//!     [ lock 0 | lock 1 | lock 2 ]      made one after the other; none passes over the stack
//!
//! `KVVec` moves what is pushed, and a lock of the kernel must not be moved. An element may be larger
//! than a kernel stack too: its initialiser writes it to its place. That is in memory of the heap, or
//! in a [`Space`] that somebody else keeps.
//!
//! # Locking     none: the elements bring their own.
//! # Cost        one allocation, or none in a space; a slice from then on.
//! # Limits      the length is fixed, and there is no way to the elements but `&T`.
//! # Reference   Linux `rust/kernel/alloc/kvec.rs`; `rust/pin-init/src/lib.rs`.

use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull,
    slice, //
};

use kernel::prelude::*;

use pin_init::InPlaceWrite;

use super::quietly;

/// Bytes that an array may be made in.
///
/// # Invariants
///
/// Nobody else uses the bytes, and they stay until what is made in them is dropped.
pub struct Space {
    first: NonNull<u8>,
    len: usize,
}

impl Space {
    /// So many bytes from an address on.
    ///
    /// # Safety
    ///
    /// The bytes can be written, nobody else uses them, and they stay until every array that is made
    /// in them is dropped.
    pub(super) unsafe fn new(first: NonNull<u8>, len: usize) -> Self {
        // INVARIANT: the caller's promise.
        Self { first, len }
    }

    /// Where an array begins that has this layout, if it fits.
    fn place(&self, layout: Layout) -> Option<NonNull<u8>> {
        let fits = layout.size() <= self.len && self.first.addr().get() % layout.align() == 0;
        fits.then_some(self.first)
    }
}

/// An array of elements that stay where they are.
///
/// # Invariants
///
/// - From `first` on there are `len` elements in a row, in `heap` or in a space, and they are ours.
/// - An element is neither moved nor lent as `&mut T` until it is dropped in its place.
pub struct PinnedVec<T> {
    first: NonNull<T>,
    len: usize,
    /// The memory, which is given back after the elements are dropped; that of a space is not ours.
    _heap: Option<KVVec<MaybeUninit<T>>>,
    _elements: PhantomData<T>,
}

// SAFETY: The elements are owned, as by a `Vec`.
unsafe impl<T: Send> Send for PinnedVec<T> {}

// SAFETY: `&PinnedVec` gives `&T` and no more.
unsafe impl<T: Sync> Sync for PinnedVec<T> {}

impl<T: 'static> PinnedVec<T> {
    /// Makes `count` elements; `make` gets the number of each.
    ///
    /// # Errors
    ///
    /// ENOMEM, and the first error of an initialiser; what was made is dropped then.
    pub fn new<I, E>(count: usize, make: impl FnMut(usize) -> I) -> Result<Self>
    where
        I: PinInit<T, E>,
        Error: From<E>,
    {
        let mut heap = KVVec::<MaybeUninit<T>>::with_capacity(count, quietly())?;
        let first = NonNull::from(heap.spare_capacity_mut()).cast();
        // SAFETY: There is room for `count` elements, aligned for them, which goes with the array.
        unsafe { Self::fill(first, Some(heap), count, make) }
    }

    /// Makes `count` elements in a space.
    ///
    /// # Errors
    ///
    /// ENOMEM if they do not fit, and the first error of an initialiser.
    pub fn new_in<I, E>(
        space: Space,
        count: usize,
        make: impl FnMut(usize) -> I, //
    ) -> Result<Self>
    where
        I: PinInit<T, E>,
        Error: From<E>,
    {
        let layout = Layout::array::<T>(count).map_err(|_| ENOMEM)?;
        let first = space.place(layout).ok_or(ENOMEM)?.cast();
        // SAFETY: By the invariant of the space its bytes are ours alone and stay; there are enough,
        // aligned for the elements.
        unsafe { Self::fill(first, None, count, make) }
    }

    /// Makes the elements one after the other.
    ///
    /// # Safety
    ///
    /// From `first` on there is room for `count` elements, of which nobody else knows, in `heap` or in
    /// memory that stays until they are dropped.
    unsafe fn fill<I, E>(
        first: NonNull<T>,
        heap: Option<KVVec<MaybeUninit<T>>>,
        count: usize,
        mut make: impl FnMut(usize) -> I,
    ) -> Result<Self>
    where
        I: PinInit<T, E>,
        Error: From<E>,
    {
        // INVARIANT: no element.
        let mut all = Self {
            first,
            len: 0,
            _heap: heap,
            _elements: PhantomData,
        };
        while all.len < count {
            // SAFETY: The place of one more element, by the caller's promise, and nobody else's. The
            // borrow ends with the next line, before the array can go; it is called static since
            // `pin_init` knows no other. What is pinned by it stays there, by the invariant.
            let place: &'static mut MaybeUninit<T> =
                unsafe { first.add(all.len).cast::<MaybeUninit<T>>().as_mut() };
            place.write_pin_init(make(all.len))?;
            // INVARIANT: it was made just now.
            all.len += 1;
        }
        Ok(all)
    }
}

impl<T> Drop for PinnedVec<T> {
    fn drop(&mut self) {
        let all = NonNull::slice_from_raw_parts(self.first, self.len);
        // SAFETY: By the invariant these are elements and ours; each is dropped in its place, once.
        unsafe { all.as_ptr().drop_in_place() };
    }
}

impl<T> Deref for PinnedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: By the invariant these are elements, lent as `&T` alone while the array is there.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len) }
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

    /// In a space the elements are made and dropped, too, and the space is somebody else's.
    #[test]
    fn elements_may_be_in_a_space() {
        let Some(counts) = counts() else { return };
        let mut room = match KVVec::<u64>::from_elem(0, 1000, GFP_KERNEL) {
            Ok(room) => room,
            Err(_) => return,
        };
        let len = size_of::<Witness>() * 10;
        let first = NonNull::from(room.as_mut_slice()).cast::<u8>();
        // SAFETY: Bytes of `room`, which is used for nothing else and dropped after the arrays.
        let space = |len| unsafe { Space::new(first, len) };
        let make = |number| Witness::new(number, &counts);
        assert!(
            matches!(PinnedVec::new_in(space(len - 1), 10, make), Err(error) if error == ENOMEM)
        );
        let all = PinnedVec::new_in(space(len), 10, make);
        assert!(all.is_ok_and(|all| {
            let mut places = all.iter().enumerate();
            all.as_ptr().addr() == first.addr().get()
                && places
                    .all(|(at, it)| it.number == at && it.made_at == core::ptr::from_ref(it).addr())
        }));
        assert_eq!(counts.moved.load(Relaxed), 0);
        assert_eq!(counts.dropped.load(Relaxed), 10);
        drop(room);
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
