// SPDX-License-Identifier: GPL-2.0

//! Who holds a block, so that compaction can move it: a word for each movable block, found by page.
//!
//!   holder ---> Cell { site, frame | BUSY | GONE } <--- index of pages <--- compaction
//!
//!   at(from) --mover--> at(from)|BUSY --copied--> at(to)           the holder is at `to` now
//!                          \--holder frees--> GONE                 the move comes to nothing
//!   at(from) --reader-> at(from)|BUSY --read----> at(from)         it stays where it is meanwhile
//!
//! Blocks that were not given out as movable have no word and no entry; their holder knows the block.
//! Who frees swaps `GONE` into the word and frees the block that was there, at once, whether it is
//! moved or not: both ends of a move bear a mark in the zone (algo/buddy/mark.rs), so that neither
//! is given out again before the mover has answered. A mover that finds `GONE` in the end says that
//! nothing was moved, and the zone takes both ends back.
//!
//! A page's entry is there while a word says that page, and is taken out before the page is freed; of
//! a block that is moved both ends have one. So an entry that is found may be of a block that was
//! freed, but never of another one.
//!
//! # Locking     the index has a spin lock of its own (rank 6), under which nothing is copied. The
//!               word is changed by compare-exchange: copies before `at(to)` (release), reads after
//!               (acquire). A full barrier ends a move that came to nothing: the holder, who has
//!               freed the block by then, may be the one who gives it to others. Nobody waits for a
//!               mover, but who wants to read the contents.
//! # Cost        a movable block takes 32 bytes and its entry, 9 bytes if its neighbours have one
//!               too; holding and freeing take the index's lock once each.
//! # Limits      one index for the machine. Without memory for an entry a block is not moved.
//! # Reference   mm/migrate.c: folio_migrate_mapping(): where the kernel exchanges page table entries
//!               and the mapping's XArray, one word is exchanged here.

mod tests;

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        barrier::smp_mb,
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    xarray::{
        AllocKind,
        XArray, //
    },
};

use super::{
    machine::Machine,
    owner::Account,
    Block,
    Private,
    WrongFree, //
};
use crate::algo::{
    buddy::{
        compact_list::Movers,
        span::Span,
        zone::compact::Mover, //
    },
    units::{
        FrameIdx,
        NrPages,
        Order, //
    },
};
use crate::linux::{
    cond_resched,
    quietly, //
};

/// Where a movable block is.
///
/// # Invariants
///
/// `word` is `GONE`, or the place of the block, with `BUSY` while it is moved or read.
struct Cell {
    word: Atomic<u64>,
    order: Order,
}

const BUSY: u64 = 1 << 63;
const GONE: u64 = 1 << 62;

/// The word of a block.
fn word_of(block: Block) -> u64 {
    u64::from(block.site) << 32 | u64::from(block.frame.get())
}

/// The block of a word.
fn block_of(word: u64) -> Block {
    Block {
        site: u16::try_from(word >> 32 & 0xffff).unwrap_or(0),
        frame: FrameIdx::new(u32::try_from(word & 0xffff_ffff).unwrap_or(0)),
    }
}

impl Cell {
    fn block(&self) -> Block {
        // Pairs with the release in `leave`: the contents are there.
        block_of(self.word.load(Acquire))
    }

    /// Keeps the block from being moved; `false` if it is not there, or somebody else is at it.
    fn enter(&self, block: Block) -> bool {
        let word = word_of(block);
        // INVARIANT: the place is as before.
        self.word.cmpxchg(word, word | BUSY, Acquire).is_ok()
    }

    /// Ends what `enter` began, at this place; `false` if the block was freed meanwhile.
    fn leave(&self, from: Block, to: Block) -> bool {
        // INVARIANT: the block is at `to` from now on.
        let left = self
            .word
            .cmpxchg(word_of(from) | BUSY, word_of(to), Release);
        left.is_ok()
    }

    /// Lets the block go; returns where it was.
    fn end(&self) -> Block {
        block_of(self.word.xchg(GONE, Full) & !BUSY)
    }
}

/// A block that somebody holds, wherever it is moved.
pub struct Held(Place);

enum Place {
    Fixed(Block, Order),
    Movable(Arc<Cell>),
    /// Pages of a site that are no block.
    Range(u16, Span),
}

