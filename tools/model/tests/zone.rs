// SPDX-License-Identifier: GPL-2.0

//! Sequences of allocations, frees and drains on a zone, against a list of what is held.

use std::collections::BTreeMap;

use oxmm_model::algo::buddy::frame::WrongFree;
use oxmm_model::algo::buddy::pcp::Tuning;
use oxmm_model::algo::buddy::zone::{Memory, Miss, Want};
use oxmm_model::algo::buddy::FRAMES;
use oxmm_model::algo::snapshot::Watermark;
use oxmm_model::algo::units::{FrameIdx, Migratetype, NrPages, Order};
use oxmm_model::algo::watermark::{AllocFlag, AllocFlags};
use oxmm_model::host::{zone, LoneZone};
use proptest::prelude::*;

const CPUS: usize = 2;

const TUNING: Tuning = Tuning {
    batch: 63,
    high_min: 100,
    high_max: 2000,
    keeps_high_batch: false,
};

#[derive(Clone, Debug)]
enum Action {
    Alloc {
        cpu: usize,
        order: u32,
        migratetype: usize,
        flags: u8,
    },
    Free {
        cpu: usize,
        which: usize,
    },
    WrongFree {
        cpu: usize,
        frame: u32,
        order: u32,
    },
    Drain {
        cpu: usize,
    },
    Isolate {
        block: usize,
        isolated: bool,
    },
    Unreserve,
}

fn action() -> impl Strategy<Value = Action> {
    let order = prop_oneof![6 => 0..4u32, 2 => 4..11u32, 1 => Just(9u32)];
    prop_oneof![
        10 => (0..CPUS, order, 0..3usize, any::<u8>()).prop_map(|(cpu, order, migratetype, flags)| {
            Action::Alloc { cpu, order, migratetype, flags }
        }),
        8 => (0..CPUS, any::<usize>()).prop_map(|(cpu, which)| Action::Free { cpu, which }),
        2 => (0..CPUS, 0..70_000u32, 0..11u32)
            .prop_map(|(cpu, frame, order)| Action::WrongFree { cpu, frame, order }),
        1 => (0..CPUS).prop_map(|cpu| Action::Drain { cpu }),
        1 => (0..128usize, any::<bool>())
            .prop_map(|(block, isolated)| Action::Isolate { block, isolated }),
        1 => Just(Action::Unreserve),
    ]
}

/// Two regions, of which the first begins and the second ends with a hole.
fn two_regions() -> (LoneZone, usize) {
    let zone: LoneZone = zone(2, CPUS, TUNING);
    let (from, frames) = (700, 40_000);
    zone.add(
        FrameIdx::new(from),
        NrPages::new(frames),
        Migratetype::Movable,
    );
    (zone, frames)
}

fn flags(bits: u8) -> AllocFlags {
    AllocFlags::new(Watermark::Min)
        .with_if(AllocFlag::NoFragment, bits & 3 == 3)
        .with_if(AllocFlag::HighAtomic, bits & 12 == 12)
        .with_if(AllocFlag::NonBlock, bits & 16 != 0)
        .with_if(AllocFlag::Kswapd, bits & 32 != 0)
}

#[derive(Default)]
struct Model {
    held: BTreeMap<u32, Order>,
}

impl Model {
    /// Whether none of a block's frames is held.
    fn is_apart(&self, frame: u32, order: Order) -> bool {
        let end = frame + (1 << order.get());
        let before = self.held.range(..end).next_back();
        before.is_none_or(|(&start, order)| start + (1 << order.get()) <= frame)
    }
}

