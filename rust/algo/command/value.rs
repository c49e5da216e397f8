// SPDX-License-Identifier: GPL-2.0

//! Values of keys: numbers, sizes and words, each read from text into a type that holds only what
//! is allowed.
//!
//!   number   12, 0x1f          no sign; a leading 0 is not octal
//!   size     100, 64K, 10M     K, M and G in either case are powers of 1024
//!   word     movable, any      in either case
//!
//! # Locking     none: plain values.
//! # Cost        O(text).
//! # Limits      numbers of 64 bits; expressions such as 4*1024 are not known.
//! # Reference   lib/cmdline.c: memparse().

use core::fmt;
use core::num::{
    NonZeroU32,
    NonZeroU64, //
};

use super::error::{
    Fault,
    ParseError, //
};
use super::grammar::Key;
use super::query::{
    Pattern,
    Work, //
};
use crate::algo::gfp::{
    Flag,
    Gfp, //
};
use crate::algo::units::{
    named,
    Address,
    Bytes,
    Migratetype,
    NodeId,
    Order,
    Pfn,
    PhysAddr, //
};
use crate::algo::zonelist::Mode;

/// A value that was refused: the part that is wrong, and what is wrong with it.
pub(super) struct Refused<'a> {
    text: &'a str,
    fault: Fault,
}

impl<'a> Refused<'a> {
    pub(super) const fn new(fault: Fault, text: &'a str) -> Self {
        Self { text, fault }
    }

    /// Names the key that the value was for.
    pub(super) const fn at(self, key: &'static Key) -> ParseError<'a> {
        ParseError::BadValue {
            key,
            text: self.text,
            fault: self.fault,
        }
    }
}

/// A type that is read from the text after `=`.
pub(super) trait Value<'a>: Sized {
    /// Reads all of `text`, which is not empty.
    fn read(text: &'a str) -> Result<Self, Refused<'a>>;
}

fn number(text: &str) -> Result<u64, Refused<'_>> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(Refused::new(Fault::Malformed, text));
    }
    u64::from_str_radix(digits, radix).map_err(|_| Refused::new(Fault::OutOfRange, text))
}

/// Reads a number and makes a `T` of it; `new` says `None` for a number out of range.
pub(super) fn number_as<N: TryFrom<u64>, T>(
    text: &str,
    new: impl FnOnce(N) -> Option<T>,
) -> Result<T, Refused<'_>> {
    let number = N::try_from(number(text)?).ok();
    number
        .and_then(new)
        .ok_or(Refused::new(Fault::OutOfRange, text))
}

fn size(text: &str) -> Result<Bytes, Refused<'_>> {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let (digits, shift) = units
        .iter()
        .find_map(|&(unit, shift)| {
            let digits = text.strip_suffix([unit, unit.to_ascii_lowercase()])?;
            Some((digits, shift))
        })
        .unwrap_or((text, 0));
    let number = number(digits).map_err(|refused| Refused { text, ..refused })?;
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .map(Bytes::new)
        .ok_or(Refused::new(Fault::OutOfRange, text))
}

/// Finds the value whose spelling is `text`, in either case.
pub(super) fn word<'a, T: Copy>(
    text: &'a str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Refused<'a>> {
    all.iter()
        .copied()
        .find(|&value| name(value).eq_ignore_ascii_case(text))
        .ok_or(Refused::new(Fault::UnknownName, text))
}

/// Prints a spelling in lower case, as commands have it.
pub(super) struct Lower(pub(super) &'static str);

impl fmt::Display for Lower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        let mut chars = self.0.chars();
        chars.try_for_each(|letter| f.write_char(letter.to_ascii_lowercase()))
    }
}

/// Which node an allocation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeWish {
    /// The kernel's NUMA_NO_NODE.
    Any,
    /// This node first.
    Id(NodeId),
}

impl fmt::Display for NodeWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Id(node) => node.fmt(f),
        }
    }
}

/// How many times an allocation is done.
///
/// # Invariants
///
/// The number is at most `Count::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(NonZeroU32);

