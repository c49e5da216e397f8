// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any actions on early memory; the first two bytes say where, and how long the arrays
//! are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::expect_early::{
    follows_the_map,
    Action,
    Storage, //
};

fuzz_target!(|input: &[u8]| {
    let [place, room, actions @ ..] = input else {
        return;
    };
    let storage = match room {
        255 => Storage::Tight,
        len => Storage::Starts(usize::from(*len)),
    };
    let actions = actions.chunks_exact(Action::BYTES).take(50);
    let actions = actions.filter_map(|bytes| Some(Action::from_bytes(bytes.try_into().ok()?)));
    follows_the_map(place % 2 == 1, storage, actions);
});
