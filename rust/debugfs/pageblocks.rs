// SPDX-License-Identifier: GPL-2.0

//! `pageblocks`: a line for each run of neighbouring pageblocks that are alike.
//!
//!   node zone   start_pfn blocks pages free skipped isolated type
//!   0    DMA32       4096      3  1536   12       0       no Movable
//!   0    DMA32       5632      1   512  512       1      yes Movable
//!
//! `pages` are those of the zone, `free` those of them that are free in the buddy, `skipped` the
//! blocks that compaction skips; an isolated block keeps its type.
//!
//! # Limits      a pageblock is of one moment, a run is not. See linux/pageblock.rs for the cost; a
//!               signal ends the read with EINTR.
//! # Reference   `mm/vmstat.c`: `pagetypeinfo_showblockcount_print()`.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::{
    current,
    prelude::*, //
};

use super::{
    Rooms,
    Side, //
};
use crate::algo::{
    snapshot::{
        PageblockRun,
        PageblockRuns, //
    },
    units::{
        NodeId,
        ZoneKind, //
    },
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Pageblocks<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Pageblocks<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"pageblocks";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        writeln!(
            out,
            "{:<4} {:<8} {:>10} {:>8} {:>10} {:>10} {:>8} {:>8} type",
            "node", "zone", "start_pfn", "blocks", "pages", "free", "skipped", "isolated"
        )?;
        for node in manager.nodes() {
            for kind in manager.zones(node) {
                zone(manager, node, kind, out)?;
            }
        }
        Ok(())
    }
}

fn zone<M: Manager>(manager: &M, node: NodeId, kind: ZoneKind, out: &mut Text) -> Result {
    let mut runs = PageblockRuns::default();
    for block in manager.pageblocks(node, kind) {
        if let Some(run) = runs.push(block) {
            line(node, kind, &run, out)?;
        }
        if current!().signal_pending() {
            return Err(EINTR);
        }
    }
    match runs.finish() {
        Some(run) => line(node, kind, &run, out),
        None => Ok(()),
    }
}

fn line(node: NodeId, kind: ZoneKind, run: &PageblockRun, out: &mut Text) -> Result {
    write!(
        out,
        "{node:<4} {kind:<8} {:>10} {:>8} {:>10} {:>10} {:>8} {:>8} ",
        run.start,
        run.blocks,
        run.pages,
        run.free,
        run.skipped,
        if run.isolated { "yes" } else { "no" }
    )?;
    match run.migratetype {
        Some(migratetype) => writeln!(out, "{migratetype}")?,
        None => writeln!(out, "?")?,
    }
    Ok(())
}
