// SPDX-License-Identifier: GPL-2.0

//! A zone beside a list of what is held of it.
//!
//! Used by the property tests and by the fuzz target: `follow` does a list of actions to both.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use crate::algo::buddy::frame::WrongFree;
use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::Tuning;
use crate::algo::buddy::zone::{
    flag,
    Memory,
    Miss,
    Want, //
};
use crate::algo::buddy::{
    FRAMES,
    PAGEBLOCKS, //
};
use crate::algo::snapshot::Watermark;
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NrPages,
    Order, //
};
use crate::algo::watermark::{
    AllocFlag,
    AllocFlags, //
};
use crate::host::{
    zone,
    LoneZone, //
};

/// The CPUs of the zones here.
pub const CPUS: usize = 2;

const TUNING: Tuning = Tuning {
    batch: 63,
    high_min: 100,
    high_max: 2000,
    keeps_high_batch: false,
};

/// The frames of a zone, all in one run; what comes before and after is a hole.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Regions that the zone has.
    pub regions: usize,
    /// The first frame.
    pub from: u32,
    /// How many there are.
    pub frames: u32,
}

impl Span {
    /// Two regions, of which the first begins and the second ends with a hole.
    pub const TWO_REGIONS: Self = Self {
        regions: 2,
        from: 700,
        frames: 40_000,
    };

    /// A few pageblocks of a region, with holes at both ends.
    pub const PAGEBLOCKS: Self = Self {
        regions: 1,
        from: 200,
        frames: 6000,
    };

    /// The zone, free.
    pub fn zone(self) -> LoneZone {
        let zone: LoneZone = zone(self.regions, CPUS, TUNING);
        let frames = NrPages::new(usize::try_from(self.frames).expect("a count of frames"));
        zone.add(FrameIdx::new(self.from), frames, Migratetype::Movable);
        zone
    }

    fn has(self, frame: u32) -> bool {
        (self.from..self.from + self.frames).contains(&frame)
    }
}

/// Something to be done; numbers are reduced to what there is.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Action {
    Alloc {
        cpu: usize,
        order: Order,
        migratetype: Migratetype,
        flags: AllocFlags,
    },
    Free {
        cpu: usize,
        which: usize,
    },
    /// Frees what is not held like that, if it is not.
    WrongFree {
        cpu: usize,
        frame: u32,
        order: Order,
    },
    /// Frees the first frames, or not only them, of a block that is held.
    WrongOrder {
        cpu: usize,
        which: usize,
        order: Order,
    },
    Drain {
        cpu: usize,
    },
    Isolate {
        block: usize,
        isolated: bool,
    },
    Unreserve {
        migratetype: Migratetype,
    },
    /// Tells CPUs how the zone stands.
    Pressure {
        flags: u32,
    },
}

fn flags(bits: u8) -> AllocFlags {
    AllocFlags::new(Watermark::Min)
        .with_if(AllocFlag::NoFragment, bits & 3 == 3)
        .with_if(AllocFlag::HighAtomic, bits & 12 == 12)
        .with_if(AllocFlag::NonBlock, bits & 16 != 0)
        .with_if(AllocFlag::Kswapd, bits & 32 != 0)
}

impl Action {
    /// Makes an action of any bytes.
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        let [verb, order, kind, a, b, c] = bytes;
        let cpu = usize::from(kind >> 4) % CPUS;
        let migratetype = Migratetype::ALL[usize::from(kind & 15) % 3];
        let which = usize::from(u16::from_le_bytes([a, b]));
        // Small orders are the usual ones.
        let order = match order {
            0..=15 => Order::new(u32::from(order) % 11),
            _ => Order::new(u32::from(order) % 4),
        };
        let order = order.unwrap_or(Order::ZERO);
        match verb % 32 {
            0..=12 => Self::Alloc {
                cpu,
                order,
                migratetype,
                flags: flags(a),
            },
            13..=22 => Self::Free { cpu, which },
            23 | 24 => Self::WrongFree {
                cpu,
                frame: u32::from_le_bytes([a, b, c & 1, 0]),
                order,
            },
            25 => Self::WrongOrder { cpu, which, order },
            26 | 27 => Self::Drain { cpu },
            28 | 29 => Self::Isolate {
                block: usize::from(a),
                isolated: b & 1 == 1,
            },
            30 => Self::Unreserve { migratetype },
            _ => Self::Pressure {
                flags: u32::from(a) & (flag::BELOW_HIGH | flag::RECLAIM_ACTIVE),
            },
        }
    }
}

/// A zone and what is held of it, by first frame.
struct Beside {
    span: Span,
    zone: LoneZone,
    held: BTreeMap<u32, Order>,
}

const fn end(frame: u32, order: Order) -> u32 {
    frame + (1 << order.get())
}

impl Beside {
    /// The block that a frame is in, of those that are held.
    fn holder(&self, frame: u32) -> Option<(u32, Order)> {
        let before = self.held.range(..=frame).next_back();
        let before = before.map(|(&head, &order)| (head, order));
        before.filter(|&(head, order)| frame < end(head, order))
    }

