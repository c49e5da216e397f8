// SPDX-License-Identifier: GPL-2.0

//! The commands `alloc`, `add`, `free` and `verify`, typed.
//!
//!   alloc pages   order=3 node=1 gfp=GFP_KERNEL count=4 type=movable memcg=/web kind=file tag=t1
//!   alloc pages   policy=bind nodes=0,2-3
//!   alloc range   size=40K align=64K min=16M max=32M bottom_up=1
//!   alloc object  size=100 | cache=NAME        alloc percpu size=8        alloc vmalloc size=1M
//!   add percpu    id=12 [value=1]
//!   free          id=12 | tag=T | all          [defer=1]          verify        id=12 | tag=T | all
//!
//! # Locking     none: plain values, names borrow from the line.
//! # Cost        O(keys).
//! # Limits      `None` means that the key was not given; who runs the command knows its default.
//! # Reference   grammar.rs says which command takes which key.

use core::fmt;

use super::args::Args;
use super::error::ParseError;
use super::grammar::{
    self,
    Key, //
};
use super::names::{
    CacheName,
    MemcgPath,
    Tag, //
};
use super::value::{
    Align,
    AllocId,
    ChargeKind,
    Count,
    Lower,
    NodeWish, //
};
use super::Command;
use crate::algo::gfp::Gfp;
use crate::algo::units::{
    Bytes,
    Migratetype,
    NodeMask,
    Order,
    PhysAddr, //
};
use crate::algo::zonelist::Mode;

/// `alloc`: what to allocate, and how; a key that the grammar does not allow with `what` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alloc<'a> {
    /// What each allocation is.
    pub what: What<'a>,
    /// Where from; without it from anywhere.
    pub node: Option<NodeWish>,
    /// How hard to try, from which zones, and what to do with the memory.
    pub gfp: Option<Gfp>,
    /// How many times; without it once.
    pub count: Option<Count>,
    /// Who is charged; without it nobody, but what the gfp flags say.
    pub memcg: Option<MemcgPath<'a>>,
    /// What it is charged as.
    pub kind: Option<ChargeKind>,
    /// The mark for `free`.
    pub tag: Option<Tag<'a>>,
}

/// What `alloc` allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A block of pages.
    Pages {
        /// Its size; without it one page.
        order: Option<Order>,
        /// Its migratetype; without it what the gfp flags say.
        migratetype: Option<Migratetype>,
        /// Which nodes it may come from.
        placement: Placement,
        /// Whether a pattern is written to it.
        fill: bool,
    },
    /// Pages that follow each other.
    Range(RangeWish),
    /// An object of the size that `kmalloc` finds for this one.
    Sized(Bytes),
    /// An object of a cache.
    Cached(CacheName<'a>),
    /// A per-CPU variable.
    Percpu {
        /// The size of each copy.
        size: Bytes,
        /// The alignment of each copy.
        align: Option<Align>,
    },
    /// A virtually contiguous area.
    Vmalloc {
        /// Its size.
        size: Bytes,
        /// Its alignment.
        align: Option<Align>,
    },
}

/// Which nodes pages come from: `policy=` and `nodes=`.
///
/// A set without a policy is the nodemask of the request itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// How the nodes are used.
    pub policy: Option<Mode>,
    /// The nodes.
    pub nodes: Option<NodeMask>,
}

impl Placement {
    pub(super) fn read<'a>(args: &Args<'a>) -> Result<Self, ParseError<'a>> {
        Ok(Self {
            policy: args.get(&grammar::POLICY)?,
            nodes: args.get(&grammar::NODES)?,
        })
    }

    pub(super) fn put(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put(f, &grammar::POLICY, self.policy)?;
        put(f, &grammar::NODES, self.nodes)
    }
}

/// `alloc range`: how many pages, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeWish {
    /// Its size, of which the last page may be a part.
    pub size: Bytes,
    /// What it starts at a multiple of; without it any page.
    pub align: Option<Align>,
    /// Where to start; without it anywhere.
    pub min: Option<PhysAddr>,
    /// Where to end; without it anywhere.
    pub max: Option<PhysAddr>,
    /// The lowest place that fits, not the highest.
    pub bottom_up: bool,
    /// Its migratetype; without it what the gfp flags say.
    pub migratetype: Option<Migratetype>,
    /// Whether a pattern is written to it.
    pub fill: bool,
}

/// `free`: which allocations to free, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free<'a> {
    /// Which.
    pub which: Which<'a>,
    /// After a grace period, not at once.
    pub defer: bool,
}

/// Which allocations `free` frees, and `verify` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// One.
    Id(AllocId),
    /// Those of a tag.
    Tag(Tag<'a>),
    /// Every one.
    All,
}

pub(super) fn pages<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let what = What::Pages {
        order: args.get(&grammar::ORDER)?,
        migratetype: args.get(&grammar::TYPE)?,
        placement: Placement::read(args)?,
        fill: args.get(&grammar::FILL)?.unwrap_or(false),
    };
    alloc(args, what)
}

