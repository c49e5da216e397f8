// SPDX-License-Identifier: GPL-2.0

//! A naive region, and what a real one must answer beside it: a flag for each frame, and free blocks
//! found by looking at all frames.
//!
//! Used by the property tests and by the fuzz target: `follow` does a list of actions to both.

mod compare;

use crate::algo::buddy::{
    GiveError,
    Offset,
    PageblockIdx,
    Region,
    FRAMES,
    PAGEBLOCKS, //
};
use crate::algo::units::{
    Migratetype,
    Order, //
};

const SIZE: usize = FRAMES / PAGEBLOCKS;

/// The types that frames are allocated of.
pub const TYPES: [Migratetype; 5] = [
    Migratetype::Unmovable,
    Migratetype::Movable,
    Migratetype::Reclaimable,
    Migratetype::HighAtomic,
    Migratetype::Cma,
];

/// Something to be done; numbers are reduced to what there is.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Action {
    Add {
        from: usize,
        to: usize,
        kind: Migratetype,
    },
    TakeFrames {
        kind: Migratetype,
        want: usize,
        may_break: bool,
    },
    TakeBlocks {
        kind: Migratetype,
        order: Order,
        want: usize,
        may_break: bool,
    },
    Take {
        kind: Migratetype,
        order: Order,
        may_break: bool,
    },
    TakeAt {
        at: usize,
        order: Order,
    },
    TakeLargest {
        kind: Migratetype,
    },
    /// Gives a block that was taken.
    GiveTaken {
        which: usize,
    },
    /// Gives frames that were taken, as they lie in a word.
    GiveWordTaken {
        which: usize,
        mask: u64,
    },
    Give {
        at: usize,
        order: Order,
    },
    GiveWord {
        word: usize,
        mask: u64,
    },
    SetType {
        pageblock: usize,
        kind: Migratetype,
    },
    SetIsolated {
        pageblock: usize,
        isolated: bool,
    },
}

impl Action {
    /// Makes an action of any bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [verb, kind, order, small, a, b, c, d] = bytes;
        let kind = TYPES[usize::from(kind) % TYPES.len()];
        // Orders above those of a region are tried, but seldom.
        let order = Order::new(u32::from(order) % 17).unwrap_or(Order::ZERO);
        let at = usize::from(u16::from_le_bytes([a, b])) % (FRAMES + 1);
        let other = usize::from(u16::from_le_bytes([c, d])) % (FRAMES + 1);
        let mask = u64::from_le_bytes([a, b, c, d, b, a, d, c]);
        let may_break = small & 1 == 1;
        let want = usize::from(small >> 1) << (a & 3);
        let which = usize::from(small);
        let pageblock = usize::from(a) % PAGEBLOCKS;
        match verb % 16 {
            0 => Self::Add {
                from: at.min(other),
                to: at.max(other),
                kind,
            },
            1 => Self::Add {
                from: at & !511,
                to: (at & !511) + (other & !511),
                kind,
            },
            2 | 3 => Self::TakeFrames {
                kind,
                want,
                may_break,
            },
            4 | 5 => Self::TakeBlocks {
                kind,
                order,
                want,
                may_break,
            },
            6 | 7 => Self::Take {
                kind,
                order,
                may_break,
            },
            8 => Self::TakeAt { at, order },
            9 => Self::TakeLargest { kind },
            10 | 11 => Self::GiveTaken { which },
            12 => Self::GiveWordTaken { which, mask },
            13 => Self::Give { at, order },
            14 if may_break => Self::GiveWord {
                word: other % 513,
                mask,
            },
            14 => Self::SetType { pageblock, kind },
            _ => Self::SetIsolated {
                pageblock,
                isolated: may_break,
            },
        }
    }
}

/// The naive region beside the real one.
#[derive(Clone)]
pub struct Pair {
    real: Box<Region>,
    exists: Vec<bool>,
    free: Vec<bool>,
    types: [Migratetype; PAGEBLOCKS],
    isolated: [bool; PAGEBLOCKS],
    /// Blocks that were taken.
    taken: Vec<(usize, Order)>,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            real: Box::default(),
            exists: vec![false; FRAMES],
            free: vec![false; FRAMES],
            types: [Migratetype::Unmovable; PAGEBLOCKS],
            isolated: [false; PAGEBLOCKS],
            taken: Vec::new(),
        }
    }
}

