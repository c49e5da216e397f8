// SPDX-License-Identifier: GPL-2.0

//! The user room: what a user asks of a manager, and what the user holds of it.
//!
//!   ctl text -> command -> Manager::plan -> Manager::alloc -> live table        (run.rs)
//!                              |                |                  |
//!                           refusal          refusal        live, free, rmmod  (live.rs)
//!   text written to a view -> query -> kept until the view is read             (ask.rs)
//!
//! Written once against [`Manager`], which Linux's memory manager and oxmm's own both implement.
//!
//! # Locking     `Lab::live`, `Lab::report` and `Lab::asked` are mutexes that are never held
//!               together, and never while memory is allocated or freed for a user.
//! # Limits      commands whose noun is not built yet answer EOPNOTSUPP.
//! # Reference   DESIGN.md sections 2 and 3.

mod ask;
pub mod linux;
mod live;
mod refusal;
mod run;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

use crate::algo::{
    command::{
        Command,
        Query,
        View, //
    },
    gfp::Gfp,
    snapshot::{
        self,
        ListKind, //
    },
    units::{
        Migratetype,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::debugfs::Text;
use live::Live;

pub use live::Held;
pub use refusal::Refusal;

/// A memory manager as the views and the commands see it.
pub trait Manager: Send + Sync + 'static {
    /// The name of its directory.
    const NAME: &'static CStr;
    /// A request that was checked and can be repeated.
    type Plan: Send;
    /// A run of pages that it gave out; dropping it gives it back.
    type Pages: Run;

    /// The online nodes, by number.
    fn nodes(&self) -> impl Iterator<Item = NodeId>;

    /// A node's figures.
    fn node(&self, node: NodeId) -> Option<snapshot::Node>;

    /// How far one node is from another.
    fn distance(&self, from: NodeId, to: NodeId) -> Option<u32>;

    /// A node's online CPUs, by number.
    fn cpus(&self, node: NodeId) -> impl Iterator<Item = u32>;

    /// A node's zones that have pages, from low to high.
    fn zones(&self, node: NodeId) -> impl Iterator<Item = ZoneKind>;

    /// A zone's figures.
    fn zone(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::Zone>;

    /// A zone's free blocks.
    fn free_area(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::FreeArea>;

    /// The zones that a request for `node` tries, in order.
    fn zonelist(&self, node: NodeId, list: ListKind) -> impl Iterator<Item = snapshot::ZoneRef>;

    /// Why this manager does not offer a command of the grammar, or not with the keys it has; a
    /// sentence for `result`.
    fn not_offered(&self, command: &Command<'_>) -> &'static str;

    /// Checks a request, all of it but whether there is memory.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn plan(&self, request: &Request) -> Result<Self::Plan, Refusal>;

    /// Allocates one run of pages.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    fn alloc(&self, plan: &Self::Plan) -> Result<Self::Pages, Refusal>;
}

/// A run of pages that a manager gave out.
pub trait Run: Send + Sync {
    /// Its first page.
    fn pfn(&self) -> Pfn;
    /// Its order.
    fn order(&self) -> Order;
    /// The node it is on.
    fn node(&self) -> Option<NodeId>;
    /// The zone it is in.
    fn zone(&self) -> Option<ZoneKind>;
}

/// What a user asks for when asking for pages.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The order of each run.
    pub order: Order,
    /// The flags; GFP_KERNEL when none were given.
    pub gfp: Gfp,
    /// The preferred node; `None` leaves it to the manager.
    pub node: Option<NodeId>,
    /// The type of pageblock wanted; `None` leaves it to the flags.
    pub migratetype: Option<Migratetype>,
}

/// A manager with what a user holds of it; dropping it frees that.
#[pin_data(PinnedDrop)]
pub struct Lab<M: Manager> {
    /// The manager.
    pub manager: M,
    #[pin]
    live: Mutex<Live<M::Pages>>,
    #[pin]
    report: Mutex<Option<Arc<Text>>>,
    /// What each view was asked last, by `View::index`.
    #[pin]
    asked: Mutex<[Option<Query>; View::COUNT]>,
}

impl<M: Manager> Lab<M> {
    /// A lab that holds nothing, and never more than `max` pages.
    pub fn new(manager: M, max: NrPages) -> impl PinInit<Self> {
        pin_init!(Self {
            manager,
            live <- new_mutex!(Live::new(max), "oxmm::live"),
            report <- new_mutex!(None, "oxmm::report"),
            asked <- new_mutex!([None; View::COUNT], "oxmm::asked"),
        })
    }

    /// A copy of what is held, by id.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn held(&self) -> Result<KVVec<Held>> {
        self.live.lock().held()
    }

    /// What the last write did; `None` before the first.
    pub fn report(&self) -> Option<Arc<Text>> {
        self.report.lock().clone()
    }
}

#[pinned_drop]
impl<M: Manager> PinnedDrop for Lab<M> {
    fn drop(self: Pin<&mut Self>) {
        // In batches, giving way between them; the table alone would free all in one go.
        self.free_all();
    }
}
