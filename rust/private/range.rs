// SPDX-License-Identifier: GPL-2.0

//! Pages that follow each other, as many as are wanted: exactly so many, where they are wanted.
//!
//!   zone of the list   free run? -> drain, again -> move what is in the way, place after place
//!
//! # Locking     none here; see algo/buddy/zone/range.rs.
//! # Cost        a look at each word of the zone; to move, at most [`MOST_TRIES`] places in a zone,
//!               of which [`MOST_MOVED`] may fail after something was moved.
//! # Limits      a zone is left with its min mark and the lowmem reserve, as for other requests that
//!               have no rights. What is allocated so does not move. `pgalloc` does not count it.
//! # Reference   mm/page_alloc.c: alloc_contig_pages(), alloc_contig_range(), make_alloc_exact().

use super::{
    holders::{
        FollowIn,
        Held, //
    },
    memory::ZoneMemory,
    owner::Account,
    Block,
    Private,
    WrongFree, //
};
use crate::algo::{
    buddy::{
        span::Span,
        walk::{
            Machine as _,
            Site, //
        },
        zone::{
            compact::RangeMiss,
            isolate::NotIsolated,
            range::{
                Direction,
                Place, //
            },
            Miss, //
        },
        PAGEBLOCK_ORDER, //
    },
    gfp::Flag,
    snapshot::{
        would::Asked,
        Watermark, //
    },
    units::{
        FrameIdx,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::linux::cond_resched;
use crate::seam::Relaxed;

/// How many places of a zone are tried by moving what is there.
const MOST_TRIES: usize = 1024;

/// How many of them may fail for lack of room, or since a holder did not let a block go.
const MOST_MOVED: usize = 32;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct RangeWish {
    /// Flags, type, node and list; the order is of no matter.
    pub asked: Asked,
    /// Who is to have them.
    pub account: Account,
    /// How many pages.
    pub pages: NrPages,
    /// At a multiple of so many pages.
    pub align: Order,
    /// Not below this page.
    pub min: Option<Pfn>,
    /// Not from this page on.
    pub max: Option<Pfn>,
    /// The lowest place that fits, not the highest.
    pub bottom_up: bool,
}

type ZoneSite = Site<ZoneMemory>;

impl Private {
    /// Allocates pages that follow each other; in process context, for it may sleep.
    ///
    /// # Errors
    ///
    /// [`Miss::Empty`] if there is no such place.
    pub fn alloc_range(&self, wish: &RangeWish) -> Result<Held, Miss> {
        let mut miss = Miss::Empty;
        for &place in self.machine.list(&wish.asked) {
            let Some(site) = self.machine.sites.get(usize::from(place)) else {
                continue;
            };
            if site.kind > wish.asked.highest {
                continue;
            }
            match self.clean_range_of(place, site, wish) {
                Ok(span) => {
                    site.zone.set_account(span, wish.account);
                    let held = Held::range(place, span);
                    if wish.asked.flags.contains(Flag::Zero) {
                        self.zero(held.block(), held.pages());
                    }
                    return Ok(held);
                }
                Err(Miss::Empty) => {}
                Err(other) => miss = other,
            }
        }
        Err(miss)
    }

    /// Takes ranges until nobody has written to a page of one since it was free.
    fn clean_range_of(&self, place: u16, site: &ZoneSite, wish: &RangeWish) -> Result<Span, Miss> {
        loop {
            let span = self.range_of(place, site, wish)?;
            let Some(poison) = &self.machine.poison else {
                return Ok(span);
            };
            match self.part_with_bad(poison, place, span) {
                None => return Ok(span),
                // There is no memory to keep pages out of use.
                Some(0) => return Err(Miss::NotReady(span.from().region())),
                // Ends: each time around a page less is free.
                Some(_) => {}
            }
        }
    }

    /// Frees a range.
    ///
    /// # Errors
    ///
    /// What is wrong with the first block of it that is wrong.
    pub(super) fn free_range(&self, place: u16, span: Span) -> Result<(), WrongFree> {
        let site = self.machine.sites.get(usize::from(place));
        let site = site.ok_or(WrongFree::NotManaged)?;
        if let Some(poison) = &self.machine.poison {
            for (frame, order) in span.blocks(self.machine.largest) {
                let block = Block { site: place, frame };
                self.retire(poison, block, order)?;
            }
        }
        site.zone.free_range(span).map_err(|(_, wrong)| wrong)
    }

    fn range_of(&self, place: u16, site: &ZoneSite, wish: &RangeWish) -> Result<Span, Miss> {
        let at = Place {
            within: self.within(place, site, wish).ok_or(Miss::Empty)?,
            align: wish.align,
            direction: match wish.bottom_up {
                true => Direction::BottomUp,
                false => Direction::TopDown,
            },
            may_cma: false,
        };
        if !leaves_enough(site, wish) {
            return Err(Miss::Empty);
        }
        let once = || self.take_free(site, wish, &at);
        let found = once().or_else(|miss| match miss {
            Miss::Empty => {
                self.machine.drain();
                once()
            }
            miss => Err(miss),
        });
        match found {
            // Who must not wait cannot have blocks copied.
            Err(Miss::Empty) if wish.asked.flags.contains(Flag::DirectReclaim) => {
                self.take_moving(place, wish, &at)
            }
            found => found,
        }
    }

    /// The frames of a zone that the range may have.
    fn within(&self, place: u16, site: &ZoneSite, wish: &RangeWish) -> Option<Span> {
        let zone = self.machine.places.get(usize::from(place))?;
        let start = wish.min.map_or(zone.start, |min| min.max(zone.start));
        let end = wish.max.map_or(zone.end, |max| max.min(zone.end));
        let frame = start.checked_sub(site.base)?;
        let frame = FrameIdx::new(u32::try_from(frame.get()).ok()?);
        Span::new(frame, end.checked_sub(start)?)
    }

    /// Takes a free run.
    fn take_free(&self, site: &ZoneSite, wish: &RangeWish, at: &Place) -> Result<Span, Miss> {
        loop {
            let found = site
                .zone
                .alloc_contig(wish.pages, at, wish.asked.migratetype);
            match found {
                // Ends: each time around another region has become ready for good.
                Err(Miss::NotReady(region)) => self.machine.ready(site, region)?,
                found => return found,
            }
        }
    }

    /// Takes the first run that can be emptied.
    fn take_moving(&self, place: u16, wish: &RangeWish, at: &Place) -> Result<Span, Miss> {
        let place = usize::from(place);
        let site = self.machine.sites.get(place).ok_or(Miss::Empty)?;
        let (mut at, mut moved) = (*at, 0);
        for _ in 0..MOST_TRIES {
            let span = at.first(wish.pages).ok_or(Miss::Empty)?;
            let mut mover = FollowIn {
                machine: &self.machine,
                site: place,
            };
            let taken = site
                .zone
                .alloc_range_moving(span, wish.asked.migratetype, &mut mover);
            let obstacle = match taken {
                Ok(counts) => {
                    self.machine.count_moves(&counts);
                    return Ok(span);
                }
                Err(RangeMiss::Missed(Miss::NotReady(region))) => {
                    self.machine.ready(site, region)?;
                    continue;
                }
                Err(RangeMiss::NotIsolated(
                    NotIsolated::NotManaged(it)
                    | NotIsolated::Isolated(it)
                    | NotIsolated::Unmovable(it),
                )) => it,
                Err(RangeMiss::NotEmptied | RangeMiss::Missed(Miss::Empty)) => {
                    moved += 1;
                    match at.direction {
                        Direction::BottomUp => span.from(),
                        Direction::TopDown => span.last(),
                    }
                    .align_down(PAGEBLOCK_ORDER)
                }
                Err(RangeMiss::Missed(miss)) => return Err(miss),
            };
            at.within = at.behind(span, obstacle).ok_or(Miss::Empty)?;
            if moved == MOST_MOVED {
                break;
            }
            cond_resched();
        }
        Err(Miss::Empty)
    }
}

/// Says whether a zone keeps its min mark and its reserve without these pages.
fn leaves_enough(site: &ZoneSite, wish: &RangeWish) -> bool {
    let figures = site.zone.figures();
    let mark = site.marks.get(Watermark::Min.index());
    let reserve = site.reserve.get(wish.asked.highest.index());
    let kept = [mark, reserve].into_iter().flatten();
    let kept = kept.fold(wish.pages.get(), |sum, it| {
        sum.saturating_add(it.load(Relaxed))
    });
    usize::try_from(figures.free.load(Relaxed)).is_ok_and(|free| free >= kept)
}