/// Does all actions; checks the region after each, and compares all of it after every so many.
pub fn follow(actions: impl IntoIterator<Item = Action>, every: usize) {
    let mut pair = Pair::default();
    for (nr, action) in (1..).zip(actions) {
        pair.act(action);
        assert_eq!(pair.real.check(), Ok(()), "after {action:?}");
        if nr % every == 0 {
            pair.compare();
        }
    }
    pair.give_all();
    pair.compare();
}

fn offset(at: usize) -> Offset {
    Offset::new(at).expect("inside of the region")
}

fn pageblock(number: usize) -> PageblockIdx {
    PageblockIdx::new(number).expect("inside of the region")
}

fn is_kin(kind: Migratetype) -> bool {
    use Migratetype::{Movable, Reclaimable, Unmovable};
    matches!(kind, Unmovable | Movable | Reclaimable)
}

/// A free block that is part of no larger one.
type Block = (usize, u32);

impl Pair {
    fn kind(&self, pageblock: usize) -> Migratetype {
        match self.isolated[pageblock] {
            true => Migratetype::Isolate,
            false => self.types[pageblock],
        }
    }

    /// Whether so many frames are free, and their pageblocks merge.
    fn is_block(&self, at: usize, order: u32) -> bool {
        let kind = self.kind(at / SIZE);
        (at..at + (1 << order)).all(|it| self.free[it])
            && (at / SIZE..(at + (1 << order)).div_ceil(SIZE))
                .map(|it| self.kind(it))
                .all(|it| it == kind || is_kin(it) && is_kin(kind))
    }

