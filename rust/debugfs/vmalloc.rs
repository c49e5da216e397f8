// SPDX-License-Identifier: GPL-2.0

//! `vmalloc`: where the pages of each area that is held lie, and of large objects, to compare.
//!
//!   id kind    address          asked offset pages pfn    node zone
//!   7  vmalloc 00000000a1b2c3d4 28672      0     4 130560 0    Normal    contiguous for the CPU,
//!   7  vmalloc 00000000a1b2c3d4 28672      4     3 261635 1    Normal    scattered in memory
//!   8  object  0000000018a3f2e1 28672      0     7 131072 0    Normal    contiguous in both
//!
//! A line is a run of pages that follow each other in memory. `offset` and `pages` are pages of the
//! area. Objects are shown from a page on.
//!
//! # Limits      asked is bytes. Addresses are hashed as `%p` hashes them. The pages are copied out
//!               in parts, the lab's lock is free in between; an area that is freed meanwhile ends
//!               early.
//! # Reference   /proc/vmallocinfo; `linux/vmalloc.rs`.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use super::{
    live::OrDash,
    Rooms,
    Side, //
};
use crate::algo::{
    runs::{
        Merge,
        Run, //
    },
    snapshot::AreaPage,
    units::{
        Address,
        NrPages, //
    },
};
use crate::lab::{
    Held,
    Holding,
    Kind,
    Lab,
    Manager, //
};
use crate::linux::{
    cond_resched,
    debugfs::{
        File,
        Text, //
    },
    quietly,
    Hashed, //
};

/// How many pages are copied out in one hold of the lab's lock.
const PART: usize = 1024;

/// The file.
pub(super) struct Vmalloc<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Vmalloc<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"vmalloc";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(
            out,
            "{:<8} {:<7} {:<16} {:>10} {:>8} {:>8} {:>10} {:>4} zone",
            "id", "kind", "address", "asked", "offset", "pages", "pfn", "node"
        )?;
        let lab = rooms.lab();
        let mut part = KVVec::with_capacity(PART, quietly())?;
        for one in lab.held()?.iter() {
            match one.asked.kind {
                Kind::Vmalloc => area(lab, one, &mut part, out)?,
                Kind::Object if one.asked.size.get() >= PAGE_SIZE => object(lab, one, out)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The runs of an area.
fn area<M: Manager>(
    lab: &Lab<M>,
    one: &Held,
    part: &mut KVVec<AreaPage>,
    out: &mut Text,
) -> Result {
    let Some(address) = lab.inspect(one.id, |holding| holding.address()).flatten() else {
        return Ok(());
    };
    let mut merge = Merge::default();
    let mut next = NrPages::ZERO;
    loop {
        copy_out(lab, one.id, next, part);
        next += NrPages::new(part.len());
        for run in part.iter().filter_map(|page| merge.add(page)) {
            line(one, address, &run, out)?;
        }
        if part.len() < PART {
            break;
        }
        cond_resched();
    }
    match merge.finish() {
        Some(run) => line(one, address, &run, out),
        None => Ok(()),
    }
}

/// Copies the next pages of an area, without allocating under the lab's lock; none if it is gone.
fn copy_out<M: Manager>(lab: &Lab<M>, id: u64, from: NrPages, part: &mut KVVec<AreaPage>) {
    part.clear();
    lab.inspect(id, |holding| {
        for page in holding.pages(from).take(PART) {
            // There is room for `PART` pages.
            let _ = part.push_within_capacity(page);
        }
    });
}

/// The one run of an object.
fn object<M: Manager>(lab: &Lab<M>, one: &Held, out: &mut Text) -> Result {
    let address = lab.inspect(one.id, |holding| holding.address()).flatten();
    let (Some(address), Some(pfn)) = (address, one.place.pfn) else {
        return Ok(());
    };
    let within = address.get() % PAGE_SIZE;
    let run = Run {
        offset: NrPages::ZERO,
        pages: NrPages::new(
            within
                .saturating_add(one.asked.size.get())
                .div_ceil(PAGE_SIZE),
        ),
        pfn,
        node: one.place.node,
        zone: one.place.zone,
    };
    line(one, address, &run, out)
}

fn line(one: &Held, address: Address, run: &Run, out: &mut Text) -> Result {
    Ok(writeln!(
        out,
        "{:<8} {:<7} {:<16} {:>10} {:>8} {:>8} {:>10} {:>4} {}",
        one.id,
        one.asked.kind,
        Hashed(address),
        one.asked.size.get(),
        run.offset,
        run.pages,
        run.pfn,
        OrDash(run.node),
        OrDash(run.zone)
    )?)
}
