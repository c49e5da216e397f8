// SPDX-License-Identifier: GPL-2.0

//! `pcp`: a line for each node, zone and CPU: sizes, tuning state, counters, and every list.
//!
//!   node zone cpu count high batch high_min high_max flags alloc_factor free_count expire
//!   0    DMA  0      12   64    16 ...
//!     ... threshold free_diff   U0  M0  R0  U1 ... UR9  M9
//!
//! The lists are named by migratetypes (Unmovable, Movable, Reclaimable) and order, and counted in
//! blocks; one that ends in `+` was not counted to its end. `count` is pages. `free_diff` is what
//! the CPU has not added to the zone's count of free pages, and never more than `threshold`.
//! `busy` in place of the figures: the zone's memory is being taken away.
//!
//! # Limits      a line is of one moment, two lines are not.
//! # Reference   `mm/vmstat.c`: `zoneinfo_show_print()`; linux/pcp.rs.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::algo::snapshot::{
    self,
    PcpFlag, //
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Pcp<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Pcp<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"pcp";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        // The columns are those of the first CPU; all have the same lists.
        let mut has_head = false;
        for node in manager.nodes() {
            for kind in manager.zones(node) {
                for cpu in manager.online_cpus() {
                    let pcp = manager.pcp(node, kind, cpu);
                    if let Some(pcp) = pcp.as_ref().filter(|_| !has_head) {
                        head(pcp, out)?;
                        has_head = true;
                    }
                    write!(out, "{node:<4} {kind:<8} {cpu:>4} ")?;
                    match &pcp {
                        Some(pcp) => line(pcp, out)?,
                        None => writeln!(out, "busy")?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn head(pcp: &snapshot::Pcp, out: &mut Text) -> Result {
    write!(
        out,
        "{:<4} {:<8} {:>4} {:>6} {:>6} {:>6} {:>8} {:>8} {:<36} {:>12} {:>10} {:>6} {:>9} {:>9}",
        "node",
        "zone",
        "cpu",
        "count",
        "high",
        "batch",
        "high_min",
        "high_max",
        "flags",
        "alloc_factor",
        "free_count",
        "expire",
        "threshold",
        "free_diff"
    )?;
    for list in pcp.lists.iter().flatten() {
        write!(out, " {:>3}{:<2}", list.types, list.order)?;
    }
    Ok(writeln!(out)?)
}

fn line(pcp: &snapshot::Pcp, out: &mut Text) -> Result {
    write!(
        out,
        "{:>6} {:>6} {:>6} {:>8} {:>8} ",
        pcp.count, pcp.high, pcp.batch, pcp.high_min, pcp.high_max
    )?;
    flags(pcp, out)?;
    write!(out, " {:>12} {:>10} ", pcp.alloc_factor, pcp.free_count)?;
    match pcp.expire {
        Some(rounds) => write!(out, "{rounds:>6}")?,
        None => write!(out, "{:>6}", "-")?,
    }
    write!(out, " {:>9} {:>9}", pcp.drift.threshold, pcp.drift.free)?;
    for list in pcp.lists.iter().flatten() {
        let more = if list.blocks.more { "+" } else { " " };
        write!(out, " {:>4}{more}", list.blocks.blocks)?;
    }
    Ok(writeln!(out)?)
}

fn flags(pcp: &snapshot::Pcp, out: &mut Text) -> Result {
    const WIDTH: usize = 36;
    let mut written = 0;
    let set = PcpFlag::ALL.iter().zip(pcp.flags).filter(|(_, set)| *set);
    for (flag, _) in set {
        let comma = if written == 0 { "" } else { "," };
        write!(out, "{comma}{flag}")?;
        written += comma.len() + flag.name().len();
    }
    if written == 0 {
        write!(out, "-")?;
        written = 1;
    }
    Ok(write!(out, "{:1$}", "", WIDTH.saturating_sub(written))?)
}