    /// All free blocks up to an order.
    fn blocks(&self, max: u32) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < FRAMES {
            let aligned = at.trailing_zeros().min(max);
            match (0..=aligned).rev().find(|order| self.is_block(at, *order)) {
                Some(order) => {
                    blocks.push((at, order));
                    at += 1 << order;
                }
                None => at += 1,
            }
        }
        blocks
    }

    /// Where blocks of an order could be taken for a type, each with the order that decides: of a
    /// broken pageblock its largest, else that of the free block; and whether that is whole.
    fn candidates(&self, kind: Migratetype, order: u32) -> Vec<(usize, u32)> {
        let blocks = self.blocks(15);
        let largest = |pageblock: usize| {
            let inside = blocks.iter().filter(|it| it.0 / SIZE == pageblock);
            inside.map(|it| it.1).max().unwrap_or(0)
        };
        let mut found = Vec::new();
        for &(at, size) in blocks.iter().filter(|it| it.1 >= order) {
            let decides = if size < 9 { largest(at / SIZE) } else { size };
            let parts = (at..at + (1 << size)).step_by(1 << order);
            let of_kind = parts.filter(|part| self.kind(part / SIZE) == kind);
            found.extend(of_kind.map(|part| (part, decides)));
        }
        found
    }

    fn mark_taken(&mut self, at: usize, order: Order) {
        for it in at..at + order.nr_pages().get() {
            assert!(self.free[it], "frame {it} was not free");
            self.free[it] = false;
        }
        self.taken.push((at, order));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Add { from, to, kind } => self.add(from, to, kind),
            Action::TakeFrames {
                kind,
                want,
                may_break,
            } => self.take_blocks(kind, Order::ZERO, want, may_break, true),
            Action::TakeBlocks {
                kind,
                order,
                want,
                may_break,
            } => self.take_blocks(kind, order, want, may_break, false),
            Action::Take {
                kind,
                order,
                may_break,
            } => self.take(kind, order, may_break),
            Action::TakeAt { at, order } => self.take_at(at, order),
            Action::TakeLargest { kind } => {
                if let Some((at, order)) = self.real.largest(kind) {
                    self.take_at(at.get(), order);
                }
            }
            Action::GiveTaken { which } => self.give_taken(which),
            Action::GiveWordTaken { which, mask } => self.give_word_taken(which, mask),
            Action::Give { at, order } => self.give(at, order),
            Action::GiveWord { word, mask } => self.give_word(word, mask),
            Action::SetType {
                pageblock: at,
                kind,
            } => {
                let moves = self.kind(at) != kind && !self.isolated[at];
                let expected = if moves { self.free_in(at) } else { 0 };
                assert_eq!(self.real.set_migratetype(pageblock(at), kind), expected);
                self.types[at] = kind;
            }
            Action::SetIsolated {
                pageblock: at,
                isolated,
            } => {
                let moves = self.isolated[at] != isolated;
                let expected = if moves { self.free_in(at) } else { 0 };
                assert_eq!(self.real.set_isolated(pageblock(at), isolated), expected);
                self.isolated[at] = isolated;
            }
        }
    }

    fn free_in(&self, pageblock: usize) -> usize {
        let frames = &self.free[pageblock * SIZE..][..SIZE];
        frames.iter().filter(|free| **free).count()
    }

    fn add(&mut self, from: usize, to: usize, kind: Migratetype) {
        let fits = from < to && to <= FRAMES && !self.exists[from..to].contains(&true);
        let added = self.real.add(from, to, kind);
        // A sequence is not long enough for too many runs to be likely, but it may happen.
        assert!(!added || fits);
        assert!(added || !fits || self.exists.windows(2).filter(|it| it[0] != it[1]).count() > 60);
        if added {
            self.exists[from..to].fill(true);
            self.free[from..to].fill(true);
            self.types[from / SIZE..to.div_ceil(SIZE)].fill(kind);
        }
    }

    fn take_blocks(
        &mut self,
        kind: Migratetype,
        order: Order,
        want: usize,
        may_break: bool,
        single: bool,
    ) {
        let before = self.clone();
        let mut taken = Vec::new();
        let out = |at: Offset| taken.push(at.get());
        let nr = match single {
            true => self.real.take_frames(kind, want, may_break, out),
            false => self.real.take_blocks(kind, order, want, may_break, out),
        };
        assert_eq!(nr, taken.len());
        assert!(nr <= want);
        for at in &taken {
            assert_eq!(at % order.nr_pages().get(), 0);
            assert_eq!(before.kind(at / SIZE), kind);
            self.mark_taken(*at, order);
        }
        let may = |it: &(usize, u32)| may_break || order.get() >= 9 || it.1 < 9;
        if order.get() <= 15 && nr < want {
            let left = self.candidates(kind, order.get());
            assert!(!left.iter().any(may), "{left:?} left");
        }
        // The first comes from where it fits best, and whole pageblocks come last.
        let candidates = before.candidates(kind, order.get());
        let decides = |at: usize| candidates.iter().find(|it| it.0 == at).map(|it| it.1);
        let best = candidates.iter().map(|it| it.1).min();
        if let Some(first) = taken.first() {
            assert_eq!(decides(*first), best);
        }
        if order.get() < 9 && taken.iter().any(|at| decides(*at) >= Some(9)) {
            let broken = candidates.iter().filter(|it| it.1 < 9);
            assert!(broken.clone().all(|it| taken.contains(&it.0)));
        }
    }

    fn take(&mut self, kind: Migratetype, order: Order, may_break: bool) {
        let mut candidates = self.candidates(kind, order.get());
        if order.get() < 9 && !may_break {
            candidates.retain(|it| it.1 < 9);
        }
        let Some(at) = self.real.take(kind, order, may_break) else {
            assert!(candidates.is_empty() || order.get() > 15, "{candidates:?}");
            return;
        };
        let at = at.get();
        let best = candidates.iter().map(|it| it.1).min();
        let found = candidates.iter().find(|it| it.0 == at).map(|it| it.1);
        assert!(found.is_some() && found == best, "{found:?}, not {best:?}");
        // In the pageblock it is inside of the smallest block that fits.
        let blocks = self.blocks(15);
        let fitting = |it: &&Block| it.1 >= order.get() && it.0 / SIZE == at / SIZE;
        let smallest = blocks.iter().filter(fitting).map(|it| it.1).min();
        let size = |it: &&Block| it.0 <= at && at < it.0 + (1 << it.1);
        let size = blocks.iter().find(size).map(|it| it.1);
        assert!(order.get() >= 9 || size >= Some(9) || size == smallest);
        self.mark_taken(at, order);
    }

    fn take_at(&mut self, at: usize, order: Order) {
        let Some(place) = Offset::new(at) else { return };
        let end = at + order.nr_pages().get();
        let aligned = at % order.nr_pages().get() == 0 && end <= FRAMES;
        let expected = aligned && self.free[at..end].iter().all(|free| *free);
        assert_eq!(self.real.take_at(place, order), expected);
        if expected {
            self.mark_taken(at, order);
        }
    }

    fn give_taken(&mut self, which: usize) {
        if !self.taken.is_empty() {
            let (at, order) = self.taken.swap_remove(which % self.taken.len());
            self.give(at, order);
        }
    }

    fn give_word_taken(&mut self, which: usize, mask: u64) {
        if self.taken.is_empty() {
            return;
        }
        let (at, _) = self.taken[which % self.taken.len()];
        let first = at & !63;
        let is_taken = |bit: &usize| !self.free[first + bit] && self.exists[first + bit];
        let taken = (0..64_usize)
            .filter(is_taken)
            .fold(0, |all, bit| all | 1 << bit);
        self.give_word(at / 64, mask & taken);
    }

    /// What giving these frames should say.
    fn answer(&self, frames: &[usize]) -> Result<Migratetype, GiveError> {
        if frames.iter().any(|it| self.free[*it]) {
            return Err(GiveError::Free);
        }
        if frames.iter().any(|it| !self.exists[*it]) {
            return Err(GiveError::Unmanaged);
        }
        Ok(self.kind(frames[0] / SIZE))
    }

    /// Frames that are given are no longer part of a block that was taken.
    fn mark_free(&mut self, frames: &[usize]) {
        for it in frames {
            self.free[*it] = true;
        }
        let free = &self.free;
        let is_given = |block: &(usize, Order)| {
            (block.0..block.0 + block.1.nr_pages().get()).any(|it| free[it])
        };
        let (split, whole): (Vec<_>, Vec<_>) = self.taken.iter().partition(|it| is_given(it));
        self.taken = whole;
        for (at, order) in split {
            let left = (at..at + order.nr_pages().get()).filter(|it| !self.free[*it]);
            self.taken.extend(left.map(|it| (it, Order::ZERO)));
        }
    }

    fn give(&mut self, at: usize, order: Order) {
        let Some(place) = Offset::new(at) else { return };
        let end = at + order.nr_pages().get();
        let expected = if at % order.nr_pages().get() != 0 || end > FRAMES {
            Err(GiveError::Misplaced)
        } else {
            self.answer(&(at..end).collect::<Vec<_>>())
        };
        assert_eq!(self.real.give(place, order), expected);
        if expected.is_ok() {
            self.mark_free(&(at..end).collect::<Vec<_>>());
        }
    }

    fn give_word(&mut self, word: usize, mask: u64) {
        let frames: Vec<_> = (0..64)
            .filter(|bit| mask >> bit & 1 == 1)
            .map(|it| word * 64 + it)
            .collect();
        let expected = match frames.as_slice() {
            _ if word >= FRAMES / 64 => Err(GiveError::Misplaced),
            [] => Ok(self.kind(word * 64 / SIZE)),
            frames => self.answer(frames),
        };
        assert_eq!(self.real.give_word(word, mask), expected);
        if expected.is_ok() {
            self.mark_free(&frames);
        }
    }

    /// Gives all frames back that exist and are not free.
    fn give_all(&mut self) {
        self.taken.clear();
        for at in 0..FRAMES {
            if self.exists[at] && !self.free[at] {
                self.give(at, Order::ZERO);
            }
        }
        assert_eq!(
            self.real.free() + self.real.free_of(Migratetype::Isolate),
            self.real.managed()
        );
    }
}
