// SPDX-License-Identifier: GPL-2.0

//! Gfp flags by name: expressions such as `GFP_KERNEL|__GFP_ZERO`, `0xcc0`, or a mix of both.
//!
//! The value of a flag depends on the version and the configuration of the kernel. An expression
//! therefore keeps the names it was given, and `linux` turns them into bits.
//!
//! # Locking     none: plain values.
//! # Cost        reading O(names x text); 16 bytes an expression.
//! # Limits      no `&` and no `~`: a composite cannot be narrowed, its parts can be named.
//! # Reference   include/linux/gfp_types.h

mod meaning;
mod set;

use core::fmt;

use crate::algo::units::named;

pub use meaning::{
    became,
    Effort,
    Failure, //
};
pub use set::FlagSet;

named! {
    /// A name of include/linux/gfp_types.h: first the single flags in the order of their bits, then
    /// the combinations.
    pub enum Flag {
        Dma = "__GFP_DMA",
        Highmem = "__GFP_HIGHMEM",
        Dma32 = "__GFP_DMA32",
        Movable = "__GFP_MOVABLE",
        Reclaimable = "__GFP_RECLAIMABLE",
        High = "__GFP_HIGH",
        Io = "__GFP_IO",
        Fs = "__GFP_FS",
        Zero = "__GFP_ZERO",
        DirectReclaim = "__GFP_DIRECT_RECLAIM",
        KswapdReclaim = "__GFP_KSWAPD_RECLAIM",
        Write = "__GFP_WRITE",
        Nowarn = "__GFP_NOWARN",
        RetryMayfail = "__GFP_RETRY_MAYFAIL",
        Nofail = "__GFP_NOFAIL",
        Noretry = "__GFP_NORETRY",
        Memalloc = "__GFP_MEMALLOC",
        Comp = "__GFP_COMP",
        Nomemalloc = "__GFP_NOMEMALLOC",
        Hardwall = "__GFP_HARDWALL",
        Thisnode = "__GFP_THISNODE",
        Account = "__GFP_ACCOUNT",
        Zerotags = "__GFP_ZEROTAGS",
        SkipZero = "__GFP_SKIP_ZERO",
        SkipKasan = "__GFP_SKIP_KASAN",
        Nolockdep = "__GFP_NOLOCKDEP",
        NoObjExt = "__GFP_NO_OBJ_EXT",
        Reclaim = "__GFP_RECLAIM",
        GfpAtomic = "GFP_ATOMIC",
        GfpKernel = "GFP_KERNEL",
        GfpKernelAccount = "GFP_KERNEL_ACCOUNT",
        GfpNowait = "GFP_NOWAIT",
        GfpNoio = "GFP_NOIO",
        GfpNofs = "GFP_NOFS",
        GfpUser = "GFP_USER",
        GfpDma = "GFP_DMA",
        GfpDma32 = "GFP_DMA32",
        GfpHighuser = "GFP_HIGHUSER",
        GfpHighuserMovable = "GFP_HIGHUSER_MOVABLE",
        GfpTranshugeLight = "GFP_TRANSHUGE_LIGHT",
        GfpTranshuge = "GFP_TRANSHUGE",
    }
}

/// A gfp expression: names, and bits that were given as numbers.
///
/// # Invariants
///
/// A bit of `names` is set only at the index of a `Flag`; all indices are below 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gfp {
    names: u64,
    raw: u32,
}

const _: () = assert!(Flag::COUNT <= 64);

impl Gfp {
    /// Makes an expression of bits.
    pub const fn from_raw(raw: u32) -> Self {
        Self { names: 0, raw }
    }

    /// Makes an expression of one name.
    pub const fn from_flag(flag: Flag) -> Self {
        // INVARIANT: the index of a flag, which the assertion above keeps below 64.
        Self {
            names: 1 << flag.index(),
            raw: 0,
        }
    }

