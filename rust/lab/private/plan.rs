// SPDX-License-Identifier: GPL-2.0

//! A request that the private manager takes, worked out.
//!
//! # Reference   lab/mod.rs: [`Plan`](super::super::Plan).

use kernel::sync::Arc;

use crate::algo::{
    command::RangeWish,
    snapshot::would::Asked,
    units::{
        Bytes,
        NodeId,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::lab::Refusal;
use crate::linux::PAGE_SHIFT;
use crate::private::{
    self,
    Account,
    Miss,
    Open, //
};

/// A request that the manager takes.
pub struct Plan {
    pub(super) plan: private::Plan,
    /// Who is to have what it gets.
    pub(super) owner: Arc<Open>,
    /// What is wanted instead of a block.
    pub(super) range: Option<private::RangeWish>,
    /// What it takes of memory.
    pub(super) taken: Option<Bytes>,
    /// The memoryless node that alone may serve it, and who serves it otherwise.
    pub(super) alone: Option<(NodeId, Option<NodeId>)>,
}

/// A range in pages; what is smaller than a page is rounded to one.
///
/// # Errors
///
/// [`Refusal::Align`].
pub(super) fn range_of(
    wish: &RangeWish,
    asked: Asked,
    account: Account, //
) -> Result<private::RangeWish, Refusal> {
    let page = 1 << PAGE_SHIFT;
    let pages_up = |bytes: usize| bytes.div_ceil(page);
    let align = wish.align.map_or(0, |it| pages_up(it.bytes().get()));
    let align = Order::up_to(Order::MAX).find(|order| order.nr_pages().get() >= align);
    Ok(private::RangeWish {
        asked,
        account,
        pages: NrPages::new(pages_up(wish.size.get())),
        align: align.ok_or(Refusal::Align(Order::MAX))?,
        min: wish.min.map(|it| Pfn::new(pages_up(it.get()))),
        max: wish.max.map(|it| Pfn::new(it.get() >> PAGE_SHIFT)),
        bottom_up: wish.bottom_up,
    })
}

impl Plan {
    /// Why there is nothing.
    pub(super) fn refusal(&self, miss: Miss) -> Refusal {
        match miss {
            Miss::NotReady(_) => Refusal::NoStates,
            _ => self.no_memory(),
        }
    }

    fn no_memory(&self) -> Refusal {
        if let (Some(range), None) = (&self.range, &self.alone) {
            return Refusal::NoRange(range.pages);
        }
        Refusal::NoMemory {
            order: self.plan.asked().order,
            alone: self.alone,
        }
    }
}

impl super::super::Plan for Plan {
    fn taken(&self) -> Option<Bytes> {
        self.taken
    }
}
