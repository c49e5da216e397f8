// SPDX-License-Identifier: GPL-2.0

//! What is written to a view before it is read, typed.
//!
//!   would     order=3 type=movable node=1 policy=bind nodes=0-1 gfp=GFP_ATOMIC    all optional
//!   page      pfn=0x1234 | addr=0xffff888000100000 | id=12
//!   kmalloc   size=1500
//!   gfp       gfp=GFP_KERNEL|__GFP_ZERO
//!   bench     work=bulk order=0 count=20000 pattern=random threads=2 rounds=20
//!
//! # Locking     none: plain values.
//! # Cost        O(keys).
//! # Limits      `None` means that the key was not given; the view knows its default.
//! # Reference   grammar.rs says which view takes which key.

use core::fmt;

use super::alloc::{
    put,
    Placement, //
};
use super::args::Args;
use super::error::ParseError;
use super::grammar;
use super::value::{
    AllocId,
    Count,
    Lower,
    NodeWish, //
};
use super::Command;
use crate::algo::gfp::Gfp;
use crate::algo::units::{
    named,
    Address,
    Bytes,
    Migratetype,
    Order,
    Pfn, //
};

named! {
    /// A view that is asked something; its name is that of the file.
    pub enum View {
        Would = "would",
        Page = "page",
        Kmalloc = "kmalloc",
        Gfp = "gfp",
        Bench = "bench",
    }
}

named! {
    /// What a benchmark does, over and over.
    pub enum Work {
        /// Allocates a block and frees it.
        Pair = "pair",
        /// Allocates all blocks, then frees them all.
        Bulk = "bulk",
        /// The same with the interface for many blocks, 64 at a time.
        Batch = "batch",
        /// The same as bulk, but each CPU frees what its neighbour allocated.
        Remote = "remote",
        /// What locks and counters cost, without which no figure says much.
        Floor = "floor",
    }
}

named! {
    /// The order in which blocks are freed.
    pub enum Pattern {
        /// As they were allocated.
        Fifo = "fifo",
        /// The other way round.
        Lifo = "lifo",
        /// Shuffled.
        Random = "random",
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchQuery {
    /// What is done.
    pub work: Work,
    /// The order of the blocks; without it 0.
    pub order: Option<Order>,
    /// Where from; without it the node of each CPU.
    pub node: Option<NodeWish>,
    /// The flags; without them GFP_KERNEL.
    pub gfp: Option<Gfp>,
    /// How many blocks a round; without it 10000.
    pub count: Option<Count>,
    /// How they are freed; without it as they were allocated.
    pub pattern: Option<Pattern>,
    /// On how many CPUs at once; without it one.
    pub threads: Option<Count>,
    /// How many rounds, of which the quickest counts; without it 15.
    pub rounds: Option<Count>,
}

/// What a view is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Which zone would serve an allocation.
    Would {
        /// Its size; without it one page.
        order: Option<Order>,
        /// Its migratetype; without it what the gfp flags say.
        migratetype: Option<Migratetype>,
        /// Where from; without it the node of the CPU that reads.
        node: Option<NodeWish>,
        /// Which nodes it may come from.
        placement: Placement,
        /// Its flags; without it GFP_KERNEL.
        gfp: Option<Gfp>,
    },
    /// What is known of one page.
    Page(PageQuery),
    /// What an object of this size takes.
    Kmalloc {
        /// The size.
        size: Bytes,
    },
    /// What flags mean.
    Gfp(Gfp),
    /// How long something takes.
    Bench(BenchQuery),
}

/// How a page is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageQuery {
    /// By its number.
    Pfn(Pfn),
    /// By a kernel address inside of it.
    Address(Address),
    /// As the first page of an allocation that is held.
    Id(AllocId),
}

impl Query {
    /// Returns the view that it is for.
    pub const fn view(&self) -> View {
        match self {
            Self::Would { .. } => View::Would,
            Self::Page(_) => View::Page,
            Self::Kmalloc { .. } => View::Kmalloc,
            Self::Gfp(_) => View::Gfp,
            Self::Bench(_) => View::Bench,
        }
    }
}

pub(super) fn would<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Query(Query::Would {
        order: args.get(&grammar::ORDER)?,
        migratetype: args.get(&grammar::TYPE)?,
        node: args.get(&grammar::NODE)?,
        placement: Placement::read(args)?,
        gfp: args.get(&grammar::GFP)?,
    }))
}

