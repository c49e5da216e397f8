// SPDX-License-Identifier: GPL-2.0

//! Walks along Linux's circular lists while a lock keeps them as they are.
//!
//!   head -> entry -> entry -> head       step() is true for each entry, then false
//!
//! # Locking     the caller holds what protects the list for as long as the walk lives.
//! # Cost        O(1) a step: one cache line that is likely cold.
//! # Reference   `include/linux/list.h`.

use core::marker::PhantomData;

use kernel::bindings;

/// A walk along one list that nobody changes meanwhile.
///
/// # Invariants
///
/// `at` is an entry of the list with this head, or the head; the list stays as it is for `'a`.
pub(super) struct Walk<'a> {
    head: *const bindings::list_head,
    at: *const bindings::list_head,
    _list: PhantomData<&'a bindings::list_head>,
}

impl<'a> Walk<'a> {
    /// Starts at the head.
    ///
    /// # Safety
    ///
    /// For `'a` the list is initialised and nobody adds an entry to it or takes one from it.
    pub(super) unsafe fn new(head: &'a bindings::list_head) -> Self {
        // INVARIANT: at the head; the rest is the caller's promise.
        Self {
            head,
            at: head,
            _list: PhantomData,
        }
    }

    /// Goes to the next entry; `false` when there is none.
    pub(super) fn step(&mut self) -> bool {
        // SAFETY: By the invariant `at` is in the list, whose entries live as long as they are in
        // it.
        // INVARIANT: the next of an entry is an entry or the head.
        self.at = unsafe { (*self.at).next };
        self.at != self.head
    }

    /// The entry that the last step led to; the head before the first and after the last.
    pub(super) fn entry(&self) -> *const bindings::list_head {
        self.at
    }
}
