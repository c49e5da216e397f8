// SPDX-License-Identifier: GPL-2.0

//! `kmalloc`: the classes that objects are had from by size, and what a size takes.
//!
//!   class size below worst percent order objs_per_slab rest name
//!   2048 2048  1024  1023    49.9%     3            16    0 kmalloc-2k
//!
//!   after `echo size=1500 >kmalloc`:
//!   from    asked usable taken waste percent order objs_per_slab rest per_object name
//!   kmalloc  1500   2048  2048   548   26.7%     3            16    0       2048 kmalloc-2k
//!   own      1500   1500  1504     4    0.2%     3            21 1184       1560 -
//!   own-hw   1500   1500  1536    36    2.3%     3            21  512       1560 -
//!
//! # Limits      sizes are bytes. `worst` is what the smallest request of the class leaves unused,
//!               `rest` the bytes of a slab that are no object's, `per_object` a slab's bytes shared
//!               among its objects. `own` is a cache made for the answer, `own-hw` one with hwalign.
//! # Reference   lab/linux/slab.rs; `include/linux/slab.h`: `__kmalloc_index()`.

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
    command::{
        Query,
        View, //
    },
    snapshot_slab::{
        per_mille,
        Class,
        Fit,
        Fits,
        Unknown, //
    },
    units::Bytes, //
};
use crate::lab::Manager;
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    PAGE_SHIFT, //
};

/// The file.
pub(super) struct Kmalloc<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Kmalloc<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"kmalloc";
    const MODE: u16 = 0o600;

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let lab: &crate::lab::Lab<M> = rooms.lab();
        match lab.asked(View::Kmalloc) {
            Some(Query::Kmalloc { size }) => answer(&lab.manager(), size, out),
            _ => classes(&lab.manager(), out),
        }
    }

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        rooms.lab().ask(View::Kmalloc, input)
    }
}

fn classes<M: Manager>(manager: &M, out: &mut Text) -> Result {
    writeln!(
        out,
        "{:>6} {:>6} {:>6} {:>8} {:>6} {:>14} {:>6} {:>15} name",
        "class", "size", "worst", "percent", "order", "objs_per_slab", "rest", "sheaf_capacity"
    )?;
    for class in manager.kmalloc_classes() {
        class_line(&class, out)?;
    }
    Ok(())
}

fn class_line(class: &Class, out: &mut Text) -> Result {
    let worst = class.worst_waste();
    write!(out, "{:>6} ", class.size.get())?;
    match &class.shape {
        Ok((name, shape)) => {
            write!(out, "{:>6} {:>6} ", shape.size.get(), worst.get())?;
            percent(worst, class.size, out)?;
            writeln!(
                out,
                " {:>6} {:>14} {:>6} {:>15} {name}",
                shape.order,
                shape.objs_per_slab,
                shape.waste_per_slab(PAGE_SHIFT).get(),
                shape.sheaf_capacity
            )?;
        }
        Err(why) => {
            write!(out, "{:>6} {:>6} ", "-", worst.get())?;
            percent(worst, class.size, out)?;
            writeln!(out, " {:>6} {:>14} {:>6} {:>15} -", "-", "-", "-", "-")?;
            unknown(why, out)?;
        }
    }
    Ok(())
}

fn answer<M: Manager>(manager: &M, size: Bytes, out: &mut Text) -> Result {
    writeln!(
        out,
        "{:<8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>14} {:>6} {:>11} name",
        "from",
        "asked",
        "usable",
        "taken",
        "waste",
        "percent",
        "order",
        "objs_per_slab",
        "rest",
        "per_object"
    )?;
    let fits: Fits = match manager.kmalloc_fits(size) {
        Ok(fits) => fits,
        Err(refusal) => return Ok(writeln!(out, "# {refusal}")?),
    };
    fit("kmalloc", fits.asked, &fits.kmalloc, out)?;
    for (from, own) in [("own", &fits.own), ("own-hw", &fits.own_at_lines)] {
        match own {
            Ok(own) => fit(from, fits.asked, own, out)?,
            Err(why) => unknown(why, out)?,
        }
    }
    Ok(())
}

fn fit(from: &str, asked: Bytes, fit: &Fit, out: &mut Text) -> Result {
    let taken = fit.shape.map_or(fit.usable, |shape| shape.size);
    let waste = taken.saturating_sub(asked);
    write!(
        out,
        "{from:<8} {:>8} {:>8} {:>8} {:>8} ",
        asked.get(),
        fit.usable.get(),
        taken.get(),
        waste.get()
    )?;
    percent(waste, taken, out)?;
    match &fit.shape {
        Ok(shape) => writeln!(
            out,
            " {:>6} {:>14} {:>6} {:>11} {}",
            shape.order,
            shape.objs_per_slab,
            shape.waste_per_slab(PAGE_SHIFT).get(),
            shape.slab_bytes(PAGE_SHIFT).get() / shape.objs_per_slab.max(1),
            fit.name
        )?,
        Err(why) => {
            writeln!(
                out,
                " {:>6} {:>14} {:>6} {:>11} {}",
                "-", "-", "-", "-", fit.name
            )?;
            unknown(why, out)?;
        }
    }
    Ok(())
}

/// A part in percent with one digit after the point.
fn percent(part: Bytes, whole: Bytes, out: &mut Text) -> Result {
    let part = per_mille(part.get(), whole.get());
    Ok(write!(out, "{:>5}.{}%", part / 10, part % 10)?)
}

/// A line that says why something is not there.
pub(super) fn unknown(why: &Unknown, out: &mut Text) -> Result {
    Ok(writeln!(out, "# unknown: {}", why.0)?)
}
