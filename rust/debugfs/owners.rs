// SPDX-License-Identifier: GPL-2.0

//! `owners`: who has the pages of the private manager, a line each, who has the most first.
//!
//!   owner                group  blocks      pages
//!   lab:t1               /           3       1536
//!   lab                  /          12         12
//!
//! `lab` is who wrote to `ctl`, after the colon comes the tag; `bench` a benchmark that runs. The sum
//! of `pages` is what the zones have given out: managed, less free, less what lies on the CPUs' lists.
//!
//! # Cost        a walk over all frames that were ever given out.
//! # Limits      what is given out or freed meanwhile may be in it or not.
//! # Reference   private/owner.rs; Documentation/mm/page_owner.rst, /proc/allocinfo.

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
pub(super) struct Owners;

impl File<Rooms> for Owners {
    const NAME: &'static CStr = c"owners";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let lab = Side::<Private>::lab(rooms);
        let owners = lab.manager().owners()?;
        writeln!(
            out,
            "{:<20} {:<6} {:>7} {:>10}",
            "owner", "group", "blocks", "pages"
        )?;
        for (owner, share) in owners.iter() {
            let start = out.as_bytes().len();
            match owner {
                Some(owner) => write!(out, "{owner}")?,
                None => write!(out, "-")?,
            }
            let width = out.as_bytes().len() - start;
            write!(out, "{:1$} ", "", 20usize.saturating_sub(width))?;
            match owner {
                Some(owner) => write!(out, "{:<6}", owner.group())?,
                None => write!(out, "{:<6}", "-")?,
            }
            writeln!(out, " {:>7} {:>10}", share.blocks, share.pages)?;
        }
        Ok(())
    }
}
