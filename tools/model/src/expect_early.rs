// SPDX-License-Identifier: GPL-2.0

//! What must hold for early memory after any actions, whatever the arrays' lengths: it is the map
//! of bytes of `early`, and asks for a longer array when it must and only then.

use crate::algo::memblock::{
    Error,
    Memblock,
    Which,
    Wish, //
};
use crate::algo::snapshot::{
    Owner,
    Region,
    RegionKind,
    What, //
};
use crate::algo::units::{
    Bytes,
    NodeId,
    PhysAddr,
    PhysRange, //
};
use crate::early::{
    Map,
    MACHINE,
    WINDOW, //
};

/// A place of the window, and a size that may go past it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    place: usize,
    size: usize,
}

/// One change of early memory, named as the function that is called.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named as what is called")]
pub enum Action {
    Add(Span, Option<NodeId>),
    Remove(Span),
    Reserve(Span, Option<What>),
    Free(Span),
    SetNode(Which, Span, Option<NodeId>),
    /// `min` and `max` are places.
    Alloc(Wish),
    AllocRange(Wish),
    Trim,
    /// A place.
    SetLimit(usize),
    Reset,
}

const NAMES: [Option<What>; 4] = [None, None, What::new("a"), What::new("b")];

impl Action {
    /// How many bytes make an action.
    pub const BYTES: usize = 8;

    /// Makes an action of any bytes.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [verb, low, high, size, more, node, flags, align] = bytes;
        let place = usize::from(u16::from_le_bytes([low, high])) % (WINDOW + 1);
        let what = NAMES[usize::from(flags % 4)];
        let node = NodeId::new(u32::from(node % 4)).filter(|node| node.get() < 3);
        let size = match more {
            // Far past the end of the address space.
            255 => usize::MAX - usize::from(size),
            // More than the window has.
            240.. => WINDOW,
            160.. => usize::from(size),
            _ => usize::from(size % 32),
        };
        let span = Span { place, size };
        let wish = Wish {
            size: Bytes::new(size),
            align: Bytes::new(alignment(align)),
            min: PhysAddr::new(if flags & 4 == 0 { 0 } else { place }),
            max: PhysAddr::new(match flags & 24 {
                0 | 8 => usize::from(flags & 1),
                16 => usize::from(more) + place,
                _ => usize::MAX,
            }),
            node,
            exact: flags & 32 != 0,
            bottom_up: flags & 64 != 0,
            what,
        };
        match (verb % 16, flags) {
            (0..=3, _) => Self::Add(span, node),
            (4, _) => Self::Remove(span),
            (5 | 6, _) => Self::Reserve(span, what),
            (7 | 8, _) => Self::Free(span),
            (9, 0..128) => Self::SetNode(Which::Memory, span, node),
            (9, _) => Self::SetNode(Which::Reserved, span, node),
            (10, 0..64) => Self::Trim,
            (10, 64..128) => Self::SetLimit(place),
            (10, 128..136) => Self::Reset,
            (_, 0..128) => Self::Alloc(wish),
            _ => Self::AllocRange(wish),
        }
    }
}

/// None, one that is no power of two, or one that is.
fn alignment(byte: u8) -> usize {
    match byte {
        255 => 3,
        _ if byte % 8 == 0 => 0,
        _ => 1 << (byte % 8),
    }
}

/// How long the arrays are.
#[derive(Clone, Copy, Debug)]
pub enum Storage {
    /// So many entries, and what is asked for from then on.
    Starts(usize),
    /// Before each action just what the regions need, so that each action that can ask does.
    Tight,
}

/// Early memory and its model.
struct Pair {
    real: Memblock<Vec<Region>>,
    map: Map,
    room: [usize; Which::COUNT],
}

/// Runs actions on early memory and on the map, and compares them after each.
pub fn follows_the_map(at_end: bool, storage: Storage, actions: impl Iterator<Item = Action>) {
    let first = match storage {
        Storage::Starts(len) => len,
        Storage::Tight => 0,
    };
    let entries = || vec![Region::default(); first];
    let mut pair = Pair {
        real: Memblock::new(MACHINE, entries(), entries()),
        map: Map::new(at_end),
        room: [first; Which::COUNT],
    };
    for action in actions {
        if let Storage::Tight = storage {
            for &which in Which::ALL {
                pair.set_room(which, pair.real.regions(which).len());
            }
        }
        pair.step(action);
        pair.compare();
    }
}

