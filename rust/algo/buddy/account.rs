// SPDX-License-Identifier: GPL-2.0

//! Accounts: who has a block and which group it is charged to, as a number that is kept beside it.
//!
//!   account   0      1          2          3       ...     an entry each, found by a hash
//!             none   lab:t1 /   bench /    -
//!   frame     0    1    2    3    4    5    6
//!   state     g2   -    -    -    g0   -    -              g: first frame of a block
//!   account   1    .    .    .    2    .    1              . : who had a block there last
//!
//! Of a block that is free the number of its last owner stays: nothing is written when it is freed.
//! So an account is not forgotten when it is closed, but when its entry is needed for another and
//! no older one is to be had; storage that is twice as large as what is open remembers the longer.
//!
//! # Locking     `&mut self`: `private` has a lock around it, which is taken when a command begins
//!               or ends and by views. Blocks are not counted: that would be a line that all CPUs
//!               write to. Whoever holds blocks keeps their account open, and a recount of the
//!               frames says how many there are.
//! # Cost        two bytes a frame; 44 bytes for each account. `open` O(1) but for the
//!               search for a closed entry, which is O(entries) at worst.
//! # Limits      65,535 accounts at a time; names of up to 32 bytes.
//! # Reference   mm/page_owner.c and lib/stackdepot.c: a number for what many pages share;
//!               include/linux/memcontrol.h: groups have ids of 16 bits.

mod share;
mod table;

pub use share::{
    Share,
    Shares,
    WrongOwners, //
};
pub use table::{
    Accounts,
    Entry,
    Full,
    Violation,
    LEAST,
    MOST, //
};

use core::fmt;

use crate::algo::units::named;

/// The number of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(u16);

impl Account {
    /// Nobody's: of frames that were never given out.
    pub const NONE: Self = Self(0);

    /// The account of this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Its number for indexing.
    pub const fn index(self) -> usize {
        // CAST: loses nothing.
        self.0 as usize
    }
}

/// The number of a memory cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u16);

impl GroupId {
    /// The root of the tree, which nothing is charged to.
    pub const ROOT: Self = Self(0);

    /// The group of this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROOT => f.pad("/"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

named! {
    /// What kind of user has a block.
    pub enum UserKind {
        /// A command; its tag is the name.
        Lab = "lab",
        /// A benchmark.
        Bench = "bench",
        /// A cache of objects, by its name.
        Cache = "cache",
        /// Nobody: the page was found to be damaged, and is kept out of use.
        Bad = "bad",
    }
}

/// A name of bounded length.
///
/// # Invariants
///
/// The first `len` of `bytes`, at most all of them, are those of a `str`; the others are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    len: u8,
    bytes: [u8; Owner::MAX_NAME],
}

impl Name {
    const EMPTY: Self = Self {
        len: 0,
        bytes: [0; Owner::MAX_NAME],
    };

    fn new(text: &str) -> Option<Self> {
        let mut name = Self::EMPTY;
        let place = name.bytes.get_mut(..text.len())?;
        place.copy_from_slice(text.as_bytes());
        // INVARIANT: so many bytes of a `str` were copied, and that is at most 32.
        name.len = u8::try_from(text.len()).ok()?;
        Some(name)
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Who has a block, and which group it is charged to; prints as `lab:t1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    kind: UserKind,
    name: Name,
    group: GroupId,
}

impl Owner {
    /// The most bytes of a name.
    pub const MAX_NAME: usize = 32;

    /// A user of this name, which may be empty; `None` if it is too long.
    pub fn new(kind: UserKind, name: &str, group: GroupId) -> Option<Self> {
        let name = Name::new(name)?;
        Some(Self { kind, name, group })
    }

    /// A user without a name.
    pub const fn unnamed(kind: UserKind, group: GroupId) -> Self {
        let name = Name::EMPTY;
        Self { kind, name, group }
    }

    /// What kind of user it is.
    pub const fn kind(&self) -> UserKind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The group.
    pub const fn group(&self) -> GroupId {
        self.group
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => f.pad(self.kind.name()),
            name => write!(f, "{}:{name}", self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_prints_as_kind_and_name() {
        let of = |kind, name| Owner::new(kind, name, GroupId::ROOT).unwrap().to_string();
        assert_eq!(of(UserKind::Lab, ""), "lab");
        assert_eq!(of(UserKind::Lab, "t1"), "lab:t1");
        assert_eq!(of(UserKind::Cache, "dentry"), "cache:dentry");
        assert_eq!(GroupId::ROOT.to_string(), "/");
        assert_eq!(GroupId::new(7).to_string(), "7");
    }

    #[test]
    fn names_have_32_bytes() {
        let most = "x".repeat(32);
        let owner = Owner::new(UserKind::Lab, &most, GroupId::ROOT);
        assert_eq!(owner.unwrap().name(), most);
        let more = "x".repeat(33);
        assert_eq!(Owner::new(UserKind::Lab, &more, GroupId::ROOT), None);
    }
}
