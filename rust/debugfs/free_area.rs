// SPDX-License-Identifier: GPL-2.0

//! `free_area`: free blocks by order: a line for each node, zone and migratetype, and three more.
//!
//!   node zone type          o0     o1 ...    `all` is exact; a type's count that ends in `+` was
//!   0    DMA  Unmovable      0      0        not counted to its end, see linux/zone.rs
//!   0    DMA  all            2      1
//!   0    DMA  unusable   0.000  0.001        unusable index: part of the free pages in smaller blocks
//!   0    DMA  extfrag   -1.000 -1.000        fragmentation index: -1 where nothing would fail, else
//!                                            from 0, lack of memory, to 1, fragmentation
//!
//! # Limits      a line a lock hold and order: the orders of a zone are not of one moment.
//! # Reference   /proc/buddyinfo, /proc/pagetypeinfo, debugfs extfrag.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::algo::{
    fragmentation::{
        fragmentation_index,
        unusable_index, //
    },
    snapshot,
    units::{
        Migratetype,
        NodeId,
        Order,
        ZoneKind, //
    },
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct FreeArea<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for FreeArea<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"free_area";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        // The columns are those of the largest order, which the first zone tells.
        let mut has_head = false;
        for node in manager.nodes() {
            for kind in manager.zones(node) {
                let Some(area) = manager.free_area(node, kind) else {
                    continue;
                };
                if !has_head {
                    head(&area, out)?;
                    has_head = true;
                }
                zone(node, kind, &area, out)?;
            }
        }
        Ok(())
    }
}

fn head(area: &snapshot::FreeArea, out: &mut Text) -> Result {
    write!(out, "{:<4} {:<8} {:<11}", "node", "zone", "type")?;
    for order in Order::up_to(area.max_order) {
        write!(out, " {:>5}{order:<2}", "o")?;
    }
    Ok(writeln!(out)?)
}

fn zone(node: NodeId, kind: ZoneKind, area: &snapshot::FreeArea, out: &mut Text) -> Result {
    let blocks = area.blocks.get(..=area.max_order.index()).unwrap_or(&[]);
    for (migratetype, has_lists) in Migratetype::ALL.iter().zip(area.types) {
        if !has_lists {
            continue;
        }
        write!(out, "{node:<4} {kind:<8} {migratetype:<11}")?;
        for lists in area.lists.iter().take(blocks.len()) {
            let count = lists.get(migratetype.index()).copied().unwrap_or_default();
            write!(
                out,
                " {:>6}{}",
                count.blocks,
                if count.more { "+" } else { " " }
            )?;
        }
        writeln!(out)?;
    }
    write!(out, "{node:<4} {kind:<8} {:<11}", "all")?;
    for count in blocks {
        write!(out, " {count:>6} ")?;
    }
    write!(out, "\n{node:<4} {kind:<8} {:<11}", "unusable")?;
    for order in Order::up_to(area.max_order) {
        write!(out, " {:>3}", unusable_index(blocks, order))?;
    }
    write!(out, "\n{node:<4} {kind:<8} {:<11}", "extfrag")?;
    for order in Order::up_to(area.max_order) {
        write!(out, " {:>3}", fragmentation_index(blocks, order))?;
    }
    Ok(writeln!(out)?)
}
