// SPDX-License-Identifier: GPL-2.0

//! The user room: what a user asks of a manager, and what the user holds of it.
//!
//!   ctl text -> command -> Manager::plan -> Manager::alloc -> live table        (run.rs)
//!                              |                |                  |
//!                           refusal          refusal        live, free, rmmod  (live.rs)
//!   policy= and nodes= -> node and nodemask of each block                     (policy.rs)
//!   cache create -> Manager::cache_create -> table of caches                    (caches.rs)
//!   text written to a view -> query -> kept until the view is read             (ask.rs)
//!   text written to bench -> measured at once, figures kept                    (bench.rs)
//!   machine build -> Manager::machine -> the manager of another machine        (machine.rs)
//!
//! Written once against [`Manager`], which Linux's memory manager and oxmm's own both implement.
//!
//! # Locking     `Lab::live`, `Lab::report`, `Lab::asked` and the table of caches are mutexes that
//!               are never held together, and never while memory is allocated or freed for a user.
//!               `Lab::manager` is a spin lock, held for a copy; it alone may be taken inside
//!               `live`.
//! # Limits      commands that a manager does not offer answer EOPNOTSUPP.
//! # Reference   DESIGN.md sections 2 and 3.

mod ask;
pub mod bench;
mod caches;
mod hold;
mod holding;
pub mod linux;
mod live;
mod machine;
mod policy;
pub mod private;
mod refusal;
mod request;
mod run;

use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    },
};