    /// Returns the expression that has the names and bits of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        // INVARIANT: both sides hold it.
        Self {
            names: self.names | other.names,
            raw: self.raw | other.raw,
        }
    }

    /// Walks the names.
    pub fn flags(self) -> impl Iterator<Item = Flag> {
        Flag::ALL
            .iter()
            .copied()
            .filter(move |flag| self.names & (1 << flag.index()) != 0)
    }

    /// Returns the value, given the value of each name.
    pub fn bits(self, mut value_of: impl FnMut(Flag) -> u32) -> u32 {
        self.flags()
            .fold(self.raw, |bits, flag| bits | value_of(flag))
    }
}

impl fmt::Display for Gfp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut flags = self.flags();
        let Some(first) = flags.next() else {
            return write!(f, "{:#x}", self.raw);
        };
        write!(f, "{first}")?;
        flags.try_for_each(|flag| write!(f, "|{flag}"))?;
        if self.raw != 0 {
            write!(f, "|{:#x}", self.raw)?;
        }
        Ok(())
    }
}

/// The longest name that is compared, in bytes; the longest flag has 20.
const MAX_NAME: usize = 24;

/// The most edits between a mistake and the name that is offered for it.
const MAX_EDITS: usize = 2;

/// Finds the flag that is spelled most like `word`, if one is near.
pub fn near(word: &str) -> Option<Flag> {
    let (flag, edits) = Flag::ALL
        .iter()
        .filter_map(|&flag| Some((flag, edits(word, flag.name())?)))
        .min_by_key(|&(_, edits)| edits)?;
    (edits <= MAX_EDITS).then_some(flag)
}

/// Returns how many bytes to insert, delete or replace to make `a` of `b`, both in upper case;
/// `None` for long texts.
fn edits(a: &str, b: &str) -> Option<usize> {
    // One row of the usual table: `row[j]` is the distance of the part of `a` read so far to the
    // first `j` bytes of `b`.
    let mut storage = [0; MAX_NAME + 1];
    let row = storage.get_mut(..=b.len())?;
    row.iter_mut().enumerate().for_each(|(j, cell)| *cell = j);
    if a.len() > MAX_NAME {
        return None;
    }
    for (i, byte) in a.bytes().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        let (first, rest) = row.split_first_mut()?;
        *first = left;
        for (cell, other) in rest.iter_mut().zip(b.bytes()) {
            let replaced = diagonal + usize::from(!byte.eq_ignore_ascii_case(&other));
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_names_and_the_numbers() {
        let zero = Gfp::from_flag(Flag::Zero);
        let gfp = zero
            .or(Gfp::from_flag(Flag::GfpKernel))
            .or(Gfp::from_raw(1));
        let bits = gfp.bits(|flag| match flag {
            Flag::Zero => 0x100,
            Flag::GfpKernel => 0xcc0,
            other => panic!("{other} is not in the expression"),
        });
        assert_eq!(bits, 0xdc1);
    }

    #[test]
    fn expression_prints_names_first_and_never_nothing() {
        let kernel = Gfp::from_flag(Flag::GfpKernel);
        assert_eq!(Gfp::default().to_string(), "0x0");
        assert_eq!(kernel.to_string(), "GFP_KERNEL");
        assert_eq!(kernel.or(Gfp::from_raw(16)).to_string(), "GFP_KERNEL|0x10");
    }

    #[test]
    fn near_finds_the_name_that_was_meant() {
        for (word, flag) in [
            ("GFP_KERNAL", Some(Flag::GfpKernel)),
            ("gfp_kernel", Some(Flag::GfpKernel)),
            ("GFP_ZERO", Some(Flag::Zero)),
            ("_GFP_ZERO", Some(Flag::Zero)),
            ("__GFP_THISNODES", Some(Flag::Thisnode)),
            ("GFP_DMA23", Some(Flag::GfpDma)),
            ("KERNEL", None),
            ("", None),
            ("GFP_HIGHUSER_MOVABLE_MOVABLE_MOVABLE", None),
        ] {
            assert_eq!(near(word), flag, "{word}");
        }
    }

    #[test]
    fn edits_counts_insertions_deletions_and_replacements() {
        assert_eq!(edits("kitten", "sitting"), Some(3));
        assert_eq!(edits("", "abc"), Some(3));
        assert_eq!(edits("abc", ""), Some(3));
        assert_eq!(edits("abc", "ABC"), Some(0));
    }
}
