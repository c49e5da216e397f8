// SPDX-License-Identifier: GPL-2.0

//! Runs what is written to `ctl`, line by line, and reports each line in `result`.
//!
//!   line outcome ids   says
//!   1    ok      1-4   allocated 4 x order 3, 32 pages
//!   2    EINVAL  -     unknown key "ordr" for alloc pages; it takes order, node, ...
//!
//! # Locking     `live` and `report` are taken one at a time and never over an allocation or a free
//!               of pages, so that two writers and a reader of `live` do not wait for each other.
//! # Cost        a line's own work, and one row; the report of a write is bounded by its length.
//! # Limits      a signal ends an allocation, not a free.
//! # Reference   DESIGN.md section 3.

use core::fmt::{
    self,
    Write, //
};

use kernel::{
    current,
    prelude::*,
    sync::UniqueArc, //
};

use super::{
    live::{
        Asked,
        BATCH, //
    },
    refusal::{
        Errno,
        TOO_LONG, //
    },
    Lab,
    Manager,
    Refusal,
    Request,
    Run, //
};
use crate::algo::{
    command::{
        self,
        Alloc,
        Command,
        Count,
        NodeWish,
        What,
        Which, //
    },
    gfp::{
        Flag,
        Gfp, //
    },
    units::{
        usize_from,
        NrPages,
        Order, //
    },
};
use crate::linux::{
    cond_resched,
    debugfs::{
        Text,
        MAX_WRITE, //
    },
    quietly, //
};

/// What every report starts with.
pub(super) const COLUMNS: &str = "line outcome      ids              says\n";

/// The most bytes of one row; a sentence is shorter, since what it quotes of the input is cut.
pub(super) const MAX_ROW: usize = 1024;

/// What a line did.
pub(super) enum Done {
    Allocated {
        ids: (u64, u64),
        count: Count,
        order: Order,
        pages: NrPages,
    },
    Freed {
        runs: usize,
        pages: NrPages,
    },
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated {
                count,
                order,
                pages,
                ..
            } => write!(f, "allocated {count} x order {order}, {pages} pages"),
            Self::Freed { runs, pages } => write!(f, "freed {runs}, {pages} pages"),
        }
    }
}

/// Ids as a range, or `-`.
pub(super) struct Ids(pub(super) Option<(u64, u64)>);

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("-"),
            Some((first, last)) if first == last => write!(f, "{first}"),
            Some((first, last)) => write!(f, "{first}-{last}"),
        }
    }
}

impl<M: Manager> Lab<M> {
    /// Runs the lines of one write and leaves the report in `result`.
    ///
    /// # Errors
    ///
    /// That of the first line that failed; the lines before it stay done, and it changed nothing.
    pub fn run(&self, input: &[u8]) -> Result {
        let mut report = UniqueArc::new(Text::new(), GFP_KERNEL)?;
        let outcome = self.run_lines(input, &mut report);
        self.publish(report);
        outcome
    }

    /// Reports a write that was too long to be read.
    pub fn refuse(&self, length: usize) {
        // Without memory for the report the errno alone has to do.
        let Ok(mut report) = UniqueArc::new(Text::new(), GFP_KERNEL) else {
            return;
        };
        let _ = report.push(COLUMNS.as_bytes()).and_then(|()| {
            let says = format_args!(
                "the write has {length} bytes; at most {MAX_WRITE} are taken, in whole lines"
            );
            row(&mut report, 0, TOO_LONG.name, Ids(None), says)
        });
        self.publish(report);
    }

    /// Makes `report` what `result` shows.
    pub(super) fn publish(&self, report: UniqueArc<Text>) {
        // The old one is dropped after the lock.
        let _old = self.report.lock().replace(report.into());
    }

    fn run_lines(&self, input: &[u8], report: &mut Text) -> Result {
        report.push(COLUMNS.as_bytes())?;
        for line in command::lines(input) {
            // Memory for the row comes first: a line that was done must also be reported.
            report.reserve(MAX_ROW)?;
            match line.command {
                Ok(None) => {}
                Ok(Some(command)) => match self.run_command(&command) {
                    Ok(done) => row(report, line.number, "ok", done.ids(), &done)?,
                    Err(refusal) => {
                        let errno = Errno::from(&refusal);
                        row(report, line.number, errno.name, Ids(None), refusal)?;
                        return Err(errno.error);
                    }
                },
                Err(error) => {
                    let errno = Errno::from(&error);
                    row(report, line.number, errno.name, Ids(None), error)?;
                    return Err(errno.error);
                }
            }
            cond_resched();
        }
        Ok(())
    }

    fn run_command(&self, command: &Command<'_>) -> Result<Done, Refusal> {
        match command {
            Command::Alloc(alloc) => match pages_request(alloc) {
                Some(request) => self.alloc(alloc, request),
                None => self.refuse_command(command),
            },
            Command::Free(free) if !free.defer => self.free(free.which),
            _ => self.refuse_command(command),
        }
    }

