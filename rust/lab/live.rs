// SPDX-License-Identifier: GPL-2.0

//! What a user holds: runs of pages by id, under a limit.
//!
//!   places   [ id 1 | id 2 | freed | id 4 | id 5 ]   ids rise, so an id is found by halving
//!   held     pages of the places + pages promised to commands that are still allocating
//!
//! # Locking     none: `Lab::live` is the mutex around it. Runs are handed out to be freed outside.
//! # Cost        add amortised O(1) a run; one id O(log n); tag or all O(n); 32 bytes a run.
//! # Limits      the table's own memory does not count towards the limit.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Refusal,
    Request,
    Run, //
};
use crate::algo::units::{
    NodeId,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};
use crate::linux::quietly;

/// What a line asked for; shared by all runs it got.
pub struct Asked {
    /// The request.
    pub request: Request,
    tag: KVec<u8>,
}

/// A run that was held when the copy was made.
pub struct Held {
    /// Its number; never used again.
    pub id: u64,
    /// What the line asked for that got it.
    pub asked: Arc<Asked>,
    /// Its first page.
    pub pfn: Pfn,
    /// Its order.
    pub order: Order,
    /// The node it is on.
    pub node: Option<NodeId>,
    /// The zone it is in.
    pub zone: Option<ZoneKind>,
}

impl Asked {
    /// Notes a request and its tag.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTable`] without memory.
    pub fn new(request: Request, tag: Option<&str>) -> Result<Arc<Self>, Refusal> {
        let mut copy = KVec::new();
        copy.extend_from_slice(tag.unwrap_or("").as_bytes(), GFP_KERNEL)
            .map_err(|_| Refusal::NoTable)?;
        Arc::new(Self { request, tag: copy }, GFP_KERNEL).map_err(|_| Refusal::NoTable)
    }

    /// The tag; `None` when none was given.
    pub fn tag(&self) -> Option<&str> {
        let tag = core::str::from_utf8(&self.tag).ok()?;
        (!tag.is_empty()).then_some(tag)
    }
}

/// One place of the table.
struct Place<P> {
    id: u64,
    asked: Arc<Asked>,
    /// `None` once it is freed.
    run: Option<P>,
}

/// How many runs are taken out of the table under one lock hold.
pub(super) const BATCH: usize = 32;

/// All runs that are held.
///
/// # Invariants
///
/// `places` is ordered by id; `freed` of them are without a run; `held` is at most `max`.
pub(super) struct Live<P> {
    places: KVVec<Place<P>>,
    freed: usize,
    last_id: u64,
    held: NrPages,
    max: NrPages,
}

impl<P: Run> Live<P> {
    /// Nothing held, and at most `max` pages ever.
    pub(super) fn new(max: NrPages) -> Self {
        Self {
            places: KVVec::new(),
            freed: 0,
            last_id: 0,
            held: NrPages::ZERO,
            max,
        }
    }

