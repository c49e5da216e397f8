// SPDX-License-Identifier: GPL-2.0

//! The bytes of pages that are held, as slices.
//!
//!   Pages --fill(byte)--> Filled   derefs to [u8]   --into_pages--> Pages
//!     \--as_uninit--> [MaybeUninit<u8>]
//!
//! Linux hands out pages with whatever was in them, and a `&[u8]` of that would be undefined: a page
//! is written to once before it is read as bytes, and [`Filled`] is the proof of that.
//!
//! ```ignore
//! let mut page = Pages::alloc(Order::ZERO, Gfp::KERNEL, None)?.fill(0)?;
//! page[..4].copy_from_slice(b"oxmm");
//! ```
//!
//! # Locking     none: who has the pages alone has their bytes.
//! # Cost        `fill` writes every byte; the rest is arithmetic.
//! # Limits      pages that the kernel's direct map does not have (HIGHMEM) answer ENXIO.
//! # Reference   `include/linux/mm.h`: `page_address()`.

use core::{
    mem::MaybeUninit,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull,
    slice, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    ffi,
    pages::Pages,
    pinned::Space,
    PAGE_SHIFT, //
};
use crate::algo::units::{
    u64_from,
    NrPages, //
};

/// The bytes of a word.
const WORD: usize = size_of::<u64>();

