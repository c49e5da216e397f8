// SPDX-License-Identifier: GPL-2.0

//! `memblock`: a line for each region of early memory, that of the machine and that of commands.
//!
//!   from    kind     node       start         end       bytes what
//!   boot    memory   0            0x0  0x10000000   268435456 -
//!   boot    reserved -      0xf000000  0x10000000    16777216 cma
//!   scratch memory   1       0x100000   0x4100000    67108864 -
//!
//! `boot` is what the machine that runs was made of, as it was at the hand-over to the buddy; `scratch`
//! is what `memblock` commands have made, which nothing else uses.
//!
//! # Limits      addresses are those of the machine, which has its own page frame numbers; `end` is
//!               the address after the last byte.
//! # Reference   /sys/kernel/debug/memblock/memory and reserved; algo/snapshot/memblock.rs.

use core::fmt::Write;

use kernel::prelude::*;

use super::{
    live::OrDash,
    Rooms,
    Side, //
};
use crate::algo::snapshot::Region;
use crate::lab::private::Private;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Memblock;

impl File<Rooms> for Memblock {
    const NAME: &'static CStr = c"memblock";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(
            out,
            "{:<7} {:<9} {:<4} {:>18} {:>18} {:>16} what",
            "from", "kind", "node", "start", "end", "bytes"
        )?;
        let manager = Side::<Private>::lab(rooms).manager();
        for region in manager.early() {
            line("boot", &region, out)?;
        }
        for region in manager.scratch()?.iter() {
            line("scratch", region, out)?;
        }
        Ok(())
    }
}

fn line(from: &str, region: &Region, out: &mut Text) -> Result {
    let (range, owner) = (region.range, region.owner);
    let (start, end) = (range.start().get(), range.end().get());
    Ok(writeln!(
        out,
        "{from:<7} {:<9} {:<4} {start:>#18x} {end:>#18x} {:>16} {}",
        owner.kind,
        OrDash(owner.node),
        range.size().get(),
        OrDash(owner.what)
    )?)
}
