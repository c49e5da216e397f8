// SPDX-License-Identifier: GPL-2.0

//! The commands that allocate and free: `alloc`, `add`, `free`.
//!
//!   alloc   request -> plan -> promise -> allocate -> add      undone in reverse if a step fails
//!   free    take out of the table in batches -> give back -> the promise is returned
//!
//! # Locking     `live` is never held over an allocation or a free, so that two writers and a reader
//!               of `live` do not wait for each other; over [`Manager`]'s per-CPU addition it is.
//! # Cost        a line's own work; a batch of 32 takes the lock once.
//! # Limits      a signal ends an allocation, not a free; of `free defer=1`, which waits for a grace
//!               period for each area where Linux has no room to note it, also that.
//! # Reference   DESIGN.md section 3.

use core::num::NonZeroU64;

use kernel::{
    current,
    prelude::*,
    sync::Arc, //
};

use super::{
    caches::Pinned,
    live::{
        Asked,
        Batch, //
    },
    policy::Plans,
    run::{
        Done,
        Size, //
    },
    Cache,
    Contents,
    Holding,
    Kind,
    Lab,
    Manager,
    Refusal,
    Request,
    Wanted, //
};
use crate::algo::{
    command::{
        Alloc,
        Count,
        Free,
        NodeWish,
        Placement,
        What,
        Which, //
    },
    gfp::{
        Flag,
        Gfp, //
    },
    units::{
        usize_from,
        Bytes,
        NodeId,
        Order, //
    },
};
use crate::linux::{
    cond_resched,
    quietly,
    PAGE_SHIFT, //
};
use crate::seam::Relaxed;

impl<M: Manager> Lab<M> {
    /// Allocates what a line asks for, all of it or nothing.
    pub(super) fn alloc(&self, alloc: &Alloc<'_>) -> Result<Done, Refusal> {
        let count = alloc.count.unwrap_or(Count::ONE);
        // Keeps the cache until what was allocated of it is in the table.
        let cache = match alloc.what {
            What::Cached(name) => Some(self.caches.pin(name.as_str())?),
            _ => None,
        };
        let request = request(alloc, cache.as_ref())?;
        let (kind, size) = described(&request.wanted);
        let manager = self.manager();
        let plans = self.plans(&manager, &request, &placement(alloc))?;
        let taken = plans.taken();
        let asked = Asked::new(kind, (size.bytes(), taken.unwrap_or_default()), request.gfp)
            .named(
                alloc.tag.map(|tag| tag.as_str()),
                cache.as_ref().map(Pinned::name),
            )?;
        let total = taken.and_then(|taken| taken.checked_mul(usize_from(count.get())));
        let taken = self.live.lock().promise(kind, total)?;
        let wish = Wish {
            count,
            fill: match alloc.what {
                What::Pages { fill, .. } => fill,
                What::Range(wish) => wish.fill,
                _ => false,
            },
        };
        // From the promise on the machine stays.
        let added = self
            .check_current(&manager)
            .and_then(|()| self.fill_and_add((&manager, &plans), wish, &asked));
        match added {
            Ok(ids) => Ok(Done::Allocated {
                ids,
                count,
                what: size,
                taken,
            }),
            Err(refusal) => {
                self.live.lock().returned(kind, taken);
                Err(refusal)
            }
        }
    }

    /// Allocates as many times what was planned and puts it into the table.
    fn fill_and_add(
        &self,
        planned: (&M, &Plans<M::Plan>),
        wish: Wish,
        asked: &Arc<Asked>,
    ) -> Result<(u64, u64), Refusal> {
        let mut holdings = KVVec::new();
        let filled = self.fill(planned, wish, &mut holdings);
        let held = filled.and_then(|()| self.live.lock().add(asked, &mut holdings));
        // Nothing is left in there if all went well.
        for holding in holdings.drain_all() {
            drop(holding);
            cond_resched();
        }
        held
    }