/// What an action did: bytes, a place, or nothing to tell.
type Done = Result<Option<PhysRange>, Error>;

/// A number of bytes, told as a range from 0 on.
fn count(size: Bytes) -> Option<PhysRange> {
    Some(PhysRange::capped(PhysAddr::ZERO, size))
}

impl Pair {
    fn set_room(&mut self, which: Which, len: usize) {
        if let Some(short) = len.checked_sub(1) {
            if short < self.real.regions(which).len() {
                let storage = vec![Region::default(); short];
                assert!(self.real.replace(which, storage).is_err(), "too short");
            }
        }
        let old = self.real.replace(which, vec![Region::default(); len]);
        assert_eq!(old.expect("long enough").len(), self.room[which.index()]);
        self.room[which.index()] = len;
    }

    /// The range of a span; at the start of the address space it ends with the window.
    fn range(&self, span: Span) -> PhysRange {
        let size = match self.map.origin {
            0 => span.size.min(WINDOW - span.place),
            _ => span.size,
        };
        let base = PhysAddr::new(self.map.origin + span.place);
        PhysRange::capped(base, Bytes::new(size))
    }

    /// The number of entries that must be asked for, if `len` do not fit.
    fn short(&self, which: Which, len: usize) -> Option<Error> {
        let room = self.room[which.index()];
        (len > room).then(|| Error::NeedLarger {
            which,
            len: std::iter::successors(Some(room.max(1)), |len| Some(len * 2))
                .find(|&room| room >= len)
                .expect("an end"),
        })
    }

    /// What must be asked for to add a range, or to split at its ends.
    fn short_to_add(&self, which: Which, range: PhysRange) -> Option<Error> {
        let gaps = self.map.nr_gaps(which, range);
        let len = self.real.regions(which).len() + gaps;
        self.short(which, len)
    }

    fn short_to_split(&self, which: Which, range: PhysRange) -> Option<Error> {
        let len = self.real.regions(which).len() + 2;
        self.short(which, len).filter(|_| !range.is_empty())
    }

    /// Does an action, if necessary in longer arrays, which must be asked for once.
    fn step(&mut self, action: Action) {
        let before: Vec<_> = self.real.snapshot().collect();
        let expected = self.expected_need(action);
        let mut done = self.run(action);
        if let Err(error @ Error::NeedLarger { which, len }) = done {
            assert_eq!(Some(error), expected, "{action:?}");
            let after: Vec<_> = self.real.snapshot().collect();
            assert_eq!(before, after, "{action:?} changed something and failed");
            assert_eq!(self.real.check(), Ok(()), "{action:?}");
            self.set_room(which, len);
            done = self.run(action);
        } else {
            assert_eq!(None, expected, "{action:?}");
        }
        self.follow(action, done);
    }

    fn expected_need(&self, action: Action) -> Option<Error> {
        use Which::{Memory, Reserved};
        match action {
            Action::Add(span, _) => self.short_to_add(Memory, self.range(span)),
            Action::Reserve(span, _) => self.short_to_add(Reserved, self.range(span)),
            Action::Remove(span) => self.short_to_split(Memory, self.range(span)),
            Action::Free(span) => self.short_to_split(Reserved, self.range(span)),
            Action::SetNode(which, span, _) => self.short_to_split(which, self.range(span)),
            Action::Alloc(wish) | Action::AllocRange(wish) if wish.size > Bytes::ZERO => {
                let within = matches!(action, Action::AllocRange(_));
                let mut map = self.map.clone();
                let place = map.alloc(&self.placed(wish), within).ok()?;
                self.short_to_add(Reserved, place)
            }
            _ => None,
        }
    }

    /// A wish whose places are addresses.
    fn placed(&self, wish: Wish) -> Wish {
        let address = |place: PhysAddr| match place.get() {
            0 | 1 => place,
            place => PhysAddr::new(place.saturating_add(self.map.origin)),
        };
        Wish {
            min: address(wish.min),
            max: address(wish.max),
            ..wish
        }
    }

