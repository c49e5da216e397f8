// SPDX-License-Identifier: GPL-2.0

//! The view room: every file under /sys/kernel/debug/oxmm, and the only list of them.
//!
//!   oxmm/  README  version
//!          linux/  nodes  zones  free_area  zonelists  pcp  pageblocks  page  vmstat
//!                  ctl  result  live  memory  percpu  vmalloc
//!
//! A view is one file here, written for any [`Manager`]: whoever knows it on one side knows it on
//! the other.
//!
//! # Locking     views take snapshots and print them; no lock of Linux's is held while printing.
//! # Limits      modes are 0400, 0200 and 0600: what is here is root's.
//! # Reference   DESIGN.md section 2.

mod ctl;
mod free_area;
mod help;
mod live;
mod memory;
mod nodes;
mod page;
mod pageblocks;
mod pcp;
mod percpu;
mod vmalloc;
mod vmstat;
mod zonelists;
mod zones;

use kernel::prelude::*;

use crate::algo::units::Bytes;
use crate::lab::{
    linux::Linux,
    Lab,
    Manager, //
};
use crate::linux::debugfs::{
    Dir,
    Tree, //
};

/// The state behind the files: a lab for each manager.
#[pin_data]
pub struct Rooms {
    #[pin]
    linux: Lab<Linux>,
}

impl Rooms {
    /// Labs that hold nothing, and each never more than `max`.
    pub fn new(max: Bytes) -> impl PinInit<Self> {
        pin_init!(Self {
            linux <- Lab::new(Linux, max),
        })
    }
}

/// How a view of any manager finds its lab.
trait Side<M: Manager> {
    /// The lab of this manager.
    fn lab(&self) -> &Lab<M>;
}

impl Side<Linux> for Rooms {
    fn lab(&self) -> &Lab<Linux> {
        &self.linux
    }
}

/// Makes the files; dropping the tree removes them, then the labs and what they hold.
///
/// # Errors
///
/// EEXIST if there is an `oxmm` already, ENODEV without debugfs, ENOMEM.
pub fn create(rooms: Pin<KBox<Rooms>>) -> Result<Tree<Rooms>> {
    let tree = Tree::new(c"oxmm", rooms)?;
    tree.root().file::<help::Readme>()?;
    tree.root().file::<help::Version>()?;
    let linux = tree.root().dir(Linux::NAME)?;
    fill::<Linux>(&linux)?;
    linux.file::<memory::Memory>()?;
    linux.file::<percpu::Percpu<Linux>>()?;
    linux.file::<vmalloc::Vmalloc<Linux>>()?;
    Ok(tree)
}

/// Makes the files that every manager has.
fn fill<M: Manager>(dir: &Dir<'_, Rooms>) -> Result
where
    Rooms: Side<M>,
{
    dir.file::<nodes::Nodes<M>>()?;
    dir.file::<zones::Zones<M>>()?;
    dir.file::<free_area::FreeArea<M>>()?;
    dir.file::<zonelists::Zonelists<M>>()?;
    dir.file::<vmstat::Vmstat<M>>()?;
    dir.file::<pcp::Pcp<M>>()?;
    dir.file::<pageblocks::Pageblocks<M>>()?;
    dir.file::<page::Page<M>>()?;
    dir.file::<ctl::Ctl<M>>()?;
    dir.file::<ctl::Report<M>>()?;
    dir.file::<live::Live<M>>()
}
