// SPDX-License-Identifier: GPL-2.0

//! The view room: every file under /sys/kernel/debug/oxmm, and the only list of them.
//!
//!   oxmm/  README  version
//!          linux/    nodes  zones  free_area  zonelists  would  gfp  pcp  pageblocks  page  vmstat
//!                    ctl  result  live  bench  memory  percpu  vmalloc
//!                    kmalloc  caches  cache/NAME/  a file for each fact of a cache
//!          private/  the same up to bench; check  memblock  owners
//!
//! A view is one file here, written for any [`Manager`]: whoever knows it on one side knows it on
//! the other.
//!
//! # Locking     views take snapshots and print them; no lock of Linux's is held while printing.
//! # Limits      modes are 0400, 0200 and 0600: what is here is root's.
//! # Reference   DESIGN.md section 2.

mod bench;
mod cache;
mod caches;
mod check;
mod ctl;
mod free_area;
mod gfp;
mod help;
mod kmalloc;
mod live;
mod memblock;
mod memory;
mod nodes;
mod owners;
mod page;
mod pageblocks;
mod pcp;
mod percpu;
mod vmalloc;
mod vmstat;
mod would;
mod zonelists;
mod zones;

use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

use crate::algo::units::Bytes;
use crate::lab::{
    linux::Linux,
    private::Private,
    Lab,
    Manager, //
};
use crate::linux::debugfs::{
    Dir,
    Folder,
    Tree, //
};

/// The state behind the files: a lab for each manager.
pub struct Rooms {
    linux: Arc<Lab<Linux>>,
    linux_caches: SetOnce<Arc<Folder<cache::Named<Linux>>>>,
    private: Arc<Lab<Private>>,
    private_caches: SetOnce<Arc<Folder<cache::Named<Private>>>>,
}

impl Rooms {
    /// Labs that hold nothing, and each never more than `max`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(private: Arc<crate::private::Control>, max: Bytes) -> Result<Self> {
        Ok(Self {
            linux: Arc::pin_init(Lab::new(Linux, max), GFP_KERNEL)?,
            linux_caches: SetOnce::new(),
            private: Arc::pin_init(Lab::new(Private::new(private), max), GFP_KERNEL)?,
            private_caches: SetOnce::new(),
        })
    }
}

/// How a view of any manager finds its lab.
trait Side<M: Manager> {
    /// The lab of this manager.
    fn lab(&self) -> &Arc<Lab<M>>;
    /// Where the directories of its caches are; filled while the files are made, if it has caches.
    fn caches(&self) -> &SetOnce<Arc<Folder<cache::Named<M>>>>;
}

impl Side<Linux> for Rooms {
    fn lab(&self) -> &Arc<Lab<Linux>> {
        &self.linux
    }

    fn caches(&self) -> &SetOnce<Arc<Folder<cache::Named<Linux>>>> {
        &self.linux_caches
    }
}

impl Side<Private> for Rooms {
    fn lab(&self) -> &Arc<Lab<Private>> {
        &self.private
    }

    fn caches(&self) -> &SetOnce<Arc<Folder<cache::Named<Private>>>> {
        &self.private_caches
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
    fill_objects::<Linux>(&linux)?;
    linux.file::<memory::Memory>()?;
    linux.file::<percpu::Percpu<Linux>>()?;
    linux.file::<vmalloc::Vmalloc<Linux>>()?;
    let private = tree.root().dir(Private::NAME)?;
    fill::<Private>(&private)?;
    private.file::<check::Check>()?;
    private.file::<memblock::Memblock>()?;
    private.file::<owners::Owners>()?;
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
    dir.file::<would::Would<M>>()?;
    dir.file::<gfp::GfpFlags<M>>()?;
    dir.file::<ctl::Ctl<M>>()?;
    dir.file::<ctl::Report<M>>()?;
    dir.file::<live::Live<M>>()?;
    dir.file::<bench::Bench<M>>()
}

/// Makes the files of a manager that has objects.
fn fill_objects<M: Manager>(dir: &Dir<'_, Rooms>) -> Result
where
    Rooms: Side<M>,
{
    dir.file::<kmalloc::Kmalloc<M>>()?;
    dir.file::<caches::Caches<M>>()?;
    dir.state().caches().populate(dir.folder(c"cache")?);
    Ok(())
}
