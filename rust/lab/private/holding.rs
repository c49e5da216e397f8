// SPDX-License-Identifier: GPL-2.0

//! A block of the private manager that somebody holds.
//!
//! # Cost        40 bytes, and a reference to the account of its owner, which the blocks of a command
//!               share; see private/holders.rs for what a movable block takes.
//! # Reference   `rust/private/mod.rs`.

use core::num::NonZeroU64;

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
        Pfn, //
    },
};
use crate::lab::{
    self,
    Contents,
    Place, //
};
use crate::private::{
    Block,
    Counted,
    Held,
    Open,
    Private,
    WrongFree, //
};

/// A block that is freed when it is dropped.
pub struct Holding {
    owner: Arc<Open>,
    /// `None` once it was freed.
    held: Option<Held>,
    /// The pattern that it was filled with.
    filled: Option<NonZeroU64>,
}

impl Holding {
    /// Takes over what was allocated just now.
    pub(super) fn new(owner: Arc<Open>, held: Held) -> Self {
        Self {
            owner,
            held: Some(held),
            filled: None,
        }
    }

    fn manager(&self) -> &Private {
        self.owner.manager()
    }

    /// The block.
    pub(super) fn block(&self) -> Option<Block> {
        self.held.as_ref().map(Held::block)
    }

    /// Adds it to what its owner has.
    pub(super) fn count(&self, shares: &mut Counted) {
        if let Some(held) = &self.held {
            let account = self.owner.account();
            self.manager().each_block(held, |order| {
                // What was opened since the table was measured is not in the count yet.
                shares.add(account, order.nr_pages());
            });
        }
    }

    /// Frees all of these, of one manager.
    pub(super) fn free_all(holdings: &mut [Option<Self>]) {
        let mut owners = holdings.iter().flatten().map(|it| &it.owner);
        let Some(manager) = owners.next().map(|it| it.manager().clone()) else {
            return;
        };
        let all = holdings.iter().flatten().filter_map(|it| it.held.as_ref());
        warn_if_wrong(manager.let_all_go(all));
        for place in holdings {
            if let Some(holding) = place {
                holding.held = None;
            }
            *place = None;
        }
    }
}

fn warn_if_wrong(freed: Result<(), WrongFree>) {
    if freed.is_err() {
        // Nobody else can have freed it: the manager contradicts itself.
        pr_warn_once!("a block was not taken back; see private/check\n");
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            warn_if_wrong(self.manager().let_go(&held));
        }
    }
}

impl lab::Holding for Holding {
    fn place(&self) -> Place {
        let Some(held) = &self.held else {
            return Place::default();
        };
        // One look at where it is: compaction may move it at any moment.
        let block = held.block();
        let (node, zone) = self.manager().place(block).unzip();
        Place {
            pfn: self.manager().pfn(block),
            order: held.order(),
            node,
            zone,
        }
    }

    fn covers(&self, pfn: Pfn) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let first = self.manager().pfn(held.block());
        let offset = first.and_then(|first| pfn.checked_sub(first));
        offset.is_some_and(|offset| offset < held.pages())
    }

    fn copies(&self) -> impl Iterator<Item = CpuCopy> {
        core::iter::empty()
    }

    fn value(&self, _cpu: u32) -> Option<u64> {
        None
    }

    fn fill(&mut self, first: NonZeroU64) -> bool {
        let held = self.held.as_ref();
        let is_filled = held.is_some_and(|it| self.manager().fill(it, first.get()));
        self.filled = is_filled.then_some(first);
        is_filled
    }

    fn contents(&self) -> Contents {
        let Some((held, first)) = self.held.as_ref().zip(self.filled) else {
            return Contents::Unknown;
        };
        match self.manager().first_wrong(held, first.get()) {
            None => Contents::Intact,
            Some(page) => Contents::Wrong(page),
        }
    }

    fn address(&self) -> Option<Address> {
        self.manager().address(self.held.as_ref()?.block())
    }

    fn pages(&self, _from: NrPages) -> impl Iterator<Item = AreaPage> {
        core::iter::empty()
    }

    fn add_on_each_cpu(&self, _value: u64) -> bool {
        false
    }
}
