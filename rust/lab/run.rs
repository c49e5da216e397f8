// SPDX-License-Identifier: GPL-2.0

//! Runs what is written to `ctl`, line by line, and reports each line in `result`.
//!
//!   line outcome ids   says
//!   1    ok      1-4   allocated 4 x order 3, 131072 bytes taken
//!   2    EINVAL  -     unknown key "ordr" for alloc pages; it takes order, node, ...
//!
//! # Locking     `report` alone, and not while a line runs.
//! # Cost        a line's own work, and one row; the report of a write is bounded by its length.
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
    hold::node_of,
    refusal::{
        Errno,
        TOO_LONG, //
    },
    Cache,
    Isolation,
    Lab,
    Manager,
    Refusal, //
};
use crate::algo::{
    command::{
        self,
        Command,
        Count,
        Extent,
        PageRange, //
    },
    units::{
        usize_from,
        Bytes,
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
    PAGE_SHIFT, //
};
use crate::private::EarlyDone;
use crate::private::{
    Count as Moves,
    Counts,
    Outcome, //
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
        what: Size,
        taken: Bytes,
    },
    Added {
        value: u64,
    },
    Freed {
        count: usize,
        taken: Bytes,
    },
    Drained {
        pages: NrPages,
    },
    Verified {
        count: usize,
    },
    Compacted {
        outcome: Outcome,
        counts: Counts,
    },
    Isolated {
        pageblocks: usize,
    },
    Unisolated {
        pageblocks: usize,
    },
    Poked {
        before: u8,
        value: u8,
    },
    Unpoisoned {
        pages: NrPages,
    },
    Made,
    Destroyed,
    Shrunk,
    Described,
    Built {
        nodes: usize,
        pages: NrPages,
        nanoseconds: u64,
    },
    Reset,
    Early(EarlyDone),
}

/// The size of what was allocated, as it was asked for.
pub(super) enum Size {
    Order(Order),
    Bytes(Bytes),
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => write!(f, "order {order}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.get()),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated {
                count, what, taken, ..
            } => write!(f, "allocated {count} x {what}, {} bytes taken", taken.get()),
            Self::Added { value } => write!(f, "each online CPU added {value}"),
            Self::Freed { count, taken } => write!(f, "freed {count}, {} bytes", taken.get()),
            Self::Drained { pages } => write!(f, "gave {pages} pages back to their zones"),
            Self::Verified { count } => write!(f, "{count} that were filled are as they were"),
            Self::Compacted { outcome, counts } => compacted(f, *outcome, counts),
            Self::Isolated { pageblocks } => write!(f, "isolated {pageblocks} pageblocks"),
            Self::Unisolated { pageblocks } => {
                write!(f, "ended the isolation of {pageblocks} pageblocks")
            }
            Self::Poked { before, value } => write!(f, "wrote {value:#04x} for {before:#04x}"),
            Self::Unpoisoned { pages } => write!(f, "took {pages} pages back into use"),
            Self::Made => f.write_str("made the cache"),
            Self::Destroyed => f.write_str("destroyed the cache"),
            Self::Shrunk => f.write_str("gave empty slabs back"),
            Self::Described => f.write_str("noted; machine build makes the machine"),
            Self::Built {
                nodes,
                pages,
                nanoseconds,
            } => {
                let microseconds = nanoseconds / 1000;
                write!(
                    f,
                    "built {nodes} nodes with {pages} pages in {microseconds} us"
                )
            }
            Self::Reset => f.write_str("back to the machine of load time"),
            Self::Early(EarlyDone::Changed(bytes)) => {
                write!(f, "changed {} bytes", bytes.get())
            }
            Self::Early(EarlyDone::Found(range)) => {
                let (size, start) = (range.size().get(), range.start().get());
                write!(f, "allocated {size} bytes at {start:#x}")
            }
            Self::Early(EarlyDone::Forgotten) => f.write_str("forgot every region"),
        }
    }
}

