// SPDX-License-Identifier: GPL-2.0

//! `nodes`: a line a node: states, CPUs, span, sizes, who serves it, distances.
//!
//!   node served_by cpus start_pfn spanned ... distances states
//!   1    0         2-3  0         0           20,10     online,has_cpu
//!
//! # Limits      sizes are pages; CPUs are those online.
//! # Reference   /sys/devices/system/node; `drivers/base/node.c`.

use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    Rooms,
    Side, //
};
use crate::algo::{
    snapshot::NodeState,
    units::NodeId, //
};
use crate::lab::Manager;
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct Nodes<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Nodes<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"nodes";

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        writeln!(
            out,
            "{:<4} {:<9} {:<9} {:>10} {:>10} {:>10} {:>10} {:>10} {:<20} states",
            "node",
            "served_by",
            "cpus",
            "start_pfn",
            "spanned",
            "present",
            "managed",
            "free",
            "distances"
        )?;
        for id in manager.nodes() {
            line(manager, id, out)?;
        }
        Ok(())
    }
}

fn line<M: Manager>(manager: &M, id: NodeId, out: &mut Text) -> Result {
    let Some(node) = manager.node(id) else {
        // It went offline between the list and this look.
        return Ok(());
    };
    write!(out, "{id:<4} ")?;
    match node.served_by {
        Some(server) => write!(out, "{server:<9} ")?,
        None => write!(out, "{:<9} ", "-")?,
    }
    let cpus = Padded::start(out, 9);
    ranges(out, manager.cpus(id))?;
    cpus.end(out)?;
    write!(
        out,
        " {:>10} {:>10} {:>10} {:>10} {:>10} ",
        node.start, node.spanned, node.present, node.managed, node.free
    )?;
    let distances = Padded::start(out, 20);
    let known = manager.nodes().filter_map(|to| manager.distance(id, to));
    list(out, known)?;
    distances.end(out)?;
    write!(out, " ")?;
    let states = NodeState::ALL.iter().zip(node.states);
    list(
        out,
        states.filter(|(_, is_in)| *is_in).map(|(state, _)| state),
    )?;
    Ok(writeln!(out)?)
}

/// A column whose text is printed piece by piece.
struct Padded {
    end: usize,
}

impl Padded {
    fn start(out: &Text, width: usize) -> Self {
        Self {
            end: out.as_bytes().len() + width,
        }
    }

    fn end(self, out: &mut Text) -> fmt::Result {
        let missing = self.end.saturating_sub(out.as_bytes().len());
        write!(out, "{:missing$}", "")
    }
}

/// Prints items with commas between them; `-` for none.
fn list(out: &mut Text, items: impl Iterator<Item = impl fmt::Display>) -> fmt::Result {
    let mut empty = true;
    for item in items {
        let comma = if empty { "" } else { "," };
        write!(out, "{comma}{item}")?;
        empty = false;
    }
    if empty {
        out.write_str("-")?;
    }
    Ok(())
}

/// Prints rising numbers as the kernel's CPU lists do: `0-1,4`.
fn ranges(out: &mut Text, numbers: impl Iterator<Item = u32>) -> fmt::Result {
    let mut numbers = numbers.peekable();
    let runs = core::iter::from_fn(|| {
        let first = numbers.next()?;
        let mut last = first;
        while let Some(next) = numbers.next_if(|&next| next == last + 1) {
            last = next;
        }
        Some(Range { first, last })
    });
    list(out, runs)
}

struct Range {
    first: u32,
    last: u32,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}