fn step(zone: &LoneZone, model: &mut Model, action: &Action) {
    match *action {
        Action::Alloc {
            cpu,
            order,
            migratetype,
            flags: bits,
        } => {
            let order = Order::new(order).unwrap();
            let want = Want::new(order, Migratetype::ALL[migratetype], flags(bits));
            match zone.alloc(cpu, &want) {
                Ok(frame) => {
                    assert!(frame.is_aligned(order));
                    assert!(model.is_apart(frame.get(), order));
                    let end = frame.index() + order.nr_pages().get();
                    assert!(frame.index() >= 700 && end <= 40_700);
                    model.held.insert(frame.get(), order);
                }
                Err(miss) => assert_eq!(miss, Miss::Empty),
            }
        }
        Action::Free { cpu, which } => {
            let Some((&frame, &order)) = model.held.iter().nth(which % model.held.len().max(1))
            else {
                return;
            };
            zone.free(cpu, FrameIdx::new(frame), order).unwrap();
            model.held.remove(&frame);
        }
        Action::WrongFree { cpu, frame, order } => {
            let order = Order::new(order).unwrap();
            if model.held.get(&frame) != Some(&order) {
                let wrong = zone.free(cpu, FrameIdx::new(frame), order).unwrap_err();
                named_right(model, frame, order, wrong);
            }
        }
        Action::Drain { cpu } => {
            zone.drain(cpu);
        }
        Action::Isolate { block, isolated } => {
            zone.isolate(block, isolated);
        }
        Action::Unreserve => {
            zone.unreserve_highatomic(Migratetype::Movable, true);
        }
    }
}

/// What is said of a wrong free is true.
fn named_right(model: &Model, frame: u32, order: Order, wrong: WrongFree) {
    let holder = model.held.range(..=frame).next_back();
    let holder = holder.filter(|(&start, order)| frame < start + (1 << order.get()));
    match wrong {
        WrongFree::NotManaged => assert!(!(700..40_700).contains(&frame)),
        WrongFree::Order(given) => assert_eq!(holder, Some((&frame, &given))),
        WrongFree::Tail(head, given) => assert_eq!(holder, Some((&head.get(), &given))),
        WrongFree::Misaligned => assert!(!FrameIdx::new(frame).is_aligned(order)),
        WrongFree::Free(..) | WrongFree::OnList => assert_eq!(holder, None),
    }
}

fn blocks(zone: &LoneZone) -> Vec<(usize, usize)> {
    use oxmm_model::algo::buddy::guarded::Guarded;
    let mut all = BTreeMap::new();
    for region in zone.memory().regions() {
        region.with(|it| {
            it.count_blocks(Order::new(10).unwrap(), |_, order, count| {
                *all.entry(order.index()).or_insert(0) += count;
            });
        });
    }
    all.into_iter().filter(|it| it.1 > 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Blocks never overlap, wrong frees are refused and named, the recount agrees after every
    /// step, and what is freed merges to what there was.
    #[test]
    fn a_zone_keeps_its_frames(actions in prop::collection::vec(action(), 1..200)) {
        let (zone, frames) = two_regions();
        let before = blocks(&zone);
        let mut model = Model::default();
        for (number, action) in actions.iter().enumerate() {
            step(&zone, &mut model, action);
            if number % 4 == 0 {
                assert_eq!(zone.check(CPUS), Ok(()), "after {action:?}");
            }
        }
        for (&frame, &order) in &model.held {
            zone.free(0, FrameIdx::new(frame), order).unwrap();
        }
        for cpu in 0..CPUS {
            zone.drain(cpu);
        }
        for block in 0..128 {
            zone.isolate(block, false);
        }
        prop_assert_eq!(zone.check(CPUS), Ok(()));
        let free = zone.figures().free.load(std::sync::atomic::Ordering::Relaxed);
        prop_assert_eq!(free, isize::try_from(frames).unwrap());
        prop_assert_eq!(blocks(&zone), before);
    }
}

/// A zone is served to its last frame, and then says so.
#[test]
fn every_frame_is_served() {
    let (zone, frames) = two_regions();
    let want = Want::new(Order::ZERO, Migratetype::Unmovable, flags(0));
    let mut held = Vec::new();
    while let Ok(frame) = zone.alloc(0, &want) {
        held.push(frame);
    }
    assert_eq!(held.len(), frames);
    held.sort();
    held.dedup();
    assert_eq!(held.len(), frames);
    for frame in held {
        zone.free(1, frame, Order::ZERO).unwrap();
    }
    zone.drain(1);
    assert_eq!(zone.check(CPUS), Ok(()));
}

/// Frames of a batch come from low to high, so that neighbours are used together.
#[test]
fn frames_come_in_order() {
    let (zone, _) = two_regions();
    let want = Want::new(Order::ZERO, Migratetype::Movable, flags(0));
    let frames: Vec<_> = (0..60)
        .map(|_| zone.alloc(0, &want).unwrap().get())
        .collect();
    assert!(frames.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(frames[59] - frames[0] < 128);
    assert!(usize::try_from(frames[59]).unwrap() < 2 * FRAMES);
}
