// SPDX-License-Identifier: GPL-2.0

//! What a user holds: pages, objects, per-CPU variables and areas by id, under a limit.
//!
//!   places   [ id 1 | id 2 | freed | id 4 | id 5 ]   ids rise, so an id is found by halving
//!   held     bytes of the places + bytes promised to commands that are still allocating
//!
//! # Locking     none: `Lab::live` is the mutex around it. What is taken out is freed outside.
//! # Cost        add amortised O(1); one id O(log n); tag, all, or the holder of a page O(n).
//! # Limits      the table's own memory does not count towards the limit.

#[cfg(CONFIG_KUNIT)]
mod tests;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Holding,
    Kind,
    Place,
    Refusal, //
};
use crate::algo::{
    gfp::Gfp,
    units::{
        Bytes,
        Pfn, //
    },
};
use crate::linux::{
    cond_resched,
    quietly, //
};

/// What a line asked for; shared by all that it got.
pub struct Asked {
    /// What kind of thing.
    pub kind: Kind,
    /// The size of each.
    pub size: Bytes,
    /// What each takes of memory.
    pub taken: Bytes,
    /// The flags.
    pub gfp: Gfp,
    tag: KVec<u8>,
    cache: KVec<u8>,
}

/// What was held when the copy was made.
pub struct Held {
    /// Its number; never used again.
    pub id: u64,
    /// What the line asked for that got it.
    pub asked: Arc<Asked>,
    /// Where it is.
    pub place: Place,
}

/// A copy of a name, empty for none.
fn copy_of(name: Option<&str>) -> Result<KVec<u8>, Refusal> {
    let mut copy = KVec::new();
    copy.extend_from_slice(name.unwrap_or("").as_bytes(), GFP_KERNEL)
        .map_err(|_| Refusal::NoTable)?;
    Ok(copy)
}

fn name_of(copy: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(copy).ok()?;
    (!name.is_empty()).then_some(name)
}

impl Asked {
    /// Notes what each of `kind` has as its size and takes, and with which flags.
    pub fn new(kind: Kind, (size, taken): (Bytes, Bytes), gfp: Gfp) -> Self {
        Self {
            kind,
            size,
            taken,
            gfp,
            tag: KVec::new(),
            cache: KVec::new(),
        }
    }

    /// Notes the tag and the cache that the line named.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTable`] without memory.
    pub fn named(self, tag: Option<&str>, cache: Option<&str>) -> Result<Arc<Self>, Refusal> {
        let asked = Self {
            tag: copy_of(tag)?,
            cache: copy_of(cache)?,
            ..self
        };
        Arc::new(asked, GFP_KERNEL).map_err(|_| Refusal::NoTable)
    }

    /// The tag; `None` when none was given.
    pub fn tag(&self) -> Option<&str> {
        name_of(&self.tag)
    }

    /// The cache; `None` when none was named.
    pub fn cache(&self) -> Option<&str> {
        name_of(&self.cache)
    }
}

/// One place of the table.
struct Entry<P> {
    id: u64,
    asked: Arc<Asked>,
    /// `None` once it is freed.
    holding: Option<P>,
}

/// How many are taken out of the table under one lock hold.
pub(super) const BATCH: usize = 32;

/// Bytes of each kind, by `Kind::index`.
pub(super) type ByKind = [Bytes; Kind::COUNT];

/// What was taken out of the table, to be freed.
pub(super) struct Batch<P> {
    /// The things.
    pub(super) holdings: [Option<P>; BATCH],
    /// How many they are.
    pub(super) count: usize,
    /// What they take, by kind.
    pub(super) taken: ByKind,
}