/// How compaction ended, and all that it counted.
fn compacted(f: &mut fmt::Formatter<'_>, outcome: Outcome, counts: &Counts) -> fmt::Result {
    f.write_str(outcome.name())?;
    let mut all = Moves::ALL.iter();
    all.try_for_each(|&count| write!(f, ", {} {}", count.name(), counts.get(count)))
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
            Command::Alloc(alloc) if alloc.memcg.is_none() && alloc.kind.is_none() => {
                self.alloc(alloc)
            }
            Command::AddPercpu { id, value } => self.add_percpu(id.get(), *value),
            Command::Free(free) => self.free(free),
            Command::Verify(which) => self.verify(which),
            Command::Compact(compact) => {
                let node = node_of(compact.node);
                let go_on = || {
                    cond_resched();
                    !current!().signal_pending()
                };
                match self.manager().compact(node, compact.order, go_on) {
                    Some(done) => done.map(|(outcome, counts)| Done::Compacted { outcome, counts }),
                    None => self.refuse_command(command),
                }
            }
            Command::Isolate(range) => {
                let (manager, pages) = (self.manager(), pages(range));
                match manager.isolate(range.pfn, pages, Isolation::Begin) {
                    Some(done) => done.map(|pageblocks| Done::Isolated { pageblocks }),
                    None => self.refuse_command(command),
                }
            }
            Command::Unisolate(range) => {
                let (manager, pages) = (self.manager(), pages(range));
                match manager.isolate(range.pfn, pages, Isolation::End) {
                    Some(done) => done.map(|pageblocks| Done::Unisolated { pageblocks }),
                    None => self.refuse_command(command),
                }
            }
            Command::Drain => match self.manager().drain() {
                Some(pages) => Ok(Done::Drained { pages }),
                None => self.refuse_command(command),
            },
            Command::Poke { pfn, offset, value } => {
                let (offset, value) = byte_of(*offset, *value)?;
                match self.manager().poke(*pfn, offset, value) {
                    Some(before) => before.map(|before| Done::Poked { before, value }),
                    None => self.refuse_command(command),
                }
            }
            Command::Unpoison { pfn } => match self.manager().unpoison(*pfn) {
                Some(NrPages::ZERO) if pfn.is_some() => Err(Refusal::NotBad),
                Some(pages) => Ok(Done::Unpoisoned { pages }),
                None => self.refuse_command(command),
            },
            Command::CacheCreate(create) => {
                let manager = self.manager();
                let make = || manager.cache_create(create);
                self.caches.create(create.name.as_str(), make)?;
                Ok(Done::Made)
            }
            Command::CacheDestroy { name } => {
                self.caches.destroy(name.as_str())?;
                Ok(Done::Destroyed)
            }
            Command::Shrink { cache } => {
                let cache = self.caches.pin(cache.as_str())?;
                cache.get().shrink();
                Ok(Done::Shrunk)
            }
            Command::MachineNode(_)
            | Command::MachineBuild { .. }
            | Command::MachineReset
            | Command::Memblock(_) => self.machine(command),
            _ => self.refuse_command(command),
        }
    }

    fn refuse_command(&self, command: &Command<'_>) -> Result<Done, Refusal> {
        Err(Refusal::NotOffered(self.manager().not_offered(command)))
    }
}

/// How many pages a range has; the last of a size may be a part.
fn pages(range: &PageRange) -> NrPages {
    match range.extent {
        Extent::Pages(count) => NrPages::new(usize_from(count.get())),
        Extent::Size(size) => NrPages::new(size.get().div_ceil(1 << PAGE_SHIFT)),
    }
}

/// A place in a page, and a byte.
fn byte_of(offset: u64, value: u64) -> Result<(usize, u8), Refusal> {
    let offset = usize::try_from(offset)
        .ok()
        .filter(|&it| it < 1 << PAGE_SHIFT);
    offset.zip(u8::try_from(value).ok()).ok_or(Refusal::NoByte)
}

impl Done {
    fn ids(&self) -> Ids {
        match self {
            Self::Allocated { ids, .. } => Ids(Some(*ids)),
            _ => Ids(None),
        }
    }
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