    fn refuse_command(&self, command: &Command<'_>) -> Result<Done, Refusal> {
        Err(Refusal::NotOffered(self.manager.not_offered(command)))
    }

    fn alloc(&self, alloc: &Alloc<'_>, request: Request) -> Result<Done, Refusal> {
        let count = alloc.count.unwrap_or(Count::ONE);
        let plan = self.manager.plan(&request)?;
        let asked = Asked::new(request, alloc.tag.map(|tag| tag.as_str()))?;
        let total = request
            .order
            .nr_pages()
            .checked_mul(usize_from(count.get()));
        let pages = self.live.lock().promise(total)?;
        let mut runs = KVVec::new();
        let held = self
            .fill(&plan, count, &mut runs)
            .and_then(|()| self.live.lock().add(&asked, &mut runs));
        match held {
            Ok(ids) => Ok(Done::Allocated {
                ids,
                count,
                order: request.order,
                pages,
            }),
            Err(refusal) => {
                for run in runs.drain_all() {
                    drop(run);
                    cond_resched();
                }
                self.live.lock().returned(pages);
                Err(refusal)
            }
        }
    }

    fn fill(
        &self,
        plan: &M::Plan,
        count: Count,
        runs: &mut KVVec<M::Pages>,
    ) -> Result<(), Refusal> {
        runs.reserve(usize_from(count.get()), quietly())
            .map_err(|_| Refusal::NoTable)?;
        for _ in 0..count.get() {
            if current!().signal_pending() {
                return Err(Refusal::Interrupted);
            }
            let run = self.manager.alloc(plan)?;
            runs.push(run, quietly()).map_err(|_| Refusal::NoTable)?;
            cond_resched();
        }
        Ok(())
    }

    fn free(&self, which: Which<'_>) -> Result<Done, Refusal> {
        match which {
            Which::Id(id) => self.free_id(id.get()),
            Which::All => Ok(self.free_all()),
            Which::Tag(tag) => match self.free_where(|asked| asked.tag() == Some(tag.as_str())) {
                Done::Freed { runs: 0, .. } => Err(Refusal::NoTag),
                freed => Ok(freed),
            },
        }
    }

    fn free_id(&self, id: u64) -> Result<Done, Refusal> {
        let run = self.live.lock().take_id(id).ok_or(Refusal::NoId(id))?;
        let pages = run.order().nr_pages();
        drop(run);
        self.live.lock().returned(pages);
        Ok(Done::Freed { runs: 1, pages })
    }

    /// Frees whatever is held.
    pub(super) fn free_all(&self) -> Done {
        self.free_where(|_| true)
    }

    /// Frees the runs that were live when it started and that `wanted` picks.
    fn free_where(&self, wanted: impl Fn(&Asked) -> bool) -> Done {
        let (mut runs, mut pages) = (0, NrPages::ZERO);
        let mut from = Some(1);
        let last = self.live.lock().last_id();
        while let Some(id) = from {
            let mut batch = [const { None }; BATCH];
            from = self.live.lock().take_batch((id, last), &wanted, &mut batch);
            let mut returned = NrPages::ZERO;
            for run in batch.into_iter().flatten() {
                runs += 1;
                returned += run.order().nr_pages();
                drop(run);
            }
            self.live.lock().returned(returned);
            pages += returned;
            cond_resched();
        }
        Done::Freed { runs, pages }
    }
}

impl Done {
    fn ids(&self) -> Ids {
        match self {
            Self::Allocated { ids, .. } => Ids(Some(*ids)),
            Self::Freed { .. } => Ids(None),
        }
    }
}

/// The request in a command, if it asks for pages that nobody else is charged for.
fn pages_request(alloc: &Alloc<'_>) -> Option<Request> {
    let What::Pages { order, migratetype } = alloc.what else {
        return None;
    };
    if alloc.memcg.is_some() || alloc.kind.is_some() {
        return None;
    }
    Some(Request {
        order: order.unwrap_or(Order::ZERO),
        gfp: alloc.gfp.unwrap_or(Gfp::from_flag(Flag::GfpKernel)),
        node: match alloc.node {
            Some(NodeWish::Id(node)) => Some(node),
            Some(NodeWish::Any) | None => None,
        },
        migratetype,
    })
}

/// Adds one row to a report.
pub(super) fn row(
    report: &mut Text,
    line: usize,
    outcome: &str,
    ids: Ids,
    says: impl fmt::Display,
) -> Result {
    // `Display` through a width needs a string of its own; ids are padded by hand instead.
    write!(report, "{line:<4} {outcome:<12} ")?;
    let start = report.as_bytes().len();
    write!(report, "{ids}")?;
    let width = report.as_bytes().len() - start;
    writeln!(report, "{:1$} {says}", "", 16usize.saturating_sub(width))?;
    report.complete()
}
