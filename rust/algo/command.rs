// SPDX-License-Identifier: GPL-2.0

//! Parsing of every text command: a line in, a typed command or a sentence about the mistake out.
//!
//!   line --grammar--> args (key -> text) --value, names, list--> alloc, admin, memblock --> Command
//!                        \------------------------------------------> error
//!
//! A command prints as its canonical line, which parses to the same command.
//!
//! # Locking     none: commands borrow their names from the line.
//! # Cost        O(line x keys) and no heap; a line has at most `MAX_LINE` bytes.
//! # Limits      parsing touches no manager: whether a node exists, or an order is too large for
//!               it, is said by who runs it.
//! # Reference   DESIGN.md section 3.

mod admin;
mod alloc;
mod args;
mod error;
mod grammar;
mod list;
mod memblock;
mod names;
mod query;
mod value;

#[cfg(test)]
mod tests;

use core::fmt;

pub use admin::{
    CacheCreate,
    Compact,
    Extent,
    MachineNode,
    MemcgSet,
    PageRange,
    Setting, //
};
pub use alloc::{
    Alloc,
    Free,
    Placement,
    RangeWish,
    What,
    Which, //
};
pub use error::{
    ErrnoClass,
    Fault,
    KeyFault,
    ParseError, //
};
pub use grammar::{
    Help,
    Key,
    Need,
    Spec,
    Use,
    COMMANDS,
    QUERIES, //
};
pub use list::{
    CacheFlag,
    CacheFlags,
    CpuList,
    Distances,
    ZoneSizes, //
};
pub use memblock::{
    At,
    Memblock,
    MemblockAlloc, //
};
pub use names::{
    CacheName,
    MemcgPath,
    Tag, //
};
pub use query::{
    BenchQuery,
    PageQuery,
    Pattern,
    Query,
    View,
    Work, //
};
pub use value::{
    Align,
    AllocId,
    ChargeKind,
    Count,
    Limit,
    NodeWish, //
};

use crate::algo::units::{
    Bytes,
    Order,
    Pfn, //
};
use args::Args;

/// The most bytes of a line, its newline apart.
pub const MAX_LINE: usize = 512;

