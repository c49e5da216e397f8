// SPDX-License-Identifier: GPL-2.0

//! Where a simulated zone keeps its state; who takes a lock or visits a region is noted.
//!
//! A visit of a region takes the line of its lock, those of its masks and counters, and each line of
//! words that it changes.
//!
//! # Locking     one thread; a lock is held by the clock of the CPU that took it.
//! # Limits      lists are their CPU's own: to drain those of others is not simulated.

use std::cell::{
    Cell,
    OnceCell,
    RefCell, //
};

use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::{
    Pcp,
    Tuning, //
};
use crate::algo::buddy::zone::{
    index_words,
    Memory, //
};
use crate::algo::buddy::{
    Region,
    FRAMES,
    PAGEBLOCKS, //
};
use crate::lines::{
    held,
    is_held,
    place,
    spend,
    touch,
    touch_lines,
    wait_for,
    Busy,
    Kind, //
};
use crate::seam::{
    AtomicU16,
    AtomicU64,
    AtomicU8, //
};

/// The ns that a visit of a region takes apart from lines that are handed over.
pub const VISIT: u64 = 50;

/// Lines of a region behind its words, of those that a visit changes.
const MASKS: usize = 5;

/// The words of a region: bytes that come first, a line for each pageblock.
type Words = [[u64; 8]; PAGEBLOCKS];

/// A region behind its lock.
#[repr(C, align(64))]
pub struct RegionLock {
    busy: Cell<Busy>,
    region: RefCell<Region>,
}

impl RegionLock {
    fn visit<R>(&self, work: impl FnOnce(&mut Region) -> R) -> R {
        let (result, busy) = held(|| {
            touch(&self.busy, true);
            spend(VISIT);
            let mut region = self.region.borrow_mut();
            let before = words(&region);
            let result = work(&mut region);
            let words_of: *const Words = std::ptr::from_ref(&*region).cast();
            let masks = words_of.wrapping_add(1);
            note_words(&before, &words(&region), words_of.cast());
            drop(region);
            // SAFETY: `masks` is not read, its address alone is wanted; it is inside of `region`.
            touch_lines(unsafe { &*masks.cast::<u8>() }, MASKS, true);
            result
        });
        self.busy.set(busy);
        result
    }
}

/// The words of a region as they are.
fn words(region: &Region) -> Words {
    const { assert!(size_of::<Region>() > size_of::<Words>()) };
    // SAFETY: the region is `repr(C)`, its first field are these words, and they are initialised.
    unsafe { std::ptr::from_ref(region).cast::<Words>().read() }
}

/// Notes the lines that were changed; `first` is where they are.
fn note_words(before: &Words, after: &Words, first: *const [u64; 8]) {
    for (number, (before, after)) in before.iter().zip(after).enumerate() {
        if before != after {
            // SAFETY: one of the region's lines, which is alive: its address alone is wanted.
            touch(unsafe { &*first.wrapping_add(number) }, true);
        }
    }
}

impl Guarded<Region> for RegionLock {
    fn with<R>(&self, work: impl FnOnce(&mut Region) -> R) -> R {
        wait_for(self.busy.get());
        self.visit(work)
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut Region) -> R) -> Option<R> {
        if is_held(self.busy.get()) {
            touch(&self.busy, false);
            return None;
        }
        Some(self.visit(work))
    }
}

/// The lists of a CPU, which no other CPU wants.
#[repr(align(64))]
pub struct ListsLock(RefCell<Pcp>);

impl Guarded<Pcp> for ListsLock {
    fn with<R>(&self, work: impl FnOnce(&mut Pcp) -> R) -> R {
        touch(&self.0, true);
        work(&mut self.0.borrow_mut())
    }

    fn try_with<R>(&self, work: impl FnOnce(&mut Pcp) -> R) -> Option<R> {
        Some(self.with(work))
    }
}

/// Values that begin with a line of the cache.
struct Aligned<T> {
    values: Vec<T>,
    skipped: usize,
}

impl<T: Default> Aligned<T> {
    fn new(count: usize, kind: Kind) -> Self {
        let more = 64 / size_of::<T>();
        let values: Vec<T> = std::iter::repeat_with(T::default)
            .take(count + more)
            .collect();
        let skipped = values.as_ptr().align_offset(64);
        let aligned = Self { values, skipped };
        place(aligned.get(), kind);
        aligned
    }

    fn get(&self) -> &[T] {
        let count = self.values.len() - 64 / size_of::<T>();
        &self.values[self.skipped..self.skipped + count]
    }
}

/// The storage of a zone.
pub struct Storage {
    regions: Vec<RegionLock>,
    lists: Vec<ListsLock>,
    summaries: Aligned<AtomicU64>,
    index: Aligned<AtomicU64>,
    types: Aligned<AtomicU8>,
    huge_states: Aligned<AtomicU8>,
    huge_accounts: Aligned<AtomicU16>,
    frames: Vec<OnceCell<Frames>>,
}

/// What is kept of each of a region's frames.
struct Frames {
    states: Aligned<AtomicU8>,
    accounts: Aligned<AtomicU16>,
}

impl Storage {
    /// Storage for so many regions and CPUs.
    pub fn new(regions: usize, cpus: usize, tuning: Tuning) -> Self {
        let region = || RegionLock {
            busy: Cell::default(),
            region: RefCell::new(Region::new()),
        };
        let lists = || ListsLock(RefCell::new(Pcp::new(tuning)));
        let storage = Self {
            regions: std::iter::repeat_with(region).take(regions).collect(),
            lists: std::iter::repeat_with(lists).take(cpus).collect(),
            summaries: Aligned::new(regions, Kind::Summaries),
            index: Aligned::new(index_words(regions), Kind::Index),
            types: Aligned::new(regions * PAGEBLOCKS, Kind::Types),
            huge_states: Aligned::new(regions * PAGEBLOCKS, Kind::States),
            huge_accounts: Aligned::new(regions * PAGEBLOCKS, Kind::Accounts),
            frames: std::iter::repeat_with(OnceCell::new)
                .take(regions)
                .collect(),
        };
        place(storage.regions.as_slice(), Kind::Region);
        place(storage.lists.as_slice(), Kind::Lists);
        storage
    }

    /// Allocates the states of a region, which a zone says are not ready.
    pub fn prepare(&self, region: usize) {
        self.frames[region].get_or_init(|| Frames {
            states: Aligned::new(FRAMES, Kind::States),
            accounts: Aligned::new(FRAMES, Kind::Accounts),
        });
    }
}

impl Memory for Storage {
    type Region = RegionLock;
    type Lists = ListsLock;

    fn regions(&self) -> &[RegionLock] {
        &self.regions
    }

    fn summaries(&self) -> &[AtomicU64] {
        self.summaries.get()
    }

    fn index(&self) -> &[AtomicU64] {
        self.index.get()
    }

    fn types(&self) -> &[AtomicU8] {
        self.types.get()
    }

    fn states(&self, region: usize) -> Option<&[AtomicU8]> {
        Some(self.frames.get(region)?.get()?.states.get())
    }

    fn huge_states(&self) -> &[AtomicU8] {
        self.huge_states.get()
    }

    fn accounts(&self, region: usize) -> Option<&[AtomicU16]> {
        Some(self.frames.get(region)?.get()?.accounts.get())
    }

    fn huge_accounts(&self) -> &[AtomicU16] {
        self.huge_accounts.get()
    }

    fn lists(&self, cpu: usize) -> Option<&ListsLock> {
        self.lists.get(cpu)
    }
}
