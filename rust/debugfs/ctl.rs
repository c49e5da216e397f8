// SPDX-License-Identifier: GPL-2.0

//! `ctl` takes commands; `result` says what the last write to it did, line by line.
//!
//! # Limits      a write is taken as whole lines and is at most `MAX_WRITE` bytes long.
//! # Reference   DESIGN.md section 3; lab/run.rs.

use core::marker::PhantomData;

use kernel::prelude::*;

use super::{
    cache,
    Rooms,
    Side, //
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file `ctl`.
pub(super) struct Ctl<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Ctl<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"ctl";
    const MODE: u16 = 0o200;

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        let outcome = rooms.lab().run(input);
        // Whatever became of the lines: some may have made or destroyed a cache. A directory that
        // finds no memory now comes with the next write; the outcome is that of the lines.
        if let Some(folder) = rooms.caches().as_ref() {
            let _ = cache::follow(folder, rooms.lab());
        }
        outcome
    }

    fn refuse(rooms: &Rooms, length: usize) {
        rooms.lab().refuse(length);
    }
}

/// The file `result`.
pub(super) struct Report<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Report<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"result";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        match rooms.lab().report() {
            Some(report) => out.push(report.as_bytes()),
            None => Ok(()),
        }
    }
}
