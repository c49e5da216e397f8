// SPDX-License-Identifier: GPL-2.0

//! `percpu`: a line a copy of each per-CPU variable that is held: where it is, and what it counts.
//!
//!   id asked cpu address          pfn    node value
//!   4  8     0   00000000a1b2c3d4 130563 0        1    each copy at its own address, on the node
//!   4  8     1   0000000018a3f2e1 261635 1        1    of its CPU where that has memory
//!
//! `value` is what the copy begins with, as much of 64 bits as it holds; `add` in `ctl` has each
//! online CPU count in its own.
//!
//! # Limits      asked is bytes. Addresses are hashed as `%p` hashes them. The copies of all CPUs that
//!               can ever be are shown, online or not. A variable that is freed while it is printed
//!               has no lines.
//! # Reference   debugfs percpu_stats; `linux/percpu.rs`.

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
use crate::algo::snapshot::CpuCopy;
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
    percpu::possible_cpus,
    quietly,
    Hashed, //
};

/// The file.
pub(super) struct Percpu<M>(PhantomData<M>);

/// A copy and the word that it begins with.
type Copies = KVVec<(CpuCopy, Option<u64>)>;

impl<M: Manager> File<Rooms> for Percpu<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"percpu";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        writeln!(
            out,
            "{:<8} {:>8} {:>5} {:<16} {:>10} {:>4} {:>20}",
            "id", "asked", "cpu", "address", "pfn", "node", "value"
        )?;
        let lab = rooms.lab();
        let mut copies = KVVec::with_capacity(possible_cpus().count(), quietly())?;
        for one in lab.held()?.iter() {
            if one.asked.kind == Kind::Percpu {
                copy_out(lab, one.id, &mut copies);
                copies.iter().try_for_each(|copy| line(one, copy, out))?;
                cond_resched();
            }
        }
        Ok(())
    }
}

/// Copies what there is to print, without allocating under the lab's lock.
fn copy_out<M: Manager>(lab: &Lab<M>, id: u64, copies: &mut Copies) {
    copies.clear();
    lab.inspect(id, |holding| {
        for copy in holding.copies() {
            let value = holding.value(copy.cpu);
            // There is room for every CPU that can be.
            let _ = copies.push_within_capacity((copy, value));
        }
    });
}

fn line(one: &Held, (copy, value): &(CpuCopy, Option<u64>), out: &mut Text) -> Result {
    Ok(writeln!(
        out,
        "{:<8} {:>8} {:>5} {:<16} {:>10} {:>4} {:>20}",
        one.id,
        one.asked.size.get(),
        copy.cpu,
        Hashed(copy.address),
        copy.pfn,
        OrDash(copy.node),
        OrDash(*value)
    )?)
}
