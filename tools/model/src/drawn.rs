// SPDX-License-Identifier: GPL-2.0

//! Zones that are drawn, for tests of compaction: who holds what before and after, as letters.
//!
//!   before   m.m.m.m. ....m...      after   mmm.m.m. ........      64 frames a letter

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use crate::algo::buddy::pcp::Tuning;
use crate::algo::buddy::span::Span;
use crate::algo::buddy::zone::compact::{Budget, Done, Scope, Task};
use crate::algo::buddy::zone::{Memory, Want};
use crate::algo::buddy::PAGEBLOCKS;
use crate::algo::snapshot::Watermark;
use crate::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use crate::algo::watermark::AllocFlags;
use crate::holders::Holders;
use crate::host::{zone, LoneZone};

/// Lists of a CPU that hand on at once what is freed.
pub const TUNING: Tuning = Tuning {
    batch: 1,
    high_min: 0,
    high_max: 0,
    keeps_high_batch: false,
};

/// As much as there is.
pub const UNBOUNDED: Budget = Budget {
    pageblocks: usize::MAX,
    frames: usize::MAX,
};

/// The order of this number.
///
/// # Panics
///
/// If there is none.
pub fn order(number: u32) -> Order {
    Order::new(number).expect("as drawn")
}

/// Compaction of everything for a movable block.
pub fn task(wanted: u32) -> Task {
    Task {
        order: order(wanted),
        migratetype: Migratetype::Movable,
        may_cma: false,
        scope: Scope::All,
        budget: UNBOUNDED,
    }
}

/// A block of this order and type, down to the min mark.
pub fn want(number: u32, migratetype: Migratetype) -> Want {
    Want::new(order(number), migratetype, AllocFlags::new(Watermark::Min))
}

/// A zone of these frames and who holds them: nobody.
pub fn fresh(from: u32, frames: usize) -> (LoneZone, Holders) {
    let regions = (FrameIdx::new(from).index() + frames).div_ceil(1 << 15);
    let zone: LoneZone = zone(regions, 1, TUNING);
    zone.add(
        FrameIdx::new(from),
        NrPages::new(frames),
        Migratetype::Movable,
    );
    (zone, Holders::new(regions << 15))
}

/// Four pageblocks; a letter stands for 64 frames: `M` movable in single frames, `m` in blocks of
/// order 6, `U` not movable, `.` free. `H` begins a movable block of order 9; its rest is dots.
pub fn drawn(map: [&str; 4]) -> (LoneZone, Holders) {
    let (zone, mut holders) = fresh(0, 2048);
    let mut start = 0;
    for letter in map.iter().flat_map(|it| it.chars()) {
        let (step, migratetype) = match letter {
            'M' => (0, Some(Migratetype::Movable)),
            'm' => (6, Some(Migratetype::Movable)),
            'H' => (9, Some(Migratetype::Movable)),
            'U' => (6, Some(Migratetype::Unmovable)),
            _ => (6, None),
        };
        for at in (start..start + 64).step_by(1 << step) {
            let Some(migratetype) = migratetype else {
                break;
            };
            let span = Span::block(FrameIdx::new(at), order(step)).expect("as drawn");
            zone.alloc_range(span, migratetype).expect("as drawn");
            let is_movable = migratetype == Migratetype::Movable;
            holders.hold(FrameIdx::new(at), order(step), is_movable);
        }
        start += 64;
    }
    (zone, holders)
}

/// Draws a zone as `drawn` reads it.
pub fn draw(holders: &Holders) -> [String; 4] {
    let letter = |word: u32| match holders.holder(word * 64) {
        Some((_, held)) if !held.is_movable => 'U',
        Some((_, held)) if held.order == Order::ZERO => 'M',
        Some(_) => 'm',
        None => '.',
    };
    std::array::from_fn(|block| {
        let first = u32::try_from(block).expect("as drawn") * 8;
        (first..first + 8).map(letter).collect()
    })
}

/// Compacts and checks that nothing was lost.
pub fn compact(zone: &LoneZone, holders: &mut Holders, task: &Task) -> Done {
    checked(zone, holders, |holders| zone.compact(task, holders))
}

/// Compacts all of a zone and checks that nothing was lost.
pub fn compact_all(zone: &LoneZone, holders: &mut Holders, budget: Budget) -> Done {
    checked(zone, holders, |holders| zone.compact_all(budget, holders))
}

fn checked(
    zone: &LoneZone,
    holders: &mut Holders,
    work: impl FnOnce(&mut Holders) -> Done,
) -> Done {
    let fixed = |it: &Holders| -> BTreeMap<_, _> {
        let held = it.held().iter().filter(|(_, held)| !held.is_movable);
        held.map(|(head, held)| (*head, held.tag)).collect()
    };
    let (before, count) = (fixed(holders), holders.held().len());
    let done = work(holders);
    holders.check();
    assert_eq!(zone.check(1), Ok(()));
    assert_eq!((fixed(holders), holders.held().len()), (before, count));
    for block in 0..zone_blocks(zone) {
        assert!(!zone.isolate(block, false), "{block} is isolated");
    }
    done
}

fn zone_blocks(zone: &LoneZone) -> usize {
    zone.memory().regions().len() * PAGEBLOCKS
}

/// How many frames are free and may be allocated.
pub fn free(zone: &LoneZone) -> isize {
    let free = &zone.figures().free;
    free.load(Relaxed)
}

/// A generator that is good enough to make a mess.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        u32::try_from(self.0 >> 33).expect("as drawn") % end
    }
}
