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

use kernel::prelude::*;

use super::{
    ffi,
    pages::Pages,
    PAGE_SHIFT, //
};
use crate::algo::units::NrPages;

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
