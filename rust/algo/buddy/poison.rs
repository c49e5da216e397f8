// SPDX-License-Identifier: GPL-2.0

//! Poison: the byte that free pages are filled with, and what it means that another one is there.
//!
//!   aa aa aa aa ab aa aa      one bit of one byte: memory that lost a bit, as a rule
//!   aa 00 00 00 00 aa aa      anything else: somebody wrote to a page that was not his any more
//!
//! # Locking     none: a plain `Copy` value.
//! # Cost        O(1), once the first and the last byte that are wrong were found.
//! # Reference   mm/page_poison.c: check_poison_mem(), single_bit_flip().

use core::fmt;

use super::account::Owner;
use crate::algo::units::{
    named,
    Pfn, //
};

/// What each byte of a free page is (PAGE_POISON).
pub const POISON: u8 = 0xaa;

named! {
    /// What happened to a free page, in the words of the kernel's log.
    pub enum Fault {
        SingleBit = "single bit error",
        Corruption = "memory corruption",
    }
}

/// How many of the wrong bytes are shown.
pub const SHOWN: usize = 8;

/// What is wrong with a page; prints as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    first: usize,
    last: usize,
    bytes: [u8; SHOWN],
}

impl Damage {
    /// A page whose first and last wrong bytes are at these offsets; `byte` says what is where.
    pub fn new(first: usize, last: usize, byte: impl Fn(usize) -> u8) -> Self {
        let last = last.max(first);
        let bytes = core::array::from_fn(|at| byte(first + at.min(last - first)));
        Self { first, last, bytes }
    }

    /// What happened.
    pub const fn fault(&self) -> Fault {
        let [first, ..] = self.bytes;
        match self.first == self.last && (first ^ POISON).is_power_of_two() {
            true => Fault::SingleBit,
            false => Fault::Corruption,
        }
    }

    /// Where the first wrong byte is.
    pub const fn first(&self) -> usize {
        self.first
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.fault(), self.first)?;
        if self.last > self.first {
            write!(f, " to {}", self.last)?;
        }
        f.write_str(":")?;
        let wrong = self.last - self.first + 1;
        for byte in self.bytes.iter().take(wrong) {
            write!(f, " {byte:02x}")?;
        }
        f.write_str(if wrong > SHOWN { " ..." } else { "" })
    }
}

/// A page that was found to be bad.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The page.
    pub pfn: Pfn,
    /// What is wrong with it.
    pub damage: Damage,
    /// Who had it last.
    pub last_owner: Option<Owner>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}: {}", self.pfn, self.damage)?;
        match &self.last_owner {
            Some(owner) => write!(f, ", last owner {owner}"),
            None => f.write_str(", which nobody had"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects what is said of a page that is poisoned but for these bytes.
    #[track_caller]
    fn says(wrong: &[(usize, u8)], fault: Fault, sentence: &str) {
        let byte = |at: usize| {
            let found = wrong.iter().find(|it| it.0 == at);
            found.map_or(POISON, |it| it.1)
        };
        let (first, last) = (wrong[0].0, wrong[wrong.len() - 1].0);
        let damage = Damage::new(first, last, byte);
        assert_eq!(damage.fault(), fault);
        assert_eq!(damage.to_string(), sentence);
    }

    #[test]
    fn a_bit_is_told_from_a_byte() {
        let (bit, more) = (Fault::SingleBit, Fault::Corruption);
        says(&[(0, 0xab)], bit, "single bit error at offset 0: ab");
        says(&[(4095, 0x2a)], bit, "single bit error at offset 4095: 2a");
        says(&[(7, 0xa9)], more, "memory corruption at offset 7: a9");
        says(
            &[(7, 0xab), (9, 0xab)],
            more,
            "memory corruption at offset 7 to 9: ab aa ab",
        );
        says(
            &[(0, 0), (4095, 0)],
            more,
            "memory corruption at offset 0 to 4095: 00 aa aa aa aa aa aa aa ...",
        );
    }
}