    fn run(&mut self, action: Action) -> Done {
        match action {
            Action::Add(span, node) => self.real.add(self.range(span), node).map(count),
            Action::Remove(span) => self.real.remove(self.range(span)).map(count),
            Action::Reserve(span, what) => self.real.reserve(self.range(span), what).map(count),
            Action::Free(span) => self.real.free(self.range(span)).map(count),
            Action::SetNode(which, span, node) => {
                let range = self.range(span);
                self.real.set_node(which, range, node).map(|()| None)
            }
            Action::Alloc(wish) => self.real.alloc(&self.placed(wish)).map(Some),
            Action::AllocRange(wish) => self.real.alloc_range(&self.placed(wish)).map(Some),
            Action::Trim => Ok(count(self.real.trim())),
            Action::SetLimit(place) => {
                let limit = PhysAddr::new(self.map.origin + place);
                self.real.set_limit(limit);
                Ok(None)
            }
            Action::Reset => {
                self.real.reset();
                Ok(None)
            }
        }
    }

    /// Does the action on the map and expects the same outcome.
    fn follow(&mut self, action: Action, done: Done) {
        use Which::{Memory, Reserved};
        let owner = |kind, node, what| Owner { kind, node, what };
        let expected = match action {
            Action::Add(span, node) => {
                let owner = owner(RegionKind::Memory, node, None);
                Ok(count(self.map.give(Memory, self.range(span), owner)))
            }
            Action::Reserve(span, what) => {
                let owner = owner(RegionKind::Reserved, None, what);
                Ok(count(self.map.give(Reserved, self.range(span), owner)))
            }
            Action::Remove(span) => Ok(count(self.map.clear(Memory, self.range(span)))),
            Action::Free(span) => Ok(count(self.map.clear(Reserved, self.range(span)))),
            Action::SetNode(which, span, node) => {
                self.map.set_node(which, self.range(span), node);
                Ok(None)
            }
            // For no byte any answer will do that changes nothing.
            Action::Alloc(wish) | Action::AllocRange(wish) if wish.size == Bytes::ZERO => done,
            Action::Alloc(wish) => self.map.alloc(&self.placed(wish), false).map(Some),
            Action::AllocRange(wish) => self.map.alloc(&self.placed(wish), true).map(Some),
            Action::Trim => Ok(count(self.map.trim())),
            Action::SetLimit(place) => {
                self.map.limit = self.map.origin + place;
                Ok(None)
            }
            Action::Reset => {
                self.map = Map::new(self.map.origin > 0);
                Ok(None)
            }
        };
        assert_eq!(done, expected, "{action:?}");
    }

    fn compare(&self) {
        assert_eq!(self.real.check(), Ok(()));
        let (memory, reserved) = (Which::Memory, Which::Reserved);
        for which in [memory, reserved] {
            assert_eq!(self.real.regions(which), self.map.regions(which));
        }
        assert_eq!(self.real.phys_mem_size(), self.map.total(memory));
        assert_eq!(self.real.reserved_size(), self.map.total(reserved));
        for address in (self.map.origin..).take(WINDOW) {
            let owner = |which| self.map.owner(which, address).is_some();
            let address = PhysAddr::new(address);
            assert_eq!(self.real.is_memory(address), owner(memory));
            assert_eq!(self.real.is_reserved(address), owner(reserved));
        }
        self.compare_free();
        self.compare_ranges();
        let seen = self.real.snapshot().count();
        let all = self.real.regions(memory).len() + self.real.regions(reserved).len();
        assert_eq!(seen, all);
    }

    fn compare_free(&self) {
        for node in [None, NodeId::new(0), NodeId::new(1), NodeId::new(2)] {
            let mut free: Vec<_> = self.real.free_ranges(node).collect();
            assert_eq!(free, self.map.free_ranges(node));
            free.reverse();
            let downwards: Vec<_> = self.real.free_ranges(node).rev().collect();
            assert_eq!(free, downwards);
        }
    }

    /// Asks about ranges all over the window.
    fn compare_ranges(&self) {
        let regions = self.map.regions(Which::Memory);
        for start in (0..WINDOW).step_by(29) {
            for end in (start + 1..=WINDOW).step_by(67) {
                let range = self.range(Span {
                    place: start,
                    size: end - start,
                });
                for &which in Which::ALL {
                    let any = self.is_part(which, range);
                    assert_eq!(self.real.overlaps(which, range), any, "{range}");
                }
                let mut around = regions.iter().map(|it| it.range);
                let all = around.any(|it| it.start() <= range.start() && range.end() <= it.end());
                assert_eq!(self.real.is_region_memory(range), all, "{range}");
            }
        }
    }

    /// Says whether somebody has a byte of a range.
    fn is_part(&self, which: Which, range: PhysRange) -> bool {
        let mut bytes = range.start().get()..range.end().get();
        bytes.any(|address| self.map.owner(which, address).is_some())
    }
}
