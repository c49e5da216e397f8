// SPDX-License-Identifier: GPL-2.0

//! Names that a user gives: tags, caches, and paths of memory cgroups.
//!
//!   tag     t1              32 bytes
//!   cache   kmalloc-64      32 bytes, names a folder under `cache/`: no `/`, not `.`, not `..`
//!   path    /a/b            256 bytes, from the root of the tree, no empty part, no `.`, no `..`
//!
//! # Locking     none: names borrow from the line.
//! # Cost        O(name).
//! # Limits      printable ASCII without blanks, so that a name is one column of a view.
//! # Reference   kernel/cgroup/cgroup.c: cgroup_mkdir() for what the kernel refuses.

use core::fmt;

use super::error::Fault;
use super::value::{
    Refused,
    Value, //
};

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Says whether `text` can name a file in a folder.
fn is_file_name(text: &str) -> bool {
    is_printable(text) && !text.contains('/') && text != "." && text != ".."
}

fn is_path(text: &str) -> bool {
    match text.strip_prefix('/') {
        Some("") => true,
        Some(parts) => parts.split('/').all(is_file_name),
        None => false,
    }
}

/// Defines a borrowed name of bounded length.
macro_rules! name {
    ($(#[$meta:meta])* $Name:ident, $max:literal, $is_valid:path) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $Name<'a>(&'a str);

        impl<'a> $Name<'a> {
            /// The most bytes.
            pub const MAX_LEN: usize = $max;

            /// Makes a name, or `None` of text that is not allowed.
            pub fn new(text: &'a str) -> Option<Self> {
                // INVARIANT: the condition.
                (text.len() <= Self::MAX_LEN && $is_valid(text)).then_some(Self(text))
            }

            /// Returns the text.
            pub const fn as_str(self) -> &'a str {
                self.0
            }
        }

        impl fmt::Display for $Name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0)
            }
        }

        impl<'a> Value<'a> for $Name<'a> {
            fn read(text: &'a str) -> Result<Self, Refused<'a>> {
                let fault = match text.len() > Self::MAX_LEN {
                    true => Fault::TooLong,
                    false => Fault::Malformed,
                };
                Self::new(text).ok_or(Refused::new(fault, text))
            }
        }
    };
}

name! {
    /// A word that marks allocations, so that they can be freed together.
    ///
    /// # Invariants
    ///
    /// 1 to 32 printable characters without blanks.
    Tag, 32, is_printable
}

name! {
    /// The name of a cache.
    ///
    /// # Invariants
    ///
    /// A file name of 1 to 32 printable characters without blanks.
    CacheName, 32, is_file_name
}

name! {
    /// The path of a memory cgroup, from the root of the tree.
    ///
    /// # Invariants
    ///
    /// `/`, or file names of printable characters, each after a `/`; 256 bytes at most.
    MemcgPath, 256, is_path
}
