// SPDX-License-Identifier: GPL-2.0

//! Free pages filled with poison, which is looked for when they are allocated again.
//!
//!   free    retire: no one else's -> fill, note who had it -> free
//!   alloc   take a block -> all poison? -> given out
//!                             | no: count, report, keep that page out of use, free the rest, again
//!   poke    changes a byte of a free page          unpoison    takes pages back into use
//!
//! A page that was written to while it was free is kept out of use, as Linux does with a page whose
//! `struct page` is bad and with one that hardware has lost, and other than its own poison check,
//! which reports and gives the page out. Whoever wrote to it has a pointer to it still: its next
//! holder would find his data changed, and what is there is evidence. Its account is that of `bad`,
//! so that the sum of the parts remains the whole.
//!
//! # Locking     counters are atomics; the last reports are behind a mutex (rank 1), which is taken
//!               when a page is found to be bad. Pages are filled by the holder of their block and
//!               looked at by who allocated it, without a lock.
//! # Cost        every byte is written once more and read once more; two bytes a frame for who had
//!               it last. A branch for each allocation and free if it is off.
//! # Limits      frames without memory have no contents. A page is looked at when it is allocated, or
//!               moved to, and not before. Of a block that is moved the place that it leaves is filled
//!               by the mover, who has it alone until the zone hears of it (holders.rs).
//! # Reference   mm/page_poison.c; mm/page_alloc.c: check_new_pages(), bad_page();
//!               mm/memory-failure.c: unpoison_memory().

mod tests;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    },
};

use super::{
    arena::Arena,
    machine::Machine,
    owner::Account,
    raw,
    Block,
    Private,
    WrongFree, //
};
use crate::algo::{
    buddy::{
        poison::{
            Damage,
            Fault,
            Report,
            POISON, //
        },
        span::Span,
        zone::Memory, //
    },
    snapshot::PagePlace,
    units::{
        usize_from,
        FrameIdx,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::linux::{
    cond_resched,
    cpu,
    log_error,
    pinned::PinnedVec,
    quietly, //
};
use crate::seam::{
    self,
    AtomicU16, //
};

/// How many reports are kept.
const REPORTS: usize = 32;

/// Why a byte of a page cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpokable {
    /// The manager has no such page.
    NoPage,
    /// Somebody has the page.
    InUse,
    /// There is no memory behind the page, or it has not so many bytes.
    NoByte,
}

/// Who had the frames of a site last.
struct Last {
    first: FrameIdx,
    accounts: PinnedVec<AtomicU16>,
}

/// What is known of the poison of a machine.
#[pin_data]
pub(super) struct Poison {
    /// By site; of one without memory there is nothing.
    last: KVVec<Last>,
    faults: [Atomic<u64>; Fault::COUNT],
    kept_out: Atomic<usize>,
    #[pin]
    reports: Mutex<KVVec<Report>>,
}

impl Poison {
    /// Fills all memory of a machine that nobody uses yet: what its zones have.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn start(machine: &Machine) -> Result<Pin<KBox<Self>>> {
        let mut last = KVVec::new();
        for (site, arena) in machine.pairs() {
            let accounts = PinnedVec::new(arena.spanned().get(), |_| AtomicU16::new(0))?;
            let first = arena.first();
            last.push(Last { first, accounts }, quietly())?;
            let all = arena.runs().flat_map(|(first, pages)| frames(first, pages));
            for frame in all.filter(|&frame| !machine.is_reserved(site.pfn(frame))) {
                fill(arena, frame, NrPages::new(1));
            }
        }
        let reports = KVVec::with_capacity(REPORTS, quietly())?;
        KBox::pin_init(
            pin_init!(Self {
                last,
                faults: [const { Atomic::new(0) }; _],
                kept_out: Atomic::new(0),
                reports <- new_mutex!(reports, "oxmm::poison"),
            }),
            quietly(),
        )
    }

    /// How many pages are kept out of use.
    pub(super) fn kept_out(&self) -> usize {
        self.kept_out.load(Relaxed)
    }

    /// What was counted, and under which name.
    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = ["poison_single_bit", "poison_corruption"];
        let faults = self.faults.iter().map(|it| it.load(Relaxed));
        let kept_out = u64::try_from(self.kept_out()).unwrap_or(u64::MAX);
        let all = names.into_iter().zip(faults);
        Iterator::chain(all, [("nr_bad_pages", kept_out)])
    }

    /// Who had a page last.
    pub(super) fn last_account(&self, site: u16, frame: FrameIdx) -> Account {
        let mut places = self.last_of(Block { site, frame }).iter();
        let place = places.next();
        place.map_or(Account::NONE, |it| Account::new(it.load(seam::Relaxed)))
    }

    /// Who had the frames of a site, from that of a block on.
    fn last_of(&self, block: Block) -> &[AtomicU16] {
        let last = self.last.get(usize::from(block.site));
        let found = last.and_then(|last| {
            let from = block.frame.index().checked_sub(last.first.index())?;
            last.accounts.get(from..)
        });
        found.unwrap_or_default()
    }

    /// Notes who had the frames of a block.
    fn note(&self, block: Block, order: Order, account: Account) {
        let places = self.last_of(block).iter();
        for place in places.take(order.nr_pages().get()) {
            place.store(account.get(), seam::Relaxed);
        }
    }

    /// Counts a bad page; keeps the report and tells the kernel's log, while there is room.
    fn report(&self, report: Report) {
        if let Some(count) = self.faults.get(report.damage.fault().index()) {
            count.fetch_add(1, Relaxed);
        }
        // Room for so many was made at the start.
        let is_kept = self.reports.lock().push_within_capacity(report).is_ok();
        if is_kept {
            log_error(&report);
        }
    }

    /// Forgets what was reported of a page.
    fn forget(&self, pfn: Pfn) {
        self.reports.lock().retain(|it| it.pfn != pfn);
    }
}

