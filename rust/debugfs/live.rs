// SPDX-License-Identifier: GPL-2.0

//! `live`: a line for each thing that is held: what was asked for, what it is, where it is.
//!
//!   id kind   asked taken pfn    order node zone   tag cache gfp
//!   1  pages  4096  4096  123456 0     1    Normal t1  -     GFP_KERNEL
//!   2  object 1500  2048  123460 -     1    Normal -   -     GFP_KERNEL
//!
//! # Limits      asked and taken are bytes; a per-CPU variable takes a copy for each possible CPU.
//!               The pfn is that of the first page; `percpu` and `vmalloc` show them all.
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
use crate::lab::{
    Held,
    Manager, //
};
use crate::linux::debugfs::{
    File,
    Text, //
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
            "{:<8} {:<7} {:>8} {:>8} {:>10} {:>5} {:>4} {:<8} {:<12} {:<12} gfp",
            "id", "kind", "asked", "taken", "pfn", "order", "node", "zone", "tag", "cache"
        )?;
        let held = rooms.lab().held()?;
        held.iter().try_for_each(|one| line(one, out))
    }
}

fn line(one: &Held, out: &mut Text) -> Result {
    let (asked, place) = (&one.asked, &one.place);
    Ok(writeln!(
        out,
        "{:<8} {:<7} {:>8} {:>8} {:>10} {:>5} {:>4} {:<8} {:<12} {:<12} {}",
        one.id,
        asked.kind,
        asked.size.get(),
        asked.taken.get(),
        OrDash(place.pfn),
        OrDash(place.order),
        OrDash(place.node),
        OrDash(place.zone),
        OrDash(asked.tag()),
        OrDash(asked.cache()),
        asked.gfp
    )?)
}

/// A value, or `-` where there is none.
pub(super) struct OrDash<T>(pub(super) Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.pad("-"),
        }
    }
}