pub(super) fn page<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let page = if let Some(pfn) = args.get(&grammar::PFN)? {
        PageQuery::Pfn(pfn)
    } else if let Some(address) = args.get(&grammar::ADDR)? {
        PageQuery::Address(address)
    } else {
        PageQuery::Id(args.need(&grammar::ID)?)
    };
    Ok(Command::Query(Query::Page(page)))
}

pub(super) fn kmalloc<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let size = args.need(&grammar::SIZE)?;
    Ok(Command::Query(Query::Kmalloc { size }))
}

pub(super) fn gfp<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let gfp = args.need(&grammar::GFP)?;
    Ok(Command::Query(Query::Gfp(gfp)))
}

pub(super) fn bench<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Query(Query::Bench(BenchQuery {
        work: args.need(&grammar::WORK)?,
        order: args.get(&grammar::ORDER)?,
        node: args.get(&grammar::NODE)?,
        gfp: args.get(&grammar::GFP)?,
        count: args.get(&grammar::COUNT)?,
        pattern: args.get(&grammar::PATTERN)?,
        threads: args.get(&grammar::THREADS)?,
        rounds: args.get(&grammar::ROUNDS)?,
    })))
}

/// Prints the query as it is written to its view, after the view's name.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.view())?;
        match *self {
            Self::Would {
                order,
                migratetype,
                node,
                placement,
                gfp,
            } => {
                put(f, &grammar::ORDER, order)?;
                put(f, &grammar::TYPE, migratetype.map(|it| Lower(it.name())))?;
                put(f, &grammar::NODE, node)?;
                placement.put(f)?;
                put(f, &grammar::GFP, gfp)
            }
            Self::Page(PageQuery::Pfn(pfn)) => put(f, &grammar::PFN, Some(pfn)),
            Self::Page(PageQuery::Address(address)) => {
                write!(f, " {}{:#x}", grammar::ADDR, address.get())
            }
            Self::Page(PageQuery::Id(id)) => put(f, &grammar::ID, Some(id)),
            Self::Kmalloc { size } => put(f, &grammar::SIZE, Some(size)),
            Self::Gfp(gfp) => put(f, &grammar::GFP, Some(gfp)),
            Self::Bench(bench) => {
                put(f, &grammar::WORK, Some(bench.work))?;
                put(f, &grammar::ORDER, bench.order)?;
                put(f, &grammar::NODE, bench.node)?;
                put(f, &grammar::GFP, bench.gfp)?;
                put(f, &grammar::COUNT, bench.count)?;
                put(f, &grammar::PATTERN, bench.pattern)?;
                put(f, &grammar::THREADS, bench.threads)?;
                put(f, &grammar::ROUNDS, bench.rounds)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_query;
    use super::*;

    #[track_caller]
    fn reads(view: View, line: &str) {
        match parse_query(view, line.as_bytes()) {
            Ok(Some(query)) => {
                assert_eq!(query.to_string(), format!("{view} {line}"));
                assert_eq!(query.view(), view);
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn queries_print_as_they_are_written() {
        reads(View::Would, "order=3 type=movable node=any gfp=GFP_ATOMIC");
        reads(View::Would, "policy=interleave nodes=0,2-3 gfp=GFP_KERNEL");
        reads(View::Page, "pfn=4660");
        reads(View::Page, "addr=0xffff888000100000");
        reads(View::Page, "id=12");
        reads(View::Kmalloc, "size=1500");
        reads(View::Gfp, "gfp=__GFP_ZERO|GFP_KERNEL|0x100");
        reads(View::Bench, "work=pair");
        reads(
            View::Bench,
            "work=bulk order=3 node=1 gfp=GFP_KERNEL count=5 pattern=random threads=2 rounds=7",
        );
    }

    #[test]
    fn a_view_takes_its_own_keys_alone() {
        for (view, line) in [
            (View::Page, "order=1"),
            (View::Page, "pfn=1 id=1"),
            (View::Kmalloc, ""),
            (View::Gfp, "# nothing"),
            (View::Bench, "order=1"),
            (View::Bench, "work=none"),
            (View::Bench, "work=pair rounds=0"),
        ] {
            let query = parse_query(view, line.as_bytes());
            assert!(!matches!(query, Ok(Some(_))), "{line}: {query:?}");
        }
        let error = parse_query(View::Page, b"order=1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown key \"order\" for page; it takes pfn, addr, id"
        );
    }

    #[test]
    fn every_view_has_a_query() {
        for view in View::ALL {
            let spec = grammar::QUERIES.iter().find(|it| it.verb == view.name());
            assert!(spec.is_some(), "{view}");
        }
        assert_eq!(View::COUNT, grammar::QUERIES.len());
    }
}