/// The word of a pattern after so many others: no two of them are alike, nor are those of patterns
/// whose first words differ, unless they differ by as many steps.
pub fn word(first: u64, number: usize) -> u64 {
    first.wrapping_add(u64_from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Pages {
    /// Where their bytes begin in the direct map.
    fn base(&self) -> Option<NonNull<u8>> {
        // SAFETY: By the invariant of `Pages` this is a page, and it is ours.
        NonNull::new(unsafe { ffi::oxmm_page_address(self.as_ptr()) }.cast())
    }

    fn len(&self) -> usize {
        self.nr_pages().get() << PAGE_SHIFT
    }

    /// Their bytes, of which none need have a value yet.
    ///
    /// # Errors
    ///
    /// ENXIO if the kernel has no address for them.
    pub fn as_uninit(&mut self) -> Result<&mut [MaybeUninit<u8>]> {
        let base = self.base().ok_or(ENXIO)?;
        // SAFETY:
        // - The direct map has the run at consecutive addresses, and it is there while `self` is.
        // - By the invariant of `Pages` nobody else owns it, and `&mut self` excludes whoever has
        //   it from us; bytes have no alignment, and these need have no value.
        Ok(unsafe { slice::from_raw_parts_mut(base.as_ptr().cast(), self.len()) })
    }

    /// Zeroes `count` pages from the page `from` on, as far as the run has them; pages without an
    /// address stay as they are.
    ///
    /// # Safety
    ///
    /// Nobody reads or writes these pages meanwhile.
    pub unsafe fn zero_part(&self, from: NrPages, count: NrPages) {
        let left = self.nr_pages().checked_sub(from).unwrap_or_default();
        let (from, len) = (
            from.get() << PAGE_SHIFT,
            count.min(left).get() << PAGE_SHIFT,
        );
        if let Some(base) = self.base().filter(|_| len > 0) {
            // SAFETY: The bytes are inside of the run, see above, which the direct map has at
            // consecutive addresses; that nobody else is there is the caller's promise.
            unsafe { base.as_ptr().add(from).write_bytes(0, len) };
        }
    }

    /// Where `count` pages from the page `from` on begin, and how many bytes they have, as far as the
    /// run has them.
    fn part(&self, from: NrPages, count: NrPages) -> Option<(NonNull<u8>, usize)> {
        let left = self.nr_pages().checked_sub(from)?;
        let len = count.min(left).get() << PAGE_SHIFT;
        // SAFETY: The bytes before are those of pages of the run, which the direct map has at
        // consecutive addresses.
        let start = unsafe { self.base()?.add(from.get() << PAGE_SHIFT) };
        Some((start, len))
    }

    /// `len` bytes from the byte `from` on, to make an array in; `None` if the run does not have them
    /// all.
    ///
    /// # Safety
    ///
    /// Nobody else uses the bytes, and the run is not dropped before every array that is made in
    /// them.
    pub unsafe fn space(&self, from: usize, len: usize) -> Option<Space> {
        let end = from.checked_add(len)?;
        let base = self.base().filter(|_| end <= self.len())?;
        // SAFETY: The bytes are inside of the run, which the direct map has at consecutive addresses,
        // and it is the kernel's to write; the rest is the caller's promise.
        Some(unsafe { Space::new(base.add(from), len) })
    }

    /// Copies `count` pages from the page `from` on to those of another run, as far as both have
    /// them.
    ///
    /// # Safety
    ///
    /// Nobody writes the pages meanwhile, nobody reads those that are copied to, and they are others
    /// than those that are copied.
    pub unsafe fn copy_part(&self, from: NrPages, to: (&Self, NrPages), count: NrPages) {
        let (source, target) = (self.part(from, count), to.0.part(to.1, count));
        if let Some(((source, bytes), (target, room))) = source.zip(target) {
            // SAFETY: Both have so many bytes, see `part`; the rest is the caller's promise.
            unsafe { source.copy_to_nonoverlapping(target, bytes.min(room)) };
        }
    }

    /// Fills `count` pages from the page `from` on with words that [`word`] gives, as far as the run
    /// has them.
    ///
    /// # Safety
    ///
    /// Nobody reads or writes these pages meanwhile.
    pub unsafe fn fill_words(&self, from: NrPages, count: NrPages, first: u64) {
        let Some((start, bytes)) = self.part(from, count) else {
            return;
        };
        for number in 0..bytes / WORD {
            // SAFETY: The word is inside of the part, which begins at a page, so that it is aligned;
            // that nobody else is there is the caller's promise.
            unsafe { start.cast::<u64>().add(number).write(word(first, number)) };
        }
    }

    /// The first of `count` pages from the page `from` on, counted from there, that differs from what
    /// [`Self::fill_words`] writes.
    ///
    /// # Safety
    ///
    /// Nobody writes these pages meanwhile.
    pub unsafe fn first_wrong_page(
        &self,
        from: NrPages,
        count: NrPages,
        first: u64,
    ) -> Option<NrPages> {
        let (start, bytes) = self.part(from, count)?;
        let mut numbers = 0..bytes / WORD;
        let wrong = numbers.find(|&number| {
            // SAFETY: As in `fill_words`. Memory of the page allocator has some value always, which
            // a volatile read takes as it is.
            let found = unsafe { start.cast::<u64>().add(number).read_volatile() };
            found != word(first, number)
        });
        wrong.map(|number| NrPages::new(number >> (PAGE_SHIFT - WORD.trailing_zeros())))
    }

    /// Fills all of them as [`Self::fill_words`] does.
    ///
    /// # Errors
    ///
    /// ENXIO if the kernel has no address for them.
    pub fn fill_with(&mut self, first: u64) -> Result {
        self.base().ok_or(ENXIO)?;
        // SAFETY: By the invariant of `Pages` nobody else owns them, and `&mut self` excludes whoever
        // has them from us.
        unsafe { self.fill_words(NrPages::ZERO, self.nr_pages(), first) };
        Ok(())
    }

    /// The first page that differs from what [`Self::fill_with`] writes.
    pub fn first_wrong(&self, first: u64) -> Option<NrPages> {
        // SAFETY: By the invariant of `Pages` nobody else owns them, and all that writes to them
        // takes `&mut self`, or promises that nobody reads.
        unsafe { self.first_wrong_page(NrPages::ZERO, self.nr_pages(), first) }
    }

    /// Writes `byte` to all of a page of the run; nothing to a page that it does not have, or that has
    /// no address.
    ///
    /// # Safety
    ///
    /// Nobody reads or writes this page meanwhile.
    pub unsafe fn fill_page(&self, page: NrPages, byte: u8) {
        if let Some(start) = self.page_start(page) {
            // SAFETY: The run has this page, at consecutive addresses; that nobody else is there is
            // the caller's promise.
            unsafe { start.as_ptr().write_bytes(byte, 1 << PAGE_SHIFT) };
        }
    }

    /// Where in a page of the run the first byte is that is another one.
    ///
    /// Who writes to the page meanwhile, by mistake, is no harm: C code looks at it.
    pub fn first_other(&self, page: NrPages, byte: u8) -> Option<usize> {
        let start = self.page_start(page)?;
        // SAFETY: The run has this page, and the direct map has it at consecutive addresses while
        // `self` is.
        let found =
            unsafe { bindings::memchr_inv(start.as_ptr().cast(), byte.into(), 1 << PAGE_SHIFT) };
        NonNull::new(found).map(|it| it.addr().get() - start.addr().get())
    }

    /// A byte of a page of the run, as it is at the moment.
    pub fn byte(&self, page: NrPages, offset: usize) -> Option<u8> {
        let at = self.byte_at(page, offset)?;
        // SAFETY: The run has this byte; a volatile read takes whatever is there.
        Some(unsafe { at.as_ptr().read_volatile() })
    }

    /// Changes a byte of a page of the run, and returns what was there; `None` if the run has no such
    /// byte.
    ///
    /// # Safety
    ///
    /// Nobody holds a reference to the byte.
    pub unsafe fn set_byte(&self, page: NrPages, offset: usize, byte: u8) -> Option<u8> {
        let before = self.byte(page, offset)?;
        let at = self.byte_at(page, offset)?;
        // SAFETY: The run has this byte; who else reads or writes it does so without a reference, by
        // the caller's promise.
        unsafe { at.as_ptr().write_volatile(byte) };
        Some(before)
    }

    fn byte_at(&self, page: NrPages, offset: usize) -> Option<NonNull<u8>> {
        let start = self.page_start(page).filter(|_| offset < 1 << PAGE_SHIFT)?;
        // SAFETY: The offset is inside of the page.
        Some(unsafe { start.add(offset) })
    }

    /// Where a page of the run begins, if the run has it.
    fn page_start(&self, page: NrPages) -> Option<NonNull<u8>> {
        let base = self.base().filter(|_| page < self.nr_pages())?;
        // SAFETY: The run has so many pages before this one, at consecutive addresses.
        Some(unsafe { base.add(page.get() << PAGE_SHIFT) })
    }

    /// Writes `byte` to all of them, so that they can be read.
    ///
    /// # Errors
    ///
    /// ENXIO if the kernel has no address for them; they are freed then.
    pub fn fill(mut self, byte: u8) -> Result<Filled> {
        self.as_uninit()?.fill(MaybeUninit::new(byte));
        let base = self.base().ok_or(ENXIO)?;
        // INVARIANT: every byte was written just now.
        Ok(Filled { base, pages: self })
    }
}

/// Pages whose bytes all have a value.
///
/// # Invariants
///
/// `base` is where the bytes of `pages` begin, and each of them has been written to.
pub struct Filled {
    base: NonNull<u8>,
    pages: Pages,
}

// SAFETY: Bytes of pages that nobody else has; any task may use them.
unsafe impl Send for Filled {}

// SAFETY: `&Filled` only reads the bytes, and writing takes `&mut Filled`.
unsafe impl Sync for Filled {}

impl Filled {
    /// The pages, whose bytes are nobody's concern any more.
    pub fn into_pages(self) -> Pages {
        self.pages
    }

    /// The pages.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }
}

impl Deref for Filled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the invariant so many bytes begin there and have values; the pages are ours,
        // and `&self` keeps us from writing.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.pages.len()) }
    }
}