    /// A copy of what is held, by id.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn held(&self) -> Result<KVVec<Held>> {
        let mut held = KVVec::with_capacity(self.places.len() - self.freed, quietly())?;
        for place in self.places.iter() {
            let Some(run) = &place.run else { continue };
            held.push(
                Held {
                    id: place.id,
                    asked: place.asked.clone(),
                    pfn: run.pfn(),
                    order: run.order(),
                    node: run.node(),
                    zone: run.zone(),
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

    /// Promises pages to a command that is about to allocate them.
    ///
    /// # Errors
    ///
    /// [`Refusal::OverMax`]; nothing is promised then.
    pub(super) fn promise(&mut self, asked: Option<NrPages>) -> Result<NrPages, Refusal> {
        let max = self.max;
        let sum = asked.and_then(|asked| self.held.checked_add(asked));
        match (asked, sum.filter(|&sum| sum <= max)) {
            (Some(asked), Some(sum)) => {
                // INVARIANT: at most `max`.
                self.held = sum;
                Ok(asked)
            }
            _ => Err(Refusal::OverMax {
                asked,
                held: self.held,
                max,
            }),
        }
    }

    /// Takes back a promise that came to nothing, or notes that `pages` were freed.
    pub(super) fn returned(&mut self, pages: NrPages) {
        debug_assert!(self.held >= pages);
        self.held = self.held.checked_sub(pages).unwrap_or(NrPages::ZERO);
    }

    /// Adds runs whose pages were promised, and returns the first and the last id.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTable`]; `runs` is unchanged then.
    pub(super) fn add(
        &mut self,
        asked: &Arc<Asked>,
        runs: &mut KVVec<P>,
    ) -> Result<(u64, u64), Refusal> {
        let added = self.places.reserve(runs.len(), quietly());
        added.map_err(|_| Refusal::NoTable)?;
        let first = self.last_id + 1;
        for run in runs.drain_all() {
            // INVARIANT: ids rise.
            self.last_id += 1;
            let place = Place {
                id: self.last_id,
                asked: asked.clone(),
                run: Some(run),
            };
            // There is room, see above.
            let pushed = self.places.push_within_capacity(place);
            debug_assert!(pushed.is_ok());
        }
        Ok((first, self.last_id))
    }

    /// Takes out the run with this id; the caller frees it, then tells `returned`.
    pub(super) fn take_id(&mut self, id: u64) -> Option<P> {
        let at = self
            .places
            .binary_search_by_key(&id, |place| place.id)
            .ok()?;
        let run = self.places.get_mut(at)?.run.take()?;
        self.freed += 1;
        self.close_gaps();
        Some(run)
    }

    /// Takes out up to [`BATCH`] runs with ids of `from..=last` that `wanted` picks, and returns
    /// the id to go on from, or `None` when there are no more.
    ///
    /// Allocates nothing, so that memory can be given back when there is none.
    pub(super) fn take_batch(
        &mut self,
        (from, last): (u64, u64),
        wanted: impl Fn(&Asked) -> bool,
        batch: &mut [Option<P>; BATCH],
    ) -> Option<u64> {
        let start = self.places.partition_point(|place| place.id < from);
        let mut slots = batch.iter_mut();
        let mut next = None;
        for place in self.places.iter_mut().skip(start) {
            if place.id > last {
                break;
            }
            if place.run.is_none() || !wanted(&place.asked) {
                continue;
            }
            let Some(slot) = slots.next() else {
                next = Some(place.id);
                break;
            };
            *slot = place.run.take();
            self.freed += 1;
        }
        self.close_gaps();
        next
    }

    /// Closes the gaps once half of the places are empty, which costs each freed run O(1).
    fn close_gaps(&mut self) {
        if self.freed * 2 >= self.places.len() {
            self.places.retain(|place| place.run.is_some());
            // INVARIANT: the order is kept, and every place that is left has a run.
            self.freed = 0;
        }
        if self.places.is_empty() {
            self.places = KVVec::new();
        }
    }
}

#[kunit_tests(oxmm_live)]
mod tests {
    use super::*;
    use crate::algo::gfp::Gfp;

    /// A run without pages, known by its pfn.
    struct Fake(usize);

    impl Run for Fake {
        fn pfn(&self) -> Pfn {
            Pfn::new(self.0)
        }

        fn order(&self) -> Order {
            Order::ZERO
        }

        fn node(&self) -> Option<NodeId> {
            None
        }

        fn zone(&self) -> Option<ZoneKind> {
            None
        }
    }

    fn asked(tag: &str) -> Result<Arc<Asked>, Refusal> {
        let request = Request {
            order: Order::ZERO,
            gfp: Gfp::default(),
            node: None,
            migratetype: None,
        };
        Asked::new(request, Some(tag))
    }

    fn fill(live: &mut Live<Fake>, tag: &str, count: usize) -> Result<(u64, u64), Refusal> {
        let mut runs = KVVec::new();
        for pfn in 0..count {
            runs.push(Fake(pfn), GFP_KERNEL)
                .map_err(|_| Refusal::NoTable)?;
        }
        live.add(&asked(tag)?, &mut runs)
    }

    fn take(live: &mut Live<Fake>, tag: &str) -> usize {
        let last = live.last_id();
        let (mut taken, mut from) = (0, Some(1));
        while let Some(id) = from {
            let mut batch = [const { None }; BATCH];
            from = live.take_batch((id, last), |asked| asked.tag() == Some(tag), &mut batch);
            taken += batch.iter().flatten().count();
        }
        taken
    }

    /// Ids rise and are never used again, whatever was freed before.
    #[test]
    fn ids_are_never_used_again() {
        let mut live = Live::new(NrPages::new(10));
        assert!(fill(&mut live, "a", 3).is_ok_and(|ids| ids == (1, 3)));
        assert_eq!(take(&mut live, "a"), 3);
        assert!(fill(&mut live, "a", 2).is_ok_and(|ids| ids == (4, 5)));
        assert!(live.take_id(2).is_none());
        assert!(live.take_id(4).is_some_and(|run| run.0 == 0));
        assert!(live.take_id(4).is_none());
    }

    /// A tag takes its own, over more than one batch, and leaves the rest in order.
    #[test]
    fn a_tag_takes_its_own() {
        let mut live = Live::new(NrPages::new(1000));
        for _ in 0..3 {
            assert!(fill(&mut live, "a", BATCH + 1).is_ok());
            assert!(fill(&mut live, "b", 7).is_ok());
        }
        assert_eq!(take(&mut live, "a"), 3 * (BATCH + 1));
        assert_eq!(take(&mut live, "a"), 0);
        let held = live.held().unwrap_or_default();
        assert_eq!(held.len(), 21);
        assert!(held.iter().all(|run| run.asked.tag() == Some("b")));
        assert!(held.iter().is_sorted_by_key(|run| run.id));
        assert_eq!(take(&mut live, "b"), 21);
        assert!(live.held().is_ok_and(|held| held.is_empty()));
    }

    /// Promises stop at the limit, and what returns can be promised again.
    #[test]
    fn promises_stop_at_the_limit() {
        let mut live = Live::<Fake>::new(NrPages::new(8));
        assert!(live.promise(Some(NrPages::new(8))).is_ok());
        assert!(live.promise(Some(NrPages::new(1))).is_err());
        live.returned(NrPages::new(3));
        assert!(live.promise(Some(NrPages::new(3))).is_ok());
        assert!(live.promise(None).is_err());
        assert!(live.promise(Some(NrPages::new(usize::MAX))).is_err());
    }
}
