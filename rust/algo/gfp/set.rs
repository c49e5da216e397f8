// SPDX-License-Identifier: GPL-2.0

//! A set of single gfp flags: what an expression comes down to once a kernel has given it bits.
//!
//!   GFP_ATOMIC | __GFP_ZERO     ->  0x920   ->   __GFP_HIGH __GFP_ZERO __GFP_KSWAPD_RECLAIM
//!   names, combinations            bits          this set
//!
//! # Locking     none: plain values.
//! # Cost        a word; every function is O(1), walking O(flags).
//! # Limits      flags that a kernel defines as 0 are never in a set of it.
//! # Reference   include/linux/gfp.h: gfp_migratetype(), gfpflags_allow_blocking().

use core::fmt;

use super::Flag;
use crate::algo::units::Migratetype;

impl Flag {
    /// Says whether it is a flag of its own, not a combination.
    pub const fn is_single(self) -> bool {
        self.index() < Self::Reclaim.index()
    }

    /// Walks the single flags, in the order of their bits.
    pub fn singles() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|flag| flag.is_single())
    }
}

/// Single flags.
///
/// # Invariants
///
/// A bit is set only at the index of a single flag, which is below 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlagSet(u64);

impl FlagSet {
    /// Returns the set with one more flag; a combination adds nothing.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        // INVARIANT: the condition; all flags have indices below 64.
        match flag.is_single() {
            true => Self(self.0 | 1 << flag.index()),
            false => self,
        }
    }

    /// Says whether the flag is in it.
    pub const fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag.index()) != 0
    }

    /// Walks the flags, in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::singles().filter(move |&flag| self.contains(flag))
    }

    /// Returns the type of pageblock that a request with these flags is served from
    /// (gfp_migratetype()).
    pub const fn migratetype(self) -> Migratetype {
        if self.contains(Flag::Movable) {
            Migratetype::Movable
        } else if self.contains(Flag::Reclaimable) {
            Migratetype::Reclaimable
        } else {
            Migratetype::Unmovable
        }
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        flags.into_iter().fold(Self::default(), Self::with)
    }
}

/// Prints the names joined by `|`, or `-` for none.
impl fmt::Display for FlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut flags = self.iter();
        let Some(first) = flags.next() else {
            return f.write_str("-");
        };
        write!(f, "{first}")?;
        flags.try_for_each(|flag| write!(f, "|{flag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_holds_single_flags_alone() {
        let all: FlagSet = Flag::ALL.iter().copied().collect();
        assert_eq!(all.iter().count(), Flag::singles().count());
        assert!(!all.contains(Flag::GfpKernel) && !all.contains(Flag::Reclaim));
        assert!(all.contains(Flag::Dma) && all.contains(Flag::NoObjExt));
    }

    #[test]
    fn set_prints_its_names_or_a_dash() {
        assert_eq!(FlagSet::default().to_string(), "-");
        let set: FlagSet = [Flag::Zero, Flag::High].into_iter().collect();
        assert_eq!(set.to_string(), "__GFP_HIGH|__GFP_ZERO");
    }

    #[test]
    fn mobility_flags_choose_the_type() {
        let of = |flags: &[Flag]| flags.iter().copied().collect::<FlagSet>().migratetype();
        assert_eq!(of(&[]), Migratetype::Unmovable);
        assert_eq!(of(&[Flag::Movable, Flag::Zero]), Migratetype::Movable);
        assert_eq!(of(&[Flag::Reclaimable]), Migratetype::Reclaimable);
    }
}
