// SPDX-License-Identifier: GPL-2.0

//! What a prediction says of a request, and what becomes of it on a small machine: the same zone
//! serves it, at the first attempt and on the slow path, or none does.

use std::sync::atomic::Ordering::Relaxed;

use oxmm_model::algo::buddy::slow::{alloc_slow, Helper, Step};
use oxmm_model::algo::buddy::walk::{alloc, attempt, attempt_anywhere, Block, Machine, Plan};
use oxmm_model::algo::buddy::zone::{flag, Figures, Miss};
use oxmm_model::algo::gfp::{Flag, FlagSet};
use oxmm_model::algo::snapshot::would::Asked;
use oxmm_model::algo::units::{NodeId, NodeMask, Order, ZoneKind};
use oxmm_model::algo::watermark::slow_path;
use oxmm_model::algo::would::predict;
use oxmm_model::board::{Board, Part, CPUS};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

const FLAGS: &[Flag] = &[
    Flag::High,
    Flag::Io,
    Flag::DirectReclaim,
    Flag::KswapdReclaim,
    Flag::Nomemalloc,
    Flag::Movable,
    Flag::Reclaimable,
    Flag::Highmem,
    Flag::Dma32,
    Flag::Thisnode,
    Flag::Noretry,
    Flag::RetryMayfail,
];

#[derive(Clone, Debug)]
enum Action {
    Ask {
        order: u32,
        flags: FlagSet,
        cpu: usize,
        node: usize,
        /// The nodes that may serve it, as bits.
        nodes: Option<u32>,
        /// How many such requests there are, one after the other.
        times: usize,
    },
    Free {
        cpu: usize,
        which: usize,
        times: usize,
    },
    Isolate {
        site: usize,
        block: usize,
        isolated: bool,
    },
    DrainAll,
}