impl DerefMut for Filled {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: As for `deref`; `&mut self` excludes every other use.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.pages.len()) }
    }
}

#[kunit_tests(oxmm_contents)]
mod tests {
    use super::*;
    use crate::algo::units::Order;
    use crate::linux::gfp::Gfp;

    /// Every byte of a run is there, has the value it was filled with, and keeps what is written.
    #[test]
    fn bytes_are_those_that_were_written() {
        for order in [0, 1, 3].into_iter().filter_map(Order::new) {
            let pages = Pages::alloc(order, Gfp::KERNEL, None);
            let bytes = pages.and_then(|pages| pages.fill(0x5a));
            assert!(bytes.is_ok());
            let Ok(mut bytes) = bytes else { return };
            assert_eq!(bytes.len(), order.nr_pages().get() << PAGE_SHIFT);
            assert!(bytes.iter().all(|&byte| byte == 0x5a));
            if let Some(last) = bytes.last_mut() {
                *last = 1;
            }
            assert_eq!(bytes.iter().filter(|&&byte| byte != 0x5a).count(), 1);
        }
    }

    /// Zeroing keeps to the pages named, and to the run.
    #[test]
    fn a_part_is_zeroed_and_no_more() {
        let order = Order::new(2).unwrap_or_default();
        for (from, count, zeroed) in [(1, 2, 1..3), (3, 9, 3..4), (4, 1, 0..0), (0, 0, 0..0)] {
            let pages = Pages::alloc(order, Gfp::KERNEL, None);
            let bytes = pages.and_then(|pages| pages.fill(0xa5));
            let Ok(mut bytes) = bytes else { return };
            // SAFETY: The pages are ours.
            unsafe {
                bytes
                    .pages
                    .zero_part(NrPages::new(from), NrPages::new(count))
            };
            for (number, page) in bytes.chunks_mut(1 << PAGE_SHIFT).enumerate() {
                let expected = if zeroed.contains(&number) { 0 } else { 0xa5 };
                assert!(page.iter().all(|&byte| byte == expected));
            }
        }
    }

