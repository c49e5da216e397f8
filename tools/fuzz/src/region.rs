// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any actions on a region of the private buddy, eight bytes each, beside a naive one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::region::{
    follow,
    Action, //
};

fuzz_target!(|input: &[u8]| {
    let actions = input.chunks_exact(8).take(60);
    let actions = actions.filter_map(|bytes| bytes.try_into().ok());
    follow(actions.map(Action::from_bytes), 20);
});