    fn nth(&self, which: usize) -> Option<(u32, Order)> {
        let which = which.checked_rem(self.held.len())?;
        self.held.iter().nth(which).map(|(&it, &order)| (it, order))
    }

    fn alloc(&mut self, cpu: usize, want: &Want) {
        let frame = match self.zone.alloc(cpu, want) {
            Ok(frame) => frame,
            Err(miss) => return assert_eq!(miss, Miss::Empty),
        };
        let (head, end) = (frame.get(), end(frame.get(), want.order()));
        assert!(frame.is_aligned(want.order()));
        assert!(self.span.has(head) && self.span.has(end - 1));
        let before = self.held.range(..end).next_back();
        let is_apart = before.is_none_or(|(&it, &order)| self::end(it, order) <= head);
        assert!(is_apart, "frame {frame} is given twice");
        self.held.insert(head, want.order());
    }

    fn free(&mut self, cpu: usize, frame: u32) {
        if let Some(order) = self.held.remove(&frame) {
            let freed = self.zone.free(cpu, FrameIdx::new(frame), order);
            assert_eq!(freed, Ok(()));
        }
    }

    /// A wrong free is refused, and what is said of it is true.
    fn free_wrong(&self, cpu: usize, frame: u32, order: Order) {
        if self.held.get(&frame) == Some(&order) {
            return;
        }
        let freed = self.zone.free(cpu, FrameIdx::new(frame), order);
        let holder = self.holder(frame);
        match freed.expect_err("no such block is held") {
            WrongFree::NotManaged => assert!(!self.span.has(frame)),
            WrongFree::Order(given) => assert_eq!(holder, Some((frame, given))),
            WrongFree::Tail(head, given) => assert_eq!(holder, Some((head.get(), given))),
            WrongFree::Misaligned => assert!(!FrameIdx::new(frame).is_aligned(order)),
            WrongFree::Free(..) | WrongFree::OnList => assert_eq!(holder, None),
        }
    }

    fn step(&mut self, action: Action) {
        match action {
            Action::Alloc {
                cpu,
                order,
                migratetype,
                flags,
            } => self.alloc(cpu, &Want::new(order, migratetype, flags)),
            Action::Free { cpu, which } => {
                if let Some((frame, _)) = self.nth(which) {
                    self.free(cpu, frame);
                }
            }
            Action::WrongFree { cpu, frame, order } => self.free_wrong(cpu, frame, order),
            Action::WrongOrder { cpu, which, order } => {
                if let Some((frame, _)) = self.nth(which) {
                    self.free_wrong(cpu, frame, order);
                }
            }
            Action::Drain { cpu } => {
                self.zone.drain(cpu);
            }
            Action::Isolate { block, isolated } => {
                let block = block % (self.span.regions * PAGEBLOCKS);
                self.zone.isolate(block, isolated);
            }
            Action::Unreserve { migratetype } => {
                self.zone.unreserve_highatomic(migratetype, true);
            }
            Action::Pressure { flags } => self.zone.figures().flags.store(flags, Relaxed),
        }
    }

    fn free_all(&mut self) {
        while let Some((&frame, _)) = self.held.first_key_value() {
            self.free(0, frame);
        }
        for cpu in 0..CPUS {
            self.zone.drain(cpu);
        }
        for block in 0..self.span.regions * PAGEBLOCKS {
            self.zone.isolate(block, false);
        }
        let whole = |zone: &LoneZone| zone.unreserve_highatomic(Migratetype::Movable, true);
        while whole(&self.zone) {}
    }
}

/// Free blocks by order, whatever their type.
fn blocks(zone: &LoneZone) -> BTreeMap<u32, usize> {
    let mut all = BTreeMap::new();
    for region in zone.memory().regions() {
        region.with(|it| {
            it.count_blocks(zone.max_order(), |_, order, count| {
                *all.entry(order.get()).or_insert(0) += count;
            });
        });
    }
    all.retain(|_, &mut count| count > 0);
    all
}

/// Does actions to a zone. Blocks never overlap, wrong frees are refused and named, the recount
/// agrees after each `every`, and what is freed merges to what there was.
pub fn follow(span: Span, actions: impl IntoIterator<Item = Action>, every: usize) {
    assert!(usize::try_from(span.frames).is_ok_and(|it| it <= span.regions * FRAMES));
    let mut beside = Beside {
        span,
        zone: span.zone(),
        held: BTreeMap::new(),
    };
    let before = blocks(&beside.zone);
    for (number, action) in actions.into_iter().enumerate() {
        beside.step(action);
        if number % every == 0 {
            assert_eq!(beside.zone.check(CPUS), Ok(()), "after {action:?}");
        }
    }
    beside.free_all();
    let zone = &beside.zone;
    assert_eq!(zone.check(CPUS), Ok(()));
    let free = zone.figures().free.load(Relaxed);
    assert_eq!(u32::try_from(free), Ok(span.frames));
    assert_eq!(zone.figures().highatomic.load(Relaxed), 0);
    assert_eq!(blocks(zone), before);
}
