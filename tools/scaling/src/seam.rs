// SPDX-License-Identifier: GPL-2.0

//! The seam for atomics: each operation is noted with the line it is on, and then done.
//!
//! # Limits      what does not change a value (a compare-exchange that fails) takes the line all
//!               the same, as it does on x86.

use crate::lines::touch;

pub use std::sync::atomic::Ordering::{self, Relaxed};

macro_rules! noted {
    ($($name:ident($value:ty)),*) => {$(
        /// An atomic whose operations are noted.
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name(std::sync::atomic::$name);

        #[expect(missing_docs, reason = "they are those of the atomic inside")]
        impl $name {
            pub const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                touch(self, false);
                self.0.load(order)
            }

            #[inline]
            pub fn store(&self, value: $value, order: Ordering) {
                touch(self, true);
                self.0.store(value, order);
            }

            #[inline]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                touch(self, true);
                self.0.swap(value, order)
            }

            #[inline]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                touch(self, true);
                self.0.fetch_add(value, order)
            }

            #[inline]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                touch(self, true);
                self.0.fetch_sub(value, order)
            }

            #[inline]
            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                touch(self, true);
                self.0.fetch_or(value, order)
            }

            #[inline]
            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                touch(self, true);
                self.0.fetch_and(value, order)
            }

            #[inline]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                touch(self, true);
                self.0.fetch_update(set, fetch, update)
            }

            #[inline]
            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                touch(self, true);
                self.0.compare_exchange(old, new, success, failure)
            }
        }
    )*};
}

noted! {
    AtomicIsize(isize),
    AtomicU16(u16),
    AtomicU32(u32),
    AtomicU64(u64),
    AtomicU8(u8),
    AtomicUsize(usize)
}