impl Held {
    /// Takes over pages of a site that were allocated just now.
    pub(super) fn range(site: u16, span: Span) -> Self {
        Self(Place::Range(site, span))
    }

    /// Where it begins at the moment.
    pub fn block(&self) -> Block {
        match &self.0 {
            Place::Fixed(block, _) => *block,
            Place::Movable(cell) => cell.block(),
            Place::Range(site, span) => Block {
                site: *site,
                frame: span.from(),
            },
        }
    }

    /// Its order, if it is a block.
    pub fn order(&self) -> Option<Order> {
        match &self.0 {
            Place::Fixed(_, order) => Some(*order),
            Place::Movable(cell) => Some(cell.order),
            Place::Range(..) => None,
        }
    }

    /// How many pages it has.
    pub fn pages(&self) -> NrPages {
        match &self.0 {
            Place::Range(_, span) => span.frames(),
            _ => self.order().unwrap_or_default().nr_pages(),
        }
    }

    /// Looks at the block while it stays where it is; waits for a move to end.
    fn stay<T>(&self, look: impl FnOnce(Block) -> T) -> T {
        let Place::Movable(cell) = &self.0 else {
            return look(self.block());
        };
        loop {
            let block = cell.block();
            if cell.enter(block) {
                let seen = look(block);
                // It is held, so that nobody has freed it.
                cell.leave(block, block);
                return seen;
            }
            // As long as it takes to copy a block.
            fsleep(Delta::from_micros(20));
        }
    }
}

/// The movable blocks that are held, by their first page.
pub(super) struct Holders {
    index: Pin<KBox<XArray<Arc<Cell>>>>,
}

impl Holders {
    /// Nobody holds any.
    pub(super) fn new() -> Result<Self> {
        let index = KBox::pin_init(XArray::new(AllocKind::Alloc), quietly())?;
        Ok(Self { index })
    }

    /// Enters a block; `false` without memory for it.
    fn insert(&self, page: usize, cell: &Arc<Cell>) -> bool {
        let stored = self.index.lock().store(page, cell.clone(), quietly());
        stored.is_ok()
    }

    fn remove(&self, page: usize) {
        // The reference is dropped after the lock.
        let _removed = self.index.lock().remove(page);
    }

    fn find(&self, page: usize) -> Option<Arc<Cell>> {
        let index = self.index.lock();
        index.get(page).map(Arc::from)
    }
}

impl Machine {
    /// The number of a block's first page.
    fn page_of(&self, block: Block) -> Option<usize> {
        let site = self.sites.get(usize::from(block.site))?;
        Some(site.pfn(block.frame).get())
    }

    /// Takes note of a block that was allocated just now; a movable one may be moved from then on.
    ///
    /// # Errors
    ///
    /// The block, without memory to take note of it.
    fn hold(&self, block: Block, order: Order, is_movable: bool) -> Result<Held, Block> {
        if !is_movable {
            return Ok(Held(Place::Fixed(block, order)));
        }
        // INVARIANT: the block is there.
        let cell = Cell {
            word: Atomic::new(word_of(block)),
            order,
        };
        let cell = Arc::new(cell, quietly()).map_err(|_| block)?;
        let page = self.page_of(block).ok_or(block)?;
        if !self.holders.insert(page, &cell) {
            return Err(block);
        }
        Ok(Held(Place::Movable(cell)))
    }

    /// Ends the hold on a block; returns the block, which is to be freed.
    fn end_hold(&self, held: &Held) -> Block {
        let Place::Movable(cell) = &held.0 else {
            return held.block();
        };
        let block = cell.end();
        if let Some(page) = self.page_of(block) {
            self.holders.remove(page);
        }
        block
    }

    /// Moves a block, if somebody holds it and lets it.
    fn move_held(&self, from: Block, to: Block, order: Order) -> bool {
        let Some((old, new)) = self.page_of(from).zip(self.page_of(to)) else {
            return false;
        };
        let cell = self.holders.find(old).filter(|it| it.order == order);
        let Some(cell) = cell.filter(|it| it.enter(from)) else {
            return false;
        };
        if !self.holders.insert(new, &cell) {
            cell.leave(from, from);
            return false;
        }
        if let Some(arena) = self.arenas.get(usize::from(from.site)) {
            arena.copy(from.frame, to.frame, order.nr_pages());
        }
        let moved = cell.leave(from, to);
        // What is left is nobody's: where it was, or the copy of a block that was freed meanwhile.
        self.wipe_left(if moved { from } else { to }, order, moved);
        // Whoever frees the block takes out the entry of where it was then.
        self.holders.remove(if moved { old } else { new });
        // The block may be given to others by who freed it: what was read of it comes before.
        smp_mb();
        cond_resched();
        moved
    }
}

