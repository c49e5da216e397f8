// SPDX-License-Identifier: GPL-2.0

//! Why a command was refused: a sentence for `result`, and the only table of errnos.
//!
//! Those of machines and early memory have their sentences in refusal/machine.rs.
//!
//! # Reference   STYLE.md section 7; `include/uapi/asm-generic/errno-base.h`.

mod machine;

use core::fmt;

use kernel::prelude::*;

use crate::algo::{
    command::{
        ErrnoClass,
        ParseError, //
    },
    units::{
        Bytes,
        NodeId,
        NrPages,
        Order, //
    },
};
use crate::linux::{
    gfp,
    kmem_cache,
    not_offered,
    percpu,
    vmalloc, //
};
use crate::private::{
    self,
    BadPolicy,
    BuildError,
    DraftError,
    EarlyError,
    Unpokable, //
};

/// Why a command that was understood is not carried out.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// The command is in the grammar, but this manager does not offer it.
    NotOffered(&'static str),
    /// The flags break a rule.
    Gfp(gfp::Refusal),
    /// Linux is not asked for this object or this cache, or has no memory for it.
    Slab(kmem_cache::Refusal),
    /// Linux is not asked for this per-CPU variable, or has no memory for it.
    Percpu(percpu::Refusal),
    /// Linux is not asked for this area, or has no memory for it.
    Vmalloc(vmalloc::Refusal),
    /// What has this id is no per-CPU variable.
    NotPercpu(u64),
    /// There is a cache of this name.
    CacheExists,
    /// There is no cache of this name.
    NoCache,
    /// So many objects of the cache are allocated.
    CacheInUse(usize),
    /// The manager has no blocks that large.
    Order {
        /// What was asked for.
        asked: Order,
        /// The largest there is.
        max: Order,
    },
    /// No such node is online.
    NoNode(NodeId),
    /// Policy and nodes do not go together.
    Policy(BadPolicy),
    /// None of the nodes can be used by a policy.
    NoUsableNode,
    /// A nodemask and the wish for one node alone.
    BoundAlone,
    /// There is no memory for the request now.
    NoMemory {
        /// The order that was not found.
        order: Order,
        /// The memoryless node that alone was asked, and who serves it otherwise.
        alone: Option<(NodeId, Option<NodeId>)>,
    },
    /// An alignment above that of a block of this order.
    Align(Order),
    /// There are no pages that follow each other, so many, where they may be.
    NoRange(NrPages),
    /// There is a block, but no memory for the states of its frames.
    NoStates,
    /// No memory for the lab's own tables.
    NoTable,
    /// More than the lab may hold.
    OverMax {
        /// What was asked for.
        asked: Option<Bytes>,
        /// What is held, or promised to a command that is still running.
        held: Bytes,
        /// The most it may hold.
        max: Bytes,
    },
    /// Pages are not isolated.
    Pages(private::Refused),
    /// What has this id differs from what it was filled with, in this page from its start.
    Contents(u64, NrPages),
    /// There is no memory behind it that could be filled.
    NoContents,
    /// The machine was not described well, or cannot be had.
    Machine(BuildError),
    /// The machine cannot be replaced while somebody has a part of it.
    MachineInUse {
        /// How many allocations are held.
        places: usize,
        /// What they take, with what commands that are running were promised.
        held: Bytes,
    },
    /// The machine was replaced between the look at it and the allocation.
    MachineChanged,
    /// Early memory refused.
    Early(EarlyError),
    /// The byte of a page that is to be changed cannot be.
    Poke(Unpokable),
    /// A page has no byte there, or the value is none.
    NoByte,
    /// The page was not found to be damaged.
    NotBad,
    /// Nothing live has this id.
    NoId(u64),
    /// Nothing live has this tag.
    NoTag,
    /// A signal came in before the command was done.
    Interrupted,
}

impl From<gfp::Refusal> for Refusal {
    fn from(refusal: gfp::Refusal) -> Self {
        Self::Gfp(refusal)
    }
}

impl From<BadPolicy> for Refusal {
    fn from(refusal: BadPolicy) -> Self {
        Self::Policy(refusal)
    }
}

impl From<kmem_cache::Refusal> for Refusal {
    fn from(refusal: kmem_cache::Refusal) -> Self {
        Self::Slab(refusal)
    }
}

impl From<percpu::Refusal> for Refusal {
    fn from(refusal: percpu::Refusal) -> Self {
        Self::Percpu(refusal)
    }
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        Self::Machine(error)
    }
}

impl From<EarlyError> for Refusal {
    fn from(error: EarlyError) -> Self {
        Self::Early(error)
    }
}

impl From<vmalloc::Refusal> for Refusal {
    fn from(refusal: vmalloc::Refusal) -> Self {
        Self::Vmalloc(refusal)
    }
}

