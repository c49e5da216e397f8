// SPDX-License-Identifier: GPL-2.0

//! `check`: a line for each zone of the private manager, and one for the owners of all blocks: `ok`,
//! or the first thing that is wrong.
//!
//!   node zone     outcome
//!   0    Normal   ok
//!   1    Normal   region 0: pageblock 3: another largest block
//!   -    owners   ok
//!
//! With poison=1 a line follows for each page that was found to be damaged and is kept out of use:
//!
//!   -    poison   page 4660: single bit error at offset 12: ab, last owner lab:t1
//!
//! The owners are right if what was given out, frame by frame, is what they hold, one by one: no block
//! without an owner, none that its owner does not know.
//!
//! # Limits      sums over regions and lists disagree while somebody allocates or frees; what a
//!               region says of itself never may.
//! # Reference   algo/buddy/zone/check.rs, private/owner.rs.

use core::fmt::Write;

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::lab::private::Private;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Check;

impl File<Rooms> for Check {
    const NAME: &'static CStr = c"check";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(out, "{:<4} {:<8} outcome", "node", "zone")?;
        let lab = Side::<Private>::lab(rooms);
        for (node, zone, outcome) in lab.manager().check() {
            write!(out, "{node:<4} {zone:<8} ")?;
            match outcome {
                Ok(()) => writeln!(out, "ok")?,
                Err(violation) => writeln!(out, "{violation}")?,
            }
        }
        write!(out, "{:<4} {:<8} ", "-", "owners")?;
        match lab.check_owners()? {
            Ok(()) => writeln!(out, "ok")?,
            Err(wrong) => writeln!(out, "{wrong}")?,
        }
        for report in lab.manager().reports()?.iter() {
            writeln!(out, "{:<4} {:<8} {report}", "-", "poison")?;
        }
        Ok(())
    }
}