impl<P> Batch<P> {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            holdings: [const { None }; BATCH],
            count: 0,
            taken: [Bytes::ZERO; Kind::COUNT],
        }
    }

    /// Adds one of what `asked` got, if there is room; `false` if there is none.
    fn push(&mut self, asked: &Asked, holding: &mut Option<P>) -> bool {
        let Some(slot) = self.holdings.get_mut(self.count) else {
            return false;
        };
        *slot = holding.take();
        self.count += 1;
        if let Some(taken) = self.taken.get_mut(asked.kind.index()) {
            *taken = taken.saturating_add(asked.taken);
        }
        true
    }
}

/// All that is held.
///
/// # Invariants
///
/// `places` is ordered by id; `freed` of them are without a holding; the sum of `held` is at most
/// `max`.
pub(super) struct Live<P> {
    places: KVVec<Entry<P>>,
    freed: usize,
    last_id: u64,
    held: ByKind,
    max: Bytes,
}

/// The sum over all kinds, which is at most the limit of the lab.
fn sum(of: &ByKind) -> Bytes {
    of.iter()
        .fold(Bytes::ZERO, |sum, &bytes| sum.saturating_add(bytes))
}

impl<P: Holding> Live<P> {
    /// Nothing held, and at most `max` ever.
    pub(super) fn new(max: Bytes) -> Self {
        Self {
            places: KVVec::new(),
            freed: 0,
            last_id: 0,
            held: [Bytes::ZERO; Kind::COUNT],
            max,
        }
    }

    /// What is held, by kind.
    pub(super) fn totals(&self) -> ByKind {
        self.held
    }

    /// What is held or promised, and of how many places.
    pub(super) fn in_use(&self) -> (usize, Bytes) {
        (self.places.len() - self.freed, sum(&self.held))
    }

    /// What has this id.
    pub(super) fn get(&self, id: u64) -> Option<&P> {
        let at = self.places.binary_search_by_key(&id, |place| place.id);
        self.places.get(at.ok()?)?.holding.as_ref()
    }

    /// Visits all that is held.
    pub(super) fn each(&self, mut visit: impl FnMut(&P)) {
        for (nr, place) in self.places.iter().enumerate() {
            if nr % 1024 == 1023 {
                cond_resched();
            }
            if let Some(holding) = &place.holding {
                visit(holding);
            }
        }
    }

    /// The id of the holding that a page belongs to.
    pub(super) fn holder_of(&self, pfn: Pfn) -> Option<u64> {
        let mut holders = self.places.iter().enumerate().filter_map(|(nr, place)| {
            if nr % 1024 == 1023 {
                cond_resched();
            }
            let covers = place.holding.as_ref()?.covers(pfn);
            covers.then_some(place.id)
        });
        holders.next()
    }