impl Count {
    /// The largest number.
    pub const MAX: u32 = 1_000_000;

    /// Once, the default.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// Makes a count, or `None` for 0 and above `Count::MAX`.
    pub fn new(number: u32) -> Option<Self> {
        // INVARIANT: the filter.
        NonZeroU32::new(number)
            .filter(|it| it.get() <= Self::MAX)
            .map(Self)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of an allocation that the user holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllocId(NonZeroU64);

impl AllocId {
    /// Makes a number, or `None` for 0.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for AllocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An alignment in bytes.
///
/// # Invariants
///
/// The number is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Align(Bytes);

impl Align {
    /// Makes an alignment, or `None` of a number that is no power of two.
    pub fn new(bytes: Bytes) -> Option<Self> {
        // INVARIANT: the condition.
        bytes.get().is_power_of_two().then_some(Self(bytes))
    }

    /// Returns the number.
    pub const fn bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A limit of a memory cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    Max,
    /// So many bytes, 0 allowed.
    Bytes(Bytes),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

named! {
    /// What pages are charged as.
    pub enum ChargeKind {
        Anon = "anon",
        File = "file",
        Kernel = "kernel",
    }
}

impl<'a> Value<'a> for Order {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, Self::new)
    }
}

impl<'a> Value<'a> for NodeId {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, Self::new)
    }
}

impl<'a> Value<'a> for NodeWish {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        match text {
            "any" => Ok(Self::Any),
            _ => NodeId::read(text).map(Self::Id),
        }
    }
}

impl<'a> Value<'a> for Work {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        word(text, Self::ALL, Self::name)
    }
}

impl<'a> Value<'a> for Pattern {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        word(text, Self::ALL, Self::name)
    }
}

impl<'a> Value<'a> for Count {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, Self::new)
    }
}

impl<'a> Value<'a> for AllocId {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, Self::new)
    }
}

impl<'a> Value<'a> for u64 {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number(text)
    }
}

impl<'a> Value<'a> for Pfn {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, |number| Some(Self::new(number)))
    }
}

impl<'a> Value<'a> for Address {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, |number| Some(Self::new(number)))
    }
}

impl<'a> Value<'a> for bool {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        number_as(text, |number: u64| match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }
}

/// Written as a size, and 0 is one.
impl<'a> Value<'a> for PhysAddr {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        size(text).map(|bytes| Self::new(bytes.get()))
    }
}

/// A size to allocate or to have: 0 is out of range.
impl<'a> Value<'a> for Bytes {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        let bytes = size(text)?;
        match bytes.get() {
            0 => Err(Refused::new(Fault::OutOfRange, text)),
            _ => Ok(bytes),
        }
    }
}

impl<'a> Value<'a> for Align {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        Self::new(size(text)?).ok_or(Refused::new(Fault::OutOfRange, text))
    }
}

impl<'a> Value<'a> for Limit {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        match text {
            "max" => Ok(Self::Max),
            _ => size(text).map(Self::Bytes),
        }
    }
}

impl<'a> Value<'a> for Migratetype {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        word(text, Self::ALL, Self::name)
    }
}

impl<'a> Value<'a> for Mode {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        word(text, Self::ALL, Self::name)
    }
}

impl<'a> Value<'a> for ChargeKind {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        word(text, Self::ALL, Self::name)
    }
}

/// Unlike other words, names of gfp flags are spelled exactly as in C.
impl<'a> Value<'a> for Gfp {
    fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        let mut gfp = Self::default();
        for part in text.split('|') {
            let term = match part.as_bytes().first() {
                Some(b'0'..=b'9') => number_as(part, |raw| Some(Self::from_raw(raw)))?,
                Some(_) => Flag::from_name(part)
                    .map(Self::from_flag)
                    .ok_or(Refused::new(Fault::UnknownName, part))?,
                None => return Err(Refused::new(Fault::Malformed, text)),
            };
            gfp = gfp.or(term);
        }
        Ok(gfp)
    }
}
