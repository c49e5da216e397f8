// SPDX-License-Identifier: GPL-2.0

//! Properties of a region of the private buddy: it answers as a naive one does, whatever is done.

use oxmm_model::region::{
    follow,
    Action, //
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The whole region, or a part of it, before anything else.
fn memory() -> impl Strategy<Value = Vec<Action>> {
    let add = |from, to, kind| Action::Add { from, to, kind };
    let kind = (0..5_usize).prop_map(|kind| oxmm_model::region::TYPES[kind]);
    prop_oneof![
        kind.clone().prop_map(move |kind| vec![add(0, 32768, kind)]),
        (vec(kind.clone(), 64)).prop_map(move |kinds| {
            let pageblocks = (0..64).zip(kinds);
            pageblocks
                .map(|(at, kind)| add(512 * at, 512 * at + 512, kind))
                .collect()
        }),
        (vec((0..32000_usize, 0..3000_usize, kind), 1..8)).prop_map(move |parts| {
            let parts = parts.into_iter();
            parts
                .map(|(from, size, kind)| add(from, from + size, kind))
                .collect()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn region_answers_as_a_naive_one(
        memory in memory(),
        actions in vec(any::<[u8; 8]>().prop_map(Action::from_bytes), 0..40),
    ) {
        follow(memory.into_iter().chain(actions), 1);
    }
}