    fn fill(
        &self,
        (manager, plans): (&M, &Plans<M::Plan>),
        wish: Wish,
        holdings: &mut KVVec<M::Holding>,
    ) -> Result<(), Refusal> {
        let count = usize_from(wish.count.get());
        holdings
            .reserve(count, quietly())
            .map_err(|_| Refusal::NoTable)?;
        let first = match plans.is_interleaved {
            true => self.take_turns(count),
            false => 0,
        };
        while holdings.len() < count {
            if current!().signal_pending() {
                return Err(Refusal::Interrupted);
            }
            let done = holdings.len();
            let plan = plans.of_turn(first.wrapping_add(done));
            if plans.is_interleaved {
                manager.alloc(plan, 1, holdings)?;
                if let Some(holding) = holdings.last() {
                    manager.count_turn(plan, holding);
                }
            } else {
                manager.alloc(plan, (count - done).min(BULK), holdings)?;
            }
            for holding in holdings.iter_mut().skip(done).filter(|_| wish.fill) {
                if !holding.fill(self.next_pattern()) {
                    return Err(Refusal::NoContents);
                }
            }
            cond_resched();
        }
        Ok(())
    }

    /// The first word of a pattern that nobody else was given.
    fn next_pattern(&self) -> NonZeroU64 {
        // Far apart, so that patterns do not run into each other.
        let number = self.patterns.fetch_add(1, Relaxed);
        NonZeroU64::new(number.wrapping_mul(0xd134_2543_de82_ef95)).unwrap_or(NonZeroU64::MAX)
    }

    /// Reads what was filled, of what was held when it started.
    pub(super) fn verify(&self, which: &Which<'_>) -> Result<Done, Refusal> {
        let last = self.live.lock().last_id();
        let is_wanted = |id: u64, asked: &Asked| match which {
            Which::Id(wanted) => id == wanted.get(),
            Which::Tag(tag) => asked.tag() == Some(tag.as_str()),
            Which::All => true,
        };
        let (mut found, mut count, mut from) = (0, 0, 1);
        loop {
            // Nobody takes it out of the table meanwhile.
            let live = self.live.lock();
            let Some((id, holding)) = live.first_from((from, last), is_wanted) else {
                break;
            };
            let contents = holding.contents();
            drop(live);
            match contents {
                Contents::Unknown => {}
                Contents::Intact => count += 1,
                Contents::Wrong(page) => return Err(Refusal::Contents(id, page)),
            }
            if current!().signal_pending() {
                return Err(Refusal::Interrupted);
            }
            (found, from) = (found + 1, id + 1);
            cond_resched();
        }
        match (which, found) {
            (Which::Id(id), 0) => Err(Refusal::NoId(id.get())),
            (Which::Tag(_), 0) => Err(Refusal::NoTag),
            _ => Ok(Done::Verified { count }),
        }
    }

    /// Has every online CPU add to its own copy of a per-CPU variable.
    pub(super) fn add_percpu(&self, id: u64, value: u64) -> Result<Done, Refusal> {
        // The lock keeps the variable while CPUs are at it, which takes microseconds.
        let live = self.live.lock();
        let holding = live.get(id).ok_or(Refusal::NoId(id))?;
        match holding.add_on_each_cpu(value) {
            true => Ok(Done::Added { value }),
            false => Err(Refusal::NotPercpu(id)),
        }
    }

    /// Frees what a line names.
    pub(super) fn free(&self, free: &Free<'_>) -> Result<Done, Refusal> {
        let freed = match free.which {
            Which::Id(id) => self.free_id(id.get(), free.defer)?,
            Which::All => self.free_where(free.defer, |_| true)?,
            Which::Tag(tag) => {
                match self.free_where(free.defer, |asked| asked.tag() == Some(tag.as_str()))? {
                    Done::Freed { count: 0, .. } => return Err(Refusal::NoTag),
                    freed => freed,
                }
            }
        };
        Ok(freed)
    }

    fn free_id(&self, id: u64, defer: bool) -> Result<Done, Refusal> {
        let (manager, mut batch) = (self.manager(), Batch::new());
        let mut live = self.live.lock();
        if defer && !live.all(|it, _| it == id, |asked| manager.defers(asked.kind)) {
            return Err(CANNOT_WAIT);
        }
        if !live.take_id(id, &mut batch) {
            return Err(Refusal::NoId(id));
        }
        drop(live);
        Ok(self.give_back(batch, defer))
    }

    /// Frees whatever is held.
    pub(super) fn free_all(&self) {
        // Only a deferred free can be refused.
        let _ = self.free_where(false, |_| true);
    }

