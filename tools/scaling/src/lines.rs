// SPDX-License-Identifier: GPL-2.0

//! Cache lines: who has each, what was handed over, and the clocks of the CPUs.
//!
//!   read by B, which A has changed     handed over: both have it then
//!   write by B, which others have      handed over: B has it alone
//!   anything by who has it already     nothing
//!
//! A line serves one handover at a time: who comes while it is under way waits.
//!
//! # Locking     one thread; the state is a thread's own.
//! # Limits      what nobody has comes from memory for nothing: every allocator has that cost.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{
    BuildHasherDefault,
    Hasher, //
};

/// The most CPUs.
pub const MAX_CPUS: usize = 256;

/// The ns that it takes to hand a line from one CPU to another.
pub const HANDOVER: u64 = 32;

/// Bytes of a line.
const LINE: usize = 64;

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The numbers of the zone that change with each refill.
    Count,
    /// Those that seldom change: marks, flags, boost.
    Marks,
    /// The index of regions.
    Index,
    /// The summaries of regions.
    Summaries,
    /// The types of pageblocks.
    Types,
    /// The states of frames and pageblocks.
    States,
    /// The accounts of frames and pageblocks.
    Accounts,
    /// A region and its lock.
    Region,
    /// The page lists of a CPU.
    Lists,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Count,
        Self::Marks,
        Self::Index,
        Self::Summaries,
        Self::Types,
        Self::States,
        Self::Accounts,
        Self::Region,
        Self::Lists,
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Marks => "marks",
            Self::Index => "index",
            Self::Summaries => "summaries",
            Self::Types => "types",
            Self::States => "states",
            Self::Accounts => "accounts",
            Self::Region => "region",
            Self::Lists => "lists",
        }
    }
}

/// When something was busy last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    from: u64,
    to: u64,
}

impl Busy {
    /// Until when who comes at `now` has to wait.
    fn wait(self, now: u64) -> u64 {
        // Who comes before has gone before.
        match now < self.from {
            true => now,
            false => now.max(self.to),
        }
    }
}

/// Who has a line.
#[derive(Clone, Default)]
struct Line {
    holders: [u64; MAX_CPUS / 64],
    busy: Busy,
}

impl Line {
    fn has(&self, cpu: usize) -> bool {
        self.holders[cpu / 64] >> (cpu % 64) & 1 == 1
    }

    fn has_others(&self, cpu: usize) -> bool {
        let mine = |word: usize| if word == cpu / 64 { 1 << (cpu % 64) } else { 0 };
        let mut words = self.holders.iter().enumerate();
        words.any(|(word, holders)| holders & !mine(word) != 0)
    }
}

/// Lines are known by their numbers, which are spread well enough by a product.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn write_usize(&mut self, number: usize) {
        // CAST: `usize` has 64 bits at most.
        self.write_u64(number as u64);
    }
}

/// Lines and clocks.
#[derive(Default)]
struct Board {
    lines: HashMap<usize, Line, BuildHasherDefault<Spread>>,
    /// Where what lies, by first line and the line behind the last.
    places: Vec<(usize, usize, Kind)>,
    clocks: Vec<u64>,
    /// Who is at work; nobody while a zone is made.
    cpu: Option<usize>,
    handed_over: [u64; Kind::COUNT],
}

thread_local! {
    static BOARD: RefCell<Board> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Board) -> T) -> T {
    BOARD.with(|board| work(&mut board.borrow_mut()))
}

/// Begins anew, with so many CPUs.
pub fn begin(cpus: usize) {
    assert!(cpus <= MAX_CPUS);
    with(|board| {
        *board = Board::default();
        board.clocks = vec![0; cpus];
    });
}

/// Says what lies in a place.
pub fn place<T: ?Sized>(of: &T, kind: Kind) {
    let from = std::ptr::from_ref(of).cast::<u8>().addr();
    let to = from + size_of_val(of).max(1);
    with(|board| {
        board.places.push((from / LINE, to.div_ceil(LINE), kind));
        // Of two that begin together the larger one comes first.
        board
            .places
            .sort_by_key(|it| (it.0, std::cmp::Reverse(it.1)));
    });
}

/// A CPU is at work from now on; `None` for one who is not counted.
pub fn turn(cpu: Option<usize>) {
    with(|board| board.cpu = cpu);
}

/// The clock of a CPU.
pub fn clock(cpu: usize) -> u64 {
    with(|board| board.clocks[cpu])
}

/// Lets all CPUs wait for the last one.
pub fn meet() {
    with(|board| {
        let last = board.clocks.iter().copied().max().unwrap_or(0);
        board.clocks.fill(last);
    });
}

/// The CPU at work spends some time.
pub fn spend(ns: u64) {
    with(|board| {
        if let Some(cpu) = board.cpu {
            board.clocks[cpu] += ns;
        }
    });
}

/// How many lines of each kind were handed over so far.
pub fn handed_over() -> [u64; Kind::COUNT] {
    with(|board| board.handed_over)
}

/// The CPU at work reads what is in this place, or writes it.
#[inline]
pub fn touch<T>(place: &T, writes: bool) {
    touch_line(std::ptr::from_ref(place).addr() / LINE, writes);
}

/// The same of so many lines from a place on.
pub fn touch_lines<T>(place: &T, lines: usize, writes: bool) {
    let first = std::ptr::from_ref(place).addr() / LINE;
    (first..first + lines).for_each(|line| touch_line(line, writes));
}

fn touch_line(number: usize, writes: bool) {
    with(|board| {
        if let Some(cpu) = board.cpu {
            board.touch(cpu, number, writes);
        }
    });
}

impl Board {
    fn touch(&mut self, cpu: usize, number: usize, writes: bool) {
        let line = self.lines.entry(number).or_default();
        let has_others = line.has_others(cpu);
        let is_handed_over = has_others && (writes || !line.has(cpu));
        if is_handed_over {
            let from = line.busy.wait(self.clocks[cpu]);
            let to = from + HANDOVER;
            line.busy = Busy { from, to };
            self.clocks[cpu] = to;
        }
        if writes {
            line.holders = [0; MAX_CPUS / 64];
        }
        line.holders[cpu / 64] |= 1 << (cpu % 64);
        if is_handed_over {
            self.count(number);
        }
    }

    fn count(&mut self, number: usize) {
        let at = self.places.partition_point(|it| it.0 <= number);
        let found = self.places[..at].iter().rev().find(|it| number < it.1);
        let (_, _, kind) = found.expect("every place of the zone is known");
        let place = Kind::ALL.iter().position(|it| it == kind);
        self.handed_over[place.expect("all kinds are there")] += 1;
    }
}

/// The time at which a lock is free that was `busy` last; the CPU at work goes there.
pub(crate) fn wait_for(busy: Busy) {
    with(|board| {
        if let Some(cpu) = board.cpu {
            board.clocks[cpu] = busy.wait(board.clocks[cpu]);
        }
    });
}

/// Says whether a lock that was `busy` last is so now.
pub(crate) fn is_held(busy: Busy) -> bool {
    with(|board| {
        let cpu = board.cpu;
        cpu.is_some_and(|cpu| busy.wait(board.clocks[cpu]) > board.clocks[cpu])
    })
}

/// Does some work under a lock, and says how long it was held.
pub(crate) fn held<R>(work: impl FnOnce() -> R) -> (R, Busy) {
    let now = || with(|board| board.cpu.map_or(0, |cpu| board.clocks[cpu]));
    let from = now();
    let result = work();
    (result, Busy { from, to: now() })
}
