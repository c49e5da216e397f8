// SPDX-License-Identifier: GPL-2.0

//! A block of the private manager that somebody holds.
//!
//! # Cost        24 bytes, and a reference to the manager, which all blocks share.
//! # Reference   `rust/private/mod.rs`.

use kernel::{
    pr_warn_once,
    sync::Arc, //
};

use crate::algo::{
    snapshot::{
        AreaPage,
        CpuCopy, //
    },
    units::{
        Address,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::lab::{
    self,
    Place, //
};
use crate::private::{
    Block,
    Private, //
};

/// A block that is freed when it is dropped.
pub struct Holding {
    manager: Arc<Private>,
    block: Block,
    order: Order,
}

impl Holding {
    /// Takes over a block that was allocated just now.
    pub(super) fn new(manager: Arc<Private>, block: Block, order: Order) -> Self {
        Self {
            manager,
            block,
            order,
        }
    }

    /// The block.
    pub(super) fn block(&self) -> Block {
        self.block
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.manager.free(self.block, self.order).is_err() {
            // Nobody else can have freed it: the manager contradicts itself.
            pr_warn_once!("a block was not taken back; see private/check\n");
        }
    }
}

impl lab::Holding for Holding {
    fn place(&self) -> Place {
        let (node, zone) = self.manager.place(self.block).unzip();
        Place {
            pfn: self.manager.pfn(self.block),
            order: Some(self.order),
            node,
            zone,
        }
    }

    fn covers(&self, pfn: Pfn) -> bool {
        let first = self.manager.pfn(self.block);
        let offset = first.and_then(|first| pfn.checked_sub(first));
        offset.is_some_and(|offset| offset < self.order.nr_pages())
    }

    fn copies(&self) -> impl Iterator<Item = CpuCopy> {
        core::iter::empty()
    }

    fn value(&self, _cpu: u32) -> Option<u64> {
        None
    }

    fn address(&self) -> Option<Address> {
        self.manager.address(self.block)
    }

    fn pages(&self, _from: NrPages) -> impl Iterator<Item = AreaPage> {
        core::iter::empty()
    }

    fn add_on_each_cpu(&self, _value: u64) -> bool {
        false
    }
}