/// Fills pages of an arena from a frame on.
fn fill(arena: &Arena, first: FrameIdx, pages: NrPages) {
    for frame in frames(first, pages) {
        if let Some((run, page)) = arena.run_of(frame) {
            raw::fill_page(run, page, POISON);
        }
        if frame.index() % 256 == 255 {
            cond_resched();
        }
    }
}

fn frames(first: FrameIdx, pages: NrPages) -> impl Iterator<Item = FrameIdx> {
    (0..pages.get()).filter_map(move |at| first.checked_add(NrPages::new(at)))
}

/// What is wrong with the poison of a page, if anything is.
fn damage(arena: &Arena, frame: FrameIdx) -> Option<Damage> {
    let (run, page) = arena.run_of(frame)?;
    let first = run.first_other(page, POISON)?;
    let byte = |at| run.byte(page, at).unwrap_or(POISON);
    let mut behind = (first..1 << crate::linux::PAGE_SHIFT).rev();
    let last = behind.find(|&at| byte(at) != POISON).unwrap_or(first);
    Some(Damage::new(first, last, byte))
}

impl Machine {
    /// The first page of a block that is bad, if one is.
    fn damage_in(&self, block: Block, order: Order) -> Option<(FrameIdx, Damage)> {
        let arena = self.arenas.get(usize::from(block.site))?;
        let mut all = frames(block.frame, order.nr_pages());
        all.find_map(|frame| Some((frame, damage(arena, frame)?)))
    }

    /// Reports a bad page, and makes it ready to be kept out of use; `false` without memory for that.
    fn report(&self, poison: &Poison, at: Block, damage: Damage) -> bool {
        let account = poison.last_account(at.site, at.frame);
        let Some(site) = self.sites.get(usize::from(at.site)) else {
            return false;
        };
        poison.report(Report {
            pfn: site.pfn(at.frame),
            damage,
            last_owner: self.ledger.owner(account),
        });
        // The state of a single frame is needed, which large blocks do without.
        self.ready(site, at.frame.region()).is_ok()
    }

    /// Looks at a block that is to be moved to: a bad page of it, and whose it is to be from then on.
    pub(super) fn unusable(&self, to: Block, order: Order) -> Option<(FrameIdx, Account)> {
        let poison = self.poison.as_ref()?;
        let (frame, damage) = self.damage_in(to, order)?;
        let is_ready = self.report(poison, Block { frame, ..to }, damage);
        is_ready.then(|| {
            poison.kept_out.fetch_add(1, Relaxed);
            (frame, self.ledger.bad())
        })
    }

    /// Fills a block that is at neither end of a move any more; `was_held` if its holder had it there.
    pub(super) fn wipe_left(&self, block: Block, order: Order, was_held: bool) {
        let place = usize::from(block.site);
        let site = self.sites.get(place).zip(self.arenas.get(place));
        if let Some((poison, (site, arena))) = self.poison.as_ref().zip(site) {
            if was_held {
                poison.note(block, order, site.zone.account_at(block.frame, order));
            }
            fill(arena, block.frame, order.nr_pages());
        }
    }
}

impl Private {
    /// Looks at a block that was allocated just now; `false` if a page of it is bad, which is kept out
    /// of use then, and the rest is free.
    #[cold]
    #[inline(never)]
    pub(super) fn is_clean(&self, poison: &Poison, block: Block, order: Order) -> bool {
        let Some((frame, damage)) = self.machine.damage_in(block, order) else {
            return true;
        };
        let is_ready = self
            .machine
            .report(poison, Block { frame, ..block }, damage);
        // Without memory to keep the page out the block is given out as it is.
        !(is_ready && self.keep_out(poison, block, order, frame))
    }