/// An errno with its name.
#[derive(Clone, Copy)]
pub(super) struct Errno {
    /// The error.
    pub(super) error: Error,
    /// How `errno(3)` spells it.
    pub(super) name: &'static str,
}

macro_rules! errno {
    ($name:ident) => {
        Errno {
            error: $name,
            name: stringify!($name),
        }
    };
}

impl From<&Refusal> for Errno {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            // What the interface could do, and this manager, or a kernel of this configuration, does
            // not.
            Refusal::NotOffered(_)
            | Refusal::NoContents
            | Refusal::Slab(kmem_cache::Refusal::Flag(_)) => Errno {
                error: not_offered(),
                name: "EOPNOTSUPP",
            },
            // Flags that contradict each other are bad input.
            Refusal::Gfp(_) => errno!(EINVAL),
            // As set_mempolicy(2) answers; the last is a WARN in Linux.
            Refusal::Policy(_) | Refusal::NoUsableNode | Refusal::BoundAlone => errno!(EINVAL),
            // A number outside of what exists.
            Refusal::Order { .. }
            | Refusal::Align(_)
            | Refusal::NoByte
            | Refusal::Pages(private::Refused::NoPage(_)) => errno!(ERANGE),
            // As a medium that does not give back what was written to it.
            Refusal::Contents(..) => errno!(EIO),
            // As start_isolate_page_range() answers.
            Refusal::Pages(_) => errno!(EBUSY),
            Refusal::Poke(Unpokable::NoPage) | Refusal::NotBad => errno!(ENOENT),
            Refusal::Poke(Unpokable::InUse) => errno!(EBUSY),
            Refusal::Poke(Unpokable::NoByte) => errno!(ENXIO),
            // As move_pages(2) answers for a node that is not online.
            Refusal::NoNode(_) => errno!(ENODEV),
            Refusal::Machine(error) => of_machine(error),
            Refusal::Early(EarlyError::BadAlign) => errno!(EINVAL),
            Refusal::NoMemory { .. }
            | Refusal::NoRange(_)
            | Refusal::NoTable
            | Refusal::NoStates
            | Refusal::Early(_)
            | Refusal::Slab(kmem_cache::Refusal::NoMemory)
            | Refusal::Percpu(percpu::Refusal::NoMemory)
            | Refusal::Vmalloc(vmalloc::Refusal::NoMemory) => errno!(ENOMEM),
            // A limit is in the way, and freeing would help.
            Refusal::OverMax { .. }
            | Refusal::MachineInUse { .. }
            | Refusal::MachineChanged
            | Refusal::CacheInUse(_)
            | Refusal::Slab(
                kmem_cache::Refusal::TooMany | kmem_cache::Refusal::TooManyConstructors,
            ) => errno!(EBUSY),
            Refusal::CacheExists | Refusal::Slab(kmem_cache::Refusal::NameTaken) => errno!(EEXIST),
            // What Linux would answer with a WARN.
            Refusal::Slab(_) | Refusal::Percpu(_) | Refusal::Vmalloc(_) | Refusal::NotPercpu(_) => {
                errno!(EINVAL)
            }
            Refusal::NoId(_) | Refusal::NoTag | Refusal::NoCache => errno!(ENOENT),
            Refusal::Interrupted => errno!(EINTR),
        }
    }
}

/// The errno of a machine that there is not.
fn of_machine(error: &BuildError) -> Errno {
    match error {
        BuildError::Draft(DraftError::NodeTwice { .. } | DraftError::CpuTwice { .. }) => {
            errno!(EEXIST)
        }
        // Numbers outside of what a machine can have.
        BuildError::Draft(
            DraftError::NoSuchNode { .. }
            | DraftError::NoSuchCpu { .. }
            | DraftError::ZoneTooLarge { .. }
            | DraftError::ZoneTooHigh { .. }
            | DraftError::TooManyDistances { .. }
            | DraftError::DistanceToSelf { .. }
            | DraftError::DistanceToOther { .. },
        )
        | BuildError::Order { .. } => errno!(ERANGE),
        BuildError::Draft(_) => errno!(EINVAL),
        // The limit of what commands may hold.
        BuildError::Memory { .. } => errno!(EBUSY),
        BuildError::State { .. } | BuildError::Pages { .. } | BuildError::NoTable => {
            errno!(ENOMEM)
        }
    }
}

impl From<&ParseError<'_>> for Errno {
    fn from(error: &ParseError<'_>) -> Self {
        match error.errno_class() {
            ErrnoClass::BadInput => errno!(EINVAL),
            ErrnoClass::OutOfRange => errno!(ERANGE),
            ErrnoClass::TooLong => errno!(E2BIG),
        }
    }
}

