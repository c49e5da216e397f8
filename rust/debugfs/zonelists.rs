// SPDX-License-Identifier: GPL-2.0

//! `zonelists`: a line a step: in which order the zones are tried for a request on each node.
//!
//!   node list       step from_node zone   distance managed
//!   1    fallback   0    0         Normal 20       127934     node 1 has no memory: 0 serves it
//!   1    nofallback -    -         -      -        -          an empty list: __GFP_THISNODE fails
//!
//! # Limits      a nodemask, cpuset or memory policy cuts steps out of this; flags start lower.
//! # Reference   `mm/page_alloc.c`: `build_zonelists()`, `get_page_from_freelist()`.

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
    snapshot::ListKind,
    units::NodeId, //
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Zonelists<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Zonelists<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"zonelists";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        writeln!(
            out,
            "{:<4} {:<10} {:>4} {:>9} {:<8} {:>8} {:>10}",
            "node", "list", "step", "from_node", "zone", "distance", "managed"
        )?;
        for node in manager.nodes() {
            for &list in ListKind::ALL {
                steps(manager, node, list, out)?;
            }
        }
        Ok(())
    }
}

fn steps<M: Manager>(manager: &M, node: NodeId, list: ListKind, out: &mut Text) -> Result {
    let mut steps = 0;
    for (step, zone) in manager.zonelist(node, list).enumerate() {
        writeln!(
            out,
            "{node:<4} {list:<10} {step:>4} {:>9} {:<8} {:>8} {:>10}",
            zone.node, zone.kind, zone.distance, zone.managed
        )?;
        steps += 1;
    }
    if steps == 0 {
        writeln!(
            out,
            "{node:<4} {list:<10} {:>4} {:>9} {:<8} {:>8} {:>10}",
            "-", "-", "-", "-", "-"
        )?;
    }
    Ok(())
}