/// A command of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Allocates and holds.
    Alloc(Alloc<'a>),
    /// Adds to a per-CPU variable, on every CPU to its own copy.
    AddPercpu {
        /// The allocation.
        id: AllocId,
        /// What is added.
        value: u64,
    },
    /// Frees what is held.
    Free(Free<'a>),
    /// Reads what was filled.
    Verify(Which<'a>),
    /// Moves blocks so that larger ones come free.
    Compact(Compact),
    /// Has nothing allocated from pageblocks.
    Isolate(PageRange),
    /// Ends that.
    Unisolate(PageRange),
    /// Empties the per-CPU lists.
    Drain,
    /// Changes a byte of a free page.
    Poke {
        /// The page.
        pfn: Pfn,
        /// Where in it.
        offset: u64,
        /// What is written there; a byte.
        value: u64,
    },
    /// Takes pages back into use that were found to be damaged.
    Unpoison {
        /// Which; without it all.
        pfn: Option<Pfn>,
    },
    /// Gives the empty slabs of a cache back.
    Shrink {
        /// The cache.
        cache: CacheName<'a>,
    },
    /// Makes a cache.
    CacheCreate(CacheCreate<'a>),
    /// Removes a cache.
    CacheDestroy {
        /// The cache.
        name: CacheName<'a>,
    },
    /// Makes a memory cgroup.
    MemcgCreate {
        /// The group.
        path: MemcgPath<'a>,
    },
    /// Removes a memory cgroup.
    MemcgRemove {
        /// The group.
        path: MemcgPath<'a>,
    },
    /// Sets one protection or limit of a memory cgroup.
    MemcgSet(MemcgSet<'a>),
    /// Reclaims from a memory cgroup.
    MemcgReclaim {
        /// The group.
        path: MemcgPath<'a>,
        /// How much.
        bytes: Bytes,
    },
    /// Describes one node of the next machine.
    MachineNode(MachineNode<'a>),
    /// Makes the machine that was described.
    MachineBuild {
        /// The order of its largest blocks; without it as the manager says.
        order: Option<Order>,
    },
    /// Goes back to the machine of load time.
    MachineReset,
    /// Changes early memory.
    Memblock(Memblock),
    /// What a view is asked; [`parse`] never returns it, [`parse_query`] does.
    Query(Query),
}

/// Parses one line, without its newline; a blank line and a comment, which starts with `#`, are
/// `None`.
pub fn parse(line: &[u8]) -> Result<Option<Command<'_>>, ParseError<'_>> {
    let mut words = text(line)?.split_ascii_whitespace();
    let verb = match words.next() {
        Some(word) if !word.starts_with('#') => word,
        _ => return Ok(None),
    };
    // A second word that is no noun of the verb is for the verb's own keys, if the verb stands
    // alone.
    let after_verb = words.clone();
    let noun = words.next();
    if let Some(spec) = noun.and_then(|noun| Spec::find(verb, noun)) {
        return (spec.build)(&Args::read(spec, words)?).map(Some);
    }
    if let Some(spec) = Spec::find(verb, "") {
        return (spec.build)(&Args::read(spec, after_verb)?).map(Some);
    }
    let Some(spec) = COMMANDS.iter().find(|spec| spec.verb == verb) else {
        return Err(ParseError::UnknownVerb { word: verb });
    };
    Err(match noun {
        Some(word) => ParseError::UnknownNoun {
            verb: spec.verb,
            word,
        },
        None => ParseError::MissingNoun { verb: spec.verb },
    })
}

/// Parses one line that is written to a view, without its newline; a blank line and a comment are
/// `None`.
pub fn parse_query(view: View, line: &[u8]) -> Result<Option<Query>, ParseError<'_>> {
    let mut words = text(line)?.split_ascii_whitespace().peekable();
    let is_empty = words.peek().is_none_or(|word| word.starts_with('#'));
    let Some(spec) = Spec::find_query(view.name()).filter(|_| !is_empty) else {
        return Ok(None);
    };
    match (spec.build)(&Args::read(spec, words)?)? {
        Command::Query(query) => Ok(Some(query)),
        // The table of queries builds nothing else.
        _ => Ok(None),
    }
}

/// Checks that a line is short, and text.
fn text(line: &[u8]) -> Result<&str, ParseError<'_>> {
    if line.len() > MAX_LINE {
        return Err(ParseError::LineTooLong {
            nr_bytes: line.len(),
        });
    }
    match line
        .iter()
        .find(|byte| byte.is_ascii_control() && **byte != b'\t')
    {
        Some(0) => return Err(ParseError::NulByte),
        Some(&byte) => return Err(ParseError::ControlByte { byte }),
        None => {}
    }
    core::str::from_utf8(line).map_err(|error| ParseError::NotUtf8 {
        byte: line.get(error.valid_up_to()).copied().unwrap_or_default(),
    })
}

/// One line of a write, as `lines` finds it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its number, from 1 on.
    pub number: usize,
    /// What it says.
    pub command: Result<Option<Command<'a>>, ParseError<'a>>,
}

/// Parses the lines of a whole write, one by one as they are asked for.
pub fn lines(input: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let parts = input.split(|&byte| byte == b'\n').enumerate();
    parts.map(|(before, line)| Line {
        // Does not overflow: `before` counts bytes of `input`, each a newline.
        number: before + 1,
        command: parse(line),
    })
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc(alloc) => alloc.fmt(f),
            Self::AddPercpu { id, value } => {
                let (of, by) = (&grammar::ID, &grammar::VALUE);
                write!(f, "add percpu {of}{id} {by}{value}")
            }
            Self::Free(free) => free.fmt(f),
            Self::Verify(which) => write!(f, "verify {which}"),
            Self::Compact(compact) => compact.fmt(f),
            Self::Isolate(range) => write!(f, "isolate {range}"),
            Self::Unisolate(range) => write!(f, "unisolate {range}"),
            Self::Drain => f.write_str("drain"),
            Self::Poke { pfn, offset, value } => {
                let keys = (&grammar::PFN, &grammar::OFFSET, &grammar::VALUE);
                write!(
                    f,
                    "poke {}{pfn} {}{offset} {}{value}",
                    keys.0, keys.1, keys.2
                )
            }
            Self::Unpoison { pfn: Some(pfn) } => write!(f, "unpoison {}{pfn}", grammar::PFN),
            Self::Unpoison { pfn: None } => f.write_str("unpoison all"),
            Self::Shrink { cache } => write!(f, "shrink {}{cache}", grammar::CACHE),
            Self::CacheCreate(create) => create.fmt(f),
            Self::CacheDestroy { name } => write!(f, "cache destroy {}{name}", grammar::NAME),
            Self::MemcgCreate { path } => write!(f, "memcg create {}{path}", grammar::PATH),
            Self::MemcgRemove { path } => write!(f, "memcg remove {}{path}", grammar::PATH),
            Self::MemcgSet(set) => set.fmt(f),
            Self::MemcgReclaim { path, bytes } => {
                write!(
                    f,
                    "memcg reclaim {}{path} {}{bytes}",
                    grammar::PATH,
                    grammar::BYTES
                )
            }
            Self::MachineNode(node) => node.fmt(f),
            Self::MachineBuild { order } => {
                f.write_str("machine build")?;
                alloc::put(f, &grammar::ORDER, *order)
            }
            Self::MachineReset => f.write_str("machine reset"),
            Self::Memblock(memblock) => memblock.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}