    /// Keeps one page of a block out of use and frees the others.
    fn keep_out(&self, poison: &Poison, block: Block, order: Order, frame: FrameIdx) -> bool {
        let Some(site) = self.machine.sites.get(usize::from(block.site)) else {
            return false;
        };
        let bad = self.machine.ledger.bad();
        let kept = site.zone.keep_out((block.frame, order), frame, bad);
        if kept.is_ok() {
            poison.kept_out.fetch_add(1, Relaxed);
        }
        kept.is_ok()
    }

    /// Looks at a range that was allocated just now; if pages of it are bad they are kept out of use,
    /// and the rest is free: how many they are, or `None` if all are clean.
    #[cold]
    #[inline(never)]
    pub(super) fn part_with_bad(&self, poison: &Poison, place: u16, span: Span) -> Option<usize> {
        let blocks = || {
            let blocks = span.blocks(self.machine.largest);
            blocks.map(|(frame, order)| (Block { site: place, frame }, order))
        };
        let is_bad = |(block, order)| self.machine.damage_in(block, order).is_some();
        if !blocks().any(is_bad) {
            return None;
        }
        let site = self.machine.sites.get(usize::from(place))?;
        let mut kept = 0;
        for (block, order) in blocks() {
            if !is_bad((block, order)) || self.is_clean(poison, block, order) {
                // It was nobody's: what was noted of its last holder stays.
                let freed = site.free(usize_from(cpu::current()), block.frame, order);
                debug_assert!(freed.is_ok());
            } else {
                kept += 1;
            }
        }
        Some(kept)
    }

    /// Fills a block that its holder is about to free.
    ///
    /// # Errors
    ///
    /// Why it may not be freed.
    #[cold]
    #[inline(never)]
    pub(super) fn retire(
        &self,
        poison: &Poison,
        block: Block,
        order: Order,
    ) -> Result<(), WrongFree> {
        let place = usize::from(block.site);
        let site = self.machine.sites.get(place).ok_or(WrongFree::NotManaged)?;
        site.zone.retire(block.frame, order, || {
            poison.note(block, order, site.zone.account_at(block.frame, order));
            if let Some(arena) = self.machine.arenas.get(place) {
                fill(arena, block.frame, order.nr_pages());
            }
        })
    }

    /// Says whether free pages are filled with poison.
    pub fn is_poisoned(&self) -> bool {
        self.machine.poison.is_some()
    }

    /// What was found to be bad, as far as it is kept.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn reports(&self) -> Result<KVVec<Report>> {
        let mut copy = KVVec::with_capacity(REPORTS, quietly())?;
        if let Some(poison) = &self.machine.poison {
            for &report in poison.reports.lock().iter() {
                // There is room for all.
                let _ = copy.push_within_capacity(report);
            }
        }
        Ok(copy)
    }

    /// Changes a byte of a page that nobody has, and returns what was there.
    ///
    /// # Errors
    ///
    /// Why that cannot be.
    pub fn poke(&self, pfn: Pfn, offset: usize, byte: u8) -> Result<u8, Unpokable> {
        let page = self.page(pfn).online.ok_or(Unpokable::NoPage)?;
        // One that is on its way from or to somebody is neither.
        let is_free = matches!(page.place, PagePlace::Free { .. } | PagePlace::Pcp { .. });
        if !is_free {
            return Err(Unpokable::InUse);
        }
        let (place, frame) = self.machine.find(pfn).ok_or(Unpokable::NoPage)?;
        let frame = u32::try_from(frame.get()).map_err(|_| Unpokable::NoPage)?;
        let frame = FrameIdx::new(frame);
        let arena = self.machine.arenas.get(usize::from(place));
        let (run, page) = arena
            .and_then(|it| it.run_of(frame))
            .ok_or(Unpokable::NoByte)?;
        raw::poke(run, page, offset, byte).ok_or(Unpokable::NoByte)
    }

    /// Takes pages that were kept out of use back, one of them or all; returns how many.
    pub fn unpoison(&self, which: Option<Pfn>) -> NrPages {
        let mut back = NrPages::ZERO;
        let Some(poison) = &self.machine.poison else {
            return back;
        };
        for (place, site) in (0..).zip(self.machine.sites.iter()) {
            for region in 0..site.zone.memory().regions().len() {
                site.zone.each_owned(region, |it| {
                    let pfn = site.pfn(it.head);
                    let is_meant = which.is_none_or(|which| which == pfn);
                    if it.account != self.machine.ledger.bad()
                        || it.order != Order::ZERO
                        || !is_meant
                    {
                        return;
                    }
                    let block = Block {
                        site: place,
                        frame: it.head,
                    };
                    // Of two who take it back at a time one is refused.
                    if self.free(block, Order::ZERO).is_ok() {
                        poison.kept_out.fetch_sub(1, Relaxed);
                        poison.forget(pfn);
                        back += NrPages::new(1);
                    }
                });
                cond_resched();
            }
        }
        back
    }
}
