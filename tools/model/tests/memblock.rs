// SPDX-License-Identifier: GPL-2.0

//! Properties of early memory: after any actions it is the map of its bytes, at both ends of the
//! address space and with arrays of any length.

use oxmm_model::expect_early::{
    follows_the_map,
    Action,
    Storage, //
};
use proptest::collection::vec;
use proptest::prelude::*;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = any::<[u8; Action::BYTES]>().prop_map(Action::from_bytes);
    vec(action, 0..60)
}

proptest! {
    #[test]
    fn actions_follow_the_map(at_end: bool, actions in actions()) {
        follows_the_map(at_end, Storage::Starts(128), actions.into_iter());
    }

    #[test]
    fn arrays_grow_as_asked_from_any_length(
        at_end: bool,
        first in 0..20_usize,
        actions in actions(),
    ) {
        follows_the_map(at_end, Storage::Starts(first), actions.into_iter());
    }

    #[test]
    fn arrays_grow_at_every_step_that_can_ask(at_end: bool, actions in actions()) {
        follows_the_map(at_end, Storage::Tight, actions.into_iter());
    }
}