use crate::algo::{
    command::{
        CacheCreate,
        Command,
        Query,
        View, //
    },
    gfp::Gfp,
    snapshot::{
        self,
        would::{
            Asked,
            Candidate, //
        },
        ListKind, //
    },
    snapshot_slab::{
        Class,
        CpuSheaves,
        Fits,
        NodeSlabs,
        ObjectPlace,
        Shape,
        Totals,
        Unknown, //
    },
    units::{
        named,
        Address,
        Bytes,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::debugfs::Text;
use crate::private::{
    Counts,
    Outcome, //
};
use crate::seam::{
    AtomicU64,
    AtomicUsize, //
};
use caches::Caches;
use live::Live;

pub use ask::{
    Decoded,
    PagesWish, //
};
pub use caches::Pinned;
pub use holding::{
    Contents,
    Holding,
    Place, //
};
pub use live::Held;
pub use machine::Changed;
pub use refusal::Refusal;
pub use request::{
    Request,
    Wanted, //
};

named! {
    /// What a user can hold.
    pub enum Kind {
        Pages = "pages",
        Object = "object",
        Percpu = "percpu",
        Vmalloc = "vmalloc",
    }
}

/// A memory manager of one machine, as the views and the commands see it; copies are the same one.
pub trait Manager: Clone + Send + Sync + Unpin + 'static {
    /// The name of its directory.
    const NAME: &'static CStr;
    /// Whether there are other machines than the one it was made with.
    const HAS_MACHINES: bool = false;
    /// A request that was checked and can be repeated.
    type Plan: Plan;
    /// What it gave out; dropping it gives it back.
    type Holding: Holding;
    /// A cache that it made; the last of its copies destroys it.
    type Cache: Cache;
    /// Pages as benchmarks hold them.
    type Slots: bench::Slots;

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

    /// Whether a memory policy of the task that asks can use a node: it has memory, and no cpuset
    /// forbids it.
    fn serves(&self, node: NodeId) -> bool;

    /// A zone's figures.
    fn zone(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::Zone>;

    /// The online CPUs of all nodes, by number.
    fn online_cpus(&self) -> impl Iterator<Item = u32>;

    /// The page lists that a CPU keeps of a zone; `None` while they must not be looked at.
    fn pcp(&self, node: NodeId, zone: ZoneKind, cpu: u32) -> Option<snapshot::Pcp>;

    /// A zone's pageblocks, from low to high.
    fn pageblocks(&self, node: NodeId, zone: ZoneKind)
        -> impl Iterator<Item = snapshot::Pageblock>;

    /// Where an address leads.
    fn translate(&self, address: Address) -> snapshot::Translation;

    /// All that is known of a page, whether there is one or not; the path of the group that it is
    /// charged to goes into `path`.
    fn page(&self, pfn: Pfn, path: &mut [u8]) -> snapshot::Page;

    /// The object of a slab that is at `address`, which is in this page, or else at the page's
    /// start; `own` is a cache that it may be of. `None` if the page is no slab's.
    ///
    /// # Errors
    ///
    /// Why it is not known.
    fn object_in(
        &self,
        pfn: Pfn,
        address: Option<Address>,
        own: Option<&Self::Cache>,
    ) -> Result<Option<ObjectPlace>, Unknown>;

    /// The names of a page's flags.
    fn page_flags(&self, flags: usize) -> impl Iterator<Item = &'static str>;

    /// A zone's free blocks.
    fn free_area(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::FreeArea>;

    /// The zones that a request for `node` tries, in order.
    fn zonelist(&self, node: NodeId, list: ListKind) -> impl Iterator<Item = snapshot::ZoneRef>;

    /// The counters that CPUs add to in steps, node by node.
    fn counters(&self) -> impl Iterator<Item = snapshot::Counter>;

    /// What the allocator would make of a request.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as [`Manager::plan`] says it.
    fn asked(&self, wish: &PagesWish) -> Result<Asked, Refusal>;

    /// The zones that a request tries, in order, and all that decides about each.
    fn candidates(&self, asked: &Asked) -> impl Iterator<Item = Candidate>;

    /// What a gfp expression comes down to.
    ///
    /// # Errors
    ///
    /// A name that this kernel does not define.
    fn decode(&self, gfp: Gfp) -> Result<Decoded, Refusal>;

    /// Why this manager does not offer a command of the grammar, or not with the keys it has; a
    /// sentence for `result`.
    fn not_offered(&self, command: &Command<'_>) -> &'static str;

    /// Checks a request, all of it but whether there is memory.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn plan(&self, request: &Request<'_, Self::Cache>) -> Result<Self::Plan, Refusal>;

    /// Allocates at least one and at most `want` times what was planned, and adds it to `into`,
    /// which has room.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`]; `into` is unchanged then.
    fn alloc(
        &self,
        plan: &Self::Plan,
        want: usize,
        into: &mut KVVec<Self::Holding>,
    ) -> Result<(), Refusal>;

    /// Counts a block that was allocated in turn, if it came from the node whose turn it was.
    fn count_turn(&self, plan: &Self::Plan, holding: &Self::Holding);

    /// Places for so many blocks that a benchmark allocates and frees.
    ///
    /// # Errors
    ///
    /// What is wrong with the wish, as [`Manager::asked`] says it; [`Refusal::NoTable`].
    fn bench_slots(&self, count: usize, wish: &PagesWish) -> Result<Self::Slots, Refusal>;

    /// Frees what is held, many at a time where that costs less; nothing is left in `holdings`.
    fn free(&self, holdings: &mut [Option<Self::Holding>]) {
        for holding in holdings {
            drop(holding.take());
        }
    }

    /// Whether what is held of this kind can be freed after a grace period.
    fn defers(&self, kind: Kind) -> bool;

    /// Frees after a grace period; at once for a kind that cannot wait, see [`Manager::defers`].
    fn free_deferred(&self, holding: Self::Holding);

    /// Moves blocks so that larger ones come free, in the zones of a node or of all: one of `order` in
    /// each, or as many pageblocks as can be. `go_on` is asked now and then. `None` if the manager
    /// offers no way to do so.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoNode`], [`Refusal::Order`].
    fn compact(
        &self,
        node: Option<NodeId>,
        order: Option<Order>,
        go_on: impl FnMut() -> bool,
    ) -> Option<Result<(Outcome, Counts), Refusal>>;

    /// Isolates the pageblocks of pages that follow each other, or ends that; returns how many
    /// pageblocks were changed, or `None` if the manager offers no way to do so.
    ///
    /// # Errors
    ///
    /// [`Refusal::Pages`].
    fn isolate(&self, pfn: Pfn, pages: NrPages, wish: Isolation) -> Option<Result<usize, Refusal>>;

    /// Empties the page lists that every CPU keeps; returns how many pages they held, or `None` if
    /// the manager offers no way to do so.
    fn drain(&self) -> Option<NrPages>;

    /// Whether this is the manager of the same machine.
    fn is(&self, _other: &Self) -> bool {
        true
    }

    /// Carries out a command on machines or on early memory; allocates, and may take long.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing has changed then.
    fn machine(&self, command: &Command<'_>) -> Result<Changed<Self>, Refusal> {
        Err(Refusal::NotOffered(self.not_offered(command)))
    }

    /// Is told that this machine is now the one that all work with.
    fn installed(&self) {}

    /// Changes a byte of a free page and returns what was there; `None` if that is not offered.
    ///
    /// # Errors
    ///
    /// [`Refusal::Poke`].
    fn poke(&self, _pfn: Pfn, _offset: usize, _byte: u8) -> Option<Result<u8, Refusal>> {
        None
    }

    /// Takes damaged pages back into use, one or all; how many, or `None` if they are not looked for.
    fn unpoison(&self, _pfn: Option<Pfn>) -> Option<NrPages> {
        None
    }

    /// Makes a cache.
    ///
    /// # Errors
    ///
    /// What is wrong with the request, [`Refusal::NoMemory`].
    fn cache_create(&self, create: &CacheCreate<'_>) -> Result<Self::Cache, Refusal>;

    /// The classes of objects that are had by size, from small to large.
    fn kmalloc_classes(&self) -> impl Iterator<Item = Class>;

    /// What an object of this size takes, had by size and from a cache of its own.
    ///
    /// # Errors
    ///
    /// What is wrong with the size, [`Refusal::NoMemory`].
    fn kmalloc_fits(&self, asked: Bytes) -> Result<Fits, Refusal>;
}

/// A checked request.
pub trait Plan: Send {
    /// What one allocation takes of memory, as `live` shows it; `None` if that has no number.
    fn taken(&self) -> Option<Bytes>;
}

/// A cache of objects.
pub trait Cache: Clone + Send + Sync {
    /// The size of an object.
    fn object_size(&self) -> Bytes;
    /// How many objects are allocated.
    fn nr_objects(&self) -> usize;
    /// Gives empty slabs back.
    fn shrink(&self);
    /// How often its constructor has run; `None` without one.
    fn constructed(&self) -> Option<u64>;
    /// How it lays its objects out.
    ///
    /// # Errors
    ///
    /// Why that is not known; so for those below.
    fn shape(&self) -> Result<Shape, Unknown>;
    /// What it has on a node.
    ///
    /// # Errors
    ///
    /// As above, and for a number that no node has.
    fn slabs(&self, node: NodeId) -> Result<NodeSlabs, Unknown>;
    /// What lies free in the sheaves of a CPU.
    ///
    /// # Errors
    ///
    /// As above, and for a CPU that is not online, and for a cache without sheaves.
    fn sheaves(&self, cpu: u32) -> Result<CpuSheaves, Unknown>;
    /// Its sums over all nodes and CPUs.
    ///
    /// # Errors
    ///
    /// As above.
    fn totals(&self) -> Result<Totals, Unknown>;
}

/// What is to become of pageblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Nothing is allocated from them any more.
    Begin,
    /// They are as others again.
    End,
}

/// A manager with what a user holds of it; dropping it frees that.
#[pin_data(PinnedDrop)]
pub struct Lab<M: Manager> {
    /// The manager of the machine that there is.
    #[pin]
    manager: SpinLock<M>,
    #[pin]
    live: Mutex<Live<M::Holding>>,
    /// Dropped after what `live` holds, of which objects are parts of these.
    #[pin]
    caches: Caches<M::Cache>,
    #[pin]
    report: Mutex<Option<Arc<Text>>>,
    /// What the last benchmarks came to.
    #[pin]
    figures: Mutex<Option<Arc<Text>>>,
    /// What each view was asked last, by `View::index`.
    #[pin]
    asked: Mutex<[Option<Query>; View::COUNT]>,
    /// How many blocks were allocated in turn.
    turn: AtomicUsize,
    /// How many patterns were given out.
    patterns: AtomicU64,
}

impl<M: Manager> Lab<M> {
    /// A lab that holds nothing, and never more than `max`.
    pub fn new(manager: M, max: Bytes) -> impl PinInit<Self> {
        pin_init!(Self {
            manager <- new_spinlock!(manager, "oxmm::manager"),
            live <- new_mutex!(Live::new(max), "oxmm::live"),
            caches <- Caches::new(),
            report <- new_mutex!(None, "oxmm::report"),
            figures <- new_mutex!(None, "oxmm::figures"),
            asked <- new_mutex!([None; View::COUNT], "oxmm::asked"),
            turn: AtomicUsize::new(0),
            patterns: AtomicU64::new(0),
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

    /// The names of the caches that the user made, oldest first.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn cache_names(&self) -> Result<KVec<KVec<u8>>> {
        self.caches.names().map_err(|_| ENOMEM)
    }

    /// A cache by name, kept from being destroyed for the while; `None` if there is none.
    pub fn cache(&self, name: &str) -> Option<Pinned<'_, M::Cache>> {
        self.caches.pin(name).ok()
    }

    /// The id of the allocation that a page belongs to.
    pub fn holder_of(&self, pfn: Pfn) -> Option<u64> {
        self.live.lock().holder_of(pfn)
    }

    /// Looks at all that is held; `look` must not wait for a lock.
    pub fn each_held(&self, look: impl FnMut(&M::Holding)) {
        self.live.lock().each(look);
    }

    /// Looks closer at one allocation, if it is still held; `look` must not wait for a lock.
    pub fn inspect<T>(&self, id: u64, look: impl FnOnce(&M::Holding) -> T) -> Option<T> {
        self.live.lock().get(id).map(look)
    }

    /// What is held, by kind, in bytes taken.
    pub fn totals(&self) -> [Bytes; Kind::COUNT] {
        self.live.lock().totals()
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
