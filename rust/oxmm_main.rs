// SPDX-License-Identifier: GPL-2.0

//! oxmm: two memory managers side by side under /sys/kernel/debug/oxmm.
//!
//!   debugfs -> lab -> linux         the running kernel's manager, shown and used
//!      |        |---> private       a manager of our own, on memory that linux gave
//!      \--------\---> algo          pure: units, grammar, formulas, the private manager's rules
//!
//! Set-up: check the layout of shared structs, watch memory hotplug, make the labs, then the files.
//! Tear-down runs the other way round: the files go first, so that nobody asks any more, then what
//! the labs hold.

#![deny(missing_docs)]

pub mod algo;
pub mod debugfs;
pub mod lab;
pub mod linux;
pub mod private;
mod seam;

use kernel::prelude::*;

use algo::units::Bytes;

module! {
    type: Oxmm,
    name: "oxmm",
    authors: ["The oxmm developers"],
    description: "Two memory managers side by side: the running kernel's and a private one",
    license: "GPL",
    params: {
        max_mb: u64 {
            default: 256,
            description: "The most memory that commands may hold, in MiB; at most half of memory",
        },
        arena_mb: u64 {
            default: 64,
            description: "What the private manager takes of each node, in MiB; at most a quarter",
        },
        poison: u8 {
            default: 0,
            description: "1 to fill free pages of the private manager, and to look for changes",
        },
    },
}

/// The version of oxmm.
pub const VERSION: &CStr = c"0.1.0";

/// The module.
struct Oxmm {
    _files: linux::debugfs::Tree<debugfs::Rooms>,
    /// After the files: fields are dropped in this order, and whoever reads one may look at memory.
    _watch: linux::hotplug::Watch,
}

impl kernel::Module for Oxmm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        linux::check_layout()?;
        let watch = linux::hotplug::Watch::new()?;
        if let Err(why) = linux::slub::prove() {
            pr_notice!("the truth about slab caches is not to be had: {}\n", why.0);
        }
        let arena_mb = linux::parameter(module_parameters::arena_mb.value());
        let max = max_bytes();
        let free = match module_parameters::poison.value() {
            0 => private::FreePages::AsLeft,
            _ => private::FreePages::Poisoned,
        };
        let private = private::Control::new(Bytes::from_mib(arena_mb), max, free)?;
        let rooms = KBox::new(debugfs::Rooms::new(private, max)?, GFP_KERNEL)?.into();
        Ok(Self {
            _files: debugfs::create(rooms)?,
            _watch: watch,
        })
    }
}

/// What a lab may hold: `max_mb`, and never more than half of the pages that the buddy manages,
/// so that no command can starve the kernel.
fn max_bytes() -> Bytes {
    let max_mb = linux::parameter(module_parameters::max_mb.value());
    let half = linux::node::managed_pages().half().bytes(linux::PAGE_SHIFT);
    Bytes::from_mib(max_mb).min(half.unwrap_or_default())
}