    /// What is copied is found by its pattern; a page that differs is named.
    #[test]
    fn a_copy_has_the_pattern() {
        let order = Order::new(2).unwrap_or_default();
        let pages = || Pages::alloc(order, Gfp::KERNEL, None);
        let (Ok(mut one), Ok(mut two)) = (pages(), pages()) else {
            return;
        };
        assert!(one.fill_with(7).is_ok() && two.fill_with(8).is_ok());
        assert_eq!(one.first_wrong(7), None);
        assert_eq!(one.first_wrong(8), Some(NrPages::ZERO));
        let (first, count) = (NrPages::new(1), NrPages::new(9));
        // SAFETY: Both are ours.
        unsafe { one.copy_part(first, (&two, first), count) };
        assert_eq!(two.first_wrong(8), Some(first));
        // SAFETY: As above.
        unsafe { one.copy_part(NrPages::ZERO, (&two, NrPages::ZERO), first) };
        assert_eq!(two.first_wrong(7), None);
    }

    /// A page is filled alone; the byte that differs is found, and no other page is looked at.
    #[test]
    fn a_byte_that_differs_is_found() {
        let order = Order::new(1).unwrap_or_default();
        let bytes = Pages::alloc(order, Gfp::KERNEL, None).and_then(|pages| pages.fill(0));
        let Ok(bytes) = bytes else { return };
        let (pages, second, none) = (bytes.into_pages(), NrPages::new(1), NrPages::new(2));
        // SAFETY: The pages are ours.
        unsafe { pages.fill_page(second, 0xaa) };
        assert_eq!(pages.first_other(NrPages::ZERO, 0xaa), Some(0));
        assert_eq!(pages.first_other(second, 0xaa), None);
        // SAFETY: Nobody has a reference to them.
        let before = unsafe { pages.set_byte(second, 77, 1) };
        assert_eq!(before, Some(0xaa));
        assert_eq!(pages.first_other(second, 0xaa), Some(77));
        assert_eq!(pages.byte(second, 77), Some(1));
        assert_eq!(pages.first_other(NrPages::ZERO, 0), None);
        let size = 1 << PAGE_SHIFT;
        assert!(pages.byte(second, size).is_none() && pages.byte(none, 0).is_none());
        assert!(pages.first_other(none, 0).is_none());
    }

    /// Pages keep their bytes when they are handed on, and `as_uninit` reaches all of them.
    #[test]
    fn pages_keep_their_bytes() {
        let pages = Pages::alloc(Order::ZERO, Gfp::KERNEL, None);
        let bytes = pages.and_then(|pages| pages.fill(7));
        assert!(bytes.is_ok());
        let Ok(bytes) = bytes else { return };
        let pfn = bytes.pages().pfn();
        let mut pages = bytes.into_pages();
        assert_eq!(pages.pfn(), pfn);
        assert!(pages
            .as_uninit()
            .is_ok_and(|bytes| bytes.len() == 1 << PAGE_SHIFT));
    }
}
