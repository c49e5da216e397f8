// SPDX-License-Identifier: GPL-2.0

//! `vmstat`: a line a counter of a node or zone: what is read, what is true, how far they can be
//! apart.
//!
//!   name          node zone     fast  exact bound
//!   nr_slab...    0    -        2114   2131    48   of the node
//!   nr_free_pages 0    Normal  51200  51183    48   of the zone
//!   slowpath      -    -           7      7     0   of the machine; private alone has such
//!
//! A CPU keeps what it counts until that is worth folding into the counter, which is `fast`. With
//! what all online CPUs keep it is `exact`, which is never further from `fast` than `bound`.
//!
//! # Limits      in what the counter counts: pages but for nr_kernel_stack and nr_shadow_call_stack,
//!               which are KiB, and events. Huge pages are counted in pages here; /proc/vmstat shows
//!               how many they are. A counter may be below zero, where /proc/vmstat shows 0.
//! # Reference   /proc/vmstat, /proc/zoneinfo; `linux/vmstat.rs`.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    live::OrDash,
    Rooms,
    Side, //
};
use crate::algo::snapshot::Counter;
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Vmstat<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Vmstat<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"vmstat";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(
            out,
            "{:<30} {:<4} {:<8} {:>12} {:>12} {:>6}",
            "name", "node", "zone", "fast", "exact", "bound"
        )?;
        let manager = rooms.lab().manager();
        let mut counters = manager.counters();
        counters.try_for_each(|counter| line(&counter, out))
    }
}

fn line(counter: &Counter, out: &mut Text) -> Result {
    Ok(writeln!(
        out,
        "{:<30} {:<4} {:<8} {:>12} {:>12} {:>6}",
        counter.name,
        OrDash(counter.node),
        OrDash(counter.zone),
        counter.fast,
        counter.exact,
        counter.bound
    )?)
}
