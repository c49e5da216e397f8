// SPDX-License-Identifier: GPL-2.0

//! `memory`: where all of memory is, and what of it is available; in pages.
//!
//!   kind      name           fast   exact meminfo
//!   total     total        253440  253440 MemTotal     the sum of all lines of kind `part`
//!   part      free         201216  201230 MemFree
//!   part      unaccounted    4711    4697 -            what none of the counters has
//!   within    shmem            12      12 Shmem        in parts already, or beside them
//!   term      page_cache     9216    9216 -            the lines of kind `term` add up to
//!   available available    198912  198926 MemAvailable
//!
//! `fast` is what the counters say, as /proc/meminfo reads them; `exact` adds what CPUs keep, see
//! `vmstat`. What Linux cannot have, as it is configured, has no line.
//!
//! # Limits      read one after the other: `unaccounted` takes up what moves meanwhile.
//! # Reference   /proc/meminfo; `algo/memory.rs`, `linux/memory.rs`.

use core::fmt::Write;

use kernel::prelude::*;

use super::Rooms;
use crate::algo::{
    memory::{
        Amount,
        Inputs,
        Memory as Whole,
        Part,
        Within, //
    },
    units::u64_from, //
};
use crate::lab::Kind;
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    memory,
    PAGE_SHIFT, //
};

/// The file; Linux's alone.
pub(super) struct Memory;

impl File<Rooms> for Memory {
    const NAME: &'static CStr = c"memory";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let mut memory = memory::snapshot();
        add_held(rooms, &mut memory);
        writeln!(
            out,
            "{:<9} {:<20} {:>12} {:>12} meminfo",
            "kind", "name", "fast", "exact"
        )?;
        line("total", "total", memory.total, "MemTotal", out)?;
        for (part, amount) in Part::ALL.iter().zip(memory.parts) {
            some("part", part.name(), amount, line_of_part(*part), out)?;
        }
        line("part", "unaccounted", memory.unaccounted(), "-", out)?;
        for (within, amount) in Within::ALL.iter().zip(memory.within) {
            some(
                "within",
                within.name(),
                amount,
                line_of_within(*within),
                out,
            )?;
        }
        available(&memory.inputs, out)
    }
}

/// The available amount, term by term; `low_marks` is no term but bounds two of them.
fn available(inputs: &Inputs, out: &mut Text) -> Result {
    line("input", "low_marks", inputs.low_marks, "-", out)?;
    line("term", "free", inputs.free, "MemFree", out)?;
    line("term", "reserved", -inputs.reserved, "-", out)?;
    line("term", "page_cache", inputs.page_cache, "-", out)?;
    line(
        "term",
        "page_cache_kept",
        -inputs.page_cache_kept(),
        "-",
        out,
    )?;
    line(
        "term",
        "reclaimable",
        inputs.reclaimable,
        "KReclaimable",
        out,
    )?;
    line(
        "term",
        "reclaimable_kept",
        -inputs.reclaimable_kept(),
        "-",
        out,
    )?;
    line(
        "available",
        "available",
        inputs.available(),
        "MemAvailable",
        out,
    )
}

fn some(kind: &str, name: &str, amount: Option<Amount>, meminfo: &str, out: &mut Text) -> Result {
    match amount {
        Some(amount) => line(kind, name, amount, meminfo, out),
        None => Ok(()),
    }
}

fn line(kind: &str, name: &str, amount: Amount, meminfo: &str, out: &mut Text) -> Result {
    Ok(writeln!(
        out,
        "{kind:<9} {name:<20} {:>12} {:>12} {meminfo}",
        amount.fast, amount.exact
    )?)
}

/// Puts in what the lab holds of Linux, promises to running commands included.
fn add_held(rooms: &Rooms, memory: &mut Whole) {
    let totals = rooms.linux.totals();
    let held = |kind: Kind| {
        let bytes = totals.get(kind.index()).copied().unwrap_or_default();
        let pages = u64_from(bytes.whole_pages(PAGE_SHIFT).get());
        Some(Amount::known(i64::try_from(pages).unwrap_or(i64::MAX)))
    };
    if let Some(pages) = memory.parts.get_mut(Part::OxmmPages.index()) {
        *pages = held(Kind::Pages);
    }
    for (within, kind) in [
        (Within::OxmmObjects, Kind::Object),
        (Within::OxmmPercpu, Kind::Percpu),
        (Within::OxmmVmalloc, Kind::Vmalloc),
    ] {
        if let Some(amount) = memory.within.get_mut(within.index()) {
            *amount = held(kind);
        }
    }
}

/// The line of /proc/meminfo that shows a part.
fn line_of_part(part: Part) -> &'static str {
    match part {
        Part::Free => "MemFree",
        Part::ActiveAnon => "Active(anon)",
        Part::InactiveAnon => "Inactive(anon)",
        Part::ActiveFile => "Active(file)",
        Part::InactiveFile => "Inactive(file)",
        Part::Unevictable => "Unevictable",
        Part::SlabReclaimable => "SReclaimable",
        Part::SlabUnreclaimable => "SUnreclaim",
        #[cfg(not(CONFIG_SHADOW_CALL_STACK))]
        Part::Stacks => "KernelStack",
        Part::PageTables => "PageTables",
        Part::SecPageTables => "SecPageTables",
        Part::GpuActive => "GPUActive",
        Part::GpuReclaim => "GPUReclaim",
        _ => "-",
    }
}

/// The line of /proc/meminfo that shows an amount within parts.
fn line_of_within(within: Within) -> &'static str {
    match within {
        Within::Shmem => "Shmem",
        Within::Buffers => "Buffers",
        Within::AnonMapped => "AnonPages",
        Within::FileMapped => "Mapped",
        Within::Dirty => "Dirty",
        Within::Writeback => "Writeback",
        Within::VmallocAll => "VmallocUsed",
        Within::FreeCma => "CmaFree",
        Within::Balloon => "Balloon",
        _ => "-",
    }
}