/// The errno of a write that is too long to be read at all.
pub(super) const TOO_LONG: Errno = errno!(E2BIG);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotOffered(why) => f.write_str(why),
            Self::Gfp(refusal) => write!(f, "{refusal}"),
            Self::Slab(refusal) => write!(f, "{refusal}"),
            Self::Percpu(refusal) => write!(f, "{refusal}"),
            Self::Vmalloc(refusal) => write!(f, "{refusal}"),
            Self::NotPercpu(id) => write!(
                f,
                "id {id} is no per-CPU variable; the file live says of what kind each is"
            ),
            Self::CacheExists => f.write_str("there is a cache of that name; take another"),
            Self::NoCache => {
                f.write_str("there is no cache of that name; the file caches lists them")
            }
            Self::CacheInUse(objects) => write!(
                f,
                "{objects} of its objects are allocated; free them, the file live lists them"
            ),
            Self::Order { asked, max } => {
                write!(f, "order {asked} is too large; the largest is {max}")
            }
            Self::NoNode(node) => {
                write!(
                    f,
                    "node {node} is not online; the file nodes lists those that are"
                )
            }
            Self::Policy(BadPolicy::NeedsNodes(mode)) => {
                write!(f, "policy={mode} goes by nodes; name some, as nodes=0,2-3")
            }
            Self::Policy(BadPolicy::TakesNoNodes) => f.write_str(
                "policy=local is near the CPU, or near node=; leave nodes= away, or take \
                 policy=bind",
            ),
            Self::NoUsableNode => f.write_str(
                "none of these nodes has memory for this task; the file nodes says which have",
            ),
            Self::BoundAlone => f.write_str(
                "policy=bind and __GFP_THISNODE exclude each other; leave one of them away",
            ),
            Self::NoMemory { order, alone } => no_memory(f, order, alone),
            Self::Align(max) => write!(f, "align is at most that of a block of order {max}"),
            Self::NoRange(pages) => write!(
                f,
                "no {pages} pages follow each other where they may be, nor can they be made to; see \
                 pageblocks"
            ),
            Self::NoTable => f.write_str("no memory for the table of what is held; free some"),
            Self::NoStates | Self::MachineInUse { .. } | Self::MachineChanged => {
                machine::fmt(self, f)
            }
            Self::Machine(error) => machine::fmt_build(error, f),
            Self::Early(error) => machine::fmt_early(error, f),
            Self::OverMax { asked, held, max } => over_max(f, asked, held, max),
            Self::Pages(private::Refused::NoPage(pfn)) => write!(
                f,
                "page {pfn} is none of this manager's, or of another zone; the file zones shows spans"
            ),
            Self::Pages(private::Refused::Isolated(pfn)) => write!(
                f,
                "the pageblock of page {pfn} is isolated already; the file pageblocks shows which are"
            ),
            Self::Pages(private::Refused::Unmovable(pfn)) => write!(
                f,
                "the block at page {pfn} cannot be moved; the file page says who holds it"
            ),
            Self::Contents(id, page) => write!(
                f,
                "page {page} of id {id} is not what it was filled with"
            ),
            Self::NoContents => f.write_str("there is no memory that could be filled"),
            Self::Poke(Unpokable::NoPage) => {
                f.write_str("no such page; the file zones says which there are")
            }
            Self::Poke(Unpokable::InUse) => {
                f.write_str("somebody has the page; only free ones may be changed")
            }
            Self::Poke(Unpokable::NoByte) => f.write_str("there is no memory behind the page"),
            Self::NoByte => f.write_str("offset is within a page, value from 0 to 255"),
            Self::NotBad => {
                f.write_str("the page is not one that was found to be damaged; check lists them")
            }
            Self::NoId(id) => write!(
                f,
                "nothing live has id {id}; the file live lists what is held"
            ),
            Self::NoTag => {
                f.write_str("nothing live has that tag; the file live lists what is held")
            }
            Self::Interrupted => f.write_str("a signal came in; what the line had taken is back"),
        }
    }
}

fn no_memory(
    f: &mut fmt::Formatter<'_>,
    order: Order,
    alone: Option<(NodeId, Option<NodeId>)>,
) -> fmt::Result {
    let Some((node, server)) = alone else {
        return write!(
            f,
            "no block of order {order} was to be had with these flags; see free_area for what is \
             free, zones for the watermarks"
        );
    };
    write!(
        f,
        "node {node} has no memory and __GFP_THISNODE forbids others"
    )?;
    match server {
        Some(server) => write!(f, "; without it node {server} serves"),
        None => Ok(()),
    }
}

fn over_max(
    f: &mut fmt::Formatter<'_>,
    asked: Option<Bytes>,
    held: Bytes,
    max: Bytes,
) -> fmt::Result {
    match asked {
        Some(asked) => write!(f, "{asked} bytes are asked for")?,
        None => f.write_str("more bytes are asked for than can be counted")?,
    }
    write!(
        f,
        ", {held} are held, {max} may be (parameter max_mb, at most half of memory); free some"
    )
}
