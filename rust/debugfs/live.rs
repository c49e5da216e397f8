// SPDX-License-Identifier: GPL-2.0

//! `live`: a line for each run of pages that is held: what was asked for, what it is, where it is.
//!
//!   id kind  tag gfp        asked taken pfn    order node zone
//!   1  pages t1  GFP_KERNEL 4096  4096  123456 0     1    Normal
//!
//! # Limits      asked and taken are bytes.
//! # Reference   lab/live.rs.

use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::algo::units::Order;
use crate::lab::{
    Held,
    Manager, //
};
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    PAGE_SHIFT, //
};

/// The file.
pub(super) struct Live<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Live<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"live";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(
            out,
            "{:<8} {:<6} {:>8} {:>8} {:>10} {:>5} {:>4} {:<8} {:<12} gfp",
            "id", "kind", "asked", "taken", "pfn", "order", "node", "zone", "tag"
        )?;
        let held = rooms.lab().held()?;
        held.iter().try_for_each(|run| line(run, out))
    }
}

fn line(run: &Held, out: &mut Text) -> Result {
    let bytes = |order: Order| order.nr_pages().bytes(PAGE_SHIFT).unwrap_or_default();
    let request = &run.asked.request;
    Ok(writeln!(
        out,
        "{:<8} {:<6} {:>8} {:>8} {:>10} {:>5} {:>4} {:<8} {:<12} {}",
        run.id,
        "pages",
        bytes(request.order).get(),
        bytes(run.order).get(),
        run.pfn,
        run.order,
        OrDash(run.node),
        OrDash(run.zone),
        OrDash(run.asked.tag()),
        request.gfp
    )?)
}

/// A value, or `-` where there is none.
struct OrDash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.pad("-"),
        }
    }
}
