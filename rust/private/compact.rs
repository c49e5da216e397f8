// SPDX-License-Identifier: GPL-2.0

//! Compaction and isolation, as they are asked for by name.
//!
//!   compact   every zone of a node or of all, a slice of work at a time, until nothing comes of it
//!   isolate   pages of one zone, by pageblocks; the lists of all CPUs are drained behind it
//!
//! # Locking     none here; see algo/buddy/zone/compact.rs and isolate.rs.
//! # Cost        a slice looks at [`SLICE`]'s pageblocks at most, some milliseconds; between two of
//!               them the caller may give way, or end it.
//! # Limits      a range ends with its zone. An isolated pageblock stays so until it is told.
//! # Reference   mm/compaction.c: compact_node(), sysctl_compaction_handler();
//!               mm/page_isolation.c: start_isolate_page_range().

use super::{
    holders::FollowIn,
    machine::Machine,
    Private, //
};
use crate::algo::{
    buddy::{
        span::Span,
        zone::{
            compact::{
                Budget,
                Count,
                Counts,
                Outcome,
                Scope,
                Task, //
            },
            isolate::{
                NotIsolated,
                Unmovable, //
            },
            Memory, //
        },
        PAGEBLOCKS, //
    },
    units::{
        u64_from,
        FrameIdx,
        Migratetype,
        NodeId,
        NrPages,
        Order,
        Pfn, //
    },
};

/// What is done at a time: 128 GiB looked at, or 128 MiB moved.
const SLICE: Budget = Budget {
    pageblocks: 65_536,
    frames: 32_768,
};

/// What compaction is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The zones of this node; of all without.
    pub node: Option<NodeId>,
    /// One block of this order in each zone; as much as there is without.
    pub order: Option<Order>,
}

/// Why pages are not isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This page is none of this manager's, or of another zone than the first.
    NoPage(Pfn),
    /// The pageblock of this page is isolated already.
    Isolated(Pfn),
    /// The block that starts with this page cannot be moved.
    Unmovable(Pfn),
}

impl Machine {
    /// Compacts one zone, slice by slice while `go_on` says so.
    fn compact_site(
        &self,
        site: usize,
        order: Option<Order>,
        go_on: &mut impl FnMut() -> bool,
    ) -> (Outcome, Counts) {
        let mut all = Counts::default();
        let Some(zone) = self.sites.get(site).map(|it| &it.zone) else {
            return (Outcome::Skipped, all);
        };
        let pageblocks = zone.memory().regions().len() * PAGEBLOCKS;
        // Slices that made nothing, until every pageblock was looked at twice.
        let (mut looked, most) = (0, u64_from(2 * pageblocks));
        loop {
            let mut mover = FollowIn {
                machine: self,
                site,
            };
            let done = match order {
                Some(order) => zone.compact(&task(order), &mut mover),
                None => zone.compact_all(SLICE, &mut mover),
            };
            all.add_all(&done.counts);
            looked = match done.counts.get(Count::Made) {
                0 => looked + done.counts.get(Count::Looked),
                _ => 0,
            };
            if done.outcome != Outcome::Partial || looked > most || !go_on() {
                return (done.outcome, all);
            }
        }
    }

    /// Where pages are that follow each other in one zone.
    pub(super) fn span(&self, pfn: Pfn, pages: NrPages) -> Result<(usize, Span), Refused> {
        let missing = Refused::NoPage(pfn);
        let (site, frame) = self.find(pfn).ok_or(missing)?;
        let last = pages.checked_sub(NrPages::new(1)).ok_or(missing)?;
        let end = pfn.checked_add(last).ok_or(missing)?;
        if self.find(end).map(|(site, _)| site) != Some(site) {
            return Err(Refused::NoPage(end));
        }
        let frame = u32::try_from(frame.get()).map_err(|_| missing)?;
        let span = Span::new(FrameIdx::new(frame), pages).ok_or(missing)?;
        Ok((usize::from(site), span))
    }
}

/// A block of an order for whoever may move.
fn task(order: Order) -> Task {
    Task {
        order,
        migratetype: Migratetype::Movable,
        may_cma: false,
        scope: Scope::All,
        budget: SLICE,
    }
}

impl Private {
    /// Compacts zones, while `go_on` says so, which is asked now and then and may give way to other
    /// tasks; in process context. Returns the worst outcome, in the order of [`Outcome`], and what
    /// was done in all.
    pub fn compact(&self, wish: Wish, mut go_on: impl FnMut() -> bool) -> (Outcome, Counts) {
        self.machine.drain();
        let mut all = (Outcome::Success, Counts::default());
        let mut any = false;
        for (place, site) in self.machine.sites.iter().enumerate() {
            if wish.node.is_some_and(|node| node != site.node) {
                continue;
            }
            let (outcome, counts) = self.machine.compact_site(place, wish.order, &mut go_on);
            self.machine.count_moves(&counts);
            all.1.add_all(&counts);
            all.0 = all.0.min(outcome);
            any = true;
            if !go_on() {
                break;
            }
        }
        match any {
            true => all,
            false => (Outcome::Skipped, all.1),
        }
    }

    /// Isolates the pageblocks that so many pages touch, all or none; returns how many.
    ///
    /// # Errors
    ///
    /// What stands against it.
    pub fn isolate(&self, pfn: Pfn, pages: NrPages) -> Result<usize, Refused> {
        let (place, span) = self.machine.span(pfn, pages)?;
        let site = self.machine.sites.get(place).ok_or(Refused::NoPage(pfn))?;
        let isolated = site.zone.isolate_range(span, Unmovable::Refuse);
        isolated.map_err(|why| match why {
            NotIsolated::NotManaged(at) => Refused::NoPage(site.pfn(at)),
            NotIsolated::Isolated(at) => Refused::Isolated(site.pfn(at)),
            NotIsolated::Unmovable(at) => Refused::Unmovable(site.pfn(at)),
        })?;
        // What is on lists of their pages goes where nobody takes it from.
        self.machine.drain();
        Ok(span.pageblocks().len())
    }

    /// Ends the isolation of the pageblocks that so many pages touch; returns of how many.
    ///
    /// # Errors
    ///
    /// [`Refused::NoPage`].
    pub fn unisolate(&self, pfn: Pfn, pages: NrPages) -> Result<usize, Refused> {
        let (place, span) = self.machine.span(pfn, pages)?;
        let site = self.machine.sites.get(place).ok_or(Refused::NoPage(pfn))?;
        Ok(site.zone.undo_isolation(span))
    }
}
