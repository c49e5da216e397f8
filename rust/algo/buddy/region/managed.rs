// SPDX-License-Identifier: GPL-2.0

//! Which frames of a region exist: runs of them, for memory has few holes.
//!
//!   [ 0..640 )    [ 1024..32768 )                  two runs, one hole
//!
//! # Locking     part of a region.
//! # Cost        132 bytes; O(runs) for a frame or a range. Pageblocks without holes have a bit in
//!               the region, and are not looked up here.
//! # Limits      32 runs; what would need more is refused, and stays unused.
//! # Reference   mm/mm_init.c: memmap_init(): the kernel gives a hole `struct page`s nobody may have.

use super::super::FRAMES;

/// The most runs that a region keeps.
const MAX_RUNS: usize = 32;

/// Frames from `from` on, up to `to`, which is none of them; a place without a run has neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    from: u16,
    to: u16,
}

impl Run {
    const NONE: Self = Self { from: 0, to: 0 };

    fn is_none(self) -> bool {
        self.to == 0
    }

    fn from(self) -> usize {
        usize::from(self.from)
    }

    fn to(self) -> usize {
        usize::from(self.to)
    }
}

/// The frames that exist.
///
/// # Invariants
///
/// The runs are sorted, not empty, below `FRAMES` and do not touch; places without one come last.
#[derive(Clone)]
pub(super) struct Managed {
    frames: u32,
    runs: [Run; MAX_RUNS],
}

impl Managed {
    /// Makes a region without frames.
    pub(super) const fn new() -> Self {
        Self {
            frames: 0,
            runs: [Run::NONE; MAX_RUNS],
        }
    }

    /// Returns how many frames there are.
    pub(super) fn frames(&self) -> usize {
        crate::algo::units::usize_from(self.frames)
    }

    /// Adds frames; returns false if there are none, some exist, or there are too many runs.
    pub(super) fn add(&mut self, from: usize, to: usize) -> bool {
        if from >= to || to > FRAMES {
            return false;
        }
        let (Ok(from), Ok(to)) = (u16::try_from(from), u16::try_from(to)) else {
            return false;
        };
        // The runs before it end at `from` or below.
        let before = |run: &&Run| !run.is_none() && run.to <= from;
        let place = self.runs.iter().take_while(before).count();
        let next = self.runs.get(place).copied().unwrap_or(Run::NONE);
        if !next.is_none() && next.from < to {
            return false;
        }
        if !self.insert(place, Run { from, to }) {
            return false;
        }
        self.frames = self.frames.saturating_add(u32::from(to - from));
        true
    }

    /// Puts a run, which overlaps none, before the run at `place`, joined with those that it
    /// touches.
    fn insert(&mut self, place: usize, run: Run) -> bool {
        let touches = |left: Run, right: Run| !right.is_none() && left.to == right.from;
        let get = |place: usize| self.runs.get(place).copied().unwrap_or(Run::NONE);
        let last = place.checked_sub(1).map(|last| (last, get(last)));
        let last = last.filter(|(_, last)| touches(*last, run));
        let next = Some(get(place)).filter(|next| touches(run, *next));
        // INVARIANT: sorted, for the place was chosen so; none touch, for those that would are one.
        match (last, next) {
            (Some((at, last)), Some(next)) => {
                self.put(at, last.from, next.to);
                self.runs.copy_within(place + 1.., place);
                self.put(MAX_RUNS - 1, 0, 0);
            }
            (Some((at, last)), None) => self.put(at, last.from, run.to),
            (None, Some(next)) => self.put(place, run.from, next.to),
            (None, None) if get(MAX_RUNS - 1).is_none() && place < MAX_RUNS => {
                self.runs.copy_within(place..MAX_RUNS - 1, place + 1);
                self.put(place, run.from, run.to);
            }
            (None, None) => return false,
        }
        true
    }

    fn put(&mut self, place: usize, from: u16, to: u16) {
        if let Some(run) = self.runs.get_mut(place) {
            *run = Run { from, to };
        }
    }

    /// Says whether all frames `from..to`, of which there is one or more, exist.
    pub(super) fn contains(&self, from: usize, to: usize) -> bool {
        let mut runs = self.runs.iter().take_while(|run| !run.is_none());
        runs.any(|run| run.from() <= from && to <= run.to())
    }

    /// Returns which of the 64 frames from `from` on exist.
    pub(super) fn word(&self, from: usize) -> u64 {
        let below = |end: usize| end.saturating_sub(from).min(64);
        let runs = self.runs.iter().take_while(|run| !run.is_none());
        runs.map(|run| super::words::range(below(run.from()), below(run.to())))
            .fold(0, |all, some| all | some)
    }

    /// Says whether the invariants hold.
    pub(super) fn is_consistent(&self) -> bool {
        let runs = self.runs.iter().take_while(|run| !run.is_none());
        let nr = runs.clone().count();
        let frames: usize = runs.clone().map(|run| run.to() - run.from()).sum();
        self.runs.iter().skip(nr).all(|run| *run == Run::NONE)
            && runs
                .clone()
                .all(|run| run.from < run.to && run.to() <= FRAMES)
            && runs
                .clone()
                .zip(runs.skip(1))
                .all(|(run, next)| run.to < next.from)
            && frames == self.frames()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn runs_are(managed: &Managed, expected: &[(u16, u16)]) {
        let runs = managed.runs.iter().take_while(|run| !run.is_none());
        let runs: Vec<_> = runs.map(|run| (run.from, run.to)).collect();
        assert_eq!(runs, expected);
        assert!(managed.is_consistent());
    }

    /// [10..20) [30..40), then the hole between them.
    #[test]
    fn runs_that_touch_become_one() {
        let mut managed = Managed::new();
        assert!(managed.add(30, 40));
        assert!(managed.add(10, 20));
        runs_are(&managed, &[(10, 20), (30, 40)]);
        assert!(managed.add(25, 30));
        runs_are(&managed, &[(10, 20), (25, 40)]);
        assert!(managed.add(20, 22));
        runs_are(&managed, &[(10, 22), (25, 40)]);
        assert!(managed.add(22, 25));
        runs_are(&managed, &[(10, 40)]);
        assert_eq!(managed.frames(), 30);
    }

    #[test]
    fn frames_are_added_once_and_inside_of_the_region() {
        let mut managed = Managed::new();
        assert!(managed.add(10, 20));
        for (from, to) in [(0, 11), (19, 30), (12, 13), (0, 30), (10, 20)] {
            assert!(!managed.add(from, to), "{from}..{to}");
        }
        assert!(!managed.add(5, 5));
        assert!(!managed.add(6, 5));
        assert!(!managed.add(30, FRAMES + 1));
        assert!(managed.add(20, FRAMES));
        runs_are(&managed, &[(10, 32768)]);
    }

    #[test]
    fn more_runs_than_places_are_refused() {
        let mut managed = Managed::new();
        for place in 0..MAX_RUNS {
            assert!(managed.add(10 * place, 10 * place + 5));
        }
        let all = managed.frames();
        assert!(!managed.add(3007, 3008));
        assert!(!managed.add(7, 8));
        assert_eq!(managed.frames(), all);
        assert!(managed.add(5, 10));
        assert!(managed.add(3007, 3008));
        assert!(managed.is_consistent());
    }

    #[test]
    fn word_shows_the_frames_of_all_runs() {
        let mut managed = Managed::new();
        assert!(managed.add(60, 66));
        assert!(managed.add(70, 72));
        assert_eq!(managed.word(64), 0b1100_0011);
        assert_eq!(managed.word(0), 0xf << 60);
        assert_eq!(managed.word(128), 0);
    }
}
