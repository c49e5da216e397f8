// SPDX-License-Identifier: GPL-2.0

//! `bench`: write what is to be measured, then read the figures; ns a block, minima over rounds.
//!
//!   echo work=pair order=0 >bench                          allocate and free, over and over
//!   echo work=bulk count=20000 pattern=random >bench       allocate all, free all
//!   echo work=batch >bench                                 many with one call
//!   echo work=remote threads=2 >bench                      free what the other CPU allocated
//!   echo work=floor >bench                                 what locks cost in this kernel
//!
//! Several lines in one write make a table; they are measured in order, while the write waits.
//!
//! # Limits      figures of kernels with debug options say little, and under QEMU only their ratios.
//! # Reference   DESIGN.md section 2; lab/bench.rs.

use core::marker::PhantomData;

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::lab::{
    bench::FIGURES,
    Manager, //
};
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Bench<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Bench<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"bench";
    const MODE: u16 = 0o600;

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        rooms.lab().bench(input)
    }

    fn refuse(rooms: &Rooms, length: usize) {
        rooms.lab().refuse(length);
    }

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        match rooms.lab().figures() {
            Some(figures) => out.push(figures.as_bytes()),
            None => out.push(FIGURES.as_bytes()),
        }
    }
}
