// SPDX-License-Identifier: GPL-2.0

//! `zones`: a line a zone that has pages: span, sizes, free, watermarks, reserves.
//!
//! `free` is the counter that allocation decisions look at first; `free_exact` adds what each CPU
//! has not folded into it yet. The marks include the boost, as /proc/zoneinfo shows them.
//! `free_bound` is the most that the two can differ by.
//! `lowmem_reserve` has a number for each kind of zone the kernel has, from low to high.
//!
//! # Limits      all sizes are pages; the columns of a line are read one after the other.
//! # Reference   `mm/vmstat.c`: `zoneinfo_show_print()`.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::algo::snapshot::Zone;
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Zones<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Zones<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"zones";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        writeln!(
            out,
            "{:<4} {:<8} {:>10} {:>10} {:>10} {:>10} {:>8} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} \
             {:>8} {:>10} {:>10} {:>10} lowmem_reserve",
            "node",
            "zone",
            "start_pfn",
            "spanned",
            "present",
            "managed",
            "cma",
            "free",
            "free_exact",
            "boost",
            "min",
            "low",
            "high",
            "promo",
            "highatomic",
            "ha_free",
            "free_bound"
        )?;
        for id in manager.nodes() {
            for kind in manager.zones(id) {
                if let Some(zone) = manager.zone(id, kind) {
                    line(&zone, out)?;
                }
            }
        }
        Ok(())
    }
}

fn line(zone: &Zone, out: &mut Text) -> Result {
    write!(
        out,
        "{:<4} {:<8} {:>10} {:>10} {:>10} {:>10} {:>8} {:>10} {:>10} {:>8} ",
        zone.node,
        zone.kind,
        zone.start,
        zone.spanned,
        zone.present,
        zone.managed,
        zone.cma,
        zone.free,
        zone.free_exact,
        zone.boost
    )?;
    for mark in zone.marks {
        write!(out, "{mark:>8} ")?;
    }
    write!(
        out,
        "{:>10} {:>10} {:>10} ",
        zone.highatomic_reserved, zone.highatomic_free, zone.free_bound
    )?;
    for (index, pages) in zone.lowmem_reserve.iter().flatten().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{pages}")?;
    }
    Ok(writeln!(out)?)
}