pub(super) fn range<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let what = What::Range(RangeWish {
        size: args.need(&grammar::SIZE)?,
        align: args.get(&grammar::ALIGN)?,
        min: args.get(&grammar::MIN)?,
        max: args.get(&grammar::MAX)?,
        bottom_up: args.get(&grammar::BOTTOM_UP)?.unwrap_or(false),
        migratetype: args.get(&grammar::TYPE)?,
        fill: args.get(&grammar::FILL)?.unwrap_or(false),
    });
    alloc(args, what)
}

pub(super) fn object<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let what = match args.get(&grammar::SIZE)? {
        Some(size) => What::Sized(size),
        None => What::Cached(args.need(&grammar::CACHE)?),
    };
    alloc(args, what)
}

pub(super) fn percpu<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let what = What::Percpu {
        size: args.need(&grammar::SIZE)?,
        align: args.get(&grammar::ALIGN)?,
    };
    alloc(args, what)
}

pub(super) fn vmalloc<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let what = What::Vmalloc {
        size: args.need(&grammar::SIZE)?,
        align: args.get(&grammar::ALIGN)?,
    };
    alloc(args, what)
}

/// Reads what all kinds of `alloc` may have in common.
fn alloc<'a>(args: &Args<'a>, what: What<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Alloc(Alloc {
        what,
        node: args.get(&grammar::NODE)?,
        gfp: args.get(&grammar::GFP)?,
        count: args.get(&grammar::COUNT)?,
        memcg: args.get(&grammar::MEMCG)?,
        kind: args.get(&grammar::KIND)?,
        tag: args.get(&grammar::TAG)?,
    }))
}

pub(super) fn add_percpu<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::AddPercpu {
        id: args.need(&grammar::ID)?,
        value: args.get(&grammar::VALUE)?.unwrap_or(1),
    })
}

fn which<'a>(args: &Args<'a>) -> Result<Which<'a>, ParseError<'a>> {
    Ok(if let Some(id) = args.get(&grammar::ID)? {
        Which::Id(id)
    } else if let Some(tag) = args.get(&grammar::TAG)? {
        Which::Tag(tag)
    } else {
        Which::All
    })
}

pub(super) fn verify<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    which(args).map(Command::Verify)
}

pub(super) fn free<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let which = which(args)?;
    let defer = args.get(&grammar::DEFER)?.unwrap_or(false);
    Ok(Command::Free(Free { which, defer }))
}

/// Prints one key of a command, if it has a value.
pub(super) fn put(
    f: &mut fmt::Formatter<'_>,
    key: &Key,
    value: Option<impl fmt::Display>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {key}{value}"),
        None => Ok(()),
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pages {
                order,
                migratetype,
                placement,
                fill,
            } => {
                f.write_str("pages")?;
                put(f, &grammar::ORDER, order)?;
                put(f, &grammar::TYPE, migratetype.map(|it| Lower(it.name())))?;
                placement.put(f)?;
                put(f, &grammar::FILL, fill.then_some(1))
            }
            Self::Range(wish) => {
                write!(f, "range {}{}", grammar::SIZE, wish.size)?;
                put(f, &grammar::ALIGN, wish.align)?;
                put(f, &grammar::MIN, wish.min)?;
                put(f, &grammar::MAX, wish.max)?;
                put(f, &grammar::BOTTOM_UP, wish.bottom_up.then_some(1))?;
                put(
                    f,
                    &grammar::TYPE,
                    wish.migratetype.map(|it| Lower(it.name())),
                )?;
                put(f, &grammar::FILL, wish.fill.then_some(1))
            }
            Self::Sized(size) => write!(f, "object {}{size}", grammar::SIZE),
            Self::Cached(name) => write!(f, "object {}{name}", grammar::CACHE),
            Self::Percpu { size, align } => {
                write!(f, "percpu {}{size}", grammar::SIZE)?;
                put(f, &grammar::ALIGN, align)
            }
            Self::Vmalloc { size, align } => {
                write!(f, "vmalloc {}{size}", grammar::SIZE)?;
                put(f, &grammar::ALIGN, align)
            }
        }
    }
}

impl fmt::Display for Alloc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alloc {}", self.what)?;
        put(f, &grammar::NODE, self.node)?;
        put(f, &grammar::GFP, self.gfp)?;
        put(f, &grammar::COUNT, self.count)?;
        put(f, &grammar::MEMCG, self.memcg)?;
        put(f, &grammar::KIND, self.kind)?;
        put(f, &grammar::TAG, self.tag)
    }
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{}{id}", grammar::ID),
            Self::Tag(tag) => write!(f, "{}{tag}", grammar::TAG),
            Self::All => write!(f, "{}", grammar::ALL),
        }
    }
}

impl fmt::Display for Free<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "free {}", self.which)?;
        put(f, &grammar::DEFER, self.defer.then_some(1))
    }
}
