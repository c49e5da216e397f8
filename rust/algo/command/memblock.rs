// SPDX-License-Identifier: GPL-2.0

//! The commands on early memory, typed; the machine that is built next is made of it.
//!
//!   memblock add base=0x100000 size=64M node=0      memblock remove base=0x200000 size=4K
//!   memblock reserve base=1M size=64K               memblock free base=1M size=64K
//!   memblock alloc size=64K align=4K min=0x100000 max=0x200000 node=1 exact=1 bottom_up=1
//!   memblock reset
//!
//! # Locking     none: plain values.
//! # Cost        O(keys).
//! # Limits      sizes are 1 at least, though Linux lets ranges without a byte pass.
//! # Reference   `include/linux/memblock.h` has the functions that the commands are named after.

use core::fmt;

use super::alloc::put;
use super::args::Args;
use super::error::ParseError;
use super::grammar;
use super::value::{
    Align,
    NodeWish, //
};
use super::Command;
use crate::algo::units::{
    Bytes,
    NodeId,
    PhysAddr,
    PhysRange, //
};

/// `memblock`: what to do to early memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memblock {
    /// Adds memory.
    Add {
        /// Where, and how much.
        at: At,
        /// Its node, if it is known.
        node: Option<NodeId>,
    },
    /// Takes memory away.
    Remove(At),
    /// Reserves a range.
    Reserve(At),
    /// Frees what is reserved or allocated of a range.
    Free(At),
    /// Finds a place and reserves it.
    Alloc(MemblockAlloc),
    /// Forgets every region.
    Reset,
}

/// A range as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Where it starts.
    pub base: PhysAddr,
    /// How many bytes it has.
    pub size: Bytes,
}

impl At {
    /// Returns the range, cut where the address space ends.
    pub const fn range(self) -> PhysRange {
        PhysRange::capped(self.base, self.size)
    }
}

/// `memblock alloc`: what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemblockAlloc {
    /// How much.
    pub size: Bytes,
    /// The alignment; without it a cache line.
    pub align: Option<Align>,
    /// Where to start, if there is room above it.
    pub min: Option<PhysAddr>,
    /// Where to end; without it, and for 0, anywhere.
    pub max: Option<PhysAddr>,
    /// From which node; without it from any.
    pub node: Option<NodeWish>,
    /// On that node or not at all.
    pub exact: bool,
    /// As low as possible.
    pub bottom_up: bool,
}

fn at<'a>(args: &Args<'a>) -> Result<At, ParseError<'a>> {
    Ok(At {
        base: args.need(&grammar::BASE)?,
        size: args.need(&grammar::SIZE)?,
    })
}

pub(super) fn add<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let node = args.get(&grammar::NODE_ID)?;
    at(args).map(|at| Command::Memblock(Memblock::Add { at, node }))
}

pub(super) fn remove<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    at(args).map(|at| Command::Memblock(Memblock::Remove(at)))
}

pub(super) fn reserve<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    at(args).map(|at| Command::Memblock(Memblock::Reserve(at)))
}

pub(super) fn free<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    at(args).map(|at| Command::Memblock(Memblock::Free(at)))
}

pub(super) fn alloc<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Memblock(Memblock::Alloc(MemblockAlloc {
        size: args.need(&grammar::SIZE)?,
        align: args.get(&grammar::ALIGN)?,
        min: args.get(&grammar::MIN)?,
        max: args.get(&grammar::MAX)?,
        node: args.get(&grammar::NODE)?,
        exact: args.get(&grammar::EXACT)?.unwrap_or(false),
        bottom_up: args.get(&grammar::BOTTOM_UP)?.unwrap_or(false),
    })))
}

pub(super) fn reset<'a>(_: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Memblock(Memblock::Reset))
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, size) = (self.base, self.size);
        write!(f, "{}{base} {}{size}", grammar::BASE, grammar::SIZE)
    }
}

impl fmt::Display for MemblockAlloc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", grammar::SIZE, self.size)?;
        put(f, &grammar::ALIGN, self.align)?;
        put(f, &grammar::MIN, self.min)?;
        put(f, &grammar::MAX, self.max)?;
        put(f, &grammar::NODE, self.node)?;
        put(f, &grammar::EXACT, self.exact.then_some(1))?;
        put(f, &grammar::BOTTOM_UP, self.bottom_up.then_some(1))
    }
}

impl fmt::Display for Memblock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memblock ")?;
        match self {
            Self::Add { at, node } => {
                write!(f, "add {at}")?;
                put(f, &grammar::NODE_ID, *node)
            }
            Self::Remove(at) => write!(f, "remove {at}"),
            Self::Reserve(at) => write!(f, "reserve {at}"),
            Self::Free(at) => write!(f, "free {at}"),
            Self::Alloc(wish) => write!(f, "alloc {wish}"),
            Self::Reset => f.write_str("reset"),
        }
    }
}
