// SPDX-License-Identifier: GPL-2.0

//! Properties of the prediction: it is the naive model's for any machine and request, it says why
//! of every zone, and more memory never makes it worse.

use oxmm_model::algo::gfp::{
    Flag,
    FlagSet, //
};
use oxmm_model::algo::snapshot::would::{
    Asked,
    Blocks,
    Candidate,
    Kswapd,
    Rules, //
};
use oxmm_model::algo::snapshot::{
    Count,
    ListKind,
    Zone, //
};
use oxmm_model::algo::units::{
    Migratetype,
    NodeId,
    NrPages,
    Order,
    Pfn,
    ZoneKind, //
};
use oxmm_model::algo::would::{
    predict,
    Source, //
};
use oxmm_model::attempt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

const FLAGS: &[Flag] = &[
    Flag::High,
    Flag::DirectReclaim,
    Flag::KswapdReclaim,
    Flag::Nomemalloc,
    Flag::Movable,
    Flag::Reclaimable,
];

/// Small numbers, so that every comparison is met with equality often.
fn pages() -> impl Strategy<Value = NrPages> {
    prop_oneof![0..12_usize, 0..200_usize].prop_map(NrPages::new)
}

fn blocks() -> impl Strategy<Value = Blocks> {
    vec((0..=10_u32, 0..Migratetype::COUNT), 0..5).prop_map(|lists| {
        let mut blocks = Blocks::default();
        for (order, migratetype) in lists {
            let order = Order::new(order).unwrap();
            blocks.set(order, Migratetype::ALL[migratetype], true);
        }
        blocks
    })
}

fn zone() -> impl Strategy<Value = Zone> {
    let marks = [pages(), pages(), pages(), pages()];
    let counts = [pages(), pages(), pages(), pages()];
    let place = (0..3_u32, 0..4_usize);
    (place, marks, counts, vec(pages(), ZoneKind::COUNT)).prop_map(
        |((node, kind), steps, counts, reserve)| {
            let [free, free_exact, highatomic_free, managed] = counts;
            let boost = steps[3];
            let mut marks = steps;
            marks[0] = steps[0] + boost;
            for i in 1..marks.len() {
                marks[i] = marks[i - 1] + steps[i - 1];
            }
            let mut lowmem_reserve = [None; ZoneKind::COUNT];
            for (place, pages) in lowmem_reserve.iter_mut().zip(reserve) {
                *place = Some(pages);
            }
            Zone {
                node: NodeId::new(node).unwrap(),
                kind: ZoneKind::ALL[kind],
                start: Pfn::new(0),
                spanned: managed,
                present: managed,
                managed,
                cma: NrPages::ZERO,
                free,
                free_exact,
                free_bound: NrPages::ZERO,
                marks,
                boost,
                lowmem_reserve,
                highatomic_reserved: highatomic_free,
                highatomic_free,
            }
        },
    )
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let numbers = (pages(), pages(), 0..3_usize);
    let switches = (any::<[bool; 4]>(), 0..8_u32);
    (zone(), blocks(), numbers, switches).prop_map(
        |(zone, blocks, (cma_free, drift_mark, pcp), (switches, rare))| Candidate {
            zone,
            cma_free,
            drift_mark,
            blocks,
            has_cold: false,
            pcp: switches[0].then_some(Count {
                blocks: pcp,
                more: false,
            }),
            kswapd: Kswapd {
                is_idle: switches[1],
                is_hopeless: switches[2] && switches[3],
            },
            is_allowed: rare > 0,
        },
    )
}

fn asked() -> impl Strategy<Value = Asked> {
    let flags = subsequence(FLAGS, 0..=FLAGS.len());
    let nodes = option::of(vec(0..4_u32, 0..3));
    (flags, 0..=10_u32, 0..4_usize, any::<[bool; 5]>(), nodes).prop_map(
        |(flags, order, highest, switches, nodes)| {
            let node = |it| NodeId::new(it).unwrap();
            let flags: FlagSet = flags.into_iter().collect();
            Asked {
                order: Order::new(order).unwrap(),
                flags,
                bits: 0,
                migratetype: flags.migratetype(),
                node: NodeId::new(0).unwrap(),
                list: ListKind::Fallback,
                nodes: nodes.map(|it| it.into_iter().map(node).collect()),
                highest: ZoneKind::ALL[highest],
                cpu: 0,
                rules: Rules {
                    has_cma: switches[0],
                    avoids_mixing: switches[1],
                    highatomic_first: switches[2],
                    is_realtime: switches[3],
                    has_policy: false,
                    has_many_nodes: switches[4],
                    pageblock_order: Order::new(9).unwrap(),
                    max_order: Order::new(10).unwrap(),
                },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn prediction_is_that_of_the_model(asked in asked(), list in vec(candidate(), 0..7)) {
        let prediction = predict(&asked, &list);
        let ours = (prediction.first.served_by, prediction.slow.served_by);
        prop_assert_eq!(ours, attempt::predict(&asked, &list));
    }

    /// The zone that serves is the first that passes, and where none does each has its rule.
    #[test]
    fn every_zone_has_its_verdict(asked in asked(), list in vec(candidate(), 0..7)) {
        let prediction = predict(&asked, &list);
        for attempt in [prediction.first, prediction.slow] {
            prop_assert!((1..=4).contains(&attempt.walks));
            let judged = list.iter().map(|it| attempt.judge(&asked, &list, it));
            let passes = judged.clone().position(|it| it.stopped_by.is_none());
            prop_assert_eq!(passes, attempt.served_by);
            for it in judged.filter(|it| it.stopped_by.is_none()) {
                prop_assert!(it.numbers.left > 0 && it.source.is_some());
            }
        }
    }

    /// What is taken is on a list, and large enough.
    #[test]
    fn source_is_a_block_that_is_there(asked in asked(), list in vec(candidate(), 1..4)) {
        let slow = predict(&asked, &list).slow;
        for candidate in &list {
            if let Some(Source::List { migratetype, order }) =
                slow.judge(&asked, &list, candidate).source
            {
                prop_assert!(order >= asked.order);
                prop_assert!(candidate.blocks.has(order, migratetype));
            }
        }
    }

    /// One node whose kswapd sleeps: a free page more anywhere never stops a request.
    #[test]
    fn more_free_pages_never_stop_a_request(
        mut asked in asked(),
        mut list in vec(candidate(), 1..5),
        place in any::<proptest::sample::Index>(),
    ) {
        asked.rules.has_many_nodes = false;
        let before = predict(&asked, &list);
        let length = list.len();
        list[place.index(length)].zone.free += NrPages::new(1);
        let after = predict(&asked, &list);
        prop_assert!(before.first.served_by.is_none() || after.first.served_by.is_some());
        prop_assert!(before.slow.served_by.is_none() || after.slow.served_by.is_some());
    }
}