/// Moves blocks of any zone of a machine.
pub(super) struct Follow<'a>(pub(super) &'a Machine);

impl Movers for Follow<'_> {
    fn move_block(&mut self, site: usize, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        let Ok(site) = u16::try_from(site) else {
            return false;
        };
        let at = |frame| Block { site, frame };
        self.0.move_held(at(from), at(to), order)
    }

    fn unusable(&mut self, site: usize, to: FrameIdx, order: Order) -> Option<(FrameIdx, Account)> {
        let site = u16::try_from(site).ok()?;
        self.0.unusable(Block { site, frame: to }, order)
    }
}

/// Moves blocks of one zone.
pub(super) struct FollowIn<'a> {
    pub(super) machine: &'a Machine,
    pub(super) site: usize,
}

impl Mover for FollowIn<'_> {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        Follow(self.machine).move_block(self.site, from, to, order)
    }

    fn unusable(&mut self, to: FrameIdx, order: Order) -> Option<(FrameIdx, Account)> {
        Follow(self.machine).unusable(self.site, to, order)
    }
}

impl Private {
    /// Takes note of who holds a block that was allocated just now; a movable one may be moved from
    /// then on.
    ///
    /// # Errors
    ///
    /// The block, without memory to take note of it.
    pub fn hold(&self, block: Block, order: Order, is_movable: bool) -> Result<Held, Block> {
        self.machine.hold(block, order, is_movable)
    }

    /// Frees what is held, single pages that follow each other in the list with one lock; on the CPU
    /// that runs.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is wrong; none is held any longer in any case.
    pub fn let_all_go<'a>(&self, all: impl Iterator<Item = &'a Held>) -> Result<(), WrongFree> {
        let mut result = Ok(());
        let mut pages = [Block::default(); 32];
        let mut count = 0;
        for held in all {
            if held.order() != Some(Order::ZERO) {
                result = result.and(self.let_go(held));
                continue;
            }
            let block = self.machine.end_hold(held);
            if let Some(place) = pages.get_mut(count) {
                *place = block;
                count += 1;
            }
            if count == pages.len() {
                result = result.and(self.free_bulk(&pages, Order::ZERO));
                count = 0;
            }
        }
        let (rest, _) = pages.split_at(count);
        result.and(self.free_bulk(rest, Order::ZERO))
    }

    /// Frees a block that is held, on the CPU that runs.
    ///
    /// # Errors
    ///
    /// What is wrong with it; it is not held any longer in any case.
    pub fn let_go(&self, held: &Held) -> Result<(), WrongFree> {
        let block = self.machine.end_hold(held);
        match &held.0 {
            Place::Range(site, span) => self.free_range(*site, *span),
            _ => self.free(block, held.order().unwrap_or_default()),
        }
    }

    /// Visits the blocks that it consists of.
    pub fn each_block(&self, held: &Held, mut visit: impl FnMut(Order)) {
        match &held.0 {
            Place::Range(_, span) => span
                .blocks(self.machine.largest)
                .for_each(|(_, order)| visit(order)),
            _ => visit(held.order().unwrap_or_default()),
        }
    }

    /// Writes a pattern that begins with `first` to all of a block; `false` if there is no memory
    /// behind it.
    pub fn fill(&self, held: &Held, first: u64) -> bool {
        held.stay(|block| {
            let arena = self.machine.arenas.get(usize::from(block.site));
            arena.is_some_and(|it| it.write(block.frame, held.pages(), first))
        })
    }

    /// The first page of a block, counted from its start, that does not have what [`Self::fill`]
    /// wrote.
    pub fn first_wrong(&self, held: &Held, first: u64) -> Option<NrPages> {
        held.stay(|block| {
            let arena = self.machine.arenas.get(usize::from(block.site))?;
            arena.first_wrong(block.frame, held.pages(), first)
        })
    }
}