    /// A copy of what is held, by id.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn held(&self) -> Result<KVVec<Held>> {
        let mut held = KVVec::with_capacity(self.places.len() - self.freed, quietly())?;
        for place in self.places.iter() {
            let Some(holding) = &place.holding else {
                continue;
            };
            held.push(
                Held {
                    id: place.id,
                    asked: place.asked.clone(),
                    place: holding.place(),
                },
                quietly(),
            )?;
        }
        Ok(held)
    }

    /// The newest id that was given out; 0 before the first.
    pub(super) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Promises memory to a command that is about to allocate it.
    ///
    /// # Errors
    ///
    /// [`Refusal::OverMax`]; nothing is promised then.
    pub(super) fn promise(&mut self, kind: Kind, asked: Option<Bytes>) -> Result<Bytes, Refusal> {
        let held = sum(&self.held);
        let fits = asked.filter(|&asked| {
            let sum = held.checked_add(asked);
            sum.is_some_and(|sum| sum <= self.max)
        });
        match (fits, self.held.get_mut(kind.index())) {
            (Some(asked), Some(place)) => {
                // INVARIANT: the sum is at most `max`.
                *place = place.saturating_add(asked);
                Ok(asked)
            }
            _ => Err(Refusal::OverMax {
                asked,
                held,
                max: self.max,
            }),
        }
    }

    /// Takes back a promise that came to nothing, or notes that so much was freed.
    pub(super) fn returned(&mut self, kind: Kind, bytes: Bytes) {
        if let Some(held) = self.held.get_mut(kind.index()) {
            debug_assert!(*held >= bytes);
            *held = held.saturating_sub(bytes);
        }
    }

    /// Adds what was promised, and returns the first and the last id.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTable`]; `holdings` is unchanged then.
    pub(super) fn add(
        &mut self,
        asked: &Arc<Asked>,
        holdings: &mut KVVec<P>,
    ) -> Result<(u64, u64), Refusal> {
        let added = self.places.reserve(holdings.len(), quietly());
        added.map_err(|_| Refusal::NoTable)?;
        let first = self.last_id + 1;
        for holding in holdings.drain_all() {
            // INVARIANT: ids rise.
            self.last_id += 1;
            let place = Entry {
                id: self.last_id,
                asked: asked.clone(),
                holding: Some(holding),
            };
            // There is room, see above.
            let pushed = self.places.push_within_capacity(place);
            debug_assert!(pushed.is_ok());
        }
        Ok((first, self.last_id))
    }

    /// The first that has an id of `from..=last` and that `wanted` picks.
    pub(super) fn first_from(
        &self,
        (from, last): (u64, u64),
        wanted: impl Fn(u64, &Asked) -> bool,
    ) -> Option<(u64, &P)> {
        let start = self.places.partition_point(|place| place.id < from);
        let places = self.places.iter().skip(start);
        let mut places = places.take_while(|place| place.id <= last);
        places.find_map(|place| {
            let holding = place.holding.as_ref()?;
            wanted(place.id, &place.asked).then_some((place.id, holding))
        })
    }

    /// Says whether `test` holds for all that is held and that `wanted` picks.
    pub(super) fn all(
        &self,
        wanted: impl Fn(u64, &Asked) -> bool,
        test: impl Fn(&Asked) -> bool,
    ) -> bool {
        let held = self.places.iter().filter(|place| place.holding.is_some());
        let mut picked = held.filter(|place| wanted(place.id, &place.asked));
        picked.all(|place| test(&place.asked))
    }

    /// Takes out what has this id; the caller frees it, then tells `returned`.
    pub(super) fn take_id(&mut self, id: u64, batch: &mut Batch<P>) -> bool {
        let at = self.places.binary_search_by_key(&id, |place| place.id);
        let Some(place) = at.ok().and_then(|at| self.places.get_mut(at)) else {
            return false;
        };
        if place.holding.is_none() || !batch.push(&place.asked, &mut place.holding) {
            return false;
        }
        self.freed += 1;
        self.close_gaps();
        true
    }

    /// Takes out what has ids of `from..=last` and `wanted` picks, as much as fits the batch, and
    /// returns the id to go on from, or `None` when there are no more.
    ///
    /// Allocates nothing, so that memory can be given back when there is none.
    pub(super) fn take_batch(
        &mut self,
        (from, last): (u64, u64),
        wanted: impl Fn(&Asked) -> bool,
        batch: &mut Batch<P>,
    ) -> Option<u64> {
        let start = self.places.partition_point(|place| place.id < from);
        let mut next = None;
        for place in self.places.iter_mut().skip(start) {
            if place.id > last {
                break;
            }
            if place.holding.is_none() || !wanted(&place.asked) {
                continue;
            }
            if !batch.push(&place.asked, &mut place.holding) {
                next = Some(place.id);
                break;
            }
            self.freed += 1;
        }
        self.close_gaps();
        next
    }

    /// Closes the gaps once half of the places are empty, which costs each that was freed O(1).
    fn close_gaps(&mut self) {
        if self.freed * 2 >= self.places.len() {
            self.places.retain(|place| place.holding.is_some());
            // INVARIANT: the order is kept, and every place that is left has a holding.
            self.freed = 0;
        }
        if self.places.is_empty() {
            self.places = KVVec::new();
        }
    }
}