/// A zone that is large enough for a highatomic reserve.
fn large(node: u32, kind: ZoneKind) -> impl Strategy<Value = Part> {
    (52_000..60_000u32).prop_map(move |frames| Part {
        node,
        kind,
        frames,
        cma: 0,
    })
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = |node, kind| {
        // The last frames fill no pageblock.
        (4..14u32, 0..512u32, prop_oneof![3 => Just(0), 1 => 1..3u32]).prop_map(
            move |(blocks, rest, cma)| Part {
                node,
                kind,
                frames: match cma {
                    0 => 512 * blocks + rest,
                    _ => 512 * blocks,
                },
                cma: 512 * cma,
            },
        )
    };
    let all = (
        part(0, ZoneKind::Dma32),
        part(0, ZoneKind::Normal),
        part(1, ZoneKind::Normal),
        part(1, ZoneKind::Movable),
    );
    (all, large(0, ZoneKind::Normal), 0..5usize).prop_map(
        |((dma32, normal, far, movable), large, shape)| match shape {
            0 => vec![dma32, normal],
            1 => vec![normal, far],
            2 => vec![dma32, normal, far],
            3 => vec![dma32, large],
            _ => vec![dma32, normal, far, movable],
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let order = prop_oneof![4 => 0..4u32, 2 => 4..9u32, 1 => 9..11u32];
    let flags = subsequence(FLAGS, 0..=FLAGS.len()).prop_map(|it| it.into_iter().collect());
    let times = prop_oneof![Just(1usize), 1..400usize];
    let nodes = prop_oneof![2 => Just(None), 1 => (0..8u32).prop_map(Some)];
    let ask = (order, flags, 0..CPUS, 0..2usize, nodes, times.clone());
    prop_oneof![
        8 => ask.prop_map(|(order, flags, cpu, node, nodes, times)| {
            Action::Ask { order, flags, cpu, node, nodes, times }
        }),
        4 => (0..CPUS, any::<usize>(), times)
            .prop_map(|(cpu, which, times)| Action::Free { cpu, which, times }),
        1 => (any::<usize>(), 0..16usize, any::<bool>())
            .prop_map(|(site, block, isolated)| Action::Isolate { site, block, isolated }),
        1 => Just(Action::DrainAll),
    ]
}

fn place(served: Result<Block, Miss>) -> Option<u16> {
    match served {
        Ok(block) => Some(block.site),
        Err(miss) => {
            assert_eq!(miss, Miss::Empty);
            None
        }
    }
}

/// Whether a request that no zone of its nodes serves asks the others too, if it has any to begin
/// with.
fn is_above_policies(board: &Board, asked: &Asked) -> bool {
    let cannot_wait = !asked.flags.contains(Flag::DirectReclaim);
    let mut tried = board.candidates(asked).into_iter();
    cannot_wait
        && asked.flags.contains(Flag::High)
        && tried.any(|it| asked.takes_from(it.zone.node))
}

/// Predicts a request and makes it; returns whether it was served.
fn ask(board: &Board, cpu: usize, asked: Asked) -> bool {
    let plan = Plan::new(board, asked);
    let tried = board.tried(&asked);
    let told = predict(&asked, &board.candidates(&asked));
    let served = alloc(board, cpu, &plan);
    let expected = told.first.served_by.map(|it| tried[it]);
    assert_eq!(place(served), expected, "first attempt of {asked:?}");
    if let Ok(block) = served {
        board.hold(block, asked.order);
        return true;
    }
    let flags = slow_path(asked.order, asked.flags, &asked.rules);
    let told = predict(&asked, &board.candidates(&asked));
    let mut served = attempt(board, cpu, &plan, flags);
    if served.is_err() && asked.nodes.is_some() && is_above_policies(board, &asked) {
        served = attempt_anywhere(board, cpu, &plan, flags);
    }
    let expected = told.slow.served_by.map(|it| tried[it]);
    assert_eq!(place(served), expected, "slow path of {asked:?}");
    if let Ok(block) = served {
        board.hold(block, asked.order);
    }
    served.is_ok()
}

/// The nodes whose bits are set.
fn mask(bits: u32) -> NodeMask {
    let nodes = (0..32).filter(|&it| bits & 1 << it != 0);
    nodes.filter_map(NodeId::new).collect()
}

fn follow(board: &Board, actions: &[Action]) {
    for action in actions {
        match *action {
            Action::Ask {
                order,
                flags,
                cpu,
                node,
                nodes,
                times,
            } => {
                let mut asked = board.ask(Order::new(order).unwrap(), flags, cpu, node);
                asked.nodes = nodes.map(mask);
                if board.tried(&asked).is_empty() {
                    continue;
                }
                let mut times = 0..times;
                while times.next().is_some() && ask(board, cpu, asked) {}
            }
            Action::Free { cpu, which, times } => {
                for time in 0..times {
                    board.free_one(cpu, which.wrapping_add(time * 31));
                }
            }
            Action::Isolate {
                site,
                block,
                isolated,
            } => board.isolate(site, block, isolated),
            Action::DrainAll => board.drain_all(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn prediction_comes_true(
        parts in parts(),
        min_free in 100..4000usize,
        rules in any::<[bool; 3]>(),
        actions in vec(action(), 1..60),
    ) {
        let board = Board::new(&parts, min_free).with_rules(|it| {
            it.avoids_mixing = rules[0];
            it.highatomic_first = rules[1];
            it.is_realtime = rules[2];
        });
        follow(&board, &actions);
        board.finish();
    }
}

const KERNEL: &[Flag] = &[Flag::Io, Flag::DirectReclaim, Flag::KswapdReclaim];

fn asked(board: &Board, order: u32, flags: &[Flag], more: &[Flag]) -> Asked {
    let flags = flags.iter().chain(more).copied().collect();
    board.ask(Order::new(order).unwrap(), flags, 0, 0)
}

/// A machine of two nodes on which requests have taken what the slow path gives without reclaim, and
/// what lay on lists.
fn exhausted(order: u32) -> Board {
    let part = |node, kind, blocks: u32| Part {
        node,
        kind,
        frames: 512 * blocks,
        cma: 0,
    };
    let board = Board::new(
        &[
            part(0, ZoneKind::Dma32, 4),
            part(0, ZoneKind::Normal, 8),
            part(1, ZoneKind::Normal, 8),
        ],
        1024,
    );
    let asked = asked(&board, order, KERNEL, &[]);
    while ask(&board, 0, asked) {
        while ask(&board, 0, asked) {}
        board.drain_all();
    }
    let _ = board.take_steps();
    board
}

/// The slow path does so much, of this: entered, woken, reclaimed, drained, compacted, failed.
#[track_caller]
fn does(board: &Board, asked: Asked, is_served: bool, expected: [u32; 6]) {
    let served = alloc_slow(board, 0, &Plan::new(board, asked));
    let steps = board.take_steps();
    let steps = [
        Step::Entered,
        Step::Woken,
        Step::Reclaimed,
        Step::Drained,
        Step::Compacted,
        Step::Failed,
    ]
    .map(steps);
    assert_eq!((served.is_ok(), steps), (is_served, expected), "{served:?}");
    if let Ok(block) = served {
        board.hold(block, asked.order);
    }
    board.finish();
}

/// A reclaim that frees enough serves the request in its first round. What it frees lies on lists of
/// another CPU until these are drained.
#[test]
fn reclaim_serves_the_request() {
    let board = exhausted(0);
    board.reclaim_each(200);
    let asked = asked(&board, 0, KERNEL, &[]);
    does(&board, asked, true, [1, 1, 1, 0, 0, 0]);

    let board = exhausted(0);
    board.reclaim_each(40);
    does(&board, asked, true, [1, 1, 1, 1, 0, 0]);
}

/// A reclaim that frees a little is asked for again.
#[test]
fn reclaim_is_asked_for_while_it_helps() {
    let board = exhausted(2);
    board.reclaim_each(1);
    let asked = asked(&board, 3, KERNEL, &[]);
    let served = alloc_slow(&board, 0, &Plan::new(&board, asked));
    let steps = board.take_steps();
    assert!(steps(Step::Reclaimed) > 1);
    assert_eq!(steps(Step::Failed), u32::from(served.is_err()));
    if let Ok(block) = served {
        board.hold(block, asked.order);
    }
    board.finish();
}

/// Where nothing comes free a request fails: at once if it may not reclaim, after one round
/// otherwise, for there is no reserve to give up.
#[test]
fn request_fails_where_nothing_comes_free() {
    let board = exhausted(0);
    let kernel = asked(&board, 0, KERNEL, &[]);
    does(&board, kernel, false, [1, 1, 1, 0, 0, 1]);

    let nowait = asked(
        &exhausted(0),
        0,
        &[Flag::KswapdReclaim, Flag::Nomemalloc],
        &[],
    );
    does(&exhausted(0), nowait, false, [1, 1, 0, 0, 0, 1]);
    let silent = asked(&exhausted(0), 0, &[Flag::Nomemalloc], &[]);
    does(&exhausted(0), silent, false, [1, 0, 0, 0, 0, 1]);
}

/// The flags that say how hard to try: large blocks compact before they reclaim, and are tried
/// again only if the request insists.
#[test]
fn effort_is_what_the_flags_ask_for() {
    let table: &[(u32, &[Flag], [u32; 6])] = &[
        (9, &[], [1, 2, 1, 1, 2, 1]),
        (9, &[Flag::Noretry, Flag::Thisnode], [1, 1, 0, 0, 1, 1]),
        (9, &[Flag::Noretry], [1, 2, 1, 1, 2, 1]),
        (9, &[Flag::RetryMayfail], [1, 16, 15, 15, 16, 1]),
    ];
    for &(order, flags, expected) in table {
        let board = exhausted(0);
        // Far too little for a block of that order.
        board.reclaim_each(1);
        let asked = asked(&board, order, KERNEL, flags);
        does(&board, asked, false, expected);
    }
}

/// A zone that was seen below its high mark counts as that until frees have lifted it above.
#[test]
fn frees_lift_a_zone_above_high() {
    let board = exhausted(0);
    let below = || {
        let flags = board.sites().iter().map(|it| &it.zone.figures().flags);
        flags
            .map(|it| it.load(Relaxed) & flag::BELOW_HIGH)
            .sum::<u32>()
    };
    assert_eq!(below(), 3);
    assert!((0..20).all(|_| board.free_one(0, 0)));
    assert_eq!(below(), 3);
    while board.free_one(0, 0) {}
    assert_eq!(below(), 0);
    board.finish();
}

/// A machine of one node whose zone Normal has a highatomic reserve of one pageblock.
fn with_reserve() -> Board {
    let part = |kind, frames| Part {
        node: 0,
        kind,
        frames,
        cma: 0,
    };
    let parts = [part(ZoneKind::Dma32, 2048), part(ZoneKind::Normal, 55_000)];
    let board = Board::new(&parts, 1024);
    let high = asked(&board, 2, &[Flag::High], &[]);
    let plan = Plan::new(&board, high);
    let flags = slow_path(high.order, high.flags, &high.rules);
    let block = attempt(&board, 0, &plan, flags).unwrap();
    board.hold(block, high.order);
    assert_eq!(
        (block.site, normal(&board).highatomic.load(Relaxed)),
        (1, 512)
    );
    board
}

fn normal(board: &Board) -> &Figures {
    board.sites()[1].zone.figures()
}

/// The reserve of a zone that a request may not use is none of its business.
#[test]
fn reserve_above_the_request_is_kept() {
    let board = with_reserve();
    let low = asked(&board, 0, KERNEL, &[Flag::Dma32]);
    while ask(&board, 0, low) {}
    let _ = board.take_steps();
    does(&board, low, false, [1, 1, 1, 0, 0, 1]);
    assert_eq!(normal(&board).highatomic.load(Relaxed), 512);
}

/// A request that cannot wait uses the reserve when nothing else is left, down to the mark.
#[test]
fn request_that_cannot_wait_uses_the_reserve() {
    let board = with_reserve();
    // Movable ones mix no types, which would boost the mark.
    let kernel = asked(&board, 0, KERNEL, &[Flag::Movable]);
    while ask(&board, 0, kernel) {}
    let before = normal(&board).free_highatomic.load(Relaxed);
    assert_eq!(before, 508);
    let nowait = asked(&board, 0, &[], &[Flag::Movable]);
    while ask(&board, 0, nowait) {}
    assert!(normal(&board).free_highatomic.load(Relaxed) < before);
    board.finish();
}

/// A request that may take half of min is served where others are not.
#[test]
fn high_request_goes_below_min() {
    let board = exhausted(0);
    let high = asked(&board, 0, &[Flag::High, Flag::KswapdReclaim], &[]);
    does(&board, high, true, [1, 1, 0, 0, 0, 0]);
}
