// SPDX-License-Identifier: GPL-2.0

//! `caches`: a line for each cache that was made: layout, and where its objects are.
//!
//!   objects = used + on_slabs + in_sheaves + in_barns + waiting       nothing is missing
//!             used is what somebody has; held is what is held here
//!             slabinfo is what /proc/slabinfo calls active: used and all that is in sheaves and barns
//!
//! # Limits      sizes are bytes. The sums of a cache at work are not of one moment. `held` is less
//!               than `used` for a cache that is merged with others, which `aliases` counts, and where
//!               KASAN keeps freed objects back. A sum that ends in `+` was not counted to its end.
//! # Reference   lab/caches.rs, linux/slub.rs.

use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    kmalloc::unknown,
    Rooms,
    Side, //
};
use crate::algo::snapshot_slab::{
    Shape,
    Totals, //
};
use crate::lab::{
    Cache,
    Lab,
    Manager, //
};
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Caches<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Caches<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"caches";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let lab: &Lab<M> = rooms.lab();
        writeln!(
            out,
            "{:<16} {:>11} {:>7} {:>6} {:>5} {:>13} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8} {:>10} \
             {:>8} {:>7} {:>8} {:>7}",
            "name",
            "object_size",
            "size",
            "align",
            "order",
            "objs_per_slab",
            "slabs",
            "pages",
            "objects",
            "used",
            "held",
            "on_slabs",
            "in_sheaves",
            "in_barns",
            "waiting",
            "slabinfo",
            "aliases"
        )?;
        for name in lab.cache_names()?.iter() {
            let name = core::str::from_utf8(name).unwrap_or("?");
            // It may have been destroyed meanwhile.
            if let Some(cache) = lab.cache(name) {
                line(name, cache.get(), out)?;
            }
        }
        Ok(())
    }
}

fn line<C: Cache>(name: &str, cache: &C, out: &mut Text) -> Result {
    write!(out, "{name:<16} {:>11} ", cache.object_size().get())?;
    let both = cache.shape().and_then(|shape| Ok((shape, cache.totals()?)));
    match both {
        Ok((shape, totals)) => known(&shape, &totals, cache.nr_objects(), out),
        Err(why) => {
            write!(out, "{:>7} {:>6} {:>5} {:>13} ", "-", "-", "-", "-")?;
            write!(out, "{:>6} {:>6} {:>8} {:>8} ", "-", "-", "-", "-")?;
            write!(out, "{:>8} {:>8} {:>10} ", cache.nr_objects(), "-", "-")?;
            writeln!(out, "{:>8} {:>7} {:>8} {:>7}", "-", "-", "-", "-")?;
            unknown(&why, out)
        }
    }
}

fn known(shape: &Shape, totals: &Totals, held: usize, out: &mut Text) -> Result {
    write!(
        out,
        "{:>7} {:>6} {:>5} {:>13} ",
        shape.size.get(),
        shape.align,
        shape.order,
        shape.objs_per_slab
    )?;
    write!(
        out,
        "{:>6} {:>6} {:>8} {:>8} {:>8} ",
        OrDash(totals.slabs()),
        OrDash(totals.pages(shape.order)),
        OrDash(totals.objects()),
        OrDash(totals.used()),
        held
    )?;
    let on_slabs = More(totals.free_on_slabs, totals.has_more);
    writeln!(
        out,
        "{on_slabs:>8} {:>10} {:>8} {:>7} {:>8} {:>7}",
        totals.free_in_sheaves,
        totals.free_in_barns,
        totals.waiting,
        OrDash(totals.slabinfo_active()),
        shape.aliases
    )?;
    Ok(())
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

/// A number that ends in `+` if there is more.
pub(super) struct More(pub(super) usize, pub(super) bool);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.1 {
            return self.0.fmt(f);
        }
        let width = f.width().unwrap_or(0).saturating_sub(1);
        write!(f, "{:>width$}+", self.0)
    }
}