    /// Frees what was live when it started and `wanted` picks; nothing, if part of that cannot wait
    /// for a grace period and should.
    fn free_where(&self, defer: bool, wanted: impl Fn(&Asked) -> bool) -> Result<Done, Refusal> {
        let manager = self.manager();
        let live = self.live.lock();
        let last = live.last_id();
        if defer && !live.all(|_, asked| wanted(asked), |it| manager.defers(it.kind)) {
            return Err(CANNOT_WAIT);
        }
        drop(live);
        let (mut count, mut taken) = (0, Bytes::ZERO);
        let mut from = Some(1);
        while let Some(id) = from {
            let mut batch = Batch::new();
            from = self.live.lock().take_batch((id, last), &wanted, &mut batch);
            if let Done::Freed {
                count: some,
                taken: bytes,
            } = self.give_back(batch, defer)
            {
                count += some;
                taken = taken.saturating_add(bytes);
            }
            cond_resched();
        }
        Ok(Done::Freed { count, taken })
    }

    /// Gives a batch back to the manager, and then its share of the limit.
    fn give_back(&self, batch: Batch<M::Holding>, defer: bool) -> Done {
        let manager = self.manager();
        let mut batch = batch;
        match defer {
            true => {
                for holding in batch.holdings.iter_mut().filter_map(Option::take) {
                    manager.free_deferred(holding);
                }
            }
            false => manager.free(&mut batch.holdings),
        }
        let mut live = self.live.lock();
        let mut sum = Bytes::ZERO;
        for (&kind, &taken) in Kind::ALL.iter().zip(&batch.taken) {
            live.returned(kind, taken);
            sum = sum.saturating_add(taken);
        }
        Done::Freed {
            count: batch.count,
            taken: sum,
        }
    }
}

/// What becomes of a plan.
#[derive(Clone, Copy)]
struct Wish {
    count: Count,
    fill: bool,
}

/// How many are asked of a manager at a time; a signal is looked for in between.
const BULK: usize = 64;

const CANNOT_WAIT: Refusal = Refusal::NotOffered(
    "defer= is for objects and areas; pages and per-CPU variables are freed at once",
);

/// The request in a command; `cache` is the one that it names.
fn request<'a, C: Cache>(
    alloc: &Alloc<'a>,
    cache: Option<&Pinned<'_, C>>,
) -> Result<Request<'a, C>, Refusal> {
    let wanted = match alloc.what {
        What::Pages {
            order, migratetype, ..
        } => Wanted::Pages {
            order: order.unwrap_or(Order::ZERO),
            migratetype,
            // A policy, which comes later, may say otherwise.
            nodes: None,
        },
        What::Range(wish) => Wanted::Range(wish),
        What::Sized(size) => Wanted::Sized(size),
        What::Cached(_) => Wanted::Cached(cache.ok_or(Refusal::NoCache)?.get().clone()),
        What::Percpu { size, align } => Wanted::Percpu { size, align },
        What::Vmalloc { size, align } => Wanted::Vmalloc { size, align },
    };
    Ok(Request {
        wanted,
        gfp: alloc.gfp.unwrap_or(Gfp::from_flag(Flag::GfpKernel)),
        node: node_of(alloc.node),
        tag: alloc.tag.map_or("", |tag| tag.as_str()),
    })
}

/// Which nodes a command wants its pages from.
fn placement(alloc: &Alloc<'_>) -> Placement {
    match alloc.what {
        What::Pages { placement, .. } => placement,
        _ => Placement::default(),
    }
}

/// The node that is named; `None` for any.
pub(super) fn node_of(wish: Option<NodeWish>) -> Option<NodeId> {
    match wish {
        Some(NodeWish::Id(node)) => Some(node),
        Some(NodeWish::Any) | None => None,
    }
}

/// The kind of what is wanted, and its size.
fn described<C: Cache>(wanted: &Wanted<C>) -> (Kind, Size) {
    match wanted {
        Wanted::Pages { order, .. } => (Kind::Pages, Size::Order(*order)),
        Wanted::Range(wish) => (Kind::Pages, Size::Bytes(wish.size)),
        Wanted::Sized(size) => (Kind::Object, Size::Bytes(*size)),
        Wanted::Cached(cache) => (Kind::Object, Size::Bytes(cache.object_size())),
        Wanted::Percpu { size, .. } => (Kind::Percpu, Size::Bytes(*size)),
        Wanted::Vmalloc { size, .. } => (Kind::Vmalloc, Size::Bytes(*size)),
    }
}

impl Size {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Order(order) => order.nr_pages().bytes(PAGE_SHIFT).unwrap_or_default(),
            Self::Bytes(bytes) => *bytes,
        }
    }
}
